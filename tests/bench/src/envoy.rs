//! The Envoy processes that are measured, and what the kernel says about them.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use serde_json::Value;

/// How long an Envoy may take to listen; compiling a wasm module takes a second or two.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long an Envoy may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// A running Envoy with one worker. It is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Envoy {
    child: Child,
    clock: ClockId,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Envoy {
    /// Starts `program` with the configuration that `bootstrap` makes for a free port, and waits until it
    /// listens. Its files go to `folder`, their names begin with `name`. The process stays on `cpus`.
    ///
    /// # Errors
    /// When it does not come to listen, with the end of its log.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        name: &str,
        cpus: &CpuSet,
        bootstrap: impl FnOnce(u16) -> anyhow::Result<Value>,
    ) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = folder.join(format!("{name}.json"));
        std::fs::write(&config, bootstrap(port)?.to_string())?;
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.arg("-c").arg(&config);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = spawn_on(cpus, &mut command)
            .with_context(|| format!("cannot start Envoy ({})", program.display()))?;
        let clock = clock_getcpuclockid(pid_of(&child)?)?;
        let mut envoy = Self { child, clock, address: SocketAddr::from(([127, 0, 0, 1], port)), log };
        envoy.wait_until_listening().with_context(|| format!("the {name} Envoy does not start"))?;
        Ok(envoy)
    }

    fn wait_until_listening(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}; its log ends with:\n{}", self.log_end());
            }
            if begun.elapsed() > START_LIMIT {
                bail!("it does not listen after {START_LIMIT:?}; its log ends with:\n{}", self.log_end());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The last lines of Envoy's log.
    pub(crate) fn log_end(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time used by all its threads so far, in user and kernel mode, to the nanosecond.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        Ok(self.clock.now().context("Envoy has ended")?.into())
    }

    /// Resident memory in bytes, shared pages included (`VmRSS`, see proc_pid_status(5)).
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).context("Envoy has ended")?;
        let kib = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        Ok(kib.context("/proc/PID/status has no VmRSS")? * 1024)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let pid = pid_of(&self.child);
        let asked = pid.is_ok_and(|pid| kill(pid, Signal::SIGTERM).is_ok());
        let begun = Instant::now();
        while asked && begun.elapsed() < STOP_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It has ended already, or will not listen to reason.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid_of(child: &Child) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

/// Starts a process that stays on some CPUs. A child inherits the CPUs of the thread that starts it.
fn spawn_on(cpus: &CpuSet, command: &mut Command) -> anyhow::Result<Child> {
    let this_thread = Pid::from_raw(0);
    let own = sched_getaffinity(this_thread)?;
    sched_setaffinity(this_thread, cpus)?;
    let child = command.spawn();
    sched_setaffinity(this_thread, &own)?;
    Ok(child?)
}

/// Who runs where.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// The CPUs of the Envoys.
    pub(crate) envoy: CpuSet,
    /// The CPUs of load and upstream.
    pub(crate) rest: CpuSet,
    /// In words, for the report.
    pub(crate) description: String,
}

impl Placement {
    /// Envoy on the last of our CPUs, all else on the others; everything everywhere when there is only one or
    /// `pin` is not wanted.
    ///
    /// # Errors
    /// When the kernel does not tell which CPUs are ours.
    pub(crate) fn choose(pin: bool) -> anyhow::Result<Self> {
        let all = sched_getaffinity(Pid::from_raw(0))?;
        let mut ours = (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or(false));
        let (Some(last), true, true) = (ours.next_back(), ours.next().is_some(), pin) else {
            let description = "Envoy, load and upstream share the CPUs".to_owned();
            return Ok(Self { envoy: all, rest: all, description });
        };
        let mut envoy = CpuSet::new();
        envoy.set(last)?;
        let mut rest = all;
        rest.unset(last)?;
        let description = format!("Envoy on CPU {last}, load and upstream on the others");
        Ok(Self { envoy, rest, description })
    }
}
