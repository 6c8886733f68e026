//! `waybill`: the operator's tool, and the serving process.

use std::process::ExitCode;

use clap::FromArgMatches as _;
use waybill::cli::{Arguments, command};

fn main() -> ExitCode {
    let matches = command().get_matches();
    match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => waybill::commands::run(arguments),
        Err(error) => error.exit(),
    }
}
