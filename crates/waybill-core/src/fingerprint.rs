//! Fingerprints: which dead letters are alike.
//!
//! Two are alike when they are of one source and kind, failed with one class, and for one reason once
//! ids, numbers, times and quoted values are taken out of it. The fingerprint is a stable 64-bit hash
//! of that: the same in every process, release and ledger. It never depends on anything else, or a
//! group would fall apart; and what is taken out never comes back, so a pattern holds no value.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Characters of a pattern; what follows tells nothing apart.
pub const PATTERN_CHARS_MAX: usize = 500;
/// What stands for anything that was taken out.
const ANY: char = '*';

/// What dead letters that are alike have in common, as a number; shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(i64);

impl Fingerprint {
    /// The fingerprint of a dead letter, from its reason's pattern (see [`pattern`]).
    pub fn of(source: &str, kind: &str, class: &str, pattern: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [source, kind, class, pattern] {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hasher.finalize()[..8]);
        Self(i64::from_be_bytes(bytes))
    }

    /// As the ledger holds it.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// Out of the ledger.
    pub const fn from_i64(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// Not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 16 hexadecimal digits, as `waybill dead groups` shows them")]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        u64::from_str_radix(text, 16)
            .map(|bits| Self(i64::from_be_bytes(bits.to_be_bytes())))
            .map_err(|_| NotAFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NotAFingerprint;

    fn try_from(text: String) -> Result<Self, NotAFingerprint> {
        text.parse()
    }
}

/// What a reason says, whichever message it says it of: each id, number, time and quoted value is
/// `*`, and so is a list of them. Names stay: fields (`PID-3`, `/signedAt`), codes (`GG10`), words.
pub fn pattern(reason: &str) -> String {
    let chars: Vec<char> = reason.chars().collect();
    let mut out = Pattern::default();
    let mut at = 0;
    while at < chars.len() {
        let (end, is_value) = if let Some(end) = quoted(&chars, at) {
            (end, true)
        } else if let Some(end) = word(&chars, at) {
            (end, varies(&chars[at..end]))
        } else {
            (at + 1, false)
        };
        if is_value {
            out.any();
        } else {
            out.say(&chars[at..end]);
        }
        at = end;
    }
    out.done()
}

/// A pattern that grows; spaces are one, and what stands for several values side by side is one.
#[derive(Default)]
struct Pattern {
    text: String,
    chars: usize,
    /// Between the last value and here: only what separates the values of a list.
    gap: Option<String>,
}

impl Pattern {
    fn say(&mut self, said: &[char]) {
        for &c in said {
            let c = if c.is_whitespace() { ' ' } else { c };
            match &mut self.gap {
                Some(gap) if matches!(c, ' ' | ',' | '-' | '+') => gap.push(c),
                _ => {
                    self.close();
                    self.push(c);
                }
            }
        }
    }

    fn any(&mut self) {
        if self.gap.is_none() {
            // a sign belongs to its number
            let bare = self.text.strip_suffix(['-', '+']).map(str::len);
            if let Some(bare) = bare.filter(|&end| end == 0 || self.text[..end].ends_with([' ', '('])) {
                self.text.truncate(bare);
                self.chars -= 1;
            }
            self.push(ANY);
        }
        self.gap = Some(String::new());
    }

    fn close(&mut self) {
        for c in self.gap.take().unwrap_or_default().chars() {
            self.push(c);
        }
    }

    fn push(&mut self, c: char) {
        if self.chars < PATTERN_CHARS_MAX && !(c == ' ' && (self.text.is_empty() || self.text.ends_with(' ')))
        {
            self.text.push(c);
            self.chars += 1;
        }
    }

    fn done(mut self) -> String {
        self.close();
        self.text.truncate(self.text.trim_end().len());
        self.text
    }
}

/// The end of a value in quotes that begins at `at`. An apostrophe inside of a word is none, and
/// backticks are left alone: they quote names.
fn quoted(chars: &[char], at: usize) -> Option<usize> {
    let close = match chars[at] {
        quote @ ('"' | '\'') => quote,
        '\u{201c}' => '\u{201d}',
        '\u{2018}' => '\u{2019}',
        _ => return None,
    };
    if at > 0 && chars[at - 1].is_alphanumeric() {
        return None;
    }
    let ends = |i: usize| chars[i] == close && !chars.get(i + 1).is_some_and(|c| c.is_alphanumeric());
    (at + 1..chars.len()).find(|&i| ends(i)).map(|i| i + 1)
}

/// The end of the word that begins at `at`: letters and digits, and what joins them in times,
/// decimals, ids and names of fields.
fn word(chars: &[char], at: usize) -> Option<usize> {
    let is_part = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    if !is_part(at) {
        return None;
    }
    let mut end = at;
    while is_part(end) || (matches!(chars.get(end), Some('-' | ':' | '.' | '+' | '@')) && is_part(end + 1)) {
        end += 1;
    }
    Some(end)
}

/// Whether a word is a value: a number, a time, an id; not a name.
fn varies(word: &[char]) -> bool {
    let digits = word.iter().filter(|c| c.is_numeric()).count();
    let is_hex = word.len() >= 8 && word.iter().all(|c| c.is_ascii_hexdigit() || *c == '-');
    is_hex || word[0].is_numeric() || word.contains(&'@') || (digits > 2 && !is_field(word))
}

/// The name of an HL7 field: `PID-3`, `SCH-11.4`, `OBX-5.120`.
fn is_field(word: &[char]) -> bool {
    let [a, b, c, '-', number @ ..] = word else { return false };
    let is_upper = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit();
    a.is_ascii_uppercase()
        && is_upper(b)
        && is_upper(c)
        && number
            .split(|c| *c == '.')
            .all(|n| (1..=3).contains(&n.len()) && n.iter().all(char::is_ascii_digit))
}

#[cfg(test)]
mod tests;
