//! `weir-bench`: what Weir's filters cost in stock Envoy.
//!
//! The same traffic runs through bare Envoy, the dynamic module and the wasm module, from a load generator and
//! to a provider of our own ([`load`], [`upstream`]) that are cheap enough to leave the machine to Envoy.
//! Two more measurements stand beside it: memory while many streams are open ([`open_streams`]), and counting tokens
//! without any Envoy ([`tokeniser`]). [`session`] takes the measurements, [`measurement`] compares them, [`report`] writes `docs/bench.md`.
#![forbid(unsafe_code)]

mod arguments;
mod bootstrap;
mod case;
mod chain;
mod envoy;
mod http1;
mod load;
mod machine;
mod measurement;
mod open_streams;
mod payloads;
mod rate_limits;
mod report;
mod session;
mod tokeniser;
mod upstream;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use arguments::{Arguments, Run, Sub};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(Sub::Upstream { port }) => serve(port),
        None => run(&arguments.run),
    };
    done.unwrap_or_else(|error| {
        eprintln!("weir-bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn serve(port: u16) -> anyhow::Result<ExitCode> {
    println!("serving on {}", upstream::spawn(port)?);
    loop {
        std::thread::park();
    }
}

fn run(run: &Run) -> anyhow::Result<ExitCode> {
    run.check()?;
    let program = machine::find_envoy(run.envoy.clone())?;
    let placement = envoy::Placement::choose(!run.no_pin)?;
    let setting = report::Setting {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        machine: machine::machine(),
        placement: placement.description.clone(),
        envoy: machine::envoy_version(&program)?,
        weir: machine::weir_version(),
        command: command_line(),
        times: (run.duration().as_secs_f64(), run.warmup().as_secs_f64(), run.rounds),
        pace_ms: run.pace().as_millis(),
        access_log: run.access_log,
    };
    let results = session::run(run, &program, &placement)?;
    let report = report::markdown(&setting, &results);
    println!("{report}");
    if !results.failures.is_empty() {
        anyhow::bail!("{} cases failed; the report was not written", results.failures.len());
    }
    if let Some(out) = run.out() {
        write(&out, &report)?;
        eprintln!("wrote {}", out.display());
    }
    let missed = measurement::missed(&results);
    Ok(if run.check && !missed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(file: &Path, report: &str) -> anyhow::Result<()> {
    std::fs::write(file, report).with_context(|| format!("cannot write {}", file.display()))
}

/// The command as one would type it: the program without its folder.
fn command_line() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program =
        Path::new(&program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into_owned());
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}
