//! How a message says which patient it is about: an identifier and who assigned it.

use std::fmt;

use super::{Charset, Field, Repetition, Value};

/// A patient, as a source tells patients apart: by the pair.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientId {
    /// The identifier (CX.1), decoded.
    pub id: String,
    /// Who assigned it (CX.4 with all its subcomponents), decoded; empty when nobody is named.
    pub authority: String,
}

impl PatientId {
    /// The one of a list of identifiers that the gateway goes by: the first medical record number
    /// (CX.5 = `MR`), else the first that has a value.
    pub fn preferred(list: Field<'_>, charset: Charset) -> Option<Self> {
        let mut first = None;
        for (is_record_number, id) in Self::all(list, charset) {
            if is_record_number {
                return Some(id);
            }
            first = first.or(Some(id));
        }
        first
    }

    /// The identifiers of a list that visits may be kept under: every medical record number, else
    /// the first identifier that has a value. Of more than one type, only the records are told
    /// apart by their authority for sure: a plan's number may be a family's.
    pub fn records(list: Field<'_>, charset: Charset) -> Vec<Self> {
        let records: Vec<Self> =
            Self::all(list, charset).filter_map(|(is_record, id)| is_record.then_some(id)).collect();
        if records.is_empty() { Self::preferred(list, charset).into_iter().collect() } else { records }
    }

    /// Every identifier of a list that has a value, each with whether it is a medical record number.
    pub(super) fn all(list: Field<'_>, charset: Charset) -> impl Iterator<Item = (bool, Self)> + use<'_> {
        list.repetitions().filter_map(move |one| Some((is_record_number(one), Self::read(one, charset)?)))
    }

    fn read(one: Repetition<'_>, charset: Charset) -> Option<Self> {
        let text = |n: usize| match one.component(n).text(charset) {
            Value::Present(text) => Some(text.into_owned()),
            Value::Absent | Value::Null => None,
        };
        Some(Self { id: text(1)?, authority: text(4).unwrap_or_default() })
    }
}

impl fmt::Debug for PatientId {
    /// Nothing: it identifies a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId(..)")
    }
}

fn is_record_number(one: Repetition<'_>) -> bool {
    one.component(5).raw().trim_ascii_end() == b"MR"
}

#[cfg(test)]
mod tests {
    use super::PatientId;
    use crate::hl7::{Charset, Message};

    fn check(pid_3: &str, expected: Option<(&str, &str)>) {
        let body = format!("MSH|^~\\&|A\rPID|1||{pid_3}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        let read = PatientId::preferred(message.field("PID", 3), Charset::Utf8);
        let read = read.as_ref().map(|patient| (patient.id.as_str(), patient.authority.as_str()));
        assert_eq!(read, expected, "{pid_3}");
    }

    #[test]
    fn the_record_number_comes_first() {
        check("42", Some(("42", "")));
        check("42^^^UC&1.2.3&ISO^MR", Some(("42", "UC&1.2.3&ISO")));
        check("1^^^A^PI~2^^^B^MR~3^^^C^MR", Some(("2", "B")));
        check("1^^^A^PI~2^^^B^SS", Some(("1", "A")));
    }

    fn check_records(mrg_1: &str, expected: &[&str]) {
        let body = format!("MSH|^~\\&|A\rMRG|{mrg_1}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        let read = PatientId::records(message.field("MRG", 1), Charset::Utf8);
        let read: Vec<_> =
            read.iter().map(|patient| format!("{}@{}", patient.id, patient.authority)).collect();
        assert_eq!(read, expected, "{mrg_1}");
    }

    #[test]
    fn every_record_number_counts_else_the_first_identifier() {
        check_records("1^^^A^PI~2^^^B^MR~3^^^C^MR~\"\"^^^C^MR", &["2@B", "3@C"]);
        check_records("1^^^A^PI~2^^^B^SS", &["1@A"]);
        check_records("\"\"~2", &["2@"]);
        check_records("", &[]);
    }

    #[test]
    fn only_an_identifier_with_a_value_counts() {
        check("", None);
        check("\"\"", None);
        check("^^^A^MR", None);
        check("\"\"^^^A^MR~2^^^B^PI", Some(("2", "B")));
        check("^^^A^MR~2^^^B^PI", Some(("2", "B")));
        check("  ~2", Some(("2", "")));
        check("2^^^\"\"", Some(("2", "")));
    }

    #[test]
    fn escapes_and_trailing_blanks_are_resolved() {
        check("A\\T\\1 ^^^R\\S\\D ^MR ", Some(("A&1", "R^D")));
    }

    #[test]
    fn debug_shows_no_content() {
        let patient = PatientId { id: "42".to_owned(), authority: "UC".to_owned() };
        assert_eq!(format!("{patient:?}"), "PatientId(..)");
    }
}
