//! Printing: tables for people, JSON for machines.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use waybill_core::mask;

/// A table of `rows` under `header`, inert (see [`mask::inert`]).
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    table.to_string()
}

/// Text that cannot steer a terminal.
pub fn plain(text: &str) -> String {
    mask::inert(text)
}

/// Text of several lines that cannot steer a terminal.
pub fn plain_lines(text: &str) -> String {
    mask::inert_lines(text)
}

/// Pretty JSON that cannot steer a terminal, and means the same.
///
/// # Errors
/// When `value` cannot be written as JSON.
pub fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(mask::inert_json(&serde_json::to_string_pretty(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\u{a}c");
        assert_eq!(json(&"a\u{9b}b").unwrap(), "\"a\\u009bb\"");
    }
}
