//! Which dead letters a plan is to have.

use chrono::{DateTime, Utc};
use clap::Args;
use waybill_core::fingerprint::Fingerprint;

/// Which dead letters. Each part narrows.
#[derive(Debug, Clone, Args)]
#[group(id = "Which", multiple = true)]
pub struct Which {
    /// Of this group: a fingerprint from `waybill dead groups`.
    #[arg(long, value_name = "FINGERPRINT", requires = "why")]
    pub group: Option<Fingerprint>,
    /// Of this source.
    #[arg(long, requires = "why")]
    pub source: Option<String>,
    /// Of this kind.
    #[arg(long, requires = "why")]
    pub kind: Option<String>,
    /// With a failure of this class, for instance validation.
    #[arg(long, value_name = "CLASS", requires = "why")]
    pub reason: Option<String>,
    /// Whose reason has this in it.
    #[arg(long, requires = "why")]
    pub text: Option<String>,
    /// Dead since this moment (RFC 3339).
    #[arg(long, value_name = "TIME", requires = "why")]
    pub since: Option<DateTime<Utc>>,
    /// Dead before this moment (RFC 3339).
    #[arg(long, value_name = "TIME", requires = "why")]
    pub until: Option<DateTime<Utc>>,
    /// Of this ordering key of the source: the value at its pointer, a visit's number, or a patient as
    /// ID^^^AUTHORITY. It is kept nowhere.
    #[arg(long, requires_all = ["why", "source"])]
    pub key: Option<String>,
    /// All there are.
    #[arg(long, requires = "why", conflicts_with_all = ["group", "source", "kind", "reason", "text", "since", "until", "key"])]
    pub all: bool,
}
