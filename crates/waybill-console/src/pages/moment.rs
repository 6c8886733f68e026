//! A moment in a form or an address: UTC, as people type it and as links carry it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

use crate::failure::Failure;

/// How a moment without an offset may be written, beside a date alone.
const FORMS: [&str; 4] = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];

/// RFC 3339; a date and a time, or a date (its midnight), in UTC. Empty: none.
pub(super) fn moment(text: &str) -> Result<Option<DateTime<Utc>>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let given = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    let naive = text.strip_suffix('Z').unwrap_or(text);
    let given = given.or_else(|| {
        let time = FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(naive, form).ok());
        let day =
            || NaiveDate::parse_from_str(naive, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
        time.or_else(day).map(|at| at.and_utc())
    });
    // PostgreSQL's years end before ours
    given.filter(|at| (1970..=9999).contains(&chrono::Datelike::year(at))).map(Some).ok_or_else(|| {
        Failure::Wrong("A time is written like 2026-03-10 09:15 or 2026-03-10T09:15:00Z, in UTC.".to_owned())
    })
}

/// A moment as an address carries it.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = moment(text).ok().flatten().map(written);
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn moments_are_utc_unless_they_say_otherwise() {
        check("2026-03-10T09:15:00-05:00", Some("2026-03-10T14:15:00Z"));
        check(" 2026-03-10 09:15 ", Some("2026-03-10T09:15:00Z"));
        check("2026-03-10T09:15Z", Some("2026-03-10T09:15:00Z"));
        check("2026-03-10T09:15:07.250", Some("2026-03-10T09:15:07.250Z"));
        check("2026-03-10", Some("2026-03-10T00:00:00Z"));
        for odd in ["yesterday", "2026-13-01", "12345-01-01T00:00", "2026-03-10 25:00", "0001-01-01"] {
            assert!(moment(odd).is_err(), "{odd}");
        }
        assert!(matches!(moment("  "), Ok(None)));
    }
}
