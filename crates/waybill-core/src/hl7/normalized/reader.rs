//! What the typed views are read with: parts of the message as JSON, and the warnings.
//!
//! Absent and null are kept apart: what is absent gets no key, HL7's `""` becomes `null`. What
//! cannot be read as its type is a warning and gets no key either: it must not look like a null.

use std::borrow::Cow;

use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use super::place::{Name, Place};
use super::text;
use super::warnings::{Code, Warnings};
use super::{parts, times};
use crate::hl7::{Component, Field, Header, Repetition, Segment, Value};

/// How many entries the lists of all views together have at most. A message with more is still
/// whole in its segments.
const ENTRIES_MAX: usize = 10_000;

/// Reads the views of one message.
pub(super) struct Reader<'a> {
    pub header: Header<'a>,
    pub zone: Tz,
    pub warnings: Warnings,
    entries: usize,
}

/// A segment and what it is called in warnings.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    pub segment: Segment<'a>,
    pub place: Place,
}

impl<'a> Reader<'a> {
    pub(super) fn new(header: &Header<'a>, zone: Tz) -> Self {
        Self { header: *header, zone, warnings: Warnings::default(), entries: 0 }
    }

    /// The first segment called `id`.
    pub(super) fn first(&self, id: &str) -> Option<Located<'a>> {
        self.all([id]).next()
    }

    /// Every segment called by one of `ids`, in its order.
    pub(super) fn all<const N: usize>(
        &self,
        ids: [&str; N],
    ) -> impl Iterator<Item = Located<'a>> + use<'a, N> {
        let ids = ids.map(|id| <[u8; 3]>::try_from(id.as_bytes()).unwrap_or_default());
        let mut seen = [0; N];
        self.header.message().segments().filter_map(move |segment| {
            let (id, n) = ids.iter().zip(&mut seen).find(|(id, _)| segment.id() == id.as_slice())?;
            *n += 1;
            Some(Located { segment, place: Place::segment(Name::Id(*id), *n) })
        })
    }

    /// Whether one more list entry may be taken.
    pub(super) fn entry(&mut self, at: Place) -> bool {
        self.entries += 1;
        if self.entries == ENTRIES_MAX + 1 {
            self.warnings.add(Code::ListTruncated, at);
        }
        self.entries <= ENTRIES_MAX
    }

    /// A component's text as in the segments, without the trailing blanks that HL7 gives no meaning
    /// to (2.5.1, data type ST). Where there are subcomponents, the first is meant (2.8.2).
    pub(super) fn text(&self, component: Component<'a>) -> Value<Cow<'a, str>> {
        let separators = self.header.message().separators();
        text::value(component.subcomponent(1).raw(), &separators, self.header.charset())
    }

    /// A component with all its subcomponents as one text: what patients are told apart by.
    fn whole(&self, component: Component<'a>) -> Value<Json> {
        let separators = self.header.message().separators();
        let raw = parts::without_trailing(component.raw(), &separators);
        let (Some(sign), false) = (separators.subcomponent, text::is_null(raw)) else {
            return self.string(component);
        };
        let (mut whole, mut at) = (String::new(), 1);
        for (n, part) in parts::split(component.raw(), Some(sign)) {
            whole.extend(std::iter::repeat_n(char::from(sign), n - at));
            at = n;
            whole.push_str(&text::unescape(part, &separators, self.header.charset()));
        }
        let whole = whole.trim_ascii_end();
        if whole.is_empty() { Value::Absent } else { Value::Present(Json::from(whole)) }
    }

    /// As [`Reader::text`], as JSON.
    pub(super) fn string(&self, component: Component<'a>) -> Value<Json> {
        self.text(component).map(|text| Json::String(text.into_owned()))
    }

    /// The first component of field `n`.
    pub(super) fn code(&self, at: &Located<'a>, n: usize) -> Value<Json> {
        self.string(at.segment.field(n).component(1))
    }

    /// An identifier (CX): value, assigning authority as sent, type.
    pub(super) fn id(&self, one: Repetition<'a>) -> Value<Json> {
        let mut id = Object::default();
        id.put("value", self.string(one.component(1)));
        id.put("authority", self.whole(one.component(4)));
        id.put("type", self.string(one.component(5)));
        self.part(id, one.raw())
    }

    /// An object for a part of the message that is `raw`: null when that is all it says.
    pub(super) fn part(&self, object: Object, raw: &[u8]) -> Value<Json> {
        object.of(parts::without_trailing(raw, &self.header.message().separators()))
    }

    /// The first identifier of field `n`.
    pub(super) fn first_id(&self, at: &Located<'a>, n: usize) -> Value<Json> {
        let field = at.segment.field(n);
        field.repetitions().next().map_or(Value::Absent, |one| self.id(one))
    }

    /// Every identifier of field `n`, in the order of its repetitions.
    pub(super) fn ids(&mut self, at: &Located<'a>, n: usize) -> Value<Json> {
        self.list(at.segment.field(n), at.place.field(n), Self::id)
    }

    /// A list with an entry for each repetition of `field`: `{}` for one without content.
    pub(super) fn list(
        &mut self,
        field: Field<'a>,
        at: Place,
        read: impl Fn(&Self, Repetition<'a>) -> Value<Json>,
    ) -> Value<Json> {
        let separators = self.header.message().separators();
        if !parts::has_content(field.raw(), [Some(separators.component), separators.subcomponent]) {
            return Value::Absent;
        }
        if text::is_null(parts::without_trailing(field.raw(), &separators)) {
            return Value::Null;
        }
        let mut list = Vec::new();
        for (n, one) in field.repetitions().enumerate() {
            if !self.entry(Place { repetition: n + 1, ..at }) {
                break;
            }
            list.push(match read(self, one) {
                Value::Present(entry) => entry,
                Value::Null => Json::Null,
                Value::Absent => Json::Object(Map::new()),
            });
        }
        Value::Present(Json::Array(list))
    }

    /// The timestamp in component `m` of field `n`.
    pub(super) fn time(&mut self, at: &Located<'a>, n: usize, m: usize) -> Value<Json> {
        let place = at.place.field(n);
        let place = if m > 1 { place.component(m) } else { place };
        let text = self.text(at.segment.field(n).component(m));
        text.filter_map(|raw| times::instant(self, &raw, place))
    }

    /// The date in field `n`.
    pub(super) fn date(&mut self, at: &Located<'a>, n: usize) -> Value<Json> {
        let text = self.text(at.segment.field(n).component(1));
        text.filter_map(|raw| times::date(self, &raw, at.place.field(n)))
    }
}

/// A JSON object that leaves out what is absent.
#[derive(Default)]
pub(super) struct Object(Map<String, Json>);

impl Object {
    /// Adds a member, unless it is absent; a null is `null`.
    pub(super) fn put(&mut self, key: &str, value: Value<Json>) {
        match value {
            Value::Absent => None,
            Value::Null => self.0.insert(key.to_owned(), Json::Null),
            Value::Present(value) => self.0.insert(key.to_owned(), value),
        };
    }

    /// Adds a member in any case: `null` where nothing is said.
    pub(super) fn put_always(&mut self, key: &str, value: Value<Json>) {
        self.0.insert(key.to_owned(), value.present().unwrap_or_default());
    }

    /// The object, for a part of the message that is `raw`: null when the whole part is, absent
    /// when it has no member.
    fn of(self, raw: &[u8]) -> Value<Json> {
        if text::is_null(raw) {
            Value::Null
        } else if self.0.is_empty() {
            Value::Absent
        } else {
            Value::Present(Json::Object(self.0))
        }
    }

    /// The object.
    pub(super) fn whole(self) -> Json {
        Json::Object(self.0)
    }
}
