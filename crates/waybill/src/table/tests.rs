//! Tables as a terminal and a pipe get them.

use super::*;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const HEADER: [&str; 4] = ["message", "state", "attempts", "why"];

fn why() -> String {
    "validation: conditionsOfJoining.version is not one of GG9, GG10, and nothing else is known of it; "
        .repeat(5)
}

fn rows() -> Vec<Vec<String>> {
    vec![
        vec![ID.into(), "dead".into(), "8".into(), why()],
        vec![ID.into(), "processed".into(), "12".into(), String::new()],
    ]
}

fn at(columns: Option<u16>, colour: bool) -> String {
    fitted(Terminal { columns, colour }, &HEADER, rows())
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or_default()
}

#[test]
fn a_pipe_gets_every_character_on_one_line_and_no_colour() {
    let text = at(None, false);
    assert!(text.contains(&why()), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('…'), "{text}");
}

#[test]
fn a_table_fits_every_terminal_and_cuts_no_id() {
    for columns in [20, 36, 40, 72, 80, 100, 120, 200, 500] {
        let text = at(Some(columns), false);
        // an id has its width, whatever the terminal's
        assert!(widest(&text) <= usize::from(columns).max(2 + ID.len()), "{columns}:\n{text}");
        assert_eq!(text.matches(ID).count(), 2, "{columns}:\n{text}");
    }
    assert!(at(Some(100), false).contains('…'), "long reasons are cut");
    let narrow = at(Some(60), false);
    assert!(!narrow.contains(['│', '…']), "upright, and whole: {narrow}");
    assert_eq!(narrow.matches("GG10").count(), 5, "{narrow}");
}

#[test]
fn facts_are_wrapped_and_never_cut() {
    let rows = vec![vec!["last failure".to_owned(), why()], vec!["id".to_owned(), ID.to_owned()]];
    let text = fitted(Terminal { columns: Some(60), colour: false }, &["", ""], rows);
    assert!(!text.contains('…') && text.contains(ID) && widest(&text) <= 60, "{text}");
    assert_eq!(text.matches("GG10").count(), 5, "{text}");
}

#[test]
fn numbers_stand_right() {
    let text = at(None, false);
    assert!(text.contains("┆        8 ┆") && text.contains("┆       12 ┆"), "{text}");
    let mixed = fitted(Terminal::default(), &["key"], [vec!["7".to_owned()], vec!["a key".to_owned()]]);
    assert!(mixed.contains("│ 7     │"), "{mixed}");
}

#[test]
fn states_are_coloured_where_colours_are_shown() {
    let text = at(Some(200), true);
    let dead = text.lines().find(|line| line.contains("dead")).unwrap();
    assert!(dead.contains("\u{1b}[38;5;9mdead"), "{dead:?}");
    let upright = at(Some(40), true);
    assert!(upright.contains("\u{1b}[38;5;9mdead\u{1b}[39m"), "{upright:?}");
    assert_eq!(tone::of("why", "dead"), None, "a word in a text is no state");
    assert_eq!((tone::of("overdue", "0"), tone::of("overdue", "3").is_some()), (None, true));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    assert_eq!(plain("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\u{a}c");
    assert_eq!(json(&"a\u{9b}b").unwrap(), "\"a\\u009bb\"");
    for columns in [None, Some(30), Some(120)] {
        let hostile = vec![vec!["\u{1b}]0;x\u{7}\u{202e}".to_owned(); 4]];
        let text = fitted(Terminal { columns, colour: false }, &HEADER, hostile);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }
}
