//! A unified difference of two bodies, line by line: HL7 ends its lines with CR, others with LF.
//!
//! Holds lines of both bodies: whoever shows or keeps it treats it as a body.

use super::script::{Step, script};

/// Lines that stay, shown around what changes.
const CONTEXT: usize = 3;

/// The difference in the unified form (POSIX.1-2024, `diff -u`), each line ended with LF whatever
/// ended it in its body; empty when the bodies are the same.
pub fn unified(old: &[u8], new: &[u8]) -> Vec<u8> {
    let (old, new) = (lines(old), lines(new));
    let steps = script(&old, &new);
    let mut text = Vec::new();
    for (from, to) in hunks(&steps) {
        let count = |steps: &[Step], not: Step| steps.iter().filter(|step| **step != not).count();
        let (before, hunk) = (&steps[..from], &steps[from..to]);
        let (mut i, mut j) = (count(before, Step::Added), count(before, Step::Removed));
        let (gone, come) = (count(hunk, Step::Added), count(hunk, Step::Removed));
        // a stretch without lines is named by the line before it
        let (at, now_at) = (i + usize::from(gone > 0), j + usize::from(come > 0));
        let header = format!("@@ -{at},{gone} +{now_at},{come} @@\n");
        text.extend_from_slice(header.as_bytes());
        for step in hunk {
            let (sign, line) = match step {
                Step::Same => (b' ', old[i]),
                Step::Removed => (b'-', old[i]),
                Step::Added => (b'+', new[j]),
            };
            i += usize::from(*step != Step::Added);
            j += usize::from(*step != Step::Removed);
            text.push(sign);
            text.extend_from_slice(without_end(line));
            text.push(b'\n');
        }
    }
    text
}

/// The lines, each with what ends it: CR, LF or both.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let end = at + if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        lines.push(&rest[..end]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &line[..end]
}

/// The stretches of steps that change something, with their context; those that meet are one.
fn hunks(steps: &[Step]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, _) in steps.iter().enumerate().filter(|(_, step)| **step != Step::Same) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(steps.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => hunks.push((from, to)),
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::unified;

    fn check(old: &str, new: &str, wanted: &str) {
        let text = unified(old.as_bytes(), new.as_bytes());
        assert_eq!(String::from_utf8(text).unwrap(), wanted);
    }

    #[test]
    fn changes_stand_in_their_context() {
        check("a\rb\rc\r", "a\rb\rc\r", "");
        check("a\rb\rc\r", "a\rx\rc\r", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        check("", "a\n", "@@ -0,0 +1,1 @@\n+a\n");
        check("a \n", "a\n", "@@ -1,1 +1,1 @@\n-a \n+a\n");
        check("a", "a\n", "@@ -1,1 +1,1 @@\n-a\n+a\n");
        check("1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n", "@@ -3,4 +3,3 @@\n 3\n 4\n 5\n-6\n");
        let old: String = (0..20).flat_map(|n| [n.to_string(), "\r\n".to_owned()]).collect();
        let new = old.replace("2\r\n3\r\n", "2\r\nx\r\n").replace("17", "y");
        check(
            &old,
            &new,
            "@@ -1,7 +1,7 @@\n 0\n 1\n 2\n-3\n+x\n 4\n 5\n 6\n@@ -15,6 +15,6 @@\n 14\n 15\n 16\n-17\n+y\n 18\n 19\n",
        );
    }
}
