//! One run: every case through every variant, taking turns.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use nix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Run;
use crate::bootstrap::{self, Filters};
use crate::case::{Case, Variant};
use crate::envoy::{Envoy, Placement};
use crate::load::{self, Load, Seen};
use crate::measurement::{Memory, Results, Round, Row};
use crate::{payloads, upstream};

/// Starts one Envoy per variant and runs all cases. Progress goes to the standard error.
///
/// # Errors
/// When an Envoy does not start, or the run is interrupted. Cases that fail are in the results.
pub(crate) fn run(run: &Run, program: &Path, placement: &Placement) -> anyhow::Result<Results> {
    let filters = Filters::in_folder(&run.filters);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &placement.rest)?;
    let upstream = upstream::spawn(0)?;
    let mut envoys = Vec::new();
    let mut results = Results::default();
    for variant in run.variants() {
        let envoy = Envoy::start(program, folder.path(), variant.name(), &placement.envoy, |port| {
            bootstrap::bootstrap(variant, &filters, port, upstream, run.access_log)
        })?;
        eprintln!("{:7} Envoy is process {}", variant.name(), envoy.pid());
        results.memory.insert(variant, Memory { at_start: envoy.resident()? });
        envoys.push((variant, envoy));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = async {
        for case in run.cases() {
            for &connections in &run.connections {
                match measure(run, case, connections, &envoys).await {
                    Ok(rounds) => results.rows.push(Row { case, connections, rounds }),
                    Err(error) => {
                        let failure = format!("{}, {connections} connections: {error:#}", case.title());
                        eprintln!("FAILED: {failure}");
                        results.failures.push(failure);
                    }
                }
            }
        }
        Ok(())
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = all => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("terminated"),
        }
    })?;
    Ok(results)
}

/// All rounds of one case.
async fn measure(
    run: &Run,
    case: Case,
    connections: u32,
    envoys: &[(Variant, Envoy)],
) -> anyhow::Result<BTreeMap<Variant, Vec<Round>>> {
    let mut rounds = BTreeMap::<Variant, Vec<Round>>::new();
    for number in 1..=run.rounds {
        for (variant, envoy) in envoys {
            let round = measure_once(run, case, connections, *variant, envoy)
                .await
                .with_context(|| format!("{} Envoy, log: [{}]", variant.name(), envoy.log_end()))?;
            eprintln!(
                "{:36} {connections:3} connections, round {number}, {:6}: {round}",
                case.title(),
                variant.name()
            );
            rounds.entry(*variant).or_default().push(round);
        }
    }
    Ok(rounds)
}

async fn measure_once(
    run: &Run,
    case: Case,
    connections: u32,
    variant: Variant,
    envoy: &Envoy,
) -> anyhow::Result<Round> {
    let request: Rc<[u8]> = case.request(variant, run.pace()).into();
    let client = case.client(variant);
    let answer = load::fetch(envoy.address, &request).await?;
    payloads::check_answer(client, case.streams(), &answer)?;
    let load = Load {
        address: envoy.address,
        request,
        ending: client.ending(case.streams()),
        connections,
        warmup: run.warmup(),
        duration: run.duration(),
        spread: case.answer_time(run.pace()),
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
    let answers = seen.answers as f64;
    let milliseconds = |histogram: &hdrhistogram::Histogram<u64>, quantile: f64| {
        Duration::from_nanos(histogram.value_at_quantile(quantile)).as_secs_f64() * 1000.0
    };
    Round {
        rate: answers / seconds,
        cpu: envoy_cpu.as_secs_f64() / answers * 1000.0,
        latency: (milliseconds(&seen.latency, 0.5), milliseconds(&seen.latency, 0.99)),
        first_byte: (milliseconds(&seen.first_byte, 0.5), milliseconds(&seen.first_byte, 0.99)),
        envoy_busy: envoy_cpu.as_secs_f64() / seconds,
        bench_busy: own_cpu.as_secs_f64() / seconds,
        resident,
    }
}
