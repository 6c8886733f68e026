//! What standard output is: a terminal of so many columns, or a pipe that is to keep every byte.
//!
//! Decided once, when the program begins. `COLUMNS`, `TERM` and `NO_COLOR` (<https://no-color.org>)
//! belong to the terminal and are no configuration of Waybill's. Never asks the terminal anything that
//! it would answer as input.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::sync::OnceLock;

use clap::ValueEnum;

/// The most columns that are believed.
const COLUMNS_MAX: u16 = 1000;

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` says otherwise.
    #[default]
    Auto,
    /// Always, in a pipe too.
    Always,
    /// Never.
    Never,
}

/// Standard output, as far as printing must know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Its columns; none: no terminal, so nothing is wrapped or cut.
    pub columns: Option<u16>,
    /// Whether to colour.
    pub colour: bool,
}

static HERE: OnceLock<Terminal> = OnceLock::new();

impl Terminal {
    /// What was settled; before that, a pipe.
    pub fn here() -> Self {
        HERE.get().copied().unwrap_or_default()
    }

    /// Settles it for this process; the first time counts.
    pub fn settle(colour: Colour) {
        let is_terminal = std::io::stdout().is_terminal();
        let variable = |name: &str| std::env::var_os(name);
        let colour =
            decide(colour, is_terminal, variable("NO_COLOR").as_deref(), variable("TERM").as_deref());
        let columns = is_terminal.then(|| columns(variable("COLUMNS").as_deref())).flatten();
        // a second time changes nothing
        let _ = HERE.set(Self { columns, colour });
    }
}

/// Columns and rows of the terminal now; none where it does not say.
pub fn size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok().filter(|&(columns, rows)| columns > 0 && rows > 0)
}

/// A line that fits into so many columns. What holds colours, which have no width, was made to fit.
pub fn cut(line: &str, columns: usize) -> String {
    if line.contains('\u{1b}') || line.chars().count() <= columns {
        return line.to_owned();
    }
    let kept: String = line.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// What `COLUMNS` says, else the terminal itself.
fn columns(stated: Option<&OsStr>) -> Option<u16> {
    let stated = stated.and_then(OsStr::to_str).and_then(|text| text.parse().ok());
    let columns = stated.filter(|columns| *columns > 0).or_else(|| size().map(|(columns, _)| columns));
    columns.map(|columns| columns.min(COLUMNS_MAX))
}

/// `NO_COLOR` counts when it is not empty; a terminal that calls itself dumb shows no colours.
fn decide(wanted: Colour, is_terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match wanted {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            is_terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: Colour, is_terminal: bool, no_color: Option<&str>, term: &str, expected: bool) {
        let found = decide(wanted, is_terminal, no_color.map(OsStr::new), Some(OsStr::new(term)));
        assert_eq!(found, expected, "{wanted:?} {is_terminal} {no_color:?} {term}");
    }

    #[test]
    fn colours_are_for_terminals_unless_somebody_says_otherwise() {
        check(Colour::Auto, true, None, "xterm", true);
        check(Colour::Auto, true, Some(""), "xterm", true);
        check(Colour::Auto, true, Some("1"), "xterm", false);
        check(Colour::Auto, true, None, "dumb", false);
        check(Colour::Auto, false, None, "xterm", false);
        check(Colour::Always, false, Some("1"), "dumb", true);
        check(Colour::Never, true, None, "xterm", false);
    }

    #[test]
    fn columns_are_as_stated_within_reason() {
        assert_eq!(columns(Some(OsStr::new("72"))), Some(72));
        assert_eq!(columns(Some(OsStr::new("60000"))), Some(COLUMNS_MAX));
    }
    #[test]
    fn a_line_is_cut_to_the_terminal() {
        assert_eq!(cut("0123456789", 10), "0123456789");
        assert_eq!(cut("0123456789a", 10), "012345678…");
        assert_eq!(cut("\u{1b}[31m0123456789a\u{1b}[0m", 10), "\u{1b}[31m0123456789a\u{1b}[0m");
    }
}
