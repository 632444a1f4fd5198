//! One run: every case through every variant, taking turns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Run;
use crate::bootstrap::{self, Filters, Options};
use crate::case::{Case, Variant};
use crate::chain::Chain;
use crate::envoy::{Envoy, Placement};
use crate::load::{self, Load, Seen};
use crate::measurement::{Memory, Results, Round, Row};
use crate::open_streams::{self, Held, OpenStreams};
use crate::rate_limits::RateLimits;
use crate::{tokeniser, upstream};

/// Everything that stays the same in a run.
struct Session<'a> {
    run: &'a Run,
    program: &'a Path,
    placement: &'a Placement,
    filters: Filters,
    upstream: SocketAddr,
    folder: TempDir,
}

/// Takes all measurements. Progress goes to the standard error.
///
/// # Errors
/// When an Envoy does not start, or the run is interrupted. Cases that fail are in the results.
pub(crate) fn run(run: &Run, program: &Path, placement: &Placement) -> anyhow::Result<Results> {
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &placement.rest)?;
    allow_many_connections(run)?;
    let filters = Filters::in_folder(&run.filters);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let session = Session { run, program, placement, filters, upstream: upstream::spawn(0)?, folder };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = session.all() => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("terminated"),
        }
    })
}

/// Every open stream is four open files: the client's and the upstream's here, two in Envoy, which inherits the limit.
fn allow_many_connections(run: &Run) -> anyhow::Result<()> {
    let wanted = u64::from(run.open_streams) * 2 + 1000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard)?;
    }
    Ok(())
}

impl Session<'_> {
    async fn all(&self) -> anyhow::Result<Results> {
        let mut results = Results::default();
        if self.run.wants(tokeniser::NAME) {
            results.tokeniser = Some(tokeniser::measure(self.run)?);
        }
        self.cases(&mut results).await?;
        for streams in OpenStreams::ALL.into_iter().filter(|streams| self.run.wants(streams.name())) {
            match self.open_streams(streams).await {
                Ok(held) => results.open_streams.push((streams, held)),
                Err(error) => fail(&mut results, format!("{}: {error:#}", streams.name())),
            }
        }
        Ok(results)
    }

    fn options(&self) -> Options {
        Options { access_log: self.run.access_log, ..Options::default() }
    }

    /// Starts an Envoy; `name` names its files.
    fn start(&self, variant: Variant, chain: Chain, name: &str, options: Options) -> anyhow::Result<Envoy> {
        let folder = self.folder.path();
        let envoy = Envoy::start(self.program, folder, name, &self.placement.envoy, |port| {
            bootstrap::bootstrap(variant, chain, &self.filters, port, self.upstream, options)
        })?;
        eprintln!("{name:7} Envoy is process {}", envoy.pid());
        Ok(envoy)
    }

    /// All cases.
    async fn cases(&self, results: &mut Results) -> anyhow::Result<()> {
        for chain in Chain::ALL {
            let cases: Vec<Case> = self.run.cases().into_iter().filter(|case| case.chain == chain).collect();
            if !cases.is_empty() {
                self.cases_through(chain, cases, results).await?;
            }
        }
        Ok(())
    }

    /// Cases with the same filters, through one Envoy per variant.
    async fn cases_through(
        &self,
        chain: Chain,
        cases: Vec<Case>,
        results: &mut Results,
    ) -> anyhow::Result<()> {
        let limits = (chain == Chain::Global)
            .then(|| RateLimits::start(&self.filters.command, self.folder.path()))
            .transpose()?;
        let options = Options { rate_limits: limits.as_ref().map(|limits| limits.address), ..self.options() };
        let mut envoys = Vec::new();
        for variant in self.run.variants() {
            let name = match chain {
                Chain::Gateway => variant.name().to_owned(),
                chain => format!("{}-{}", chain.name(), variant.name()),
            };
            let envoy = self.start(variant, chain, &name, options)?;
            results.memory.insert((chain, variant), Memory { at_start: envoy.resident()? });
            envoys.push((variant, envoy));
        }
        for case in cases {
            for &connections in self.run.connections(case) {
                match measure(self.run, case, connections, &envoys, limits.as_ref()).await {
                    Ok(rounds) => results.rows.push(Row { case, connections, rounds }),
                    Err(error) => {
                        fail(results, format!("{}, {connections} connections: {error:#}", case.title()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Many open streams, through a fresh Envoy for each variant: memory that was freed once often stays resident.
    async fn open_streams(&self, streams: OpenStreams) -> anyhow::Result<BTreeMap<Variant, Held>> {
        let mut all = BTreeMap::new();
        let options = Options { release_memory: true, ..self.options() };
        for variant in self.run.variants() {
            let name = format!("{}-{}", streams.name(), variant.name());
            let envoy = self.start(variant, streams.case().chain, &name, options)?;
            let held = open_streams::measure(self.run, streams, variant, &envoy)
                .await
                .with_context(|| format!("{} Envoy, log: [{}]", variant.name(), envoy.log_end()))?;
            eprintln!(
                "{}, {}: {:.1} KiB per stream",
                streams.name(),
                variant.name(),
                held.per_stream() / 1024.0
            );
            all.insert(variant, held);
        }
        Ok(all)
    }
}

fn fail(results: &mut Results, failure: String) {
    eprintln!("FAILED: {failure}");
    results.failures.push(failure);
}

/// All rounds of one case.
async fn measure(
    run: &Run,
    case: Case,
    connections: u32,
    envoys: &[(Variant, Envoy)],
    limits: Option<&RateLimits>,
) -> anyhow::Result<BTreeMap<Variant, Vec<Round>>> {
    let mut rounds = BTreeMap::<Variant, Vec<Round>>::new();
    for number in 1..=run.rounds {
        for (variant, envoy) in envoys {
            let limits = limits.filter(|_| *variant != Variant::Bare);
            let asked_before = spent(limits).await?;
            let round = measure_once(run, case, connections, *variant, envoy)
                .await
                .with_context(|| format!("{} Envoy, log: [{}]", variant.name(), envoy.log_end()))?;
            eprintln!(
                "{:36} {connections:3} connections, round {number}, {:6}: {round}",
                case.title(),
                variant.name()
            );
            // An Envoy that finds no descriptor asks nobody, and passes everything.
            ensure!(
                limits.is_none() || spent(limits).await? > asked_before,
                "{} Envoy did not ask the rate limit service",
                variant.name()
            );
            rounds.entry(*variant).or_default().push(round);
        }
    }
    Ok(rounds)
}

/// What a rate limit service has counted, if there is one.
async fn spent(limits: Option<&RateLimits>) -> anyhow::Result<u64> {
    match limits {
        Some(limits) => limits.spent().await,
        None => Ok(0),
    }
}

/// Bytes of an answer's end by which complete ones are known.
const ENDING: usize = 16;

async fn measure_once(
    run: &Run,
    case: Case,
    connections: u32,
    variant: Variant,
    envoy: &Envoy,
) -> anyhow::Result<Round> {
    if let Some(probe) = case.probe(variant) {
        case.check_probe(&load::fetch(envoy.address, &probe).await?)?;
    }
    let request: Rc<[u8]> = case.request(variant, run.pace()).into();
    let answer = load::fetch(envoy.address, &request).await?;
    case.check(variant, &answer)?;
    // All answers are the same, so they end as the one that was looked at as a whole.
    let ending = answer.get(answer.len().saturating_sub(ENDING)..).unwrap_or_default();
    let (warmup, duration) = run.times(case);
    let load = Load {
        address: envoy.address,
        request,
        ending: ending.into(),
        connections,
        warmup,
        duration,
        spread: case.answer_time(run.pace()),
        chunks_apart: case.times_chunks().then(|| run.pace()),
    };
    let mut marks = Vec::new();
    let seen = load::run(load, || marks.push((envoy.cpu_time(), own_cpu_time()))).await?;
    let (Some((Ok(envoy_end), own_end)), Some((Ok(envoy_start), own_start))) = (marks.pop(), marks.pop())
    else {
        anyhow::bail!("Envoy has ended");
    };
    Ok(round(
        &seen,
        envoy_end.saturating_sub(envoy_start),
        own_end.saturating_sub(own_start),
        envoy.resident()?,
    ))
}

/// CPU time of load and upstream.
fn own_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn round(seen: &Seen, envoy_cpu: Duration, own_cpu: Duration, resident: u64) -> Round {
    let seconds = seen.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 answers")]
    let (answers, closed) = (seen.answers as f64, seen.closed as f64);
    let milliseconds = |histogram: &hdrhistogram::Histogram<u64>, quantile: f64| {
        Duration::from_nanos(histogram.value_at_quantile(quantile)).as_secs_f64() * 1000.0
    };
    Round {
        rate: answers / seconds,
        cpu: envoy_cpu.as_secs_f64() / answers * 1000.0,
        latency: (milliseconds(&seen.latency, 0.5), milliseconds(&seen.latency, 0.99)),
        first_byte: (milliseconds(&seen.first_byte, 0.5), milliseconds(&seen.first_byte, 0.99)),
        chunk: (!seen.chunk.is_empty())
            .then(|| (milliseconds(&seen.chunk, 0.5), milliseconds(&seen.chunk, 0.99))),
        envoy_busy: envoy_cpu.as_secs_f64() / seconds,
        bench_busy: own_cpu.as_secs_f64() / seconds,
        closed: closed / answers,
        resident,
    }
}
