//! `chaos`: the loss drill's program. `./dev chaos` builds it, gives it services of its own, and starts it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
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
    match runtime.block_on(until_told(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the drill could not go on: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Drills until told to stop: then what was started is ended, and nothing outlives the drill.
async fn until_told(arguments: &Arguments) -> Result<bool> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        ended = drill::run(arguments) => ended,
        _ = terminate.recv() => bail!("it was told to stop"),
        _ = interrupt.recv() => bail!("it was told to stop"),
    }
}
