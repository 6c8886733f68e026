//! A partner's key: `wb_<id>_<secret>`.
//!
//! The id finds the source, the secret proves it. Only `HMAC-SHA256(pepper, key)` is stored:
//! the keys are long and random, so a slow password hash would gain nothing and cost the accept
//! path dearly. Randomness comes from the caller.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of randomness in a key's id.
pub const ID_BYTES: usize = 6;
/// Bytes of randomness in a key's secret.
pub const SECRET_BYTES: usize = 32;

/// A partner's key in the clear. Its `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
    id_end: usize,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({}…)", self.id())
    }
}

impl ApiKey {
    /// A new key from random bytes.
    pub fn from_random(id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES]) -> Self {
        let id = hex(&id);
        let id_end = 3 + id.len();
        Self { text: format!("wb_{id}_{}", hex(&secret)), id_end }
    }

    /// Reads a key as a partner sent it; `None` when it does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix("wb_")?.split_once('_')?;
        let plain = |part: &str| {
            !part.is_empty() && part.len() <= 128 && part.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        (plain(id) && plain(secret)).then(|| Self { text: text.to_owned(), id_end: 3 + id.len() })
    }

    /// The part that finds the source; not a secret.
    pub fn id(&self) -> &str {
        &self.text[3..self.id_end]
    }

    /// The whole key, to be shown once to whoever made it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored of it.
    pub fn digest(&self, pepper: &Pepper) -> [u8; 32] {
        let mut mac = pepper.mac.clone();
        mac.update(self.text.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Whether this is the key that `digest` was made of; takes the same time either way.
    pub fn matches(&self, pepper: &Pepper, digest: &[u8]) -> bool {
        let mut mac = pepper.mac.clone();
        mac.update(self.text.as_bytes());
        mac.verify_slice(digest).is_ok()
    }
}

/// The installation's secret under which keys are hashed. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Pepper {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(…)")
    }
}

impl Pepper {
    /// The fewest characters of a pepper.
    pub const CHARACTERS_MIN: usize = 32;

    /// A pepper of `secret`; `None` when it is too short to be one.
    pub fn new(secret: &str) -> Option<Self> {
        if secret.len() < Self::CHARACTERS_MIN {
            return None;
        }
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        Some(Self { mac })
    }

    /// A key of its own for another use, named by `label`. No label begins as a partner's key does.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// The section `auth` of the configuration.
#[derive(Clone, serde::Deserialize)]
pub struct Config {
    pepper: String,
}

impl Config {
    /// The pepper; `None` when it is missing or too short.
    pub fn pepper(&self) -> Option<Pepper> {
        Pepper::new(&self.pepper)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper(secret: &str) -> Pepper {
        Pepper::new(secret).unwrap_or_else(|| unreachable!("long enough"))
    }

    #[test]
    fn a_key_proves_itself_and_no_other() {
        let pepper = pepper("0123456789abcdef0123456789abcdef");
        let key = ApiKey::from_random([1; ID_BYTES], [2; SECRET_BYTES]);
        let digest = key.digest(&pepper);
        assert!(key.matches(&pepper, &digest));
        let other = ApiKey::from_random([1; ID_BYTES], [3; SECRET_BYTES]);
        assert!(!other.matches(&pepper, &digest));
        assert_eq!(other.id(), key.id());
    }

    #[test]
    fn the_pepper_matters() {
        let key = ApiKey::from_random([1; ID_BYTES], [2; SECRET_BYTES]);
        let digest = key.digest(&pepper("0123456789abcdef0123456789abcdef"));
        assert!(!key.matches(&pepper("another secret of at least 32 characters"), &digest));
        assert!(Pepper::new("short").is_none());
    }

    #[test]
    fn reads_back_and_refuses_other_texts() {
        let key = ApiKey::from_random([9; ID_BYTES], [8; SECRET_BYTES]);
        assert_eq!(ApiKey::parse(key.reveal()).as_ref(), Some(&key));
        for bad in ["", "wb_", "wb_a", "wb__b", "wb_a_", "xx_a_b", "wb_a_b c", "wb_a_b_c"] {
            assert_eq!(ApiKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = ApiKey::from_random([1; ID_BYTES], [2; SECRET_BYTES]);
        assert!(!format!("{key:?}").contains("0202"));
    }
}
