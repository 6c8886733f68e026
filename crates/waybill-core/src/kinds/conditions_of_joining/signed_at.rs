//! When something was signed: ISO-8601 with an offset, or decimal seconds since 1970.
//!
//! Both are read exactly from their text and kept to the microsecond, which is what the ledger
//! holds; what is finer is cut off, never rounded up.

use chrono::{DateTime, Datelike, SubsecRound, Utc};

/// ISO-8601 as Java and JavaScript write it: seconds may be missing, the offset is `Z`, `+01:00`
/// or `+0100`.
const ISO_8601: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];

/// The latest year that is believed; epoch milliseconds taken for seconds lie far behind it.
const YEAR_MAX: i32 = 9999;

/// Reads an instant from the text of a JSON string or number.
pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let iso = || ISO_8601.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
    let instant = epoch_seconds(text).or_else(|| iso().map(|at| at.to_utc()))?;
    (1..=YEAR_MAX).contains(&instant.year()).then(|| instant.trunc_subsecs(6))
}

/// Seconds since 1970 with up to nine decimals.
fn epoch_seconds(text: &str) -> Option<DateTime<Utc>> {
    let (seconds, decimals) = match text.split_once('.') {
        Some((seconds, decimals)) => (seconds, decimals),
        None => (text, "0"),
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds) || !is_number(decimals) || decimals.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{decimals:0<9}").parse().ok()?;
    DateTime::from_timestamp(seconds.parse().ok()?, nanoseconds)
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::parse;

    /// The instant of `text`; "-" when it is none.
    fn check(text: &str, expected: &str) {
        let read = parse(text).map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        assert_eq!(read.as_deref().unwrap_or("-"), expected, "{text}");
    }

    #[test]
    fn iso_8601() {
        check("2023-06-05T09:30:15.123456Z", "2023-06-05T09:30:15.123456Z");
        check("2023-06-05T09:30:15.123456999Z", "2023-06-05T09:30:15.123456Z");
        check("2023-06-05T09:30:15.1Z", "2023-06-05T09:30:15.100Z");
        check("2023-06-05T09:30:15Z", "2023-06-05T09:30:15Z");
        check("2023-06-05T09:30Z", "2023-06-05T09:30:00Z");
        check("2023-06-05T10:30:15+01:00", "2023-06-05T09:30:15Z");
        check("2023-06-05T10:30:15.5+0100", "2023-06-05T09:30:15.500Z");
        check("2023-06-05T10:30+01:00", "2023-06-05T09:30:00Z");
        check("2023-06-04T22:00:00-11:30", "2023-06-05T09:30:00Z");
    }

    #[test]
    fn decimal_epoch_seconds() {
        check("1685957415", "2023-06-05T09:30:15Z");
        check("1685957415.123456000", "2023-06-05T09:30:15.123456Z");
        check("1685957415.123456999", "2023-06-05T09:30:15.123456Z");
        check("1685957415.000001", "2023-06-05T09:30:15.000001Z");
        check("1685957415.9", "2023-06-05T09:30:15.900Z");
        check("0", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "2023-06-05",
            "2023-06-05T09:30:15",
            "2023-06-05T25:00:00Z",
            "2023-02-30T09:30:15Z",
            "05/06/2023",
            "now",
            "1685957415.",
            ".5",
            "-1",
            "+1",
            "1685957415.1234567890",
            "1.6e9",
            "1685957415123",
            "99999999999999999999",
            "1685957415,5",
            "12023-06-05T09:30:15Z",
            "0000-06-05T09:30:15Z",
        ] {
            check(text, "-");
        }
    }
}
