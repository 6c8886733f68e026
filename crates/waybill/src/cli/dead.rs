//! `waybill dead`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;
use waybill_store::dead::Cursor;

use super::{Export, Letters, NewPlan, Output, reason};

/// Commands on dead letters.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// Dead letters by what they have in common, the largest group first.
    Groups {
        /// Which.
        #[command(flatten)]
        letters: Letters,
        /// At most this many groups.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Dead letters one by one, the newest first, page by page.
    List {
        /// Which.
        #[command(flatten)]
        letters: Letters,
        /// After this place: what the last page ended with (in JSON, `dead_at`/`id` of its last letter).
        #[arg(long, value_name = "TIME/ID")]
        after: Option<Cursor>,
        /// At most this many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Where to, instead.
        #[command(flatten)]
        export: Export,
        /// Why they are taken out, for the audit trail.
        #[arg(long, value_name = "REASON", value_parser = reason, requires = "csv")]
        why: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Everything about one dead letter, and what to do next.
    Show {
        /// The message's id.
        id: Uuid,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give dead letters another try: due again, in their old place, with a fresh allowance of attempts.
    /// These at once, or by a plan all that match. The same again makes a second plan, unless both say the same
    /// --once: a letter that is in two plans is replayed by the one whose turn comes first, and skipped by the
    /// other.
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
    /// Take back a discard, within `discard.undo_s_max`: the dead letter that it was, in its old place.
    Undo(Undo),
    /// Give a corrected body, as a new message, the place of a dead letter, which ends discarded.
    Edit(Edit),
}

/// The arguments of `waybill dead undo`.
#[derive(Debug, Args)]
pub struct Undo {
    /// The messages' ids.
    #[arg(required = true, num_args = 1..)]
    pub ids: Vec<Uuid>,
    /// Why: at most 500 characters, shown with the message, to its sender too.
    #[arg(long, value_parser = reason)]
    pub reason: Option<String>,
    /// Although later messages of its keys have had effects since, or are being processed.
    #[arg(long)]
    pub out_of_order: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `waybill dead edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// The dead letter's id.
    pub id: Uuid,
    /// The corrected body, byte for byte.
    #[arg(long)]
    pub file: PathBuf,
    /// Why: at most 500 characters, shown with both messages, to their sender too.
    #[arg(long, value_parser = reason)]
    pub reason: String,
    /// Although the corrected body has ordering keys that the original did not have: later messages
    /// of those may have had effects already.
    #[arg(long)]
    pub out_of_order: bool,
    /// Stop after saying what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}
