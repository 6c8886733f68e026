//! The whole command line, walked: what every command must have.

use super::*;

/// The commands that print nothing for machines.
const WITHOUT_JSON: [&str; 3] = ["serve", "completions", "man"];

/// Each command that can be run, by its path.
fn leaves(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
    if command.get_subcommands().next().is_none() {
        found.push((path.to_owned(), command.clone()));
    }
    for below in command.get_subcommands() {
        leaves(below, &joined(path, below.get_name()), found);
    }
}

fn all() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&command(), "", &mut found);
    assert!(found.len() > 40, "the commands are found");
    found
}

/// The words of `waybill ...` in a line of a shell, as far as examples need one.
fn words(line: &str) -> Vec<String> {
    let start = line.find("waybill ").expect("it calls waybill");
    let start = line.find("| waybill ").map_or(start, |at| at + 2);
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line[start..].chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            ('|' | '>' | ')', None) => break,
            (' ', None) => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn every_command_teaches_by_example_and_each_example_parses_as_that_command() {
    let all = all();
    for (path, leaf) in &all {
        let help = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Examples:") && !examples(path).is_empty(), "{path}: no example");
    }
    for (path, shown) in EXAMPLES {
        assert!(path.is_empty() || all.iter().any(|(known, _)| known == path), "{path} is no command");
        for (what, line) in *shown {
            assert!(!what.is_empty() && !what.ends_with('.'), "{path}: {what}");
            let matches =
                command().try_get_matches_from(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
            let (mut taken, mut below) = (String::new(), &matches);
            while let Some((name, inner)) = below.subcommand() {
                (taken, below) = (joined(&taken, name), inner);
            }
            assert!(path.is_empty() || taken == *path, "{line} is an example of {taken}, not of {path}");
        }
    }
    let groups = command()
        .get_subcommands()
        .filter(|one| one.get_subcommands().next().is_some())
        .cloned()
        .collect::<Vec<_>>();
    assert!(groups.iter().all(|group| group.get_after_help().is_some()), "groups too");
}

#[test]
fn every_command_prints_for_machines() {
    for (path, leaf) in all() {
        let has = leaf.get_arguments().any(|argument| argument.get_long() == Some("json"));
        assert_eq!(has, !WITHOUT_JSON.contains(&path.as_str()), "{path}");
    }
}

#[test]
fn every_command_and_argument_is_described() {
    for (path, leaf) in all() {
        assert!(leaf.get_about().is_some(), "{path}");
        for argument in leaf.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
        }
    }
}
