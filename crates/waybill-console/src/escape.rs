//! Whatever a page shows is shown as text. One place for all of it: every value of a template goes
//! through here, so that nobody can forget it.
//!
//! Beside HTML's own characters, those are made visible that move a cursor, change the direction of
//! reading or are not seen at all: a partner's key or a body must not look like what it is not.

use std::fmt::{Result, Write};

/// The escaper of all templates (named in `askama.toml`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inert;

impl askama::filters::Escaper for Inert {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> Result {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let Some(shown) = instead(c) else { continue };
            to.write_str(text.get(plain..at).unwrap_or_default())?;
            match shown {
                Shown::Text(entity) => to.write_str(entity)?,
                Shown::Picture(picture) => to.write_char(picture)?,
                Shown::Code => write!(to, "\u{27e8}U+{:04X}\u{27e9}", u32::from(c))?,
            }
            plain = at + c.len_utf8();
        }
        to.write_str(text.get(plain..).unwrap_or_default())
    }
}

enum Shown {
    Text(&'static str),
    Picture(char),
    Code,
}

/// What stands for `c`; none: it is shown as it is.
fn instead(c: char) -> Option<Shown> {
    Some(match c {
        '&' => Shown::Text("&amp;"),
        '<' => Shown::Text("&lt;"),
        '>' => Shown::Text("&gt;"),
        '"' => Shown::Text("&quot;"),
        '\'' => Shown::Text("&#39;"),
        '\n' | '\t' => return None,
        '\u{0}'..='\u{1f}' => Shown::Picture(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
        '\u{7f}' => Shown::Picture('\u{2421}'),
        // C1 controls; soft hyphen; zero width and direction marks; line and paragraph separators;
        // embeddings, overrides and isolates (UAX 9, 2); byte order mark, interlinear marks, tags
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Shown::Code,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper as _;

    use super::Inert;

    fn check(text: &str, shown: &str) {
        let mut written = String::new();
        Inert.write_escaped_str(&mut written, text).unwrap();
        assert_eq!(written, shown, "{text:?}");
    }

    #[test]
    fn what_could_be_markup_or_steer_the_eye_is_shown_as_text() {
        check("plain, \u{e4}\u{4e2d}\n\ttext", "plain, \u{e4}\u{4e2d}\n\ttext");
        check("<script>alert('x\")</script>", "&lt;script&gt;alert(&#39;x&quot;)&lt;/script&gt;");
        check("a&b", "a&amp;b");
        check("\u{1b}[31mred\r", "\u{241b}[31mred\u{240d}");
        check("pay\u{202e}load\u{2066}", "pay\u{27e8}U+202E\u{27e9}load\u{27e8}U+2066\u{27e9}");
        check("\0\u{7f}\u{9b}\u{200b}", "\u{2400}\u{2421}\u{27e8}U+009B\u{27e9}\u{27e8}U+200B\u{27e9}");
    }
}
