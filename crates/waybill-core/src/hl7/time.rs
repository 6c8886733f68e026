//! HL7 timestamps: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (HL7 2.5.1, data type DTM).
//!
//! As many digits as the sender was sure of. A date is never made into an instant: a birthday has
//! no time zone. A local hour that occurs twice or never is flagged, never guessed. Nothing here
//! knows what time it is.

use chrono::{
    DateTime, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _, Utc,
};
use chrono_tz::Tz;

/// A timestamp as sent: local time, its precision, and the offset if there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    local: NaiveDateTime,
    precision: Precision,
    offset: Option<FixedOffset>,
    /// Written `-0000`.
    minus_zero: bool,
}

/// The smallest unit a timestamp names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `YYYY`
    Year,
    /// `YYYYMM`
    Month,
    /// `YYYYMMDD`
    Day,
    /// `YYYYMMDDHH`
    Hour,
    /// `YYYYMMDDHHMM`
    Minute,
    /// `YYYYMMDDHHMMSS`
    Second,
    /// `YYYYMMDDHHMMSS.S…`
    Fraction,
}

/// What a timestamp means on the world's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The instant; none when the hour is not known, or in doubt.
    pub utc: Option<DateTime<Utc>>,
    /// Where its offset is from.
    pub zone: Zone,
    /// Why a local time names no single instant.
    pub doubt: Option<Doubt>,
}

/// Where the offset of a timestamp is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// It carries one.
    Explicit,
    /// MSH-7 of its message carries one (HL7 2.5.1, 2.15.9.7).
    Message,
    /// The source's time zone.
    Source,
}

/// Why a local time names no single instant in its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It occurs twice: the clocks were put back.
    Ambiguous,
    /// It never occurs: the clocks were put forward.
    Nonexistent,
}

impl Timestamp {
    /// Reads one; `None` when it is none. Up to nine decimals are read, more than the standard has.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let zone = text.iter().position(|byte| matches!(byte, b'+' | b'-'));
        let (time, zone) = text.split_at(zone.unwrap_or(text.len()));
        let offset = if zone.is_empty() { None } else { Some(offset(zone)?) };
        let point = time.iter().position(|&byte| byte == b'.');
        let (digits, fraction) = time.split_at(point.unwrap_or(time.len()));
        let precision = match (digits.len(), fraction.is_empty()) {
            (4, true) => Precision::Year,
            (6, true) => Precision::Month,
            (8, true) => Precision::Day,
            (10, true) => Precision::Hour,
            (12, true) => Precision::Minute,
            (14, true) => Precision::Second,
            (14, false) => Precision::Fraction,
            _ => return None,
        };
        let part = |from: usize, to: usize, absent: u32| match digits.get(from..to) {
            Some(digits) => number(digits),
            None => Some(absent),
        };
        let year = i32::try_from(part(0, 4, 0)?).ok().filter(|&year| year > 0)?;
        let date = NaiveDate::from_ymd_opt(year, part(4, 6, 1)?, part(6, 8, 1)?)?;
        let nanoseconds = if fraction.is_empty() { 0 } else { nanoseconds(fraction.get(1..)?)? };
        let (hour, minute, second) = (part(8, 10, 0)?, part(10, 12, 0)?, part(12, 14, 0)?);
        let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanoseconds)?;
        let minus_zero = zone == b"-0000";
        Some(Self { local: date.and_time(time), precision, offset, minus_zero })
    }

    /// How exact it is.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The offset it carries. `-0000` is read as UTC, which it is in every version.
    pub fn offset(&self) -> Option<FixedOffset> {
        self.offset
    }

    /// The offset of the place it was written at, given the message's version (MSH-12): its own,
    /// but from version 2.9 on `-0000` says that this one is not known (2.9, data type DTM).
    pub fn local_offset(&self, version: &str) -> Option<FixedOffset> {
        let unknown = self.minus_zero && matches!(version.as_bytes(), [b'2', b'.', b'9', ..]);
        self.offset.filter(|_| !unknown)
    }

    /// The date it names, for birth dates: local, and only when the day is known.
    pub fn date(&self) -> Option<NaiveDate> {
        (self.precision >= Precision::Day).then_some(self.local.date())
    }

    /// The instant it names.
    ///
    /// Without an offset of its own, `default_offset` applies (that of the message's MSH-7), else
    /// `zone`. There a local time may occur twice or never: then there is a doubt, and no instant.
    pub fn resolve(&self, default_offset: Option<FixedOffset>, zone: Tz) -> Resolved {
        let (offset, from) = match (self.offset, default_offset) {
            (Some(offset), _) => (Some(offset), Zone::Explicit),
            (None, Some(offset)) => (Some(offset), Zone::Message),
            (None, None) => (None, Zone::Source),
        };
        if self.precision < Precision::Hour {
            return Resolved { utc: None, zone: from, doubt: None };
        }
        let mapped = match offset {
            Some(offset) => offset.from_local_datetime(&self.local).map(|at| at.to_utc()),
            None => zone.from_local_datetime(&self.local).map(|at| at.to_utc()),
        };
        let (utc, doubt) = match mapped {
            MappedLocalTime::Single(at) => (Some(at), None),
            MappedLocalTime::Ambiguous(..) => (None, Some(Doubt::Ambiguous)),
            MappedLocalTime::None => (None, Some(Doubt::Nonexistent)),
        };
        Resolved { utc, zone: from, doubt }
    }
}

impl std::fmt::Debug for Timestamp {
    /// Only how exact it is: it may be a birth date.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timestamp({:?})", self.precision)
    }
}

/// `+HHMM` or `-HHMM`, up to 14 hours.
fn offset(zone: &[u8]) -> Option<FixedOffset> {
    let (sign, digits) = zone.split_first()?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if digits.len() != 4 || hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
    FixedOffset::east_opt(if *sign == b'-' { -seconds } else { seconds })
}

fn nanoseconds(digits: &[u8]) -> Option<u32> {
    let missing = u32::try_from(9_usize.checked_sub(digits.len())?).ok()?;
    Some(number(digits)? * 10_u32.pow(missing))
}

/// A number of one to nine digits.
fn number(digits: &[u8]) -> Option<u32> {
    let plain = (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;
    use chrono_tz::America::New_York;
    use chrono_tz::Tz;

    use super::{Doubt, Precision, Timestamp, Zone};

    fn check(text: &str, precision: Precision, utc: &str) {
        check_in(text, None, New_York, utc);
        let read = Timestamp::parse(text.as_bytes());
        assert_eq!(read.map(|time| time.precision()), Some(precision), "{text}");
    }

    /// The instant of `text`; "-" when it names none.
    fn check_in(text: &str, default_offset: Option<FixedOffset>, zone: Tz, utc: &str) {
        let instant = Timestamp::parse(text.as_bytes())
            .and_then(|time| time.resolve(default_offset, zone).utc)
            .map_or_else(|| "-".to_owned(), |at| at.to_rfc3339());
        assert_eq!(instant.replace("+00:00", "Z"), utc, "{text}");
    }

    fn check_date(text: &str, expected: &str) {
        let date = Timestamp::parse(text.as_bytes()).and_then(|time| time.date());
        assert_eq!(date.map_or_else(|| "-".to_owned(), |date| date.to_string()), expected, "{text}");
    }

    #[test]
    fn digits_are_precision() {
        check("2026", Precision::Year, "-");
        check("202603", Precision::Month, "-");
        check("20260310", Precision::Day, "-");
        check("2026031009", Precision::Hour, "2026-03-10T13:00:00Z");
        check("202603100915", Precision::Minute, "2026-03-10T13:15:00Z");
        check("20260310091502", Precision::Second, "2026-03-10T13:15:02Z");
        check("20260310091502.1", Precision::Fraction, "2026-03-10T13:15:02.100Z");
        check("20260310091502.1234", Precision::Fraction, "2026-03-10T13:15:02.123400Z");
        check("20260310091502.123456789", Precision::Fraction, "2026-03-10T13:15:02.123456789Z");
        check("202603100000", Precision::Minute, "2026-03-10T04:00:00Z");
    }

    #[test]
    fn an_offset_of_its_own_wins_over_the_messages_over_the_sources() {
        let message = FixedOffset::east_opt(2 * 3600);
        check_in("202603100915+0500", message, New_York, "2026-03-10T04:15:00Z");
        check_in("202603100915-0500", message, New_York, "2026-03-10T14:15:00Z");
        check_in("202603100915-0000", message, New_York, "2026-03-10T09:15:00Z");
        check_in("202603100915", message, New_York, "2026-03-10T07:15:00Z");
        check_in("202603100915", None, New_York, "2026-03-10T13:15:00Z");
        check_in("202601100915", None, New_York, "2026-01-10T14:15:00Z");
        check_in("20260310+0500", message, New_York, "-");
    }

    fn check_doubt(text: &str, zone: Tz, expected: Option<Doubt>) {
        let Some(time) = Timestamp::parse(text.as_bytes()) else { unreachable!("{text}") };
        let resolved = time.resolve(None, zone);
        assert_eq!(resolved.doubt, expected, "{text}");
        assert_eq!(resolved.utc.is_none(), expected.is_some(), "{text}");
    }

    #[test]
    fn a_local_hour_that_occurs_twice_is_in_doubt() {
        for text in ["2026110101", "202611010100", "20261101015959.999"] {
            check_doubt(text, New_York, Some(Doubt::Ambiguous));
        }
        check_doubt("20261101005959", New_York, None);
        check_doubt("202611010200", New_York, None);
        check_doubt("202611010130-0400", New_York, None);
    }

    #[test]
    fn a_local_hour_that_never_occurs_is_in_doubt() {
        for text in ["202603080200", "20260308023000.5", "20260308025959.999"] {
            check_doubt(text, New_York, Some(Doubt::Nonexistent));
        }
        check_doubt("202603080300", New_York, None);
        check_doubt("202603080159", New_York, None);
        check_doubt("201112301200", chrono_tz::Pacific::Apia, Some(Doubt::Nonexistent));
    }

    #[test]
    fn an_offset_leaves_no_doubt() {
        let offset = FixedOffset::east_opt(-5 * 3600);
        for text in ["202603080230", "202611010130", "202603080230+0100"] {
            let Some(time) = Timestamp::parse(text.as_bytes()) else { unreachable!("{text}") };
            let resolved = time.resolve(offset, New_York);
            assert!(resolved.utc.is_some() && resolved.doubt.is_none(), "{text}");
        }
    }

    #[test]
    fn where_the_offset_is_from_is_said() {
        let zone = |text: &str, default_offset| {
            Timestamp::parse(text.as_bytes()).map(|time| time.resolve(default_offset, New_York).zone)
        };
        let message = FixedOffset::east_opt(3600);
        assert_eq!(zone("202603100915+0500", message), Some(Zone::Explicit));
        assert_eq!(zone("202603100915", message), Some(Zone::Message));
        assert_eq!(zone("202603100915", None), Some(Zone::Source));
        assert_eq!(zone("20260310", None), Some(Zone::Source));
    }

    #[test]
    fn minus_zero_is_utc_and_from_2_9_says_nothing_about_the_place() {
        let local = |text: &str, version| {
            Timestamp::parse(text.as_bytes())
                .and_then(|time| time.local_offset(version))
                .map(|offset| offset.local_minus_utc())
        };
        check("202603100915-0000", Precision::Minute, "2026-03-10T09:15:00Z");
        assert_eq!(local("202603100915-0000", "2.8.2"), Some(0));
        assert_eq!(local("202603100915-0000", "2.9"), None);
        assert_eq!(local("202603100915-0000", "2.9.1"), None);
        assert_eq!(local("202603100915+0000", "2.9"), Some(0));
        assert_eq!(local("202603100915-0500", "2.9"), Some(-5 * 3600));
        assert_eq!(local("202603100915", "2.5"), None);
    }

    #[test]
    fn dates_need_the_day_and_no_zone() {
        check_date("19840912", "1984-09-12");
        check_date("198409122359-0800", "1984-09-12");
        check_date("20240229", "2024-02-29");
        check_date("198409", "-");
        check_date("1984", "-");
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "0",
            "198",
            "19840",
            "1984091",
            "00000000",
            "00010000",
            "20260230",
            "20261301",
            "2026031024",
            "202603100960",
            "20260310091560",
            "20260310091502.",
            "202603100915.5",
            "20260310091502.1234567890",
            "2026-03-10",
            "10/03/2026",
            "20260310T0915",
            "202603100915Z",
            "202603100915+",
            "202603100915+05",
            "202603100915+05000",
            "202603100915+1500",
            "202603100915+0560",
            "202603100915+0x00",
            "2026031O",
            "+0500",
            "\"\"",
        ] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_date() {
        let read = Timestamp::parse(b"19840912");
        assert_eq!(format!("{read:?}"), "Some(Timestamp(Day))");
    }
}
