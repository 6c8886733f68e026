//! Where two messages differ: segments and fields by name, never what stands in them.

use std::collections::HashMap;

use super::place::{Name, Place};
use crate::difference::{Step, script};
use crate::hl7::{Field, Message, Segment};

/// The places at which `new` differs from `old`: `PID-5 changed`, `OBX[2] added`, `NTE removed`.
/// Changed and added segments are counted as in the new message, removed ones as in the old one.
pub fn changed_places(old: &Message<'_>, new: &Message<'_>) -> Vec<String> {
    let (old, new) = (named(old), named(new));
    let steps = script(&raw(&old), &raw(&new));
    let (mut old, mut new) = (old.into_iter(), new.into_iter());
    let mut found = Vec::new();
    for run in steps.chunk_by(|a, b| (*a == Step::Same) == (*b == Step::Same)) {
        let count = |not: Step| run.iter().filter(|step| **step != not).count();
        let gone: Vec<_> = old.by_ref().take(count(Step::Added)).collect();
        let come: Vec<_> = new.by_ref().take(count(Step::Removed)).collect();
        if run.first() != Some(&Step::Same) {
            compare(gone, come, &mut found);
        }
    }
    found
}

fn raw<'a>(segments: &[(Place, Segment<'a>)]) -> Vec<&'a [u8]> {
    segments.iter().map(|(_, segment)| segment.raw()).collect()
}

/// Pairs what went and what came by their ids, in their order.
fn compare<'a>(gone: Vec<(Place, Segment<'a>)>, come: Vec<(Place, Segment<'a>)>, found: &mut Vec<String>) {
    let mut gone: Vec<Option<(Place, Segment<'a>)>> = gone.into_iter().map(Some).collect();
    for (place, segment) in come {
        let same = |one: &&mut Option<(Place, Segment<'a>)>| {
            one.as_ref().is_some_and(|(_, old)| old.id() == segment.id())
        };
        match gone.iter_mut().find(same).and_then(Option::take) {
            Some((_, old)) => fields(place, old, segment, found),
            None => found.push(format!("{place} added")),
        }
    }
    found.extend(gone.into_iter().flatten().map(|(place, _)| format!("{place} removed")));
}

fn fields(place: Place, old: Segment<'_>, new: Segment<'_>, found: &mut Vec<String>) {
    let (old, new): (Vec<_>, Vec<_>) = (old.fields().collect(), new.fields().collect());
    for n in 0..old.len().max(new.len()) {
        let (old, new) = (old.get(n).map(Field::raw), new.get(n).map(Field::raw));
        if old.unwrap_or_default() != new.unwrap_or_default() {
            found.push(format!("{} changed", place.field(n + 1)));
        }
    }
}

/// The segments, each with its name among those of its id.
fn named<'a>(message: &Message<'a>) -> Vec<(Place, Segment<'a>)> {
    let mut seen: HashMap<&'a [u8], usize> = HashMap::new();
    let segments = message.segments().enumerate().map(|(position, segment)| {
        let occurrence = seen.entry(segment.id()).or_default();
        *occurrence += 1;
        (Place::segment(Name::of(segment.id(), position + 1), *occurrence), segment)
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use super::changed_places;
    use crate::hl7::Message;

    const OLD: &str = "MSH|^~\\&|A|B|C|D|20260310||ADT^A04|1|P|2.5\rPID|1||SECRET^^^X||DOE^PAT\rOBX|1||a\rOBX|2||b\rZZZ|x\r";

    fn check(edit: impl Fn(&str) -> String, wanted: &[&str]) {
        let new = edit(OLD);
        let (old, new) = (Message::parse(OLD.as_bytes()).unwrap(), Message::parse(new.as_bytes()).unwrap());
        assert_eq!(changed_places(&old, &new), wanted);
    }

    #[test]
    fn segments_and_fields_are_named() {
        check(str::to_owned, &[]);
        check(|old| old.replace('\r', "\n"), &[]);
        check(
            |old| old.replace("SECRET", "OTHER").replace("DOE^PAT", ""),
            &["PID-3 changed", "PID-5 changed"],
        );
        check(|old| old.replace("DOE^PAT", "DOE^PAT||1980"), &["PID-7 changed"]);
        check(|old| old.replace("20260310||ADT^A04", "20260310||ADT^A08"), &["MSH-9 changed"]);
        check(|old| old.replace("OBX|2||b\r", ""), &["OBX[2] removed"]);
        check(|old| old.replace("OBX|2||b\r", "OBX|2||c\rNTE|1\r"), &["OBX[2]-3 changed", "NTE added"]);
        check(|old| old.replace("ZZZ|x", "DOE JANE|x"), &["#5 added", "ZZZ removed"]);
        check(|old| old.replace("2.5\r", "2.5\rEVN||2026\r"), &["EVN added"]);
    }
}
