//! Timestamps and dates, typed: what was sent, what it means, how exact it is.
//!
//! What is not sure is not guessed: a local time that occurs twice, or never, has no instant.

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use super::place::Place;
use super::reader::Reader;
use super::warnings::Code;
use crate::hl7::{Doubt, Precision, Timestamp, Zone};

/// `raw` as an instant: `{raw, utc, precision, zone}`. `None`, and a warning, when it is none.
///
/// Without an hour it is a date, and no instant: `utc` and `zone` are null.
pub(super) fn instant(reader: &mut Reader<'_>, raw: &str, at: Place) -> Option<Json> {
    let timestamp = read(reader, raw, at)?;
    let precision = precision(timestamp, raw);
    if timestamp.precision() < Precision::Hour {
        return Some(json!({"raw": raw, "utc": null, "precision": precision, "zone": null}));
    }
    let resolved = timestamp.resolve(reader.header.default_offset(), reader.zone);
    let zone = match resolved.zone {
        Zone::Explicit => "explicit",
        Zone::Message => "message",
        Zone::Source => "source",
    };
    if resolved.zone == Zone::Source {
        reader.warnings.add(Code::TzDefaulted, at);
    }
    match resolved.doubt {
        Some(Doubt::Ambiguous) => reader.warnings.add(Code::TzAmbiguous, at),
        Some(Doubt::Nonexistent) => reader.warnings.add(Code::TzNonexistent, at),
        None => {}
    }
    let utc = resolved.utc.map(|utc| utc.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    Some(json!({"raw": raw, "utc": utc, "precision": precision, "zone": zone}))
}

/// `raw` as a date: `{raw, date, precision}`. `None`, and a warning, when it is none. A date has no
/// time zone, so an offset and an hour change nothing; without a day `date` is null.
pub(super) fn date(reader: &mut Reader<'_>, raw: &str, at: Place) -> Option<Json> {
    let timestamp = read(reader, raw, at)?;
    let date = timestamp.date().map(|date| date.to_string());
    Some(json!({"raw": raw, "date": date, "precision": precision(timestamp, raw)}))
}

fn read(reader: &mut Reader<'_>, raw: &str, at: Place) -> Option<Timestamp> {
    let timestamp = Timestamp::parse(raw.as_bytes());
    if timestamp.is_none() {
        reader.warnings.add(Code::TimestampInvalid, at);
    }
    timestamp
}

/// The smallest unit that was sent; of decimals, the unit that holds them all.
fn precision(timestamp: Timestamp, raw: &str) -> &'static str {
    let decimals = |raw: &str| {
        let after = raw.split_once('.').map_or("", |(_, after)| after);
        after.bytes().take_while(u8::is_ascii_digit).count()
    };
    match timestamp.precision() {
        Precision::Year => "year",
        Precision::Month => "month",
        Precision::Day => "day",
        Precision::Hour => "hour",
        Precision::Minute => "minute",
        Precision::Second => "second",
        Precision::Fraction => match decimals(raw) {
            ..=3 => "ms",
            4..=6 => "us",
            _ => "ns",
        },
    }
}
