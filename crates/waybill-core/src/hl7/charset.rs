//! Character sets: which one a message is in, and its text.
//!
//! Decoding never fails and never loses a byte silently: what is not UTF-8 is read as ISO 8859-1,
//! in which every byte is a character. The body in the ledger stays as it was received.

use std::borrow::Cow;

/// A character set that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, and ASCII, which is a part of it.
    Utf8,
    /// ISO 8859-1, latin-1.
    Latin1,
    /// Windows code page 1252.
    Windows1252,
    /// One was named that cannot be read here. ASCII in it is read all the same, and the rest as
    /// UTF-8 where it is that, else as ISO 8859-1: whoever needs to be sure refuses it.
    Unsupported,
}

impl Charset {
    /// Decides: HTTP's `charset` parameter, else MSH-18, else what the source says (else UTF-8).
    ///
    /// Of a repeated MSH-18 the first repetition counts: the others are switched to by escape
    /// sequences (HL7 2.5.1, 2.15.9.18).
    pub fn choose(content_type: &str, msh_18: &[u8], source: &str) -> Self {
        let msh_18 = String::from_utf8_lossy(msh_18);
        let first = msh_18.split('~').next().unwrap_or_default();
        [parameter(content_type).unwrap_or_default(), first, source]
            .into_iter()
            .map(|name| name.trim().trim_matches('"'))
            .find(|name| !name.is_empty())
            .map_or(Self::Utf8, Self::named)
    }

    /// The character set called `name`: by IANA, by HL7 table 0211, or as senders write it.
    fn named(name: &str) -> Self {
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicodeutf8" | "unicode" | "ascii" | "usascii" | "iso646us" | "iso646" => Self::Utf8,
            "88591" | "iso88591" | "latin1" | "l1" => Self::Latin1,
            "windows1252" | "cp1252" | "1252" => Self::Windows1252,
            _ => Self::Unsupported,
        }
    }

    /// The text of `bytes`. NUL, which no text column can hold, becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let text = match (self, std::str::from_utf8(bytes)) {
            (Self::Utf8 | Self::Unsupported, Ok(text)) => Cow::Borrowed(text),
            (_, Ok(text)) if bytes.is_ascii() => Cow::Borrowed(text),
            (Self::Windows1252, _) => bytes.iter().map(|&byte| windows_1252(byte)).collect(),
            _ => bytes.iter().map(|&byte| char::from(byte)).collect(),
        };
        if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text }
    }
}

/// The `charset` parameter of a media type (RFC 9110, 8.3.2).
fn parameter(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })
}

/// As ISO 8859-1, except for 0x80 to 0x9F; the five bytes that mean nothing stay control codes.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    byte.checked_sub(0x80).and_then(|n| HIGH.get(usize::from(n))).copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::Charset::{self, Latin1, Unsupported, Utf8, Windows1252};

    fn check_choice(content_type: &str, msh_18: &str, source: &str, expected: Charset) {
        let chosen = Charset::choose(content_type, msh_18.as_bytes(), source);
        assert_eq!(chosen, expected, "{content_type:?} {msh_18:?} {source:?}");
    }

    #[test]
    fn http_wins_over_msh_18_over_the_source() {
        let plain = "application/hl7-v2";
        check_choice("application/hl7-v2; charset=utf-8", "8859/1", "windows-1252", Utf8);
        check_choice("application/hl7-v2;a=b; Charset=\"ISO-8859-1\"", "UNICODE UTF-8", "utf-8", Latin1);
        check_choice(plain, "8859/1", "utf-8", Latin1);
        check_choice(plain, "", "windows-1252", Windows1252);
        check_choice("application/hl7-v2; charset=", "", "latin1", Latin1);
        check_choice(plain, "", "", Utf8);
    }

    #[test]
    fn names_are_read_as_senders_write_them() {
        let plain = "application/hl7-v2";
        for name in ["ASCII", "UNICODE UTF-8", "UTF-8~UNICODE", "UNICODE", "utf8", "us-ascii"] {
            check_choice(plain, name, "windows-1252", Utf8);
        }
        for name in ["BIG-5", "GB 18030-2000", "8859/2", "UTF-16", "?"] {
            check_choice(plain, name, "utf-8", Unsupported);
        }
    }

    fn check_text(charset: Charset, bytes: &[u8], expected: &str) {
        assert_eq!(charset.decode(bytes), expected, "{charset:?} {bytes:?}");
    }

    #[test]
    fn text_is_decoded() {
        check_text(Utf8, "Zoë".as_bytes(), "Zoë");
        check_text(Latin1, b"Zo\xeb", "Zoë");
        check_text(Latin1, b"\x80", "\u{80}");
        check_text(Windows1252, b"\x80 \x93x\x94 \x9f \x81 \xeb", "€ “x” Ÿ \u{81} ë");
        check_text(Latin1, "Zoë".as_bytes(), "ZoÃ«");
        check_text(Unsupported, b"plain", "plain");
    }

    #[test]
    fn what_is_not_utf_8_is_read_as_latin_1() {
        check_text(Utf8, b"Zo\xeb", "Zoë");
        check_text(Unsupported, b"Zo\xeb", "Zoë");
    }

    #[test]
    fn text_holds_no_nul() {
        for charset in [Utf8, Latin1, Windows1252, Unsupported] {
            check_text(charset, b"a\0b", "a\u{fffd}b");
        }
    }
}
