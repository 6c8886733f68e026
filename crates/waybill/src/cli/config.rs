//! `waybill config`, `completions` and `man`: what needs no service.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// Commands on the configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read the file and the environment as a starting process does; exit 78 with every mistake. Asks no
    /// service; what only `ingest-api` or `worker` judge of their own sections, they say when they start.
    Check {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Every setting as it is, and what set it where that is not the default file. Passwords and
    /// secrets are not shown.
    Print {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// The shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// The arguments of `waybill man`.
#[derive(Debug, Args)]
pub struct Manual {
    /// The page of this command, for instance `dead list`; without it, that of `waybill`.
    #[arg(conflicts_with = "out")]
    pub command: Vec<String>,
    /// Write the page of every command here, as `waybill-dead-list.1`; the folder is made.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
