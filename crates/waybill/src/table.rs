//! Printing: tables for people, JSON for machines.
//!
//! On a terminal a table fits its columns ([`fit`]) and states are coloured ([`tone`]); anywhere else it
//! is as wide as what it holds, so that a pipe loses nothing. An id is never cut. Whatever is shown is
//! made inert first: no cell can steer the terminal.

mod fit;
mod tone;

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use waybill_core::mask;

use crate::terminal::Terminal;
use fit::Column;

/// Lines of one cell of a list, on a terminal; what is beyond is cut.
const LINES_MAX: usize = 12;

/// A table of `rows` under `header`, inert (see [`mask::inert`]). A header without a word says that the
/// rows are facts: a name and its value.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    fitted(Terminal::here(), header, rows)
}

/// As [`table`], for this terminal.
pub fn fitted(terminal: Terminal, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let columns: Vec<Column> = header
        .iter()
        .enumerate()
        .map(|(at, name)| Column::of(name, rows.iter().map(|row| row.get(at))))
        .collect();
    let is_list = header.iter().any(|name| !name.is_empty());
    let widths = match terminal.columns.map(|width| fit::share(&columns, width.into())) {
        None => None,
        Some(Some(widths)) => Some(widths),
        // too narrow for any table
        Some(None) => {
            let paint = |name: &str, text: &str| {
                terminal.colour.then(|| tone::of(name, text)).flatten().map(|tone| tone.painted(text))
            };
            return fit::upright(header, &rows, terminal.columns.unwrap_or_default().into(), paint);
        }
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    if terminal.colour {
        table.enforce_styling();
        table.style_text_only();
    }
    if is_list {
        table.set_header(header.iter().zip(&columns).map(|(name, column)| aligned(Cell::new(name), column)));
    }
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, text)| {
            // of a fact, its name stands beside it
            let name = if is_list { header.get(at).copied() } else { row.first().map(String::as_str) };
            let cell = Cell::new(text);
            let cell = match columns.get(at) {
                Some(column) if is_list => aligned(cell, column),
                _ => cell,
            };
            let tone = (is_list || at > 0).then(|| tone::of(name.unwrap_or_default(), text)).flatten();
            tone.map_or(cell.clone(), |tone| cell.fg(tone.colour()))
        });
        table.add_row(cells.collect::<Vec<Cell>>());
        if is_list
            && widths.is_some()
            && let Some(row) = table.row_mut(table.row_count().saturating_sub(1))
        {
            row.max_height(LINES_MAX);
        }
    }
    for (column, width) in table.column_iter_mut().zip(widths.into_iter().flatten()) {
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    table.to_string()
}

/// Text, inert, in lines as wide as the terminal.
pub fn wrapped(terminal: Terminal, text: &str) -> String {
    let text = plain(text);
    terminal.columns.map_or(text.clone(), |columns| fit::wrapped(&text, columns.into()).join("\n"))
}

fn aligned(cell: Cell, column: &Column) -> Cell {
    if column.is_number { cell.set_alignment(CellAlignment::Right) } else { cell }
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
mod tests;
