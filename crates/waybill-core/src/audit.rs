//! The audit trail's chain: how an entry is written for hashing, and what does not fit.
//!
//! Each entry carries the hash of the entry before it and of its own content. PostgreSQL computes it
//! when the entry is written (`audit_hash` of migration 7), this computes it again: a second code
//! path, so that neither is believed alone. Must never change for a version that was released: old trails
//! stay provable.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::credential::hex;

/// SHA-256.
pub type Hash = [u8; 32];

/// What stands before the first entry.
pub const ORIGIN: Head = Head { position: 0, hash: [0; 32] };

/// Places tried, to tell an entry that was moved from one that was changed.
const MOVED_MAX: i64 = 1000;

/// An entry, as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the chain, from 1.
    pub position: i64,
    /// How its content is written: 2; of older entries 1, which does not tell the way.
    pub version: i16,
    /// The hash that it says the entry before it has.
    pub previous: Hash,
    /// The hash that it says it has.
    pub hash: Hash,
    /// Its number; may have gaps.
    pub id: i64,
    /// When it was written, in microseconds since 1970.
    pub at_us: i64,
    /// Who acted.
    pub actor: String,
    /// What they did.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The messages it is about.
    pub subjects: Vec<Uuid>,
    /// The source it is about.
    pub source: Option<String>,
    /// What else belongs to it, as PostgreSQL prints its `jsonb`.
    pub detail: String,
    /// By which way it came.
    pub via: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// In which session.
    pub session: Option<String>,
}

impl Entry {
    /// The hash that its content has, had it stood at `position`.
    fn hash_at(&self, position: i64) -> Hash {
        let mut hash = Sha256::new_with_prefix(format!("waybill audit {}", self.version));
        hash.update(position.to_be_bytes());
        hash.update(self.previous);
        hash.update(self.id.to_be_bytes());
        hash.update(self.at_us.to_be_bytes());
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        text(&mut hash, &self.actor);
        text(&mut hash, &self.action);
        text(&mut hash, &self.reason);
        hash.update((self.subjects.len() as u64).to_be_bytes());
        self.subjects.iter().for_each(|id| hash.update(id.as_bytes()));
        let optional = |hash: &mut Sha256, value: Option<&String>| match value {
            None => hash.update([0]),
            Some(value) => {
                hash.update([1]);
                text(hash, value);
            }
        };
        optional(&mut hash, self.source.as_ref());
        text(&mut hash, &self.detail);
        let way = [&self.via, &self.address, &self.session].map(Option::as_ref);
        // an entry of version 1 has none: with one, it is not what was written
        if self.version != 1 || way.iter().any(Option::is_some) {
            for part in way {
                optional(&mut hash, part);
            }
        }
        hash.finalize().into()
    }

    /// The hash that its content has.
    pub fn computed(&self) -> Hash {
        self.hash_at(self.position)
    }
}

/// The last entry of a chain: with it kept elsewhere, nobody can cut the end off unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its place; 0: there is none.
    pub position: i64,
    /// Its hash.
    pub hash: Hash,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.position, hex(&self.hash))
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it is POSITION:HASH, as `waybill audit verify` prints it";
        let (position, digits) = text.trim().split_once(':').ok_or(FORM)?;
        let position = position.parse().ok().filter(|position| *position >= 0).ok_or(FORM)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(FORM);
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| FORM)?;
        }
        Ok(Self { position, hash })
    }
}

/// How a trail was tampered with, as far as the chain tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its content, or its hash, is not what was written.
    Changed,
    /// It is missing.
    Removed,
    /// It was not written through the chain.
    Inserted,
}

/// The first place where a trail does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Break {
    /// The place.
    pub position: i64,
    /// What is wrong there.
    pub kind: Kind,
}

/// A walk along the chain: holds one entry's worth, however long the trail is.
#[derive(Debug, Clone)]
pub struct Walk {
    head: Head,
    expected: Option<Head>,
}

impl Walk {
    /// A walk from the first entry on, that is to come by `expected`, where that is known.
    pub const fn new(expected: Option<Head>) -> Self {
        Self { head: ORIGIN, expected }
    }

    /// The last entry that fits.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Takes the next entry, in the order of places.
    ///
    /// # Errors
    /// The first place that does not fit.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), Break> {
        let found = |position, kind| Err(Break { position, kind });
        let next = self.head.position + 1;
        if entry.position < next {
            return found(entry.position, Kind::Inserted);
        }
        if entry.position > next {
            return found(next, Kind::Removed);
        }
        if entry.computed() != entry.hash {
            let was_at = |by: i64| entry.hash_at(entry.position.saturating_add(by)) == entry.hash;
            return match (1..=MOVED_MAX).find(|by| was_at(*by) || was_at(-by)) {
                // others were taken out before it, or put in, and it was moved up to hide that
                Some(by) if was_at(by) => found(next, Kind::Removed),
                Some(by) => found((next - by).max(1), Kind::Inserted),
                None if entry.previous == self.head.hash => found(next, Kind::Changed),
                // it neither follows what stands before it nor is what it says
                None => found(next, Kind::Inserted),
            };
        }
        if entry.previous != self.head.hash {
            // it follows another entry than the one that stands before it now
            return found(self.head.position.max(1), Kind::Changed);
        }
        self.head = Head { position: entry.position, hash: entry.hash };
        match self.expected {
            Some(head) if head.position == entry.position && head.hash != entry.hash => {
                found(entry.position, Kind::Changed)
            }
            _ => Ok(()),
        }
    }

    /// The end of the trail.
    ///
    /// # Errors
    /// It ends before the head that was expected.
    pub fn end(self) -> Result<Head, Break> {
        match self.expected {
            Some(head) if head.position > self.head.position => {
                Err(Break { position: self.head.position + 1, kind: Kind::Removed })
            }
            _ => Ok(self.head),
        }
    }
}

#[cfg(test)]
mod tests;
