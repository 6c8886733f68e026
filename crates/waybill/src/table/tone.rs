//! Which words are coloured, and how: by what a column says, never by chance. Colour only repeats what the
//! word says; nothing is said by colour alone.

use comfy_table::Color;

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it should be.
    Good,
    /// Look at it.
    Heed,
    /// Wrong.
    Bad,
    /// Of no consequence, or not known.
    Faint,
}

impl Tone {
    pub(super) const fn colour(self) -> Color {
        match self {
            Self::Good => Color::Green,
            Self::Heed => Color::Yellow,
            Self::Bad => Color::Red,
            Self::Faint => Color::DarkGrey,
        }
    }

    /// The text in this colour, where no table does it (ECMA-48, section 8.3.117; the colours are those
    /// that tables have).
    pub(super) fn painted(self, text: &str) -> String {
        let colour = match self {
            Self::Good => 10,
            Self::Heed => 11,
            Self::Bad => 9,
            Self::Faint => 8,
        };
        format!("\u{1b}[38;5;{colour}m{text}\u{1b}[39m")
    }
}

/// The colour of `text` under the column or beside the fact `name`; none: as the terminal has it.
pub(super) fn of(name: &str, text: &str) -> Option<Tone> {
    match name {
        "state" | "verdict" | "enabled" | "may log in" | "ready" | "broker" => of_state(text),
        "unaccounted" | "overdue" => some(text).then_some(Tone::Bad),
        "dead" | "failed" | "held" => some(text).then_some(Tone::Heed),
        _ => None,
    }
}

fn of_state(text: &str) -> Option<Tone> {
    match text {
        "processed" | "finished" | "ok" | "yes" | "up" | "live" => Some(Tone::Good),
        "dead" | "fail" | "stopped" | "down" => Some(Tone::Bad),
        "held" | "retrying" | "warn" | "paused" | "not ready" => Some(Tone::Heed),
        "discarded" | "cancelled" | "unknown" | "no" => Some(Tone::Faint),
        _ => None,
    }
}

/// Whether it counts something.
fn some(text: &str) -> bool {
    text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}
