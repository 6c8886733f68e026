//! The times of a visit, as an event gives them.
//!
//! A time is never worth a dead letter: the event happened, whenever it was. What cannot be read,
//! or names no single instant, is left out and said in a warning, which names the field and never
//! its value.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::hl7::{Doubt, Header, Precision, Timestamp, Value};
use crate::outcome::Done;

/// Segment, field and component that a time stands in.
type Place = (&'static str, usize, usize);

/// Reads the timestamps of one message, and warns of those it cannot use.
pub(super) struct Times<'a> {
    header: &'a Header<'a>,
    default_offset: Option<FixedOffset>,
    zone: Tz,
    done: &'a mut Done,
}

impl<'a> Times<'a> {
    pub(super) fn new(header: &'a Header<'a>, zone: Tz, done: &'a mut Done) -> Self {
        Self { header, default_offset: header.default_offset(), zone, done }
    }

    /// The instant for `column`, from the first of these places that names one.
    ///
    /// A place that is unreadable, or not exact to the hour, is passed over with a warning. One
    /// that is in doubt is the event's time all the same, so no other takes its part: the column
    /// is left as it was. An event that says when it happened does not delete that time, so a null
    /// only counts when no instant follows.
    pub(super) fn first(&mut self, column: &str, places: &[Place]) -> Value<DateTime<Utc>> {
        let mut fallback = Value::Absent;
        for &place in places {
            match self.read(place, column) {
                Value::Present(time) => {
                    let resolved = time.resolve(self.default_offset, self.zone);
                    if let Some(at) = resolved.utc {
                        return Value::Present(at);
                    }
                    if let Some(doubt) = resolved.doubt {
                        let zone = self.zone.name();
                        self.warn(place, column, &format!("is in an hour that {} in {zone}", phrase(doubt)));
                        return Value::Absent;
                    }
                    self.warn(place, column, "names no hour");
                }
                Value::Null => fallback = Value::Null,
                Value::Absent => {}
            }
        }
        fallback
    }

    /// PID-7: local, and a day whatever the time zone.
    pub(super) fn birth_date(&mut self) -> Value<NaiveDate> {
        let place = ("PID", 7, 1);
        self.read(place, "birth_date").filter_map(|time| {
            if time.precision() < Precision::Day {
                self.warn(place, "birth_date", "names no day");
            }
            time.date()
        })
    }

    /// EVN-2, when the event was recorded, if it names an instant. Only compared: no warning.
    pub(super) fn recorded_at(&self) -> Option<DateTime<Utc>> {
        let recorded = self.header.message().field("EVN", 2).component(1).subcomponent(1);
        Timestamp::parse(recorded.raw())?.resolve(self.default_offset, self.zone).utc
    }

    fn read(&mut self, place: Place, column: &str) -> Value<Timestamp> {
        let (segment, field, component) = place;
        let part = self.header.message().field(segment, field).component(component).subcomponent(1);
        match part.value() {
            Value::Absent => Value::Absent,
            Value::Null => Value::Null,
            Value::Present(text) if text.trim_ascii().is_empty() => Value::Absent,
            Value::Present(text) => {
                let time = Timestamp::parse(text);
                if time.is_none() {
                    self.warn(place, column, "is not an HL7 timestamp");
                }
                time.map_or(Value::Absent, Value::Present)
            }
        }
    }

    fn warn(&mut self, (segment, field, component): Place, column: &str, what: &str) {
        let part = if component == 1 { String::new() } else { format!(".{component}") };
        self.done.warn(format!("{segment}-{field}{part} {what}: {column} was not taken from it"));
    }
}

const fn phrase(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Ambiguous => "occurs twice",
        Doubt::Nonexistent => "never occurs",
    }
}
