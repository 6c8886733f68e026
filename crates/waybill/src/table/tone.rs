//! Which words are coloured, and how: by what a column says, never by chance. Colour only repeats what the
//! word says; nothing is said by colour alone.

use comfy_table::Color;

/// The colour of `text` under the column or beside the fact `name`; none: as the terminal has it.
pub(super) fn of(name: &str, text: &str) -> Option<Color> {
    match name {
        "state" | "verdict" | "enabled" | "may log in" | "ready" | "broker" => of_state(text),
        "unaccounted" | "overdue" => some(text).then_some(Color::Red),
        "dead" | "failed" | "held" => some(text).then_some(Color::Yellow),
        _ => None,
    }
}

fn of_state(text: &str) -> Option<Color> {
    match text {
        "processed" | "finished" | "ok" | "yes" | "up" | "live" => Some(Color::Green),
        "dead" | "fail" | "stopped" | "down" => Some(Color::Red),
        "held" | "retrying" | "warn" | "paused" | "not ready" => Some(Color::Yellow),
        "discarded" | "cancelled" | "unknown" | "no" => Some(Color::DarkGrey),
        _ => None,
    }
}

/// Whether it counts something.
fn some(text: &str) -> bool {
    text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}
