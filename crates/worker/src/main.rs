//! `worker`: consumes, processes, records, then acknowledges.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use waybill_core::kinds::REGISTRY;
use waybill_process::{lifecycle, telemetry};
use worker::Config;

/// Takes messages from RabbitMQ, processes them, and records what came of it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (TOML); `WAYBILL_SECTION__KEY` variables override it.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(mistakes) => return mistakes.report(),
    };
    let limit = Duration::from_secs(config.process.shutdown_s_max);
    lifecycle::run("worker", limit, |lifecycle| async move {
        telemetry::init(&config.process).map_err(anyhow::Error::msg)?;
        worker::start(config, REGISTRY, &lifecycle).await?;
        Ok(())
    })
}
