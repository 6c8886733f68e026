//! `waybill`: the operator's tool, and the serving process.

use std::process::ExitCode;

use clap::Parser;
use waybill::cli::Arguments;

fn main() -> ExitCode {
    waybill::commands::run(Arguments::parse())
}
