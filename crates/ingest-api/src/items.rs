//! From a batch's body to items that may be stored, or to the problem that refuses all of them.
//!
//! Decompressing, splitting and hashing a large body takes long: this runs on a thread that may
//! block. Each item is a slice of the one body in memory.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;
use waybill_core::accept::Refusal;
use waybill_core::credential::hex;
use waybill_core::items::{self, BatchRefusal, Form, ITEMS_MAX, Judged};
use waybill_core::source::Source;
use waybill_store::accept_batch::NewItem;

use crate::answer::{self, Receipt};
use crate::batch_writer::Held;
use crate::body::Encoded;
use crate::budget::Share;
use crate::problem::{Kind, Problem};

/// A post of many items, of which the body is read. Has no `Debug`.
pub struct Post {
    /// Whose it is.
    pub source: Arc<Source>,
    /// What its media type says.
    pub form: Form,
    /// The media type, parameters included.
    pub content_type: String,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Its room, for as long as its body is in memory.
    pub held: Held,
}

/// A body whose items may all be stored. Has no `Debug`.
pub struct Read {
    /// What it was read for.
    pub post: Post,
    /// The whole body.
    pub body: Bytes,
    /// The body's share of the memory.
    pub share: Share,
    /// Each item's media type.
    pub content_type: String,
    /// Each item and how it was judged.
    pub items: Vec<(Bytes, Judged)>,
}

/// Reads the items of `post`.
///
/// # Errors
/// Why none of them is stored.
pub fn read(post: Post, encoded: Encoded) -> Result<Read, Problem> {
    let (body, share) = encoded.decode()?;
    let split = post.form.split(post.source.format, &post.content_type, &body);
    let (judged, bodies, content_type) = split
        .and_then(|items| {
            let judged = items::judge(&post.source, &items, post.idempotency_key.as_deref())?;
            let bodies: Vec<Bytes> = items.bodies.iter().map(|item| body.slice_ref(item)).collect();
            Ok((judged, bodies, items.content_type.to_owned()))
        })
        .map_err(|refusal| problem(&post.source, refusal))?;
    let items = bodies.into_iter().zip(judged).collect();
    Ok(Read { post, body, share, content_type, items })
}

impl Read {
    /// A receipt for each item as if it were stored now, with the item to store, unless it is the
    /// same as an earlier one.
    pub fn receipts(&self) -> Vec<(Receipt, Option<NewItem>)> {
        let (source, received_at) = (&self.post.source, answer::now());
        let one = |(body, judged): &(Bytes, Judged)| {
            let acceptable = &judged.acceptable;
            let receipt = Receipt {
                id: Uuid::now_v7(),
                source: source.name.clone(),
                kind: source.kind_label().to_owned(),
                state: "accepted",
                received_at,
                sha256: hex(&acceptable.sha256),
                bytes: body.len(),
                idempotency_key: acceptable.idempotency_key.clone(),
                duplicate: false,
                control_id_conflict: false,
            };
            let item = judged.repeats.is_none().then(|| NewItem {
                id: receipt.id,
                sha256: acceptable.sha256,
                idempotency_key: acceptable.idempotency_key.clone(),
                dedupe_key: acceptable.dedupe_key.clone(),
                ordering: acceptable.ordering.clone(),
                body: body.clone(),
            });
            (receipt, item)
        };
        self.items.iter().map(one).collect()
    }
}

/// The problem of a refused batch, with its item where it is one's.
fn problem(source: &Source, refusal: BatchRefusal) -> Problem {
    match refusal {
        BatchRefusal::Batch(refusal) => refused(refusal),
        BatchRefusal::Item(item, refusal) => refused(refusal).of_item(item),
        BatchRefusal::KeyReused(item) => Problem::from(Kind::KeyReused).of_item(item),
        BatchRefusal::TooMany => {
            Problem::new(Kind::BodyTooLarge, format!("A batch has at most {ITEMS_MAX} items"))
        }
        BatchRefusal::TooLarge(item) => {
            let what = format!("The limit of each item is {} bytes", source.body_bytes_max);
            Problem::new(Kind::BodyTooLarge, what).of_item(item)
        }
    }
}

/// The problem of a refusal.
pub fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::MediaType(what) => Problem::new(Kind::UnsupportedMediaType, what),
        Refusal::Key(what) => Problem::new(Kind::InvalidKey, what),
        Refusal::Malformed(what) => Problem::new(Kind::MalformedBody, what),
        // said in words by `items::judge`: a batch has no acknowledgement for one item alone
        Refusal::Hl7(_) => Kind::MalformedBody.into(),
    }
}
