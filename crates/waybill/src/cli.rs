//! The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing matched, 78 wrong
//! configuration.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use uuid::Uuid;

/// Operates Waybill: schema, topology, sources, messages, dead letters; and serves.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file (TOML); `WAYBILL_SECTION__KEY` variables override it.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the ledger's schema up to date.
    Migrate,
    /// Declare or compare RabbitMQ's exchanges, queues and bindings.
    #[command(subcommand)]
    Topology(Topology),
    /// Make the ledger's sources match a file; prints the difference first.
    Apply {
        /// The file of sources (TOML).
        #[arg(short, long)]
        file: PathBuf,
        /// Stop after printing the difference.
        #[arg(long)]
        dry_run: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Sources and their keys.
    #[command(subcommand)]
    Source(Source),
    /// Single messages.
    #[command(subcommand)]
    Message(Message),
    /// Dead letters.
    #[command(subcommand)]
    Dead(Dead),
    /// What was accepted, and where it is now, by source.
    Report {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// The balance of every source, and what does not fit, by id; exit code 1 if anything does not.
    Reconcile {
        /// Mend what can be mended without guessing.
        #[arg(long)]
        repair: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Check everything Waybill depends on; exit 1 when a check fails.
    Doctor {
        /// The processes.
        #[command(flatten)]
        processes: Processes,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Run the serving process: a relay, sweeps, figures.
    Serve,
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// Print JSON for machines.
    #[arg(long)]
    pub json: bool,
}

/// Where the processes' admin ports are.
#[derive(Debug, Clone, Args)]
pub struct Processes {
    /// Of ingest-api.
    #[arg(long, value_name = "URL", env = "WAYBILL_INGEST_ADMIN_URL")]
    pub ingest_admin_url: Option<String>,
    /// Of the workers, separated by commas.
    #[arg(long, value_name = "URLS", value_delimiter = ',', env = "WAYBILL_WORKER_ADMIN_URLS")]
    pub worker_admin_urls: Vec<String>,
    /// Of waybill serve.
    #[arg(long, value_name = "URL", env = "WAYBILL_SERVE_ADMIN_URL")]
    pub serve_admin_url: Option<String>,
}

/// Commands on the topology.
#[derive(Debug, Subcommand)]
pub enum Topology {
    /// Declare what is missing.
    Apply,
    /// Compare, print each difference, exit 1 if there is one.
    Check {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Commands on sources.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// Every source.
    List {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give a source a new key, shown once; the newest older key stays live beside it.
    RotateKey {
        /// The source's name.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Commands on messages.
#[derive(Debug, Subcommand)]
pub enum Message {
    /// One message: its receipt, state, attempts and timeline; its body only with --as.
    Show {
        /// The message's id.
        id: Uuid,
        /// The body.
        #[command(flatten)]
        body: Body,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Whether to show a body, and how.
#[derive(Debug, Clone, Args)]
pub struct Body {
    /// Show the body in this form instead, every value that may be personal masked.
    #[arg(long = "as", value_name = "FORM")]
    pub form: Option<Form>,
    /// Show it in clear, for this reason: the audit trail keeps who looked, at what, and why.
    #[arg(long, value_name = "REASON", requires = "form", value_parser = words)]
    pub reveal: Option<String>,
    /// Who asks, for the audit trail.
    #[arg(long, env = "USER", hide_env_values = true)]
    pub actor: Option<String>,
}

/// The forms of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As it was received.
    Raw,
    /// An HL7 message as JSON (docs/NORMALIZED.md).
    Normalized,
}

/// An argument that says something.
fn words(text: &str) -> Result<String, &'static str> {
    let words = text.trim();
    if words.is_empty() { Err("it says nothing") } else { Ok(words.to_owned()) }
}

/// Commands on dead letters.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// The newest dead letters.
    List {
        /// Of this source only.
        #[arg(long)]
        source: Option<String>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give dead letters another try: due again, in their old place, with a fresh allowance of attempts.
    Replay {
        /// The messages' ids.
        #[arg(required = true, num_args = 1..)]
        ids: Vec<Uuid>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Decide that dead letters are to have no effects; what waited for them goes on.
    Discard {
        /// The messages' ids.
        #[arg(required = true, num_args = 1..)]
        ids: Vec<Uuid>,
        /// Why: at most 500 characters, shown with the message, to its sender too.
        #[arg(long, value_parser = reason)]
        reason: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// A reason that says something, and fits the ledger.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=500 => Ok(text.to_owned()),
        0 => Err("say why".to_owned()),
        long => Err(format!("{long} characters; at most 500")),
    }
}
