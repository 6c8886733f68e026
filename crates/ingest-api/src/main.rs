//! `ingest-api`: accepts over HTTP, stores, answers; publishes what is due.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ingest_api::Config;
use waybill_process::{lifecycle, telemetry};

/// Accepts messages over HTTP and answers once they are safe in the ledger.
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
    lifecycle::run("ingest-api", limit, |lifecycle| async move {
        telemetry::init(&config.process).map_err(anyhow::Error::msg)?;
        ingest_api::start(config, &lifecycle).await?;
        Ok(())
    })
}
