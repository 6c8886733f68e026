//! `waybill source`.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};

use super::{Output, reason};

/// Commands on sources.
#[derive(Debug, Subcommand)]
pub enum Source {
    /// Every source.
    List {
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// One source: its description, its state, and its keys by their ids.
    Show {
        /// The source's name.
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Give a source a new key, shown once; the newest older key stays live beside it.
    RotateKey(Changed),
    /// Make one key good no longer, within five seconds.
    RevokeKey {
        /// Which source.
        #[command(flatten)]
        changed: Changed,
        /// The key's id, as `source show` lists it.
        #[arg(value_name = "KEY_ID")]
        id: String,
    },
    /// Give a source a key that was made elsewhere; the newest older key stays live beside it.
    ImportKey {
        /// Which source.
        #[command(flatten)]
        changed: Changed,
        /// The file that holds the key, `wb_ID_SECRET`, and nothing else; `-`: standard input.
        #[arg(value_name = "FILE", required_unless_present = "file", conflicts_with = "file")]
        path: Option<PathBuf>,
        /// The same.
        #[arg(short, long)]
        file: Option<PathBuf>,
    },
    /// Accept a source's messages as ever, and publish them only when it is resumed.
    Pause(Changed),
    /// Publish a paused source's messages again.
    Resume(Changed),
    /// No alert when a source is silent, for a time.
    Silence {
        /// Until when.
        #[command(flatten)]
        until: Until,
        /// Which source.
        #[command(flatten)]
        changed: Changed,
    },
}

/// What is changed, and why.
#[derive(Debug, Clone, Args)]
pub struct Changed {
    /// The source's name.
    pub name: String,
    /// Why: at most 500 characters, for the audit trail.
    #[arg(long, value_parser = reason)]
    pub reason: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Until when a source may be silent.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Until {
    /// For so long: a number and s, m, h or d.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub span: Option<TimeDelta>,
    /// Until this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    pub until: Option<DateTime<Utc>>,
    /// No longer.
    #[arg(long)]
    pub off: bool,
}

fn span(text: &str) -> Result<TimeDelta, &'static str> {
    const FORM: &str = "a number and s, m, h or d, for instance 12h; at most 366 days";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(FORM)?;
    let number: u32 = number.parse().map_err(|_| FORM)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(FORM),
    };
    let seconds = i64::from(number) * unit_s;
    let in_range = (1..=366 * 86_400).contains(&seconds);
    TimeDelta::try_seconds(seconds).filter(|_| in_range).ok_or(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("366d", 31_622_400)] {
            assert_eq!(span(text), Ok(TimeDelta::seconds(seconds)), "{text}");
        }
        for bad in ["", "h", "0h", "1", "-1h", "1w", "367d", "1é"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
