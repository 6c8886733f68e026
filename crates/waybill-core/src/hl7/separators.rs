//! The separators of a message: what MSH-1 and MSH-2 declare.
//!
//! Every message declares its own, so nothing else in the crate may assume the usual `|^~\&`.

/// The delimiters of one message (HL7 2.5.1, 2.5.4).
///
/// Of MSH-2 the first two are always there; the standard lets a sender leave out the escape and
/// the subcomponent separator when it uses neither, and adds the truncation character in 2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separators {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// Usually `^`.
    pub component: u8,
    /// Usually `~`.
    pub repetition: u8,
    /// Usually `\`.
    pub escape: Option<u8>,
    /// Usually `&`.
    pub subcomponent: Option<u8>,
    /// Usually `#`; from version 2.7.
    pub truncation: Option<u8>,
}

impl Separators {
    /// Reads them from a text that starts with `MSH`; an error is an offset in it and a problem.
    ///
    /// `&&&&` is refused: with one character in four roles any reading is a guess. `^~\\&`, which
    /// is `^~\&` printed by a program that doubled its backslash, can only mean one thing and is
    /// read as that.
    pub(super) fn read(text: &[u8]) -> Result<Self, (usize, &'static str)> {
        let field = match text.get(3) {
            Some(&byte) if is_separator(byte) => byte,
            _ => {
                return Err((3, "MSH-1 is not a separator: a printable ASCII sign is needed"));
            }
        };
        let after = text.get(4..).unwrap_or_default();
        let end = after.iter().position(|&byte| byte == field || matches!(byte, b'\r' | b'\n'));
        let mut declared = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
        // where MSH ends here, the framing of MLLP may stand between it and the line end
        while let [head @ .., 0x0B | 0x1C] = declared
            && after.get(declared.len()) != Some(&field)
        {
            declared = head;
        }
        let signs = if declared == br"^~\\&" { br"^~\&" } else { declared };
        let (component, repetition) = match *signs {
            [component, repetition, ..] if signs.len() <= 5 => (component, repetition),
            _ => return Err((4, "MSH-2 does not hold two to five encoding characters")),
        };
        for (at, &sign) in signs.iter().enumerate() {
            if !is_separator(sign) {
                return Err((4 + at, "MSH-2 holds something other than printable ASCII signs"));
            }
            if signs.iter().take(at).any(|&other| other == sign) {
                return Err((4 + at, "MSH-2 declares the same encoding character twice"));
            }
        }
        let optional = |n: usize| signs.get(n).copied();
        let (escape, subcomponent, truncation) = (optional(2), optional(3), optional(4));
        Ok(Self { field, component, repetition, escape, subcomponent, truncation })
    }
}

/// Printable ASCII that is no letter, digit or space; the quote is taken by the null value `""`.
const fn is_separator(byte: u8) -> bool {
    byte.is_ascii_punctuation() && byte != b'"'
}

#[cfg(test)]
mod tests {
    use super::Separators;

    fn check(text: &str, expected: &str) {
        let read = Separators::read(text.as_bytes());
        let Ok(read) = read else { unreachable!("{text}: {read:?}") };
        let optional = [read.escape, read.subcomponent, read.truncation];
        let mut signs = vec![read.field, read.component, read.repetition];
        signs.extend(optional.iter().map(|sign| sign.unwrap_or(b' ')));
        assert_eq!(String::from_utf8_lossy(&signs), expected, "{text}");
    }

    #[test]
    fn each_sign_takes_its_role_by_position() {
        check(r"MSH|^~\&|A", r"|^~\& ");
        check(r"MSH|^~\&#|A", r"|^~\&#");
        check(r"MSH|^~\&", r"|^~\& ");
        check("MSH|^~}|A", "|^~}  ");
        check("MSH|^~\r", "|^~   ");
        check("MSH|^~\\&\u{1c}\r", r"|^~\& ");
        check(r"MSH!@/\-!A", r"!@/\- ");
    }

    #[test]
    fn a_doubled_backslash_is_read_as_one() {
        check(r"MSH|^~\\&|A", r"|^~\& ");
    }
}
