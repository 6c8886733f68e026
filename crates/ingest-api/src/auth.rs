//! Who posts: the credential decides the source, never the body.
//!
//! Checked before a byte of the body is read. A wrong key, an unknown one, a disabled source and a
//! way of proving oneself that the source does not list all get the same answer.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use waybill_core::credential::{ApiKey, Pepper};
use waybill_core::source::{Auth, Source};
use waybill_store::directory::Snapshot;

use crate::problem::{Kind, Problem};

/// The source that these headers prove.
///
/// # Errors
/// `unauthorized`, without saying why.
pub fn authenticate(headers: &HeaderMap, known: &Snapshot, pepper: &Pepper) -> Result<Arc<Source>, Problem> {
    find(headers, known, pepper).ok_or_else(|| Kind::Unauthorized.into())
}

fn find(headers: &HeaderMap, known: &Snapshot, pepper: &Pepper) -> Option<Arc<Source>> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (given.next()?.to_str().ok()?, given.next()) else {
        return None;
    };
    let (scheme, rest) = value.split_once(' ')?;
    let (way, name, key) = if scheme.eq_ignore_ascii_case("bearer") {
        (Auth::ApiKey, None, rest.trim().to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        // RFC 7617: base64 of name ":" password
        let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
        let (name, key) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        (Auth::Basic, Some(name.to_owned()), key.to_owned())
    } else {
        return None;
    };
    let key = ApiKey::parse(&key)?;
    let stored = known.keys.get(key.id())?;
    if !key.matches(pepper, &stored.digest) || name.is_some_and(|name| name != stored.source) {
        return None;
    }
    let source = known.sources.get(&stored.source)?;
    source.auth.contains(&way).then(|| Arc::clone(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_store::source::Key;

    struct World {
        known: Snapshot,
        pepper: Pepper,
        key: ApiKey,
    }

    fn world(auth: &str) -> World {
        let pepper = Pepper::new("0123456789abcdef0123456789abcdef").unwrap();
        let key = ApiKey::from_random([1; 6], [2; 32]);
        let text = format!(
            "[[source]]\nname = \"a\"\nformat = \"json\"\nkind = \"conditions-of-joining\"\nauth = [{auth}]"
        );
        let source = waybill_core::source::read(&text).unwrap().remove(0);
        let mut known = Snapshot::default();
        known.sources.insert("a".into(), Arc::new(source));
        let stored = Key { id: key.id().into(), source: "a".into(), digest: key.digest(&pepper).to_vec() };
        known.keys.insert(stored.id.clone(), stored);
        World { known, pepper, key }
    }

    fn check(world: &World, authorization: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        let found = authenticate(&headers, &world.known, &world.pepper).is_ok();
        assert_eq!(found, expected, "{authorization}");
    }

    fn basic(name: &str, key: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{key}")))
    }

    #[test]
    fn a_source_proves_itself_in_the_ways_it_lists() {
        let both = world("\"api-key\", \"basic\"");
        let key = both.key.reveal();
        check(&both, &format!("Bearer {key}"), true);
        check(&both, &format!("bearer {key}"), true);
        check(&both, &basic("a", key), true);
        let bearer_only = world("\"api-key\"");
        check(&bearer_only, &basic("a", key), false);
    }

    #[test]
    fn everything_else_is_refused() {
        let world = world("\"api-key\", \"basic\"");
        let key = world.key.reveal();
        let other = ApiKey::from_random([1; 6], [3; 32]);
        check(&world, &basic("b", key), false);
        check(&world, &format!("Bearer {}", other.reveal()), false);
        check(&world, &format!("Digest {key}"), false);
        check(&world, "Bearer", false);
        check(&world, "Basic !!!", false);
        let none = authenticate(&HeaderMap::new(), &world.known, &world.pepper);
        assert_eq!(none.err().map(|p| p.kind), Some(Kind::Unauthorized));
    }
}
