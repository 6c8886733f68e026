//! A message for eyes that have no reason to see it: its structure and the lengths of its values.
//!
//! Shown as they are: ids of segments, numbers of fields, and what in MSH is never about a person
//! (when, type, processing id, version, acknowledgement, character set). Everything else, the
//! control id included (some senders put a patient's number into it), becomes its length: `[7]`.

use serde_json::{Map, Value as Json};

use super::parts;
use super::place::Name;
use super::text::{NULL, is_null};
use crate::hl7::Header;
use crate::mask::length;

/// The fields of MSH that are shown; 1 and 2 are the separators.
const SHOWN: [usize; 9] = [1, 2, 7, 9, 11, 12, 15, 16, 18];

/// The lines of a message, each value replaced by its length in bytes.
pub fn masked_lines(header: &Header<'_>) -> Vec<String> {
    let message = header.message();
    let separators = message.separators();
    let signs = [Some(separators.component), Some(separators.repetition), separators.subcomponent];
    let lines = message.segments().enumerate().map(|(position, segment)| {
        let mut line = match Name::of(segment.id(), position + 1) {
            Name::Id(id) => id.iter().copied().map(char::from).collect(),
            Name::Position(_) => length(segment.id().len()),
        };
        let mut at = usize::from(position == 0);
        for token in parts::fields(segment) {
            if token.literal && token.n == 1 {
                continue;
            }
            line.extend(std::iter::repeat_n(char::from(separators.field), token.n - at));
            at = token.n;
            if position == 0 && SHOWN.contains(&token.n) {
                line.push_str(&header.charset().decode(token.raw));
            } else {
                mask_field(token.raw, signs, &mut line);
            }
        }
        line
    });
    lines.collect()
}

fn mask_field(raw: &[u8], signs: [Option<u8>; 3], line: &mut String) {
    for part in raw.chunk_by(|left, right| !signs.contains(&Some(*left)) && !signs.contains(&Some(*right))) {
        match part {
            [sign] if signs.contains(&Some(*sign)) => line.push(char::from(*sign)),
            _ if is_null(part) => line.push_str(NULL),
            _ => line.push_str(&length(part.len())),
        }
    }
}

/// Masks a normalised message, and says so in it: `"masked": true`. Lengths are in characters.
pub fn mask(normalized: &mut Map<String, Json>) {
    for key in ["patient", "visit", "appointment", "merge", "observations"] {
        normalized.get_mut(key).into_iter().for_each(mask_all);
    }
    if let Some(Json::Object(message)) = normalized.get_mut("message") {
        for key in ["control_id", "sequence", "sending", "receiving"] {
            message.get_mut(key).into_iter().for_each(mask_all);
        }
    }
    if let Some(Json::Array(segments)) = normalized.get_mut("segments") {
        segments.iter_mut().enumerate().for_each(|(position, segment)| mask_segment(position, segment));
    }
    normalized.insert("masked".to_owned(), Json::Bool(true));
}

fn mask_segment(position: usize, segment: &mut Json) {
    if let Some(Json::String(id)) = segment.get_mut("id")
        && matches!(Name::of(id.as_bytes(), 1), Name::Position(_))
    {
        *id = length(id.chars().count());
    }
    if let Some(Json::Object(fields)) = segment.get_mut("f") {
        for (n, field) in fields {
            let shown = position == 0 && n.parse().is_ok_and(|n: usize| SHOWN.contains(&n));
            if !shown {
                mask_all(field);
            }
        }
    }
}

/// Masks every value below, but for what says how exact a time is and whose offset it has.
fn mask_all(value: &mut Json) {
    match value {
        Json::String(text) => *text = length(text.chars().count()),
        Json::Number(number) => *value = Json::String(length(number.to_string().len())),
        Json::Array(list) => list.iter_mut().for_each(mask_all),
        Json::Object(members) => {
            let members = members.iter_mut().filter(|(key, _)| !matches!(key.as_str(), "precision" | "zone"));
            members.for_each(|(_, value)| mask_all(value));
        }
        Json::Null | Json::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{mask, masked_lines};
    use crate::hl7::normalized::{Context, normalized};
    use crate::hl7::{Header, Message};

    const BODY: &str = "MSH|^~\\&|SECRET|SECRET|SECRET|SECRET|20260310||ADT^A04|SECRET|P|2.5.1|42|\rPID|1||SECRET^^^SECRET&SECRET~SECRET||\"\"|SECRET|19840912|||||SECRET\rSECRET lives|SECRET\rPV1||||||||||||||||||||||||||||||||||||||||||||202603100910\rOBX|1|SN|SECRET||SECRET^1\rMRG|SECRET\rSCH|SECRET\r";

    fn header() -> Header<'static> {
        let Ok(message) = Message::parse(BODY.as_bytes()) else { unreachable!("refused") };
        Header::read(message, "", "utf-8")
    }

    #[test]
    fn lines_keep_their_structure_alone() {
        let lines = masked_lines(&header());
        assert_eq!(lines[0], "MSH|^~\\&|[6]|[6]|[6]|[6]|20260310||ADT^A04|[6]|P|2.5.1|[2]");
        assert_eq!(lines[1], "PID|[1]||[6]^^^[6]&[6]~[6]||\"\"|[6]|[8]|||||[6]");
        assert_eq!(lines[2], "[12]|[6]");
        assert!(!lines.concat().contains("SECRET"));
    }

    #[test]
    fn json_keeps_its_structure_alone() {
        let context = Context {
            id: uuid::Uuid::nil(),
            source: "lab",
            received_at: chrono::DateTime::default(),
            timezone: chrono_tz::UTC,
        };
        let mut json = serde_json::to_value(normalized(&header(), &context)).unwrap();
        mask(json.as_object_mut().unwrap());
        let text = json.to_string();
        for hidden in ["SECRET", "1984", "202603100910", "42", "\"1\":\"1\""] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
        assert_eq!(json["masked"], true);
        assert_eq!(json["message"]["type"], "ADT");
        assert_eq!(json["message"]["control_id"], "[6]");
        assert_eq!(json["message"]["sequence"], "[2]");
        assert_eq!(json["patient"]["birth_date"]["precision"], "day");
        assert_eq!(json["patient"]["name"], serde_json::Value::Null);
        assert_eq!(json["segments"][2]["id"], "[12]");
        assert_eq!(json["segments"][0]["f"]["9"][0]["2"], "A04");
        assert_eq!(json["segments"][1]["f"]["3"][0]["4"]["2"], "[6]");
    }
}
