//! Where two JSON texts differ, as JSON pointers (RFC 6901). Never a value.

use serde_json::Value as Json;

/// The pointers at which `new` differs from `old`; none when one of them is no JSON.
pub(super) fn changed(old: &[u8], new: &[u8]) -> Option<Vec<String>> {
    let (old, new) = (serde_json::from_slice(old).ok()?, serde_json::from_slice(new).ok()?);
    let mut found = Vec::new();
    compare("", &old, &new, &mut found);
    Some(found)
}

/// Goes no deeper than the texts nest, which their reading bounds.
fn compare(at: &str, old: &Json, new: &Json, found: &mut Vec<String>) {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => {
            for (name, value) in old {
                let at = below(at, name);
                match new.get(name) {
                    Some(other) => compare(&at, value, other, found),
                    None => found.push(format!("{at} removed")),
                }
            }
            for name in new.keys().filter(|name| !old.contains_key(*name)) {
                found.push(format!("{} added", below(at, name)));
            }
        }
        (Json::Array(old), Json::Array(new)) => {
            for (n, (value, other)) in old.iter().zip(new).enumerate() {
                compare(&format!("{at}/{n}"), value, other, found);
            }
            for n in new.len()..old.len() {
                found.push(format!("{at}/{n} removed"));
            }
            for n in old.len()..new.len() {
                found.push(format!("{at}/{n} added"));
            }
        }
        (old, new) if old == new => {}
        _ if at.is_empty() => found.push("the whole body changed".to_owned()),
        _ => found.push(format!("{at} changed")),
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::changed;

    fn check(old: &str, new: &str, wanted: &[&str]) {
        assert_eq!(changed(old.as_bytes(), new.as_bytes()).unwrap(), wanted, "{old} {new}");
    }

    #[test]
    fn pointers_say_what_changed() {
        check(
            r#"{"a": {"b": 1, "c": 2}}"#,
            r#"{"a": {"b": 3, "d": 2}}"#,
            &["/a/b changed", "/a/c removed", "/a/d added"],
        );
        check("[1, 2, 3]", "[1, 4]", &["/1 changed", "/2 removed"]);
        check("[1]", "[1, 2]", &["/1 added"]);
        check(r#"{"a/b~": 1}"#, r#"{"a/b~": "1"}"#, &["/a~1b~0 changed"]);
        check("1", "[]", &["the whole body changed"]);
        check(r#"{"a": 1, "b": 2}"#, r#"{ "b":2, "a":1 }"#, &[]);
        assert_eq!(changed(b"{", b"{}"), None);
    }
}
