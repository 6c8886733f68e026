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
mod receipt_seq;
mod replays;
mod report;
mod run;
mod scaling;
mod services;
mod table;

use std::path::{Path, PathBuf};
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
    /// Measures one part alone, prints its figures and writes them.
    Part {
        /// Which.
        part: Part,
        /// Dead letters, where the part has some.
        #[arg(long, default_value_t = Plan::full().dead_letters)]
        dead_letters: u64,
        /// The figures' file.
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
enum Part {
    /// A replay plan over many dead letters.
    Replays,
    /// What one index costs accepting; in no full run.
    ReceiptSeq,
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
        Verb::Part { part, dead_letters, report } => {
            let plan = Plan { dead_letters, ..Plan::full() };
            let services = Services::from_environment()?;
            tokio::select! {
                done = one(part, &services, &plan, &report) => done,
                () = interrupted() => anyhow::bail!("interrupted"),
            }
        }
        Verb::Role { role: Role::HttpFloor } => floors::http::run().await,
        Verb::Role { role: Role::NaiveIngest } => naive::ingest().await,
        Verb::Role { role: Role::NaiveWorker } => naive::worker().await,
    }
}

async fn one(part: Part, services: &Services, plan: &Plan, report: &Path) -> anyhow::Result<()> {
    match part {
        Part::Replays => report::write(&replays::measure(services, plan).await?, report)?,
        Part::ReceiptSeq => report::write(&receipt_seq::measure(services, plan).await?, report)?,
    }
    println!("{}", std::fs::read_to_string(report)?);
    Ok(())
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
