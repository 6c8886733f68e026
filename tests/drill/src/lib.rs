//! The loss drill: does Waybill keep its promises when things break?
//!
//! Each run is one fault, or two: a [`stage`] of its own (database, virtual host, real processes
//! behind TCP [`proxy`]s), a [`partner`] that posts over HTTP and writes down every answer, the
//! [`faults`] injected while messages are in flight and shown to have bitten, healed, and then the
//! [`invariants`] over what the partner was told and what the [`ledger`] holds, read by SQL of its
//! own. Nothing here asks the product what happened, and nothing here is part of the product.

use clap::Parser;

pub mod drill;
pub mod faults;
pub mod fleet;
pub mod invariants;
pub mod ledger;
pub mod letters;
pub mod partner;
pub mod plan;
pub mod proxy;
pub mod publish;
pub mod random;
pub mod report;
pub mod run;
pub mod services;
pub mod soak;
pub mod stage;
pub mod teeth;
pub mod traffic;

/// What `./dev chaos` passes on.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "./dev chaos",
    about = "Injects faults one by one, then in pairs, and checks that nothing is lost."
)]
#[expect(clippy::struct_excessive_bools, reason = "a command line's flags")]
pub struct Arguments {
    /// A short drill: some faults, one pair and a soak of a minute, in under four minutes.
    #[arg(long)]
    pub quick: bool,
    /// Replays the traffic and the pairs of an earlier drill.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Only this fault; or a pair, its names joined by "+"; or all whose names begin so, with "*"; or
    /// "pairs", the pairs of a whole drill.
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Lists the faults and injects none.
    #[arg(long)]
    pub list: bool,
    /// Switches defects on, one by one: the drill must notice each.
    #[arg(long)]
    pub teeth: bool,
    /// For so many minutes: full traffic and restarts, and nothing that loses anything. Nothing may be
    /// found wrong meanwhile.
    #[arg(long, value_name = "MINUTES")]
    pub soak: Option<u64>,
    /// Takes the last whole drill into docs/data/chaos.json and docs/RELIABILITY.md.
    #[arg(long)]
    pub publish: bool,
    /// Switches these defects on (names with commas), for a drill that is to fail.
    #[arg(long, value_name = "NAMES", default_value = "")]
    pub mutant: String,
}
