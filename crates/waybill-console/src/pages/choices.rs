//! What the forms let a person choose from: the sources, kinds and classes there are.

use std::collections::BTreeSet;

use waybill_core::outcome::ErrorClass;

use crate::Console;

/// The choices.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) sources: Vec<String>,
    pub(crate) kinds: Vec<String>,
    pub(crate) lanes: Vec<String>,
    pub(crate) classes: Vec<&'static str>,
}

impl Choices {
    /// Those of the sources as they are applied now.
    pub(super) fn of(console: &Console) -> Self {
        let known = console.directory().snapshot();
        let sources: BTreeSet<String> = known.sources.keys().cloned().collect();
        let kinds: BTreeSet<String> =
            known.sources.values().map(|source| source.kind_label().to_owned()).collect();
        let lanes: BTreeSet<String> = known.sources.values().map(|source| source.lane.clone()).collect();
        Self {
            sources: sources.into_iter().collect(),
            kinds: kinds.into_iter().collect(),
            lanes: lanes.into_iter().collect(),
            classes: ErrorClass::ALL.into_iter().map(ErrorClass::as_str).collect(),
        }
    }
}
