//! The operator's tool, and the serving process: a relay, sweeps, figures.
//!
//! [`mend`] mends what does not fit, and [`keys`] reads ordering keys again, for both. [`cli`] is the
//! command line, [`commands`] has a file for each command, [`serve`] the process that runs beside
//! `ingest-api` and the workers and sees to what they left undone.

pub mod cli;
pub mod commands;
pub mod config;
pub mod csv;
pub mod keys;
pub mod mend;
pub mod serve;
pub mod table;
pub mod terminal;

pub use config::Config;
