//! `chaos`: the loss drill's program. `./dev chaos` builds it, gives it services of its own, and starts it.

use std::process::ExitCode;

use clap::Parser as _;
use waybill_chaos::{Arguments, drill};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the drill did not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(drill::run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the drill could not go on: {error:#}");
            ExitCode::from(2)
        }
    }
}
