//! `waybill dead`.

use clap::Subcommand;
use uuid::Uuid;

use super::{Letters, NewPlan, Output, reason};

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
    /// These at once, or by a plan all that match.
    Replay {
        /// The messages' ids.
        #[arg(required_unless_present = "why")]
        ids: Vec<Uuid>,
        /// Which, for a plan.
        #[command(flatten)]
        letters: Letters,
        /// The plan.
        #[command(flatten)]
        plan: Box<NewPlan>,
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
