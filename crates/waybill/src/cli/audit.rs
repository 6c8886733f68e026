//! `waybill audit`.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use uuid::Uuid;
use waybill_core::audit::Head;
use waybill_store::audit::Via;

use super::{Export, Output, words};

/// Commands on the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Who did what, the newest first.
    List {
        /// Which acts.
        #[command(flatten)]
        acts: Box<Acts>,
        /// Where to, instead.
        #[command(flatten)]
        export: Export,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute every hash of the trail again; exit 1 at the first place that does not fit.
    Verify {
        /// A place and its hash that an earlier look printed: shows also that the end was not cut off.
        #[arg(long, value_name = "POSITION:HASH")]
        expect: Option<Head>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Which acts to list; whose, says `--actor`.
#[derive(Debug, Clone, Args)]
pub struct Acts {
    /// By this way: the command line, the console, or `waybill serve` by itself.
    #[arg(long, value_parser = Via::NAMES)]
    pub via: Option<String>,
    /// In this session of the console.
    #[arg(long)]
    pub session: Option<String>,
    /// Of this action, for instance "view body".
    #[arg(long)]
    pub action: Option<String>,
    /// About this message.
    #[arg(long, value_name = "ID")]
    pub message: Option<Uuid>,
    /// About this source.
    #[arg(long)]
    pub source: Option<String>,
    /// At this time or later (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub since: Option<DateTime<Utc>>,
    /// Before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub until: Option<DateTime<Utc>>,
    /// Before this position: the next page.
    #[arg(long, value_name = "POSITION")]
    pub before: Option<i64>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Why they are taken out, for the audit trail.
    #[arg(long, value_parser = words, requires = "csv")]
    pub reason: Option<String>,
}
