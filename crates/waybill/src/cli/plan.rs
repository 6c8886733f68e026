//! `waybill plan`, and how `waybill dead replay` makes one.

use clap::{Args, Subcommand};
use waybill_core::plan::Policy;

use super::{Output, reason};

/// Commands on replay plans.
#[derive(Debug, Subcommand)]
pub enum Plan {
    /// Plans, the newest first.
    List {
        /// Those that have not ended only.
        #[arg(long)]
        open: bool,
        /// At most this many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// One plan: how far it is and, once it has ended, what became of it and whether the ledger agrees.
    Show {
        /// The plan's number.
        id: i64,
        /// Stay until it ends, stops, or waits for a person.
        #[arg(long)]
        watch: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Begin a plan that was made.
    Start(Move),
    /// Replay no more for now; what is replayed goes on.
    Pause(Move),
    /// Go on: after a pause, after a stop (it is judged anew), or after the canary.
    Resume(Move),
    /// Give a plan up for good; what is replayed goes on.
    Cancel(Move),
}

/// To move a plan.
#[derive(Debug, Clone, Args)]
pub struct Move {
    /// The plan's number.
    pub id: i64,
    /// Why, for the audit trail.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub why: String,
    /// Stay until it ends, stops, or waits for a person.
    #[arg(long)]
    pub watch: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// How a plan is made of the dead letters that a filter matches.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct NewPlan {
    /// Why: at most 500 characters, for the audit trail; of single messages shown to their sender too.
    /// Without ids it makes a plan of all dead letters that the filter matches.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub why: Option<String>,
    /// No filter: all dead letters there are.
    #[arg(long, requires = "why")]
    pub all: bool,
    /// Replay this many first, and await their outcomes.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "why")]
    pub canary: u32,
    /// After a good canary wait for `waybill plan resume`, instead of going on.
    #[arg(long, requires = "canary")]
    pub confirm: bool,
    /// Replay at most this many in a second; without it, as many as the window lets through.
    #[arg(long, value_name = "PER_S", requires = "why")]
    pub rate: Option<f64>,
    /// Stop when more than this share fails again (0 to 1; 1 never stops).
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "why")]
    pub stop_at: f64,
    /// Make one plan under this name of your choosing, however often it is asked for: the same command again
    /// shows the plan that the first one made.
    #[arg(long, value_name = "NAME", requires = "why", conflicts_with = "key", value_parser = once)]
    pub once: Option<String>,
    /// Show what the plan would do, and make none.
    #[arg(long, requires = "why", conflicts_with_all = ["start", "watch"])]
    pub dry_run: bool,
    /// Start it at once.
    #[arg(long, requires = "why")]
    pub start: bool,
    /// Start it, and stay until it ends, stops, or waits for a person.
    #[arg(long, requires = "why")]
    pub watch: bool,
}

/// A plan's own name.
fn once(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if (1..=100).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err("1 to 100 characters") }
}

impl NewPlan {
    /// How the plan is to go.
    pub const fn policy(&self) -> Policy {
        Policy { canary: self.canary, confirm: self.confirm, rate_per_s: self.rate, stop_share: self.stop_at }
    }
}
