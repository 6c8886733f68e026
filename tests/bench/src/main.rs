//! The benchmark: Waybill's own programs under load, next to floors and a naive gateway that are measured
//! in the same run on the same services. Run it as `./dev bench`; docs/BENCHMARKS.md says how to read it.
//!
//! It decides nothing by speed: a slow machine gives small figures. It fails when a message is lost.

mod bodies;
mod floors;
mod gateway;
mod hl7;
mod hot;
mod latency;
mod load;
mod measure;
mod naive;
mod plan;
mod programs;
mod report;
mod run;
mod scaling;
mod services;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};

use crate::plan::Plan;
use crate::services::Services;

/// The benchmark; started by `./dev bench`.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Measures everything, prints a table and writes the report.
    Run {
        /// About two minutes instead of ten.
        #[arg(long)]
        quick: bool,
        /// The report's file; the table goes beside it, as Markdown.
        #[arg(long)]
        report: PathBuf,
    },
    /// Is one of the programs that Waybill is compared with.
    Role {
        /// Which.
        role: Role,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    HttpFloor,
    NaiveIngest,
    NaiveWorker,
}

#[tokio::main]
async fn main() -> ExitCode {
    match act(Arguments::parse().verb).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Run { quick, report } => {
            let plan = if quick { Plan::quick() } else { Plan::full() };
            let services = Services::from_environment()?;
            tokio::select! {
                done = run::run(&services, &plan, &report) => done,
                // what runs is killed when it is dropped
                () = interrupted() => anyhow::bail!("interrupted"),
            }
        }
        Verb::Role { role: Role::HttpFloor } => floors::http::run().await,
        Verb::Role { role: Role::NaiveIngest } => naive::ingest().await,
        Verb::Role { role: Role::NaiveWorker } => naive::worker().await,
    }
}

/// Ends when somebody asks us to stop.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Says what is being done, and how long the run has lasted.
pub(crate) fn say(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let seconds = BEGAN.get_or_init(Instant::now).elapsed().as_secs();
    println!("{:>3}:{:02} {what}", seconds / 60, seconds % 60);
}
