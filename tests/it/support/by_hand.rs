//! Messages and settlements made by hand, for tests that play the API and the worker themselves.

use chrono::DateTime;
use uuid::Uuid;
use waybill_core::kinds::Effect;
use waybill_core::kinds::conditions_of_joining::Signature;
use waybill_core::recovery::Disposition;
use waybill_store::accept::{Accepted, NewMessage};
use waybill_store::claim::Claimed;
use waybill_store::record::Settled;

use super::World;

/// A submission of `source` with these ordering keys.
pub fn message(source: &str, keys: &[i64]) -> NewMessage {
    NewMessage {
        id: Uuid::now_v7(),
        source: source.into(),
        kind: "conditions-of-joining".into(),
        lane: "default".into(),
        received_at: chrono::Utc::now(),
        sha256: [0; 32],
        content_type: "application/json".into(),
        idempotency_key: None,
        dedupe_key: None,
        traceparent: None,
        ordering: keys.to_vec(),
        body: bytes::Bytes::new(),
    }
}

/// Stores a message for each of these sets of keys, in one insert; their ids.
pub async fn accepted(world: &World, source: &str, keys: &[Vec<i64>]) -> Vec<Uuid> {
    let messages: Vec<_> = keys.iter().map(|keys| message(source, keys)).collect();
    let answers = world.store.accept(&messages).await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Some(Accepted::Stored { .. }))));
    messages.into_iter().map(|message| message.id).collect()
}

/// The end of attempt number `attempt` at message `id` of `source`.
pub fn settled(source: &str, id: Uuid, attempt: i32, disposition: Disposition) -> Settled {
    Settled {
        id,
        source: source.into(),
        attempt,
        started_at: DateTime::UNIX_EPOCH,
        worker: "by hand".into(),
        abandoned: false,
        skip_dead: false,
        disposition,
    }
}

/// A claimed message, done, with an effect that only this message has.
pub fn done(claimed: &Claimed) -> Settled {
    settled(
        &claimed.source,
        claimed.id,
        claimed.attempt,
        Disposition::Complete(vec![effect(claimed.id)].into()),
    )
}

/// An effect that bears the message's name.
pub fn effect(id: Uuid) -> Effect {
    Effect::Signature(Signature {
        programme_membership_id: id.to_string(),
        signed_at: DateTime::UNIX_EPOCH,
        version: "GG10".into(),
    })
}
