//! Character sets: which one a message is in, and its text.
//!
//! Decoding never fails and never loses a byte silently: what is said to be UTF-8 and is not is
//! read as ISO 8859-1, in which every byte is a character. The body in the ledger stays as it was
//! received.
//!
//! Only sets that keep ASCII's bytes for themselves are read. In GB 18030, BIG-5, Shift-JIS and the
//! ISO-IR sets of Japan the second byte of a character may equal a separator (`|` is 0x7C), and in
//! UTF-16 and UTF-32 every ASCII character has bytes of zero: a message in one of them would be
//! split in the midst of a name. HL7 forbids the latter two in this encoding (2.5.1, 2.15.9.18).

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252};

/// A character set that can be read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, and ASCII, which is a part of it.
    Utf8,
    /// ISO 8859-1, latin-1: each byte is the character of its number.
    Latin1,
    /// Another part of ISO 8859: the bytes 0x80 to 0x9F are control codes, whatever Windows says.
    Iso8859(&'static Encoding),
    /// A Windows code page, 1250 to 1258.
    Windows(&'static Encoding),
    /// One was named that cannot be read here. ASCII in it is read all the same, and the rest as
    /// UTF-8 where it is that, else as ISO 8859-1: whoever needs to be sure refuses it.
    Unsupported,
}

impl Charset {
    /// Decides: HTTP's `charset` parameter, else MSH-18, else what the source says (else UTF-8).
    ///
    /// Of a repeated MSH-18 the first repetition counts: the others are switched to by escape
    /// sequences (HL7 2.5.1, 2.15.9.18), which are not followed here.
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
    pub fn named(name: &str) -> Self {
        // the usual names, at the price of a comparison: every message asks
        if ["utf-8", "unicode utf-8", "ascii"].iter().any(|usual| name.eq_ignore_ascii_case(usual)) {
            return Self::Utf8;
        }
        let plain: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicodeutf8" | "unicode" | "ascii" | "usascii" | "iso646us" | "iso646" => Self::Utf8,
            "latin1" | "l1" => Self::Latin1,
            "1252" => Self::Windows(WINDOWS_1252),
            other => Self::numbered(other).unwrap_or(Self::Unsupported),
        }
    }

    /// `8859<part>` and `iso8859<part>`; `windows<page>` and `cp<page>`.
    fn numbered(plain: &str) -> Option<Self> {
        let label = |label: String| Encoding::for_label(label.as_bytes());
        if let Some(part) = plain.strip_prefix("iso").unwrap_or(plain).strip_prefix("8859") {
            return if part == "1" {
                Some(Self::Latin1)
            } else {
                label(format!("iso-8859-{part}")).map(Self::Iso8859)
            };
        }
        let page = plain.strip_prefix("windows").or_else(|| plain.strip_prefix("cp"))?;
        let page = page.strip_prefix("125").filter(|page| page.len() == 1)?;
        label(format!("windows-125{page}")).map(Self::Windows)
    }

    /// The text of `bytes`. NUL, which no text column can hold, becomes U+FFFD, and so does a byte
    /// that means nothing in the set.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        let text = match (self, std::str::from_utf8(bytes)) {
            (Self::Utf8 | Self::Unsupported, Ok(text)) => Cow::Borrowed(text),
            (_, Ok(text)) if bytes.is_ascii() => Cow::Borrowed(text),
            (Self::Iso8859(encoding), _) => iso(encoding, bytes),
            (Self::Windows(encoding), _) => encoding.decode_without_bom_handling(bytes).0,
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

/// `encoding` has one character for each byte. Some parts of ISO 8859 are read by the Web as the
/// Windows code page that has them within: its printable signs at 0x80 to 0x9F are taken out again.
fn iso(encoding: &'static Encoding, bytes: &[u8]) -> Cow<'static, str> {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let control = |(&byte, read): (&u8, char)| match byte {
        0x80..=0x9F => char::from(byte),
        _ => read,
    };
    bytes.iter().zip(text.chars()).map(control).collect()
}

#[cfg(test)]
mod tests {
    use encoding_rs::{ISO_8859_2, ISO_8859_15, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254};

    use super::Charset::{self, Iso8859, Latin1, Unsupported, Utf8, Windows};

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
        check_choice(plain, "", "windows-1252", Windows(WINDOWS_1252));
        check_choice("application/hl7-v2; charset=", "", "latin1", Latin1);
        check_choice(plain, "", "", Utf8);
        check_choice(plain, "8859/2~UNICODE UTF-8", "utf-8", Iso8859(ISO_8859_2));
    }

    fn check_names(names: &[&str], expected: Charset) {
        for name in names {
            assert_eq!(Charset::named(name), expected, "{name}");
        }
    }

    #[test]
    fn names_are_read_as_senders_write_them() {
        check_names(&["ASCII", "UNICODE UTF-8", "UTF-8", "UNICODE", "utf8", "us-ascii"], Utf8);
        check_names(&["8859/1", "iso-8859-1", "ISO_8859-1", "8859-1", "Latin1"], Latin1);
        check_names(&["8859/15", "ISO-8859-15", "iso8859-15"], Iso8859(ISO_8859_15));
        check_names(&["windows-1250", "CP1250"], Windows(WINDOWS_1250));
        check_names(&["windows-1252", "cp1252", "1252"], Windows(WINDOWS_1252));
        for part in (1..=15).filter(|part| *part != 12) {
            assert_ne!(Charset::named(&format!("8859/{part}")), Unsupported, "{part}");
        }
        for page in 1250..=1258 {
            assert_ne!(Charset::named(&format!("windows-{page}")), Unsupported, "{page}");
        }
    }

    #[test]
    fn sets_whose_bytes_may_be_separators_and_unknown_ones_are_not_read() {
        check_names(
            &[
                "BIG-5",
                "GB 18030-2000",
                "KS X 1001",
                "CNS 11643-1992",
                "ISO IR14",
                "ISO IR87",
                "ISO IR159",
                "Shift_JIS",
                "UTF-16",
                "UNICODE UTF-16",
                "UNICODE UTF-32",
                "8859/12",
                "8859/0",
                "8859/",
                "8859/1x",
                "windows-874",
                "windows-1259",
                "windows-125",
                "windows-12500",
                "koi8-r",
                "utf-7",
                "?",
                "\u{e9}",
            ],
            Unsupported,
        );
    }

    fn check_text(charset: Charset, bytes: &[u8], expected: &str) {
        assert_eq!(charset.decode(bytes), expected, "{charset:?} {bytes:?}");
    }

    #[test]
    fn text_is_decoded() {
        check_text(Utf8, "Zoë".as_bytes(), "Zoë");
        check_text(Latin1, b"Zo\xeb", "Zoë");
        check_text(Latin1, b"\x80 \x93", "\u{80} \u{93}");
        check_text(Windows(WINDOWS_1252), b"\x80 \x93x\x94 \x9f \x81 \xeb", "€ “x” Ÿ \u{81} ë");
        check_text(Latin1, "Zoë".as_bytes(), "ZoÃ«");
        check_text(Iso8859(ISO_8859_2), b"\xa3\xf3d\xbc", "Łódź");
        check_text(Iso8859(ISO_8859_15), b"\xa4\x80", "€\u{80}");
        check_text(Charset::named("8859/9"), b"\xfe\x80", "ş\u{80}");
        check_text(Windows(WINDOWS_1254), b"\xfe\x80", "ş€");
        check_text(Charset::named("8859/7"), b"\xc1\xd2\x99", "Α\u{fffd}\u{99}");
        check_text(Unsupported, b"plain", "plain");
    }

    #[test]
    fn what_is_not_utf_8_is_read_as_latin_1() {
        check_text(Utf8, b"Zo\xeb", "Zoë");
        check_text(Unsupported, b"Zo\xeb", "Zoë");
    }

    #[test]
    fn a_byte_order_mark_is_no_reason_to_change_the_set() {
        check_text(Latin1, b"\xef\xbb\xbfx", "ï»¿x");
        check_text(Windows(WINDOWS_1252), b"\xef\xbb\xbfx", "ï»¿x");
    }

    #[test]
    fn text_holds_no_nul() {
        for charset in [Utf8, Latin1, Windows(WINDOWS_1252), Iso8859(ISO_8859_2), Unsupported] {
            check_text(charset, b"a\0b", "a\u{fffd}b");
            check_text(charset, b"a\0\xfcb", "a\u{fffd}üb");
        }
    }
}
