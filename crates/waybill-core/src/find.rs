//! Finding messages by what is in their bodies: which values of a body are findable, and the digests
//! that stand for them in the ledger's blind index.
//!
//! A digest is 8 bytes of HMAC-SHA256 under a key derived from the pepper, so an index without its key
//! says neither whose messages there are nor, by trying all numbers, which number a row stands for.
//! Both sides, the body and the person who searches, go through [`BlindIndex::digest`], so both are
//! normalised alike. Values are about persons: no `Debug` here shows one.

use std::collections::BTreeSet;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::credential::Pepper;
use crate::hl7::{Header, Message};
use crate::kinds::{self, Input};
use crate::ordering;
use crate::source::{Format, OrderBy, Source};

/// Values of one message that are findable; a body that names more is found by the first of them.
pub const VALUES_MAX: usize = 64;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// MSH-10, as sent.
    ControlId,
    /// A patient's identifier: PID-3, PID-2, PID-4, PID-18 and MRG-1, every repetition.
    Patient,
    /// PV1-19.1, SCH-1.1, SCH-2.1.
    Visit,
    /// The value that a JSON source is ordered by; or what a kind goes by (`programmeMembershipTisId`).
    Key,
}

impl Facet {
    /// The name in digests, in the audit trail and on the command line. Never to be changed: digests
    /// are made of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlId => "control-id",
            Self::Patient => "patient",
            Self::Visit => "visit",
            Self::Key => "key",
        }
    }
}

/// A findable value of a body.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// What it is.
    pub facet: Facet,
    /// The value.
    pub value: String,
    /// Who assigned it, where that is said.
    pub authority: Option<String>,
}

impl Named {
    /// A value without an authority.
    pub const fn new(facet: Facet, value: String) -> Self {
        Self { facet, value, authority: None }
    }
}

impl fmt::Debug for Named {
    /// Only what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Named({}, …)", self.facet.as_str())
    }
}

/// The findable values of a body: by its source's format, and by the kind called `kind`. A body that
/// cannot be read has none; each value once, at most [`VALUES_MAX`].
pub fn values(source: &Source, kind: &str, input: &Input<'_>) -> Vec<Named> {
    let mut found = match (source.format, &source.order_by) {
        (Format::Hl7v2, _) => of_hl7(input),
        (Format::Json | Format::CloudEvents, OrderBy::Json(pointer)) => {
            ordering::at_pointer(input.body, pointer)
                .map(|value| Named::new(Facet::Key, value))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    };
    if let Some(kind) = kinds::find(kind) {
        found.extend((kind.facets)(input));
    }
    let mut seen = BTreeSet::new();
    found.retain(|named| !normal(&named.value).is_empty() && seen.insert(named.clone()));
    found.truncate(VALUES_MAX);
    found
}

fn of_hl7(input: &Input<'_>) -> Vec<Named> {
    let Ok(message) = Message::parse(input.body) else { return Vec::new() };
    let header = Header::read(message, input.content_type, &input.reading.charset);
    let mut found = vec![Named::new(Facet::ControlId, header.control_id().into_owned())];
    found.extend(header.visits().into_iter().map(|visit| Named::new(Facet::Visit, visit)));
    found.extend(header.patients().take(VALUES_MAX).map(|patient| Named {
        facet: Facet::Patient,
        value: patient.id,
        authority: Some(patient.authority),
    }));
    found
}

/// What the ledger's blind index is written and asked with. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct BlindIndex {
    mac: Hmac<Sha256>,
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex(…)")
    }
}

/// One row of the blind index, without its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// What and which value.
    pub digest: i64,
    /// Who assigned it; 0 where nobody is named.
    pub narrow: i32,
}

/// A value that is looked for, as the ledger is asked for it: what it is and its digest, not the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    /// What it is.
    pub facet: Facet,
    /// Its row.
    pub entry: Entry,
    /// Whether who assigned it was given too.
    pub with_authority: bool,
}

impl BlindIndex {
    /// The label under which the key is derived; a new one would orphan every row there is.
    const LABEL: &'static str = "waybill blind index 1";

    /// The index of an installation. `None` never happens: a derived key has the right length.
    pub fn new(pepper: &Pepper) -> Option<Self> {
        Some(Self { mac: Hmac::<Sha256>::new_from_slice(&pepper.derive(Self::LABEL)).ok()? })
    }

    /// The row for a value; none for one that says nothing.
    pub fn entry(&self, named: &Named) -> Option<Entry> {
        let value = normal(&named.value);
        if value.is_empty() {
            return None;
        }
        let authority = named.authority.as_deref().map(namespace).filter(|name| !name.is_empty());
        Some(Entry {
            digest: self.digest(named.facet, value),
            narrow: authority.map_or(0, |authority| self.narrow(named.facet, authority)),
        })
    }

    /// A value that is to be looked for; none for one that says nothing.
    pub fn sought(&self, named: &Named) -> Option<Sought> {
        let entry = self.entry(named)?;
        Some(Sought { facet: named.facet, entry, with_authority: named.authority.is_some() })
    }

    /// Tells one key from another: stands beside the index.
    pub fn check(&self) -> i64 {
        i64::from_be_bytes(self.bytes("check", ""))
    }

    fn digest(&self, facet: Facet, value: &str) -> i64 {
        i64::from_be_bytes(self.bytes(facet.as_str(), value))
    }

    fn narrow(&self, facet: Facet, authority: &str) -> i32 {
        let [a, b, c, d, ..] = self.bytes(&format!("{} authority", facet.as_str()), authority);
        // 0 is nobody
        i32::from_be_bytes([a, b, c, d]).max(1)
    }

    fn bytes(&self, what: &str, value: &str) -> [u8; 8] {
        let mut mac = self.mac.clone();
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        first
    }
}

/// A value as it is compared: without what stands around it. Case and zeros count.
fn normal(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// Who assigned an identifier, by the name alone: of `UC&1.2.3&ISO` (CX.4) `UC`, else what follows.
fn namespace(authority: &str) -> &str {
    authority.split('&').map(normal).find(|part| !part.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
