//! Which dead letters, as a form or an address says it: on the list of the dead, and for a replay plan.
//! Never an ordering key: that is a person's, and is only ever posted (see `plan.rs`).

use serde::Deserialize;
use waybill_core::outcome::ErrorClass;
use waybill_store::dead::Filter;

use super::moment::{moment, written};
use crate::failure::Failure;
use crate::guard::encode;

/// Which; a part that is empty does not narrow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Letters {
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) class: String,
    pub(crate) group: String,
    pub(crate) text: String,
    /// Dead at this moment or later.
    pub(crate) since: String,
    /// Dead before this moment.
    pub(crate) until: String,
}

impl Letters {
    /// Its parts, with the names that forms and addresses have for them.
    pub(crate) fn parts(&self) -> [(&'static str, &str); 7] {
        [
            ("source", &self.source),
            ("kind", &self.kind),
            ("class", &self.class),
            ("group", &self.group),
            ("text", &self.text),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }

    /// Without the blanks that people type.
    pub(crate) fn trimmed(&self) -> Self {
        let trimmed = |text: &String| text.trim().to_owned();
        Self {
            source: trimmed(&self.source),
            kind: trimmed(&self.kind),
            class: trimmed(&self.class),
            group: trimmed(&self.group),
            text: trimmed(&self.text),
            since: trimmed(&self.since),
            until: trimmed(&self.until),
        }
    }

    /// Whether all of them are wanted.
    pub(crate) fn is_all(&self) -> bool {
        self.parts().iter().all(|(_, part)| part.is_empty())
    }

    /// The ledger's own filter.
    pub(crate) fn filter(&self) -> Result<Filter, Failure> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let wrong = |what: &str| Failure::Wrong(format!("There is no such {what}."));
        let class = some(&self.class)
            .map(|class| {
                ErrorClass::ALL
                    .into_iter()
                    .find(|known| known.as_str() == class)
                    .ok_or_else(|| wrong("class"))
            })
            .transpose()?;
        let fingerprint =
            some(&self.group).map(|group| group.parse().map_err(|_| wrong("group"))).transpose()?;
        Ok(Filter {
            source: some(&self.source),
            kind: some(&self.kind),
            class,
            fingerprint,
            text: some(&self.text),
            since: moment(&self.since)?,
            until: moment(&self.until)?,
            key: None,
        })
    }

    /// The same with its times in full: what a dry run has shown is what is asked for later.
    pub(crate) fn settled(&self) -> Result<Self, Failure> {
        let full = |text: &str| Ok::<_, Failure>(moment(text)?.map(written).unwrap_or_default());
        Ok(Self { since: full(&self.since)?, until: full(&self.until)?, ..self.trimmed() })
    }

    /// The same as part of an address; only what narrows.
    pub(crate) fn query(&self) -> String {
        let given = self.parts().into_iter().filter(|(_, part)| !part.is_empty());
        let pairs: Vec<String> = given.map(|(name, part)| format!("{name}={}", encode(part))).collect();
        pairs.join("&")
    }

    /// The same, of one group.
    pub(crate) fn of_group(&self, group: &str) -> String {
        Self { group: group.to_owned(), ..self.clone() }.query()
    }
}
