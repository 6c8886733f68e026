//! What the pages tell somebody to type is something that `waybill` takes: no command and no option in
//! them that is not there. Values in them are place holders, and not judged.

use clap::error::ErrorKind;

/// The pages that people type from.
const PAGES: [&str; 5] =
    ["README.md", "docs/RUNBOOK.md", "docs/ON-CALL.md", "docs/SOURCES.md", "docs/GUARANTEES.md"];

/// The lines of a page that begin with `waybill `: in code, or indented.
fn lines(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2).filter(|span| !span.contains('\n'));
    let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
    let typed = spans.chain(indented).map(str::trim).filter(|line| line.starts_with("waybill "));
    typed.map(str::to_owned).collect()
}

/// The words up to what the shell does with them, with every choice of `one|other` in its turn.
fn choices(line: &str) -> Vec<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    let ends = |word: &String| matches!(word.as_str(), "|" | ">" | "#" | "&&" | ";" | "...");
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let kept = words.split(ends).next().unwrap_or_default();
    kept.iter().fold(vec![Vec::new()], |all, word| {
        all.iter()
            .flat_map(|sofar: &Vec<String>| {
                word.split('|').map(|one| sofar.iter().cloned().chain([one.to_owned()]).collect())
            })
            .collect()
    })
}

#[test]
fn what_the_pages_say_to_type_is_there() {
    let mut found = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(crate::shape::top().join(page)).unwrap();
        for line in lines(&text) {
            for words in choices(&line) {
                found += 1;
                let Err(error) = waybill::cli::command().try_get_matches_from(&words) else { continue };
                assert!(
                    !matches!(
                        error.kind(),
                        ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument | ErrorKind::TooManyValues
                    ),
                    "{page}: {line}: {error}"
                );
            }
        }
    }
    assert!(found > 100, "the lines are found: {found}");
}
