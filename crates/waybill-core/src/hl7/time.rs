//! HL7 timestamps: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (HL7 2.5.1, data type DTM).
//!
//! As many digits as the sender was sure of. A date is never made into an instant: a birthday has
//! no time zone. Nothing here knows what time it is.

use chrono::{
    DateTime, Days, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Timelike, Utc,
};
use chrono_tz::Tz;

/// A timestamp as sent: local time, its precision, and the offset if there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    local: NaiveDateTime,
    precision: Precision,
    offset: Option<FixedOffset>,
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
        Some(Self { local: date.and_time(time), precision, offset })
    }

    /// How exact it is.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The offset it carries. `-0000` is read as UTC, which it is in every version.
    pub fn offset(&self) -> Option<FixedOffset> {
        self.offset
    }

    /// The date it names, for birth dates: local, and only when the day is known.
    pub fn date(&self) -> Option<NaiveDate> {
        (self.precision >= Precision::Day).then_some(self.local.date())
    }

    /// The instant it names; `None` when it does not know the hour.
    ///
    /// Without an offset of its own, `default_offset` applies (that of the message's MSH-7), else
    /// `zone`. There a local time that occurs twice is the earlier instant, and one that never
    /// occurs is the first instant after the gap.
    pub fn to_utc(&self, default_offset: Option<FixedOffset>, zone: Tz) -> Option<DateTime<Utc>> {
        if self.precision < Precision::Hour {
            return None;
        }
        match self.offset.or(default_offset) {
            Some(offset) => self.local.and_local_timezone(offset).single().map(|at| at.to_utc()),
            None => in_zone(self.local, zone),
        }
    }
}

impl std::fmt::Debug for Timestamp {
    /// Only how exact it is: it may be a birth date.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timestamp({:?})", self.precision)
    }
}

fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Some(at.to_utc()),
        MappedLocalTime::None => after_gap(local, zone),
    }
}

/// The end of the gap that `local` lies in, by halving: no gap is longer than a day, and all end
/// on a whole second.
fn after_gap(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let instant = |local: &NaiveDateTime| zone.from_local_datetime(local).earliest();
    let mut missing = local.with_nanosecond(0)?;
    let mut found = missing.checked_add_days(Days::new(1))?;
    while found - missing > TimeDelta::seconds(1) {
        let middle = missing + TimeDelta::seconds((found - missing).num_seconds() / 2);
        if instant(&middle).is_some() {
            found = middle;
        } else {
            missing = middle;
        }
    }
    instant(&found).map(|at| at.to_utc())
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

    use super::{Precision, Timestamp};

    fn check(text: &str, precision: Precision, utc: &str) {
        check_in(text, None, New_York, utc);
        let read = Timestamp::parse(text.as_bytes());
        assert_eq!(read.map(|time| time.precision()), Some(precision), "{text}");
    }

    /// The instant of `text`; "-" when it names none.
    fn check_in(text: &str, default_offset: Option<FixedOffset>, zone: Tz, utc: &str) {
        let instant = Timestamp::parse(text.as_bytes())
            .and_then(|time| time.to_utc(default_offset, zone))
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

    #[test]
    fn an_hour_that_occurs_twice_is_the_earlier_one() {
        check("202611010130", Precision::Minute, "2026-11-01T05:30:00Z");
        check("202611010230", Precision::Minute, "2026-11-01T07:30:00Z");
    }

    #[test]
    fn an_hour_that_never_occurs_is_the_end_of_the_gap() {
        for text in ["202603080200", "20260308023000.5", "20260308025959.999"] {
            check_in(text, None, New_York, "2026-03-08T07:00:00Z");
        }
        check_in("202603080300", None, New_York, "2026-03-08T07:00:00Z");
        check_in("202603080159", None, New_York, "2026-03-08T06:59:00Z");
        check_in("201112301200", None, chrono_tz::Pacific::Apia, "2011-12-30T10:00:00Z");
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
