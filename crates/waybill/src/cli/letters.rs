//! Which dead letters, on the command line.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Args;
use waybill_core::fingerprint::Fingerprint;
use waybill_core::outcome::ErrorClass;

/// Which dead letters. Each part narrows; without any, all of them.
#[derive(Debug, Clone, Default, Args)]
pub struct Letters {
    /// Of this group: a fingerprint from `waybill dead groups`.
    #[arg(long, value_name = "FINGERPRINT")]
    pub group: Option<Fingerprint>,
    /// Of this source.
    #[arg(long)]
    pub source: Option<String>,
    /// Of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// With a failure of this class: parse, validation, `unknown_kind`, timeout, internal, poison.
    #[arg(long, value_name = "CLASS", value_parser = class)]
    pub reason: Option<ErrorClass>,
    /// Whose reason has this in it; cases, ids, numbers and times make no difference.
    #[arg(long)]
    pub text: Option<String>,
    /// Dead since this moment: RFC 3339, a date (UTC), or how long ago (30m, 2h, 7d).
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Dead before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// With this ordering key of the source: the value at its pointer, a visit's number, or a patient as
    /// ID^^^AUTHORITY; `-` reads it from standard input, so that no list of processes shows it.
    #[arg(long, requires = "source")]
    pub key: Option<Typed>,
}

/// What a person typed that may identify somebody: shown nowhere.
#[derive(Clone)]
pub struct Typed(pub String);

impl From<&str> for Typed {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(..)")
    }
}

fn class(name: &str) -> Result<ErrorClass, String> {
    ErrorClass::find(name).ok_or_else(|| {
        let known: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}

fn moment(text: &str) -> Result<DateTime<Utc>, &'static str> {
    #[expect(clippy::disallowed_methods, reason = "a person's `2h` is two hours ago")]
    moment_before(text, Utc::now())
}

fn moment_before(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let ago = text.char_indices().last().and_then(|(end, unit)| {
        let of_unit = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return None,
        };
        let count: u64 = text[..end].parse().ok()?;
        now.checked_sub_signed(
            chrono::Duration::from_std(Duration::from_secs(count.checked_mul(of_unit)?)).ok()?,
        )
    });
    ago.ok_or("neither RFC 3339, nor a date, nor how long ago (30m, 2h, 7d)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let now = DateTime::UNIX_EPOCH + chrono::Duration::days(20000);
        let at = moment_before(text, now).ok().map(|at| at.to_rfc3339());
        assert_eq!(at.as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_are_given_or_ago() {
        check("2026-03-10T09:15:00-05:00", Some("2026-03-10T14:15:00+00:00"));
        check("2026-03-10", Some("2026-03-10T00:00:00+00:00"));
        check("2h", Some("2024-10-03T22:00:00+00:00"));
        check("7d", Some("2024-09-27T00:00:00+00:00"));
        for text in ["", "h", "-2h", "2 h", "2w", "99999999999999d", "2026-03-10T09:15:00", "5\u{e9}"] {
            check(text, None);
        }
    }
}
