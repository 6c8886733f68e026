//! `waybill message`.

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{Find, Output, words};

/// Commands on messages.
#[derive(Debug, Subcommand)]
pub enum Message {
    /// One message: its receipt, state, attempts and timeline; its body only with --as.
    Show {
        /// The message's id.
        id: Uuid,
        /// The body.
        #[command(flatten)]
        body: Body,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Messages by id, key, control id, patient, visit, source, state, kind and time: the newest first.
    Find(Box<Find>),
    /// One message's story in order, with how long each step took.
    Timeline {
        /// The message's id.
        id: Uuid,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Whether to show a body, and how.
#[derive(Debug, Clone, Args)]
pub struct Body {
    /// Show the body in this form instead, every value that may be personal masked.
    #[arg(long = "as", value_name = "FORM")]
    pub form: Option<Form>,
    /// Show it in clear, for this reason: the audit trail keeps who looked, at what, and why.
    #[arg(long, value_name = "REASON", requires = "form", value_parser = words)]
    pub reveal: Option<String>,
}

/// The forms of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As it was received.
    Raw,
    /// An HL7 message as JSON (docs/NORMALIZED.md).
    Normalized,
    /// What an edit changed: who, why and where; with --reveal the lines themselves.
    Difference,
}
