//! `waybill message find`: what to look for.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;
use uuid::Uuid;

use super::{Export, Output, words};

/// Everything given must hold. VALUE may stand on the command line, where the shell's history and the
/// list of processes show it; `-` reads it from standard input, `@FILE` from a file.
#[derive(Debug, Args)]
pub struct Find {
    /// This message.
    #[arg(long)]
    pub id: Option<Uuid>,
    /// Under this idempotency key, of any source; for HL7 MSH-3|MSH-4|MSH-10.
    #[arg(long, value_name = "VALUE")]
    pub idempotency_key: Option<String>,
    /// With this MSH-10.
    #[arg(long, value_name = "VALUE")]
    pub control_id: Option<String>,
    /// About this patient: any identifier in PID-2, PID-3, PID-4, PID-18 or MRG-1.
    #[arg(long, value_name = "VALUE")]
    pub patient: Option<String>,
    /// Who assigned the patient's identifier (CX.4): its name, or its universal id where it has no name.
    #[arg(long, value_name = "VALUE", requires = "patient")]
    pub authority: Option<String>,
    /// About this visit or appointment: PV1-19.1, SCH-1.1 or SCH-2.1.
    #[arg(long, value_name = "VALUE")]
    pub visit: Option<String>,
    /// With this value where the source's `order_by = "json:/..."` points, or with this
    /// programmeMembershipTisId.
    #[arg(long, value_name = "VALUE")]
    pub key: Option<String>,
    /// Of this source.
    #[arg(long)]
    pub source: Option<String>,
    /// In this state.
    #[arg(long, value_parser = ["accepted", "published", "held", "processing", "retrying", "processed", "dead", "discarded"])]
    pub state: Option<String>,
    /// Of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Accepted at or after this time (RFC 3339, or a date: its midnight in UTC).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub from: Option<DateTime<Utc>>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub to: Option<DateTime<Utc>>,
    /// At most this many, the newest first.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Only messages older than this one: the next page.
    #[arg(long, value_name = "ID")]
    pub after: Option<Uuid>,
    /// Why, for the audit trail.
    #[arg(long, value_parser = words)]
    pub reason: Option<String>,
    /// Where to, instead.
    #[command(flatten)]
    pub export: Export,
    /// In the CSV, the senders' keys as they are; they may hold a patient's number. Without it, their hashes.
    #[arg(long, requires = "csv", requires = "reason")]
    pub keys: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `waybill report --from --to`: the incident pack.
#[derive(Debug, Args)]
pub struct Pack {
    /// What was accepted at or after this time (RFC 3339, or a date: its midnight in UTC), for an incident.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "to")]
    pub from: Option<DateTime<Utc>>,
    /// And before this time.
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "from")]
    pub to: Option<DateTime<Utc>>,
    /// Of this source alone.
    #[arg(long, requires = "from")]
    pub source: Option<String>,
    /// The form of what is printed, or written to one file.
    #[arg(long, value_enum, requires = "from")]
    pub format: Option<PackFormat>,
    /// A file; or a folder, which gets all forms: report.md, report.json and the tables as CSV.
    #[arg(long, value_name = "DIR|FILE", requires = "from")]
    pub out: Option<PathBuf>,
    /// Why, for the audit trail.
    #[arg(long, value_parser = words, requires = "from")]
    pub reason: Option<String>,
    /// With the senders' keys as they are, for a partner who knows its messages by them; they may hold a
    /// patient's number. Without it, their hashes.
    #[arg(long, requires = "from", requires = "reason")]
    pub keys: bool,
}

/// The forms of the incident pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PackFormat {
    /// For people.
    Markdown,
    /// The affected messages, a line each.
    Csv,
    /// Everything, for machines.
    Json,
}

/// RFC 3339, or a date: its midnight in UTC.
fn moment(text: &str) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| "neither RFC 3339 nor a date")?;
    Ok(day.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn times_have_an_offset_and_dates_begin_at_midnight_utc() {
        let at = |text: &str| moment(text).ok().map(|at| at.to_rfc3339());
        assert_eq!(at("2026-03-10T09:15:00-05:00").as_deref(), Some("2026-03-10T14:15:00+00:00"));
        assert_eq!(at("2026-03-10").as_deref(), Some("2026-03-10T00:00:00+00:00"));
        for bad in ["", "yesterday", "2026-03-10T09:15:00", "2026-13-01"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
