//! The `weir` binary.
//!
//! `weir run` is file mode: objects from YAML files, one supervised Envoy, configuration over delta ADS from this
//! process. The other commands print what the same code makes of the same files.
//!
//! The way through the code: `cli` says what can be asked, `commands/` holds one file per command, `source/` turns
//! files into objects and notices changes, `configuration` turns objects into Envoy configuration and findings,
//! `envoy/` finds and supervises the data plane, and `gateway` ties them together for `weir run`. What people see is
//! written by `console`, `finding_report`, `route_table`, `snippets` and `request_log`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod configuration;
mod console;
mod envoy;
mod error;
mod finding_report;
mod gateway;
mod ports;
mod request_log;
mod route_table;
mod snippets;
mod source;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::execute(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error}");
            error.exit_code()
        }
    }
}
