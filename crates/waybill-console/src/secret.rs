//! Passwords, tokens, and names that were typed. A password is kept as argon2id, a token as its SHA-256, a
//! typed name as HMAC-SHA256 under a key that is not in the ledger: none can be had back from what is
//! stored.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::hmac;
use sha2::{Digest as _, Sha256};
use waybill_core::credential::Pepper;

/// Characters of a password.
pub const PASSWORD_MIN: usize = 12;
/// Bytes of a password: hashing takes longer for more.
pub const PASSWORD_MAX: usize = 1024;

/// The hash of nobody's password, checked where there is no user, so that the answer takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$tbFmzQZbSGjcGbDZvDqKQNhSgvXyT1RPmyhLD0aB3J8";

/// Hashes a password with argon2id (RFC 9106): 19 MiB, two passes, a random salt. Slow on purpose.
///
/// # Errors
/// A password that is too short or too long, or a system without randomness.
pub fn hash(password: &str) -> Result<String, String> {
    let characters = password.chars().count();
    if characters < PASSWORD_MIN {
        return Err(format!("the password has {characters} characters; it needs at least {PASSWORD_MIN}"));
    }
    if password.len() > PASSWORD_MAX {
        return Err(format!("the password is longer than {PASSWORD_MAX} bytes"));
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| "the password cannot be hashed".to_owned())?.to_string())
}

/// Whether `password` is the one that was hashed. Slow on purpose; as slow where there is no hash.
pub(crate) fn verify(password: &str, hash: Option<&str>) -> bool {
    if password.len() > PASSWORD_MAX {
        return false;
    }
    let verified = Argon2::default().verify_password(password.as_bytes(), hash.unwrap_or(NOBODY)).is_ok();
    verified && hash.is_some()
}

/// 32 random bytes in hexadecimal.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn token() -> anyhow::Result<String> {
    Ok(hex(&random()?))
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    Ok(random)
}

/// What is stored of a token.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The key under which names that were typed at a login are kept. Its `Debug` shows nothing.
pub(crate) struct Names(hmac::Key);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names(…)")
    }
}

impl Names {
    /// The label under which the key is derived; with a new one, throttling begins anew.
    const LABEL: &'static str = "waybill console logins 1";

    /// The installation's; without a pepper one of this process alone.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(pepper: Option<&Pepper>) -> anyhow::Result<Self> {
        let key = match pepper {
            Some(pepper) => pepper.derive(Self::LABEL),
            None => random()?,
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// What is stored of a name.
    pub(crate) fn digest(&self, name: &str) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.0, name.as_bytes()).as_ref());
        digest
    }
}

/// The token of a form: proves that the form was ours, and for this person. `seed` is in a cookie
/// that no other site can read or set.
pub(crate) fn form_token(seed: &str, name: &str) -> String {
    hex(&digest(&format!("waybill form\n{seed}\n{name}")))
}

/// Compares in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// Hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_nothing_else_is() {
        let hashed = hash("correct horse battery").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify("correct horse battery", Some(&hashed)));
        assert!(!verify("correct horse batterY", Some(&hashed)));
        assert!(!verify("correct horse battery", Some("$argon2id$broken")));
        assert!(!verify("", None));
        assert_ne!(hash("correct horse battery").unwrap(), hashed, "salted");
        assert!(hash("short").is_err() && hash(&"x".repeat(2000)).is_err());
    }

    #[test]
    fn nobodys_hash_can_be_read_and_takes_the_work() {
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok());
    }

    #[test]
    fn a_typed_name_is_kept_under_the_installations_key() {
        let pepper = |secret: &str| Pepper::new(secret).unwrap();
        let (one, other) =
            (pepper("0123456789abcdef0123456789abcdef"), pepper("another, of 32 characters or more"));
        let digest = |pepper| Names::new(pepper).unwrap().digest("a password, typed here");
        assert_eq!(digest(Some(&one)), digest(Some(&one)), "replicas agree");
        assert_ne!(digest(Some(&one)), digest(Some(&other)));
        assert_ne!(digest(Some(&one)), super::digest("a password, typed here"));
        assert_ne!(digest(None), digest(None), "without a pepper each process has its own");
    }

    #[test]
    fn a_forms_token_belongs_to_its_browser_and_person() {
        assert_ne!(form_token("a", "kim"), form_token("b", "kim"));
        assert_ne!(form_token("a", "kim"), form_token("a", "sam"));
        assert!(same(&form_token("a", "kim"), &form_token("a", "kim")));
    }
}
