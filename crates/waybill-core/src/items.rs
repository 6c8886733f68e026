//! A batch of submissions: which items a body holds, and whether each may be stored.
//!
//! An item is a slice of the body, byte for byte, and is judged as if it had been posted alone
//! (`accept.rs`). One refusal refuses the whole batch, and names its item. What the items share,
//! and what they may not share (a key for other bytes), is decided here too; what the ledger knows
//! is not. Never looks at a clock, and never names content.

mod split;

use std::collections::HashMap;

pub use split::{Form, Items};

use crate::accept::{self, Acceptable, Refusal, Submission};
use crate::hl7;
use crate::source::{Format, Source};

/// Items of one batch.
pub const ITEMS_MAX: usize = 10_000;
/// Bytes of a batch's `Idempotency-Key`: with `/` and an index it must still be a key.
const BATCH_KEY_BYTES_MAX: usize = 250;

/// Why a batch is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchRefusal {
    /// It has more than [`ITEMS_MAX`] items.
    TooMany,
    /// The fault is in no single item.
    Batch(Refusal),
    /// An item, counted from 0, is refused.
    Item(usize, Refusal),
    /// An item is larger than its source's messages may be.
    TooLarge(usize),
    /// An item has the key of an earlier one of this batch, and other bytes.
    KeyReused(usize),
}

/// An item that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As the ledger needs to know it.
    pub acceptable: Acceptable,
    /// The earlier item of this batch that is the same: same key, same bytes.
    pub repeats: Option<usize>,
}

/// Judges every item for `source`. `idempotency_key` is the header of the whole post; items of
/// JSON have it with `/index`, events and HL7 messages have keys of their own.
///
/// # Errors
/// The first refusal; nothing is stored then.
pub fn judge(
    source: &Source,
    items: &Items<'_>,
    idempotency_key: Option<&str>,
) -> Result<Vec<Judged>, BatchRefusal> {
    let key = idempotency_key.filter(|_| source.format == Format::Json).map(batch_key).transpose();
    let key = key.map_err(BatchRefusal::Batch)?;
    let mut first_of_key: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut judged: Vec<Judged> = Vec::with_capacity(items.bodies.len());
    for (index, &body) in items.bodies.iter().enumerate() {
        if body.len() > source.body_bytes_max as usize {
            return Err(BatchRefusal::TooLarge(index));
        }
        let key = key.as_ref().map(|key| format!("{key}/{index}"));
        let submission = Submission {
            content_type: items.content_type,
            idempotency_key: key.as_deref(),
            cloud_event: None,
            body,
        };
        let acceptable = accept::accept(source, &submission)
            .map_err(|refusal| BatchRefusal::Item(index, in_words(source, &submission, refusal)))?;
        let repeats = match &acceptable.dedupe_key {
            Some(key) => first_of_key.get(key).copied(),
            None => None,
        };
        match (repeats, &acceptable.dedupe_key) {
            (Some(first), _) if judged[first].acceptable.sha256 != acceptable.sha256 => {
                return Err(BatchRefusal::KeyReused(index));
            }
            (None, Some(key)) => {
                first_of_key.insert(key.clone(), index);
            }
            _ => {}
        }
        judged.push(Judged { acceptable, repeats });
    }
    Ok(judged)
}

/// The key of the whole post, without its quotes.
fn batch_key(header: &str) -> Result<String, Refusal> {
    let key = accept::read_key(header)?;
    if key.len() > BATCH_KEY_BYTES_MAX {
        return Err(Refusal::Key("Idempotency-Key of a batch must have at most 250 characters"));
    }
    Ok(key)
}

/// There is no acknowledgement for a message of which nothing is stored: what would have been one
/// is said in words.
pub(crate) fn in_words(source: &Source, submission: &Submission<'_>, refusal: Refusal) -> Refusal {
    let (letter, error) = match refusal {
        Refusal::Hl7(hl7::Refusal::Reject(error)) => ('R', error),
        Refusal::Hl7(hl7::Refusal::Error(error)) => ('E', error),
        other => return other,
    };
    let header = accept::read_hl7(source, submission.content_type, submission.body);
    let mode = if header.is_ok_and(|header| header.is_enhanced_mode()) { 'C' } else { 'A' };
    Refusal::Malformed(format!("{mode}{letter} {}: {}", error.code.number(), error.text))
}

#[cfg(test)]
mod tests;
