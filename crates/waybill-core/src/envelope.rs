//! The envelope: what travels in the broker. A reference to a message, never a body, never an
//! ordering key, never anything personal.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The version of the envelope's form that this code writes.
const VERSION: u8 = 1;

/// A reference to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The form's version; readers refuse what they do not know.
    v: u8,
    /// The message's id.
    pub id: Uuid,
    /// Attempts already made when the envelope was published: a hint that lets a worker take a
    /// message that failed before by itself. The ledger decides.
    pub attempts: u32,
}

/// Why a delivery's bytes are not an envelope. Says nothing of the bytes themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEnvelope {
    /// Not the JSON object that an envelope is.
    #[error("not an envelope: something else publishes to Waybill's exchange")]
    Unreadable,
    /// Written by a newer version of Waybill.
    #[error("an envelope of version {0}, newer than this worker: update the workers")]
    TooNew(u8),
}

impl Envelope {
    /// A reference to the message `id`, attempted `attempts` times so far.
    pub const fn new(id: Uuid, attempts: u32) -> Self {
        Self { v: VERSION, id, attempts }
    }

    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        format!(r#"{{"v":{},"id":"{}","attempts":{}}}"#, self.v, self.id, self.attempts).into_bytes()
    }

    /// The id in what travelled, whatever the version of its form.
    pub fn id_of(bytes: &[u8]) -> Option<Uuid> {
        #[derive(Deserialize)]
        struct AnyVersion {
            id: Uuid,
        }
        serde_json::from_slice::<AnyVersion>(bytes).ok().map(|envelope| envelope.id)
    }

    /// Reads what travelled.
    ///
    /// # Errors
    /// When the bytes are no envelope, or one of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAnEnvelope> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|_| NotAnEnvelope::Unreadable)?;
        if envelope.v > VERSION {
            return Err(NotAnEnvelope::TooNew(envelope.v));
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_was_written() {
        let envelope = Envelope::new(Uuid::from_u128(7), 3);
        assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert_eq!(Envelope::decode(b"hello"), Err(NotAnEnvelope::Unreadable));
        let newer = br#"{"v":2,"id":"00000000-0000-0000-0000-000000000007","attempts":0}"#;
        assert_eq!(Envelope::decode(newer), Err(NotAnEnvelope::TooNew(2)));
        assert_eq!(Envelope::id_of(newer), Some(Uuid::from_u128(7)));
        assert_eq!(Envelope::id_of(b"hello"), None);
    }
}
