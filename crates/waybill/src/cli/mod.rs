//! The command line. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing matched, 78 wrong
//! configuration. [`command`] is what is parsed: the commands, each with its examples.

mod audit;
mod config;
mod dead;
mod examples;
mod find;
mod letters;
mod message;
mod plan;
mod source;
mod top;
mod user;
mod who;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::terminal::Colour;

pub use audit::{Acts, Audit};
pub use config::{Config, Manual, Shell};
pub use dead::{Dead, Edit, Undo};
pub use examples::command;
pub use find::{Find, Pack, PackFormat};
pub use letters::{Letters, Typed};
pub use message::{Body, Form, Message};
pub use plan::{Move, NewPlan, Plan};
pub use source::{Changed, Source, Until};
pub use top::Top;
pub use user::User;
pub use who::Who;

/// Operates Waybill: schema, topology, sources, messages, dead letters; and serves.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file (TOML); `WAYBILL_SECTION__KEY` variables override it.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// Who does it.
    #[command(flatten)]
    pub who: Who,
    /// Colours: on a terminal unless `NO_COLOR` is set, always, or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the ledger's schema up to date.
    Migrate {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
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
    /// Who did what, and the proof that nobody changed what it says.
    #[command(subcommand)]
    Audit(Audit),
    /// Replay plans; `dead replay` with a filter makes one.
    #[command(subcommand)]
    Plan(Plan),
    /// The console's users and their sessions.
    #[command(subcommand)]
    User(User),
    /// What was accepted, and where it is now, by source; with --from and --to the pack of an incident:
    /// what was accepted, delayed, dead and repaired, with its ids.
    Report {
        /// The pack.
        #[command(flatten)]
        pack: Pack,
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
    /// The flow, live: what comes and goes by source, what waits and how long, RabbitMQ, replay plans.
    Top(Top),
    /// The configuration: whether it is right, and what it is.
    #[command(subcommand)]
    Config(Config),
    /// Run the serving process: a relay, sweeps, figures, the console.
    Serve,
    /// Print a shell's completions of this command line.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page, or write all of them to a folder.
    Man(Manual),
}

/// Every command, for instance `dead replay`: for whoever checks what each leaves on the audit trail.
pub fn all() -> Vec<String> {
    fn walk(command: &clap::Command, before: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let path = format!("{before}{}", sub.get_name());
            if sub.has_subcommands() {
                walk(sub, &format!("{path} "), found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Arguments::command(), "", &mut found);
    found
}

/// How to print.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// Print JSON for machines.
    #[arg(long)]
    pub json: bool,
}

/// To take a list out.
#[derive(Debug, Clone, Default, Args)]
pub struct Export {
    /// Write the list as CSV to this new file, or to standard output (`-`); that it was taken, by which filter
    /// and how many is on the audit trail first.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub csv: Option<PathBuf>,
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
    Apply {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compare, print each difference, exit 1 if there is one.
    Check {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Print what must be declared, as definitions that RabbitMQ imports; asks RabbitMQ nothing.
    Render {
        /// For these lanes; without any, those of the ledger's sources and the lane `default`.
        #[arg(long = "lane", value_name = "LANE", value_parser = lane)]
        lanes: Vec<String>,
        /// The virtual host that the definitions name; without it, the one of amqp.url.
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
        /// How to print; definitions are JSON anyway.
        #[command(flatten)]
        output: Output,
    },
}

/// A lane's name, as a source may give it.
fn lane(text: &str) -> Result<String, &'static str> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&text.len()) && text.bytes().all(fine);
    if is_name { Ok(text.to_owned()) } else { Err("small letters, digits and -, at most 63") }
}

/// An argument that says something.
fn words(text: &str) -> Result<String, &'static str> {
    let words = text.trim();
    if words.is_empty() { Err("it says nothing") } else { Ok(words.to_owned()) }
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
