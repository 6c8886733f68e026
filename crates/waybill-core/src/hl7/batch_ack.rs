//! Answering a batch: a batch of acknowledgements, one for each message (HL7 2.5.1, 2.10.3).
//!
//! It has the form of the batch it answers: FHS and FTS if that one has them, a BHS and BTS for
//! each of its batches, each in the separators it was sent with. Messages that came without a BHS
//! are answered with one all the same, addressed as the first of them. The acknowledgements are
//! given, and never looked into.

use chrono::{DateTime, Utc};

use super::Batch;

impl Batch<'_> {
    /// The batch of `acknowledgements`, one for each message in its order. Each header gets a new
    /// control id of ours (BHS-11, FHS-11), and refers to the one it answers (BHS-12, FHS-12).
    pub fn answer(
        &self,
        acknowledgements: &[Vec<u8>],
        mut new_control_id: impl FnMut() -> String,
        now: DateTime<Utc>,
    ) -> Vec<u8> {
        let mut answer = Vec::with_capacity(512 + acknowledgements.iter().map(Vec::len).sum::<usize>());
        let first_lines: Vec<&[u8]> = self.messages().collect();
        if let Some(file) = self.file {
            header(&mut answer, "FHS", file, true, &new_control_id(), now);
        }
        for group in &self.groups {
            let first = first_lines.get(group.messages.start).copied().unwrap_or_default();
            let addressed = group.header.unwrap_or(first);
            header(&mut answer, "BHS", addressed, group.header.is_some(), &new_control_id(), now);
            for acknowledgement in acknowledgements.get(group.messages.clone()).unwrap_or_default() {
                answer.extend(acknowledgement);
            }
            trailer(&mut answer, "BTS", addressed, group.messages.len());
        }
        if let Some(file) = self.file {
            trailer(&mut answer, "FTS", file, self.groups.len());
        }
        answer
    }
}

/// FHS or BHS: addressed to the sender of `asked`, an FHS, BHS or MSH, whose fields 2 to 6 are the
/// same. What is copied loses its control bytes, so that it can begin no segment.
fn header(
    answer: &mut Vec<u8>,
    id: &str,
    asked: &[u8],
    refers: bool,
    own_control_id: &str,
    now: DateTime<Utc>,
) {
    let line = asked.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let separator = separator(asked);
    let fields: Vec<&[u8]> = line.split(|&byte| byte == separator).collect();
    // field 1 is the separator itself
    let copied = |n: usize| {
        let field = fields.get(n - 1).copied().unwrap_or_default();
        field.iter().copied().filter(|byte| !byte.is_ascii_control()).collect::<Vec<u8>>()
    };
    let now = now.format("%Y%m%d%H%M%S%.3f%z").to_string().into_bytes();
    let (own, reference) = (own_control_id.as_bytes().to_vec(), if refers { copied(11) } else { Vec::new() });
    let none = Vec::new;
    let written = [
        id.as_bytes().to_vec(),
        copied(2),
        copied(5),
        copied(6),
        copied(3),
        copied(4),
        now,
        none(),
        none(),
        none(),
        own,
        reference,
    ];
    answer.extend(written.join(&separator));
    answer.push(b'\r');
}

/// BTS or FTS with its count.
fn trailer(answer: &mut Vec<u8>, id: &str, asked: &[u8], count: usize) {
    answer.extend(id.as_bytes());
    answer.push(separator(asked));
    answer.extend(count.to_string().as_bytes());
    answer.push(b'\r');
}

/// The field separator that a header declares.
fn separator(header: &[u8]) -> u8 {
    header.get(3).copied().unwrap_or(b'|')
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use crate::hl7::Batch;

    /// The answer to `body`, whose messages are answered with `A0`, `A1`, ...
    fn check(body: &str, expected: &str) {
        let batch = Batch::parse(body.as_bytes(), 100);
        let Ok(batch) = batch else { unreachable!("{body:?}: {batch:?}") };
        let answers: Vec<_> = (0..batch.messages().count()).map(|n| format!("A{n}\r").into_bytes()).collect();
        let now = DateTime::<Utc>::from_timestamp_millis(1_773_152_103_201).unwrap_or_default();
        let mut number = 0;
        let next = || {
            number += 1;
            format!("W{number}")
        };
        let answer = batch.answer(&answers, next, now);
        assert_eq!(String::from_utf8_lossy(&answer).replace('\r', "\n"), expected, "{body:?}");
        let again = Batch::parse(&answer, 100).err().map(|refused| refused.to_string());
        let is_well_formed = again.as_deref().is_none_or(|text| text.contains("outside of any message"));
        assert!(is_well_formed, "{again:?}");
    }

    const AT: &str = "20260310141503.201+0000";

    #[test]
    fn it_has_the_form_of_what_it_answers_with_addresses_swapped() {
        let (fhs, bhs) = (
            "FHS|^~\\&|LAB|EAST|HUB|WEST|2026|s|F1|c|F-1\r",
            "BHS|^~\\&#|LAB^1|EAST|HUB|WEST|2026|||c|B-1\r",
        );
        let msh = "MSH|^~\\&|APP|FAC|RAPP|RFAC|2026||ADT^A04|M-1|P|2.5.1\rPID|1\r";
        check(
            &format!("{fhs}{bhs}{msh}{msh}BTS|2\r{bhs}{msh}BTS\rFTS|2\r"),
            &format!(
                "FHS|^~\\&|HUB|WEST|LAB|EAST|{AT}||||W1|F-1\n\
                 BHS|^~\\&#|HUB|WEST|LAB^1|EAST|{AT}||||W2|B-1\nA0\nA1\nBTS|2\n\
                 BHS|^~\\&#|HUB|WEST|LAB^1|EAST|{AT}||||W3|B-1\nA2\nBTS|1\nFTS|2\n"
            ),
        );
        check(&format!("{msh}{msh}"), &format!("BHS|^~\\&|RAPP|RFAC|APP|FAC|{AT}||||W1|\nA0\nA1\nBTS|2\n"));
    }

    #[test]
    fn an_empty_batch_gets_an_empty_one() {
        check("BHS|^~\\&\rBTS|0\r", &format!("BHS|^~\\&|||||{AT}||||W1|\nBTS|0\n"));
        check("FHS!^~\\&!A\rFTS!0\r", &format!("FHS!^~\\&!!!A!!{AT}!!!!W1!\nFTS!0\n"));
    }

    #[test]
    fn nothing_copied_can_begin_a_segment() {
        let body = "BHS|^~\\&|A\u{b}B\u{1c}|C|||||||R\u{7}1\nBTS|0";
        check(body, &format!("BHS|^~\\&|||AB|C|{AT}||||W1|R1\nBTS|0\n"));
    }
}
