//! `waybill source`.

use clap::Subcommand;

use super::Output;

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
