//! Fields and what they are made of: repetitions, components, subcomponents, and the three states
//! a value can be in.
//!
//! Splitting happens when a part is asked for. `""` is HL7's null, which deletes what is stored;
//! an empty or missing part changes nothing. The two are kept apart everywhere.

use std::borrow::Cow;
use std::fmt;

use super::split::Split;
use super::{Charset, Separators, escape};

/// HL7's null value: present, and saying that there is nothing (HL7 2.5.1, 2.5.3).
const NULL: &[u8] = b"\"\"";

/// A value as a message gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Value<T> {
    /// Nothing is said: what is stored stays.
    #[default]
    Absent,
    /// HL7 `""`: what is stored is deleted.
    Null,
    /// This value.
    Present(T),
}

impl<T> Value<T> {
    /// The value with `change` applied to what is present.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Value<U> {
        match self {
            Self::Absent => Value::Absent,
            Self::Null => Value::Null,
            Self::Present(value) => Value::Present(change(value)),
        }
    }

    /// As [`Value::map`], where what is present may turn out to say nothing.
    pub fn filter_map<U>(self, change: impl FnOnce(T) -> Option<U>) -> Value<U> {
        match self {
            Self::Absent => Value::Absent,
            Self::Null => Value::Null,
            Self::Present(value) => change(value).map_or(Value::Absent, Value::Present),
        }
    }

    /// What is present, if anything is.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<'a> Value<&'a [u8]> {
    fn of(raw: &'a [u8]) -> Self {
        match raw {
            [] => Self::Absent,
            NULL => Self::Null,
            _ => Self::Present(raw),
        }
    }
}

/// The bytes of a part and how its message separates; shared by the three kinds of parts.
#[derive(Clone, Copy)]
struct Part<'a> {
    raw: &'a [u8],
    separators: Separators,
    /// Never split: it is MSH-1 or MSH-2, which are the separators.
    literal: bool,
}

impl<'a> Part<'a> {
    /// Every part between separators, as sent. A null is one part, which is null.
    #[inline]
    fn parts(self, separator: Option<u8>) -> impl Iterator<Item = Part<'a>> + Clone + use<'a> {
        Split::new(self.raw, separator.filter(|_| !self.literal)).map(move |raw| Part { raw, ..self })
    }

    /// Part `n`, counted from 1. A null has null parts: it deletes them all.
    #[inline]
    fn nth(self, separator: Option<u8>, n: usize) -> Part<'a> {
        let absent = Part { raw: &[], ..self };
        match n.checked_sub(1) {
            None => absent,
            Some(_) if self.raw == NULL => self,
            Some(before) => self.parts(separator).nth(before).unwrap_or(absent),
        }
    }

    /// With escapes and character set decoded, and without the trailing blanks that HL7 gives no
    /// meaning to (2.5.1, data type ST).
    fn text(&self, charset: Charset) -> Value<Cow<'a, str>> {
        let kept = self.raw.trim_ascii_end();
        Value::of(kept).map(|raw| match escape::decode(raw, &self.separators) {
            Cow::Borrowed(bytes) => charset.decode(bytes),
            Cow::Owned(bytes) => Cow::Owned(charset.decode(&bytes).into_owned()),
        })
    }
}

/// One field with all its repetitions. Component access goes to the first of them.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    part: Part<'a>,
}

impl<'a> Field<'a> {
    #[inline]
    pub(super) fn new(raw: &'a [u8], separators: Separators) -> Self {
        Self { part: Part { raw, separators, literal: false } }
    }

    /// A field that is never split: MSH-1 and MSH-2, which are the separators.
    #[inline]
    pub(super) fn literal(raw: &'a [u8], separators: Separators) -> Self {
        Self { part: Part { raw, separators, literal: true } }
    }

    #[inline]
    pub(super) fn absent(separators: Separators) -> Self {
        Self::new(&[], separators)
    }

    /// The bytes as sent.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.part.raw
    }

    /// The bytes as sent, by state.
    pub fn value(&self) -> Value<&'a [u8]> {
        Value::of(self.part.raw)
    }

    /// The whole field as sent, decoded for its character set only: separators and escapes stay.
    pub fn as_sent(&self, charset: Charset) -> Value<Cow<'a, str>> {
        self.value().map(|raw| charset.decode(raw))
    }

    /// Its repetitions; a field without any content has one, which is empty.
    #[inline]
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'a>> + Clone + use<'a> {
        self.part.parts(Some(self.part.separators.repetition)).map(|part| Repetition { part })
    }

    /// Component `n`, counted from 1, of the first repetition.
    #[inline]
    pub fn component(&self, n: usize) -> Component<'a> {
        Repetition { part: self.part.nth(Some(self.part.separators.repetition), 1) }.component(n)
    }
}

/// One repetition of a field.
#[derive(Clone, Copy)]
pub struct Repetition<'a> {
    part: Part<'a>,
}

impl<'a> Repetition<'a> {
    /// The bytes as sent.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.part.raw
    }

    /// Component `n`, counted from 1; of a null, every one is null.
    #[inline]
    pub fn component(&self, n: usize) -> Component<'a> {
        Component { part: self.part.nth(Some(self.part.separators.component), n) }
    }

    /// Its components as sent, in one pass: at least one, which may be empty. A null is one
    /// component, which is null.
    #[inline]
    pub fn components(&self) -> impl Iterator<Item = Component<'a>> + Clone + use<'a> {
        self.part.parts(Some(self.part.separators.component)).map(|part| Component { part })
    }
}

/// One component, or one subcomponent of it.
#[derive(Clone, Copy)]
pub struct Component<'a> {
    part: Part<'a>,
}

impl<'a> Component<'a> {
    /// The bytes as sent.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.part.raw
    }

    /// The bytes as sent, by state.
    pub fn value(&self) -> Value<&'a [u8]> {
        Value::of(self.part.raw)
    }

    /// Subcomponent `n`, counted from 1; of a null, every one is null.
    #[must_use]
    #[inline]
    pub fn subcomponent(&self, n: usize) -> Component<'a> {
        Component { part: self.part.nth(self.part.separators.subcomponent, n) }
    }

    /// Its subcomponents as sent, in one pass: at least one, which may be empty. A null is one
    /// subcomponent, which is null.
    #[inline]
    pub fn subcomponents(&self) -> impl Iterator<Item = Component<'a>> + Clone + use<'a> {
        self.part.parts(self.part.separators.subcomponent).map(|part| Component { part })
    }

    /// The text: escapes and character set decoded, trailing blanks removed.
    pub fn text(&self, charset: Charset) -> Value<Cow<'a, str>> {
        self.part.text(charset)
    }
}

/// Only the size: a field is about a person.
macro_rules! debug_shows_the_size_only {
    ($($part:ident),*) => {$(
        impl fmt::Debug for $part<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({} bytes)", stringify!($part), self.part.raw.len())
            }
        }
    )*};
}

debug_shows_the_size_only!(Field, Repetition, Component);

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Field, Value};
    use crate::hl7::{Charset, Separators};

    const USUAL: Separators = Separators {
        field: b'|',
        component: b'^',
        repetition: b'~',
        escape: Some(b'\\'),
        subcomponent: Some(b'&'),
        truncation: None,
    };

    /// The state of component `n`.`m` of the first repetition.
    fn check(raw: &str, n: usize, m: usize, expected: Value<&str>) {
        let component = Field::new(raw.as_bytes(), USUAL).component(n).subcomponent(m);
        assert_eq!(component.text(Charset::Utf8).map(Cow::into_owned), expected.map(str::to_owned), "{raw}");
    }

    #[test]
    fn parts_are_found_by_number() {
        check("DOE^JANE~X^Y", 1, 1, Value::Present("DOE"));
        check("DOE^JANE~X^Y", 2, 1, Value::Present("JANE"));
        check("DOE^JANE~X^Y", 3, 1, Value::Absent);
        check("DOE&VAN^JANE", 1, 2, Value::Present("VAN"));
        check("DOE&VAN^JANE", 1, 3, Value::Absent);
        check("DOE", 0, 1, Value::Absent);
        check("DOE", 1, 0, Value::Absent);
        check("", 1, 1, Value::Absent);
    }

    #[test]
    fn null_empty_and_present_differ() {
        check("\"\"", 1, 1, Value::Null);
        check("\"\"^JANE", 1, 1, Value::Null);
        check("\"\"^JANE", 2, 1, Value::Present("JANE"));
        check("^JANE", 1, 1, Value::Absent);
        check("\"\"\"", 1, 1, Value::Present("\"\"\""));
    }

    #[test]
    fn a_null_field_nulls_all_its_parts() {
        check("\"\"", 5, 1, Value::Null);
        check("A^\"\"", 2, 3, Value::Null);
        check("\"\"~B^C", 2, 1, Value::Null);
    }

    #[test]
    fn text_is_unescaped_after_splitting_and_loses_trailing_blanks() {
        check("R\\T\\D^X", 1, 1, Value::Present("R&D"));
        check("A\\S\\B", 1, 1, Value::Present("A^B"));
        check(" DOE  ", 1, 1, Value::Present(" DOE"));
        check("   ", 1, 1, Value::Absent);
    }

    #[test]
    fn repetitions_come_in_order() {
        let raw: Vec<_> = Field::new(b"1^A~~2^B", USUAL).repetitions().map(|one| one.raw()).collect();
        assert_eq!(raw, [&b"1^A"[..], b"", b"2^B"]);
    }

    /// All parts in order: repetitions apart by `;`, components by space, subcomponents by `/`.
    fn check_parts(field: Field<'_>, expected: &str) {
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        let component = |one: super::Component<'_>| {
            one.subcomponents().map(|part| text(part.raw())).collect::<Vec<_>>().join("/")
        };
        let repetition = |one: super::Repetition<'_>| one.components().map(component).collect::<Vec<_>>();
        let parts: Vec<_> = field.repetitions().map(|one| repetition(one).join(" ")).collect();
        assert_eq!(parts.join(";"), expected, "{:?}", text(field.raw()));
    }

    #[test]
    fn parts_come_in_order_as_sent() {
        check_parts(Field::new(b"A&B^C~D^^E&~", USUAL), "A/B C;D  E/;");
        check_parts(Field::new(b"", USUAL), "");
        check_parts(Field::new(b"\"\"", USUAL), "\"\"");
        check_parts(Field::new(b"\"\"^A\\T\\B", USUAL), "\"\" A\\T\\B");
        let few = Separators { escape: None, subcomponent: None, ..USUAL };
        check_parts(Field::new(b"A&B^C", few), "A&B C");
    }

    #[test]
    fn the_separators_themselves_are_never_split() {
        check_parts(Field::literal(b"^~\\&", USUAL), "^~\\&");
        let declared = Field::literal(b"^~\\&", USUAL).component(1).subcomponent(1);
        assert_eq!(declared.raw(), b"^~\\&");
    }

    #[test]
    fn debug_shows_no_content() {
        let field = Field::new(b"DOE^JANE", USUAL);
        assert_eq!(format!("{field:?} {:?}", field.component(1)), "Field(8 bytes) Component(3 bytes)");
    }
}
