//! Running Envoy: starting it, starting it again, stopping it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::leash;
use super::logs::{FORMAT, LogReader};

/// How long Envoy may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How long what runs on open connections may outlive a change of their listener, in seconds: a day. When it is over, Envoy
/// cuts it off. Longer than realtime sessions and any answer take; idle connections end after an hour by themselves.
const DRAIN_SECONDS: &str = "86400";

/// How Envoy is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) binary: PathBuf,
    /// The bootstrap.
    pub(crate) config: PathBuf,
    /// Worker threads; Envoy's default is one per core.
    pub(crate) concurrency: Option<u32>,
}

impl Launch {
    fn command(&self) -> Command {
        // This very file, even when another build has replaced it meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.arg(leash::COMMAND).arg(std::process::id().to_string()).arg("--").arg(&self.binary);
        command.arg("-c").arg(&self.config);
        // Log lines are to appear with the request they are about; the default is ten seconds.
        command.args(["--file-flush-interval-msec", "200"]);
        command.args(["--log-level", "warn", "--log-format", FORMAT]);
        // An open connection keeps the filters it began with, and may so pass by one that a policy has just brought. Each is
        // told to close with its next answer; by default chance decides, and for minutes in favour of leaving it open.
        command.args(["--drain-strategy", "immediate", "--drain-time-s", DRAIN_SECONDS]);
        // Nothing is handed from process to process, so gateways on one machine need no ids.
        command.arg("--disable-hot-restart");
        if let Some(concurrency) = self.concurrency {
            command.arg("--concurrency").arg(concurrency.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C in a terminal goes to the whole group: Envoy is to be stopped in order, by this process.
        command.process_group(0);
        command
    }
}

/// Keeps Envoy running until `stop` completes, then stops it. Each line of its standard output goes to `line`.
///
/// Call it on the main thread: the kernel takes the end of the thread that started a process for the end of its parent.
pub(crate) async fn supervise(
    launch: &Launch,
    line: impl Fn(&str) + Clone + Send + 'static,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut back_off = BackOff::default();
    loop {
        let began = Instant::now();
        let ended = match Running::start(launch, line.clone()) {
            Ok(mut running) => tokio::select! {
                status = running.child.wait() => {
                    running.drain().await;
                    match status {
                        Ok(status) => describe(status),
                        Err(error) => error.to_string(),
                    }
                }
                () = &mut stop => return running.stop().await,
            },
            Err(error) => format!("could not be started: {error}"),
        };
        let pause = back_off.next(began.elapsed());
        tracing::error!("Envoy {ended}; starting it again in {} ms", pause.as_millis());
        tokio::select! {
            () = sleep(pause) => {}
            () = &mut stop => return,
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// An Envoy process and the tasks that read its output.
struct Running {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

impl Running {
    fn start(launch: &Launch, line: impl Fn(&str) + Send + 'static) -> std::io::Result<Self> {
        let mut child = launch.command().spawn()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(read_lines(stdout, line)));
        }
        if let Some(stderr) = child.stderr.take() {
            let mut log = LogReader::new(stopping.clone());
            readers.push(tokio::spawn(read_lines(stderr, move |line| log.forward(line))));
        }
        Ok(Self { child, readers, stopping })
    }

    async fn stop(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
            tracing::debug!(%error, "Envoy has ended already");
        }
        if timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            tracing::warn!("Envoy did not stop within {} s: killing it", STOP_WITHIN.as_secs());
            if let Err(error) = self.child.kill().await {
                tracing::error!(%error, "Envoy could not be killed");
            }
        }
        self.drain().await;
    }

    /// Reads what is left of the output.
    async fn drain(&mut self) {
        for reader in self.readers.drain(..) {
            // The pipes close with the process; a reader that broke has said so.
            let _ = timeout(Duration::from_secs(1), reader).await;
        }
    }
}

async fn read_lines(stream: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                if !text.is_empty() {
                    each(text);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "Envoy's output cannot be read any more");
                return;
            }
        }
    }
}

/// Pauses between starts.
#[derive(Debug, Default)]
struct BackOff {
    failures: u32,
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);
    /// A process that lived this long had started well.
    const HEALTHY: Duration = Duration::from_secs(60);

    /// How long to wait after a process that lived for `life`.
    fn next(&mut self, life: Duration) -> Duration {
        if life >= Self::HEALTHY {
            self.failures = 0;
        }
        let pause = Self::FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_over_after_a_good_run() {
        let mut back_off = BackOff::default();
        let pauses: Vec<u128> = (0..9).map(|_| back_off.next(Duration::ZERO).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(back_off.next(BackOff::HEALTHY).as_millis(), 100);
        assert_eq!(back_off.next(Duration::ZERO).as_millis(), 200);
    }

    #[tokio::test]
    async fn lines_are_read_whatever_they_hold() {
        let mut lines = Vec::new();
        read_lines(&b"one\n\n\xff two\r\nthree"[..], |line| lines.push(line.to_owned())).await;
        assert_eq!(lines, ["one", "\u{fffd} two", "three"]);
    }
}
