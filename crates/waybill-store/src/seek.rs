//! Looking for messages by values out of bodies: written to the audit trail first, then asked of the
//! blind index. Nothing is looked for when the trail cannot be written (ADR 19).
//!
//! A value never comes here: only what it is and its digest ([`Sought`]) do.

use serde_json::{Value, json};
use waybill_core::credential::hex;
use waybill_core::find::Sought;

use crate::audit::By;
use crate::find::{Hit, Search};
use crate::find_index::Progress;
use crate::{Store, StoreError};

/// What a search asks the blind index.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Tells under which key the digests were made ([`waybill_core::find::BlindIndex::check`]).
    pub check: i64,
    /// The values; all of them must be found in a message. Empty: the blind index is not asked.
    pub sought: &'a [Sought],
}

/// A page of what was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The messages, the newest first.
    pub hits: Vec<Hit>,
    /// Whether there are others beyond the limit.
    pub more: bool,
    /// How far the blind index is; none: it was not asked.
    pub indexed: Option<Progress>,
}

/// Why nothing was looked for.
#[derive(Debug, thiserror::Error)]
pub enum SeekError {
    /// The search could not be accounted for, so it was not made.
    #[error("nothing is looked for: the audit trail cannot be written")]
    Trail(#[source] StoreError),
    /// The digests fit no row of the index.
    #[error("the blind index was written under another auth.pepper: nothing could be found")]
    OtherKey,
    /// The statement's time was over.
    #[error("the search took longer than database.statement_timeout_ms: narrow it by source and time")]
    Slow,
    /// The ledger did not answer.
    #[error(transparent)]
    Ledger(#[from] StoreError),
}

impl Store {
    /// The newest messages that `search` and `values` both want, at most `search.limit`. With values, or by a
    /// sender's key, who looks for what kind of value, and its digest, is on the audit trail before anything is looked for:
    /// enough to prove later what was looked for, to somebody who has the key and the value.
    ///
    /// # Errors
    /// When the trail cannot be written, the index is under another key, or the ledger does not answer in
    /// time: nothing was shown then.
    pub async fn seek(&self, search: &Search, values: Values<'_>, by: By<'_>) -> Result<Found, SeekError> {
        let mut indexed = None;
        if !values.sought.is_empty() || search.dedupe_prefix.is_some() {
            self.note_search(search, values.sought, by).await.map_err(SeekError::Trail)?;
        }
        if !values.sought.is_empty() {
            let now = self.index_progress().await?;
            if now.key_check.is_some_and(|check| check != values.check) {
                return Err(SeekError::OtherKey);
            }
            indexed = Some(now);
        }
        let entries = values.sought.iter().map(|sought| sought.entry).collect();
        // one more says whether there is another page
        let asked = Search { entries, limit: search.limit.saturating_add(1), ..search.clone() };
        let mut hits = self.find(&asked).await.map_err(explained)?;
        let more = hits.len() > search.limit as usize;
        hits.truncate(search.limit as usize);
        Ok(Found { hits, more, indexed })
    }

    async fn note_search(&self, search: &Search, sought: &[Sought], by: By<'_>) -> Result<(), StoreError> {
        let mut said: Vec<Value> = sought
            .iter()
            .map(|sought| {
                json!({"what": sought.facet.as_str(), "digest": hex(&sought.entry.digest.to_be_bytes()),
                       "with_authority": sought.with_authority})
            })
            .collect();
        if search.dedupe_prefix.is_some() {
            // a sender's key may name a person
            said.push(json!({"what": "idempotency-key"}));
        }
        let detail = json!({"by": said, "id": search.id, "from": search.from, "to": search.to, "state": search.state,
                            "kind": search.kind});
        let act = by.on_messages("find message", &[], &detail);
        self.audit(crate::audit::Act { source: search.source.as_deref(), ..act }).await
    }
}

/// `query_canceled` (SQLSTATE 57014): the statement's time was over.
fn explained(error: StoreError) -> SeekError {
    match error {
        StoreError::Unavailable(why) if why.ends_with("57014") => SeekError::Slow,
        error => SeekError::Ledger(error),
    }
}
