//! Which dead letters, as a form or an address says it: on the list of the dead, and for a replay plan.

use serde::Deserialize;
use waybill_core::outcome::ErrorClass;
use waybill_store::dead::Filter;

use crate::failure::Failure;
use crate::guard::encode;

/// Which; a part that is empty does not narrow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Letters {
    pub(crate) source: String,
    pub(crate) class: String,
    pub(crate) group: String,
    pub(crate) text: String,
}

impl Letters {
    /// Without the blanks that people type.
    pub(crate) fn trimmed(&self) -> Self {
        let trimmed = |text: &String| text.trim().to_owned();
        Self {
            source: trimmed(&self.source),
            class: trimmed(&self.class),
            group: trimmed(&self.group),
            text: trimmed(&self.text),
        }
    }

    /// Whether all of them are wanted.
    pub(crate) fn is_all(&self) -> bool {
        [&self.source, &self.class, &self.group, &self.text].iter().all(|part| part.is_empty())
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
            class,
            fingerprint,
            text: some(&self.text),
            ..Filter::default()
        })
    }

    /// The same as part of an address.
    pub(crate) fn query(&self) -> String {
        format!(
            "source={}&class={}&group={}&text={}",
            encode(&self.source),
            encode(&self.class),
            encode(&self.group),
            encode(&self.text)
        )
    }
}
