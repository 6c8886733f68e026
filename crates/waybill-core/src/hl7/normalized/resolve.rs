//! From a local time to an instant, saying whose offset was taken and whether the answer is sure.

use chrono::{DateTime, FixedOffset, MappedLocalTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::hl7::{Precision, Timestamp};

/// An instant, where its offset came from, and why there is none.
pub(super) struct Resolved {
    pub utc: Option<DateTime<Utc>>,
    pub zone: Zone,
    pub doubt: Option<Doubt>,
}

/// Where the offset of a timestamp came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// The timestamp's own.
    Explicit,
    /// That of MSH-7.
    Message,
    /// The source's time zone.
    Source,
}

/// Why a local time is not one instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It occurs twice.
    Ambiguous,
    /// It never occurs.
    Nonexistent,
}

/// [`Timestamp`], resolved.
pub(super) trait Resolve {
    /// The instant it names: by its own offset, else `default_offset`, else in `zone`.
    fn resolve(&self, default_offset: Option<FixedOffset>, zone: Tz) -> Resolved;
}

impl Resolve for Timestamp {
    fn resolve(&self, default_offset: Option<FixedOffset>, zone: Tz) -> Resolved {
        let source = match (self.offset(), default_offset) {
            (Some(_), _) => Zone::Explicit,
            (None, Some(_)) => Zone::Message,
            (None, None) => Zone::Source,
        };
        let sure = |utc| Resolved { utc, zone: source, doubt: None };
        if source != Zone::Source || self.precision() < Precision::Hour {
            return sure(self.to_utc(default_offset, zone));
        }
        let local = self.to_utc(Some(Utc.fix()), zone).map(|at| at.naive_utc());
        let doubt = |doubt| Resolved { utc: None, zone: source, doubt: Some(doubt) };
        match local.map(|local| zone.from_local_datetime(&local)) {
            Some(MappedLocalTime::Single(at)) => sure(Some(at.to_utc())),
            Some(MappedLocalTime::Ambiguous(..)) => doubt(Doubt::Ambiguous),
            Some(MappedLocalTime::None) => doubt(Doubt::Nonexistent),
            None => sure(None),
        }
    }
}
