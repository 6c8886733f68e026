//! `waybill top`.

use clap::Args;

use super::{Output, Processes};

/// The arguments of `waybill top`.
#[derive(Debug, Args)]
pub struct Top {
    /// Look twice, print one frame, and end; so it does without a terminal, and for --json.
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub every: u32,
    /// The processes: with workers named, what they processed is counted by them.
    #[command(flatten)]
    pub processes: Processes,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}
