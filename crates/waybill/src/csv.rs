//! CSV (RFC 4180, with line feeds). A cell that a spreadsheet would take for a formula is made text, and
//! nothing in a cell steers a terminal.

use waybill_core::mask;

/// A line of these cells.
pub fn row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    format!("{}\n", cells.join(","))
}

/// A cell: quoted where it must be, and never the beginning of a formula (OWASP, CSV Injection), behind
/// blanks or in full width either.
fn quoted(cell: &str) -> String {
    let starts_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    let is_formula = cell.starts_with(['\t', '\r', '\n']) || cell.trim_start().starts_with(starts_formula);
    let cell = mask::inert(cell);
    let cell = if is_formula { format!("'{cell}") } else { cell };
    if cell.contains([',', ';', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (cell, expected) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a;b", "\"a;b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("a\nb", "a\\u{a}b"),
            ("=1+1", "'=1+1"),
            (" \t=1+1", "' \\u{9}=1+1"),
            ("＝1+1", "'＝1+1"),
            ("\n=1", "'\\u{a}=1"),
            ("@sum,", "\"'@sum,\""),
            ("-1", "'-1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("", ""),
        ] {
            assert_eq!(row(&[cell]), format!("{expected}\n"), "{cell:?}");
        }
        assert_eq!(row(&["a", "", "c"]), "a,,c\n");
    }
}
