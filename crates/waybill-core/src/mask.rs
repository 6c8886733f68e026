//! What may be shown of data to somebody who gave no reason, and how any text is shown at all.
//!
//! Two questions, apart: [`json`], [`key`] and (for HL7) [`crate::hl7::normalized::mask`] hide what may
//! be personal, which is every value; [`inert`] makes whatever is shown harmless to the terminal or page
//! that shows it. Nothing here undoes what it did: in clear is a decision that is written down elsewhere.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};

use crate::credential::hex;

/// Characters of a member's name that is still taken for structure.
const NAME_MAX: usize = 40;
/// Bytes of a key's hash that are shown.
const KEY_HASH_BYTES: usize = 6;

/// A value's place holder: its length.
pub fn length(length: usize) -> String {
    format!("[{length}]")
}

/// A key (idempotency key, ordering key as text), which may hold a patient's number: the beginning of
/// its SHA-256, so that two can be compared, and its length in characters. Not secret against somebody
/// who can guess the key.
pub fn key(key: &str) -> String {
    let hash = Sha256::digest(key);
    format!("#{} {}", hex(&hash[..KEY_HASH_BYTES]), length(key.chars().count()))
}

/// Replaces every value by its length, and the names of members that look like data. What is `null`, an
/// array or an object stays.
pub fn json(value: &mut Json) {
    match value {
        Json::Null => {}
        // its length would tell which
        Json::Bool(_) => *value = Json::String("[bool]".to_owned()),
        Json::String(text) => *text = length(text.chars().count()),
        Json::Number(number) => *value = Json::String(length(number.to_string().len())),
        Json::Array(list) => list.iter_mut().for_each(json),
        Json::Object(members) => {
            let mut masked = Map::with_capacity(members.len());
            for (name, mut value) in std::mem::take(members) {
                json(&mut value);
                masked.insert(member(&masked, name), value);
            }
            *members = masked;
        }
    }
}

/// The name a member is shown under: its own when it can only be structure, else its length; told apart
/// from its neighbours by a number.
fn member(others: &Map<String, Json>, name: String) -> String {
    if is_structure(&name) {
        return name;
    }
    let masked = length(name.chars().count());
    if !others.contains_key(&masked) {
        return masked;
    }
    // one more number than there are others: one of them is free
    let numbers = 2..=others.len() + 2;
    numbers.map(|n| format!("{masked} {n}")).find(|name| !others.contains_key(name)).unwrap_or(masked)
}

/// A short identifier with few digits: a map keyed by numbers, dates or people has other names.
fn is_structure(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    name.len() <= NAME_MAX
        && name.bytes().all(letter)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
        && name.bytes().filter(u8::is_ascii_digit).count() <= 2
}

/// Text that cannot steer what shows it: control characters (escape sequences begin with one), signs
/// that turn the direction of text or are invisible, and other line ends, written as `\u{1b}`.
pub fn inert(text: &str) -> String {
    escaped(text, |c, out| out.extend(c.escape_unicode()))
}

/// As [`inert`], but lines stay lines.
pub fn inert_lines(text: &str) -> String {
    escaped(text, |c, out| match c {
        '\n' => out.push('\n'),
        _ => out.extend(c.escape_unicode()),
    })
}

/// JSON that is inert as text, and means the same: such characters only stand in its strings, and are
/// written as `\u001b`.
pub fn inert_json(json: &str) -> String {
    escaped(json, |c, out| match c {
        '\n' => out.push('\n'),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // writing to a string cannot fail
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    })
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { escape(c, &mut out) } else { out.push(c) }
    }
    out
}

/// Whether a character does something other than stand there. The ranges are those of Unicode's
/// general categories Cc, Cf, Zl and Zp, and its variation selectors.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
