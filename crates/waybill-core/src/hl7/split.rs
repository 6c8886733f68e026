//! Splitting bytes at one separator: the one loop that fields, repetitions, components and
//! subcomponents are all read by.
//!
//! An iterator never looks at a byte twice, so reading every part of a part is linear. It copies
//! nothing, and gives empty parts as they stand: what a separator stands between is there.

/// The bytes between the separators, in order; always at least one part, even of nothing.
///
/// Eight bytes are looked at together, as one number: parts are short, and a search that is made
/// for long ones costs more to begin, for each part, than it saves.
#[derive(Clone)]
pub(super) struct Split<'a> {
    raw: &'a [u8],
    sign: u8,
    /// Where the part that comes next begins; behind the end when there is none.
    begin: usize,
    /// Where the eight bytes end that `found` is about.
    seen: usize,
    /// The separators among them that have not been come to: the highest bit of their bytes.
    found: u64,
}

impl<'a> Split<'a> {
    /// Splits `raw` at every `sign`; not at all where the message declares no such sign.
    #[inline]
    pub(super) fn new(raw: &'a [u8], sign: Option<u8>) -> Self {
        let seen = if sign.is_some() { 0 } else { raw.len() };
        Self { raw, sign: sign.unwrap_or_default(), begin: 0, seen, found: 0 }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.found == 0 && self.seen < self.raw.len() {
            let bytes = number(self.raw.get(self.seen..).unwrap_or_default());
            self.found = places(self.sign, bytes);
            self.seen += 8;
        }
        let begin = self.begin;
        if self.found == 0 {
            self.begin = self.raw.len() + 1;
            return self.raw.get(begin..);
        }
        let end = self.seen - 8 + self.found.trailing_zeros() as usize / 8;
        self.found &= self.found - 1;
        self.begin = end + 1;
        self.raw.get(begin..end)
    }
}

/// The highest bit of each byte of `bytes` that is `sign`.
#[inline]
fn places(sign: u8, bytes: u64) -> u64 {
    const LOW_BITS: u64 = u64::from_le_bytes([1; 8]);
    const ALL_BUT_HIGH_BITS: u64 = u64::from_le_bytes([0x7F; 8]);
    let differing = bytes ^ (LOW_BITS * u64::from(sign));
    // adding carries into the highest bit of every byte that is not zero, and never beyond it
    !(((differing & ALL_BUT_HIGH_BITS) + ALL_BUT_HIGH_BITS) | differing | ALL_BUT_HIGH_BITS)
}

/// The first eight bytes, the first of them lowest; zero, which is no separator, where there are
/// fewer. Written out by length, for a loop over a length that always differs is guessed wrong.
#[inline]
fn number(bytes: &[u8]) -> u64 {
    if let Some(all) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*all);
    }
    if let (Some(low), Some(high)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << shift;
    }
    match *bytes {
        [one] => u64::from(one),
        [one, two] => u64::from_le_bytes([one, two, 0, 0, 0, 0, 0, 0]),
        [one, two, three] => u64::from_le_bytes([one, two, three, 0, 0, 0, 0, 0]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Split;

    fn check(raw: &str, sign: Option<u8>, expected: &[&str]) {
        let parts: Vec<_> = Split::new(raw.as_bytes(), sign).map(String::from_utf8_lossy).collect();
        assert_eq!(parts, expected, "{raw:?}");
    }

    #[test]
    fn every_separator_stands_between_two_parts() {
        check("", Some(b'|'), &[""]);
        check("|", Some(b'|'), &["", ""]);
        check("a|b", Some(b'|'), &["a", "b"]);
        check("||a|", Some(b'|'), &["", "", "a", ""]);
        check("a|b", None, &["a|b"]);
    }

    #[test]
    fn a_separator_is_found_at_any_distance() {
        for length in 0..70 {
            let (one, other) = ("a".repeat(length), "b".repeat(70 - length));
            check(&format!("{one}|{other}"), Some(b'|'), &[&one, &other]);
        }
    }
}
