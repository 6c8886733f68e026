//! The shape of the source files: short, headed, without leftovers.

use super::{rust_files, top};

/// Lines a file may have, and a function.
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

fn each_file(check: impl Fn(&str, &str) -> Option<String>) {
    let mut wrong = Vec::new();
    let files: Vec<_> =
        ["crates", "tests"].iter().flat_map(|folder| rust_files(&top().join(folder))).collect();
    assert!(files.len() > 50, "the files are found");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text file");
        let name = file.strip_prefix(top()).expect("inside").display().to_string();
        wrong.extend(check(&name, &text).map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    each_file(|_, text| (!text.starts_with("//!")).then(|| "does not open with //!".to_owned()));
}

#[test]
fn no_file_and_no_function_is_long() {
    each_file(|_, text| {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            return Some(format!("{} lines", lines.len()));
        }
        let mut open: Option<(usize, usize)> = None;
        for (number, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let begins = [
                "fn ",
                "pub fn ",
                "async fn ",
                "pub async fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "pub(crate) async fn ",
                "pub(super) async fn ",
                "const fn ",
                "pub const fn ",
            ];
            if begins.iter().any(|start| words.starts_with(start)) && !words.ends_with(';') {
                open = Some((number, indent));
            } else if let Some((start, depth)) = open
                && *line == format!("{}}}", " ".repeat(depth))
            {
                let length = number - start + 1;
                if length > FUNCTION_LINES_MAX {
                    return Some(format!("line {}: a function of {length} lines", start + 1));
                }
                open = None;
            }
        }
        None
    });
}

#[test]
fn nothing_is_left_over() {
    // written apart, so that this file passes its own test
    let banned = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["#[ig", "nore"],
        ["dbg", "!("],
        ["FIX", "ME"],
        ["#[should", "_panic"],
    ];
    each_file(|_, text| {
        let found = banned.iter().map(|halves| halves.concat()).find(|word| text.contains(word.as_str()));
        found.map(|word| format!("{word} is left over"))
    });
}

#[test]
fn nobody_prints_but_the_command_line() {
    each_file(|name, text| {
        let may = name.starts_with("crates/waybill/src/commands")
            || name.starts_with("tests/")
            || name.ends_with("lifecycle.rs")
            || name.ends_with("process/src/config.rs")
            || name.contains("/tests")
            || name.contains("/examples/")
            || name.contains("/proof/")
            || name.ends_with("corpus.rs");
        let prints = ["println!(", "print!("].iter().any(|word| text.contains(word));
        let in_tests_only = text
            .split("#[cfg(test)]")
            .next()
            .is_some_and(|product| !product.contains("println!(") && !product.contains("print!("));
        (prints && !may && !in_tests_only).then(|| "prints: use tracing".to_owned())
    });
}
