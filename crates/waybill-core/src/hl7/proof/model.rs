//! Messages made at random, as trees: what was meant, and its bytes.
//!
//! Every text is written with [`escape::encode`], so that it may hold separators, line ends and
//! anything else.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::hl7::{Separators, escape};

/// The texts of a field: repetitions of components of subcomponents.
pub(super) type Tree = Vec<Vec<Vec<Vec<u8>>>>;

/// A message as it was meant.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) separators: Separators,
    lead_in: &'static str,
    line_end: &'static str,
    /// The first is MSH, its fields from MSH-3 on.
    pub(super) segments: Vec<(String, Vec<Tree>)>,
}

impl Model {
    /// Its bytes.
    pub(super) fn body(&self) -> Vec<u8> {
        let signs = self.separators;
        let mut body = self.lead_in.as_bytes().to_vec();
        for (n, (id, fields)) in self.segments.iter().enumerate() {
            body.extend(id.as_bytes());
            if n == 0 {
                body.extend([signs.field, signs.component, signs.repetition]);
                body.extend([signs.escape, signs.subcomponent, signs.truncation].into_iter().flatten());
            }
            for field in fields {
                body.push(signs.field);
                body.extend(self.field(field));
            }
            body.extend(self.line_end.as_bytes());
        }
        body
    }

    fn field(&self, field: &Tree) -> Vec<u8> {
        let signs = self.separators;
        let component = |texts: &Vec<Vec<u8>>| {
            let texts: Vec<_> = texts.iter().map(|text| escape::encode(text, &signs)).collect();
            texts.join(&signs.subcomponent.unwrap_or_default())
        };
        let repetition =
            |one: &Vec<Vec<Vec<u8>>>| one.iter().map(component).collect::<Vec<_>>().join(&signs.component);
        field.iter().map(repetition).collect::<Vec<_>>().join(&signs.repetition)
    }
}

/// A message, all of whose texts are made by `text`.
pub(super) fn model<T: Strategy<Value = Vec<u8>> + Clone + 'static>(text: T) -> impl Strategy<Value = Model> {
    let lead_in = select(vec!["", "\u{feff}", "\r\n\n", "\u{b}", "\n \u{feff}\u{b}"]);
    let line_end = select(vec!["\r", "\n", "\r\n", "\r\r\n", "\u{1c}\r\u{b}"]);
    (separators(), lead_in, line_end).prop_flat_map(move |(separators, lead_in, line_end)| {
        let subcomponents = if separators.subcomponent.is_some() { 1..4 } else { 1..2 };
        let tree = vec(vec(vec(text.clone(), subcomponents), 1..4), 1..3);
        let id = "[A-Z][A-Z0-9]{2}".prop_filter("one message", |id| id != "MSH");
        let others = vec((id, vec(tree.clone(), 0..6)), 0..6);
        (vec(tree, 0..20), others).prop_map(move |(msh, others)| {
            let mut segments = vec![("MSH".to_owned(), msh)];
            segments.extend(others);
            Model { separators, lead_in, line_end, segments }
        })
    })
}

/// Separators that differ from each other: as many as a message may declare.
fn separators() -> impl Strategy<Value = Separators> {
    let signs: Vec<u8> = (b'!'..=b'~').filter(|sign| sign.is_ascii_punctuation() && *sign != b'"').collect();
    let any = subsequence(signs, 3..=6).prop_shuffle();
    prop_oneof![Just(b"|^~\\&".to_vec()), Just(b"|^~\\&#".to_vec()), any].prop_map(|signs| Separators {
        field: signs[0],
        component: signs[1],
        repetition: signs[2],
        escape: signs.get(3).copied(),
        subcomponent: signs.get(4).copied(),
        truncation: signs.get(5).copied(),
    })
}
