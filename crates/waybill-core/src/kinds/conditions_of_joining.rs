//! The kind `conditions-of-joining`: a trainee signed their Conditions of Joining.
//!
//! The body is `{"programmeMembershipTisId", "conditionsOfJoining": {"signedAt", "version",
//! "syncedAt"}}`, of which `syncedAt` and unknown members are not looked at. Times are read from
//! their text, never through a float. Nothing that the JSON reader says is passed on, because it
//! quotes values: a reason names a place.

mod signed_at;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::kinds::{Effect, Input, Kind};
use crate::outcome::{ErrorClass, Failure, Outcome};
use crate::source::Format;

/// The entry in the registry.
pub const KIND: Kind = Kind { name: "conditions-of-joining", formats: &[Format::Json], process };

/// The versions of the form that are known.
const VERSIONS: [&str; 2] = ["GG9", "GG10"];

/// The longest identifier, in characters: small enough for an entry of a PostgreSQL index.
const IDENTIFIER_CHARS_MAX: usize = 255;

/// A signature under one version of the Conditions of Joining.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// `programmeMembershipTisId`: a UUID, or a legacy number as text.
    pub programme_membership_id: String,
    /// When it was signed, to the microsecond.
    pub signed_at: DateTime<Utc>,
    /// `GG9` or `GG10`.
    pub version: String,
}

impl fmt::Debug for Signature {
    /// Only the version: the rest is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Reads one message into the signature it reports.
pub fn process(input: &Input<'_>) -> Outcome {
    match evaluate(input.body) {
        Ok(signature) => Outcome::Done(vec![Effect::Signature(signature)]),
        Err(failure) => Outcome::Failed(failure),
    }
}

fn evaluate(body: &[u8]) -> Result<Signature, Failure> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let whole: &RawValue = serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
    let event = Object::read(whole).ok_or_else(|| invalid("the body is not a JSON object"))?;
    let id = event.required("programmeMembershipTisId", "/programmeMembershipTisId")?;
    let conditions = Object::read(event.required("conditionsOfJoining", "/conditionsOfJoining")?)
        .ok_or_else(|| invalid("/conditionsOfJoining is not a JSON object"))?;
    let signed_at = conditions.required("signedAt", "/conditionsOfJoining/signedAt")?;
    let version = conditions.required("version", "/conditionsOfJoining/version")?;
    Ok(Signature {
        programme_membership_id: identifier(id)?,
        signed_at: signed_at::parse(&text_of(signed_at)).ok_or_else(|| {
            invalid(
                "/conditionsOfJoining/signedAt is neither an ISO-8601 time with an offset nor \
                 decimal epoch seconds",
            )
        })?,
        version: known_version(&text_of(version))?,
    })
}

/// The members of a JSON object, their values unread. Of a repeated name the last one counts.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    fn read(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok().map(Self)
    }

    /// The member called `name`; `pointer` (RFC 6901) says where it should be.
    fn required(&self, name: &str, pointer: &str) -> Result<&'a RawValue, Failure> {
        let value = self.0.get(name).copied().filter(|value| value.get() != "null");
        value.ok_or_else(|| invalid(format!("{pointer} is missing")))
    }
}

/// The text of a string, or any other value as it is written.
fn text_of(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

fn identifier(value: &RawValue) -> Result<String, Failure> {
    let is_string = value.get().starts_with('"');
    let text = text_of(value);
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_string && !is_number {
        return Err(invalid("/programmeMembershipTisId is neither a string nor a whole number"));
    }
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(invalid("/programmeMembershipTisId is blank or holds control characters"));
    }
    if text.chars().nth(IDENTIFIER_CHARS_MAX).is_some() {
        return Err(invalid("/programmeMembershipTisId is longer than 255 characters"));
    }
    Ok(text)
}

fn known_version(text: &str) -> Result<String, Failure> {
    match VERSIONS.iter().find(|known| **known == text) {
        Some(known) => Ok((*known).to_owned()),
        None => Err(invalid("conditionsOfJoining.version is not one of GG9, GG10")),
    }
}

fn unreadable(error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    Failure::new(ErrorClass::Parse, format!("not JSON: line {line}, column {column}"))
}

fn invalid(reason: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Validation, reason)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat, Utc};
    use uuid::Uuid;

    use super::{Signature, process};
    use crate::kinds::{Effect, Input, Reading};
    use crate::outcome::{ErrorClass, Outcome};

    fn run(body: &[u8]) -> Outcome {
        let (timezone, charset) = (chrono_tz::Europe::London, "utf-8".to_owned());
        let reading = Reading { timezone, charset, processing_ids: Vec::new() };
        let (id, received_at) = (Uuid::nil(), DateTime::<Utc>::default());
        process(&Input { id, received_at, content_type: "application/json", body, reading: &reading })
    }

    fn body(id: &str, signed_at: &str, version: &str) -> String {
        format!(
            r#"{{"programmeMembershipTisId":{id},"conditionsOfJoining":{{"signedAt":{signed_at},"version":{version},"syncedAt":null}}}}"#
        )
    }

    const ID: &str = r#""8f0a52a1-5f0e-4c3c-9d8e-0d8d3a1c7a01""#;
    const AT: &str = r#""2023-06-05T09:30:15.123456Z""#;

    fn check(body: &str, id: &str, signed_at: &str, version: &str) {
        let Outcome::Done(effects) = run(body.as_bytes()) else { unreachable!("not done: {body}") };
        let [Effect::Signature(Signature { programme_membership_id, signed_at: at, version: seen })] = &effects[..]
        else {
            unreachable!("no signature: {body}")
        };
        let at = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        assert_eq!((programme_membership_id.as_str(), at.as_str(), seen.as_str()), (id, signed_at, version), "{body}");
    }

    fn check_failed(body: &str, class: ErrorClass, reason: &str) {
        let Outcome::Failed(failure) = run(body.as_bytes()) else { unreachable!("no failure: {body}") };
        assert_eq!((failure.class, failure.reason.as_str()), (class, reason), "{body}");
    }

    fn check_invalid(body: &str, reason: &str) {
        check_failed(body, ErrorClass::Validation, reason);
    }

    #[test]
    fn a_signature_is_read() {
        check(&body(ID, AT, r#""GG9""#), ID.trim_matches('"'), "2023-06-05T09:30:15.123456Z", "GG9");
        check(&body("1234567", AT, r#""GG10""#), "1234567", "2023-06-05T09:30:15.123456Z", "GG10");
        check(&body(r#""1234567""#, AT, r#""GG10""#), "1234567", "2023-06-05T09:30:15.123456Z", "GG10");
        let epoch = body(ID, "1685957415.123456000", r#""GG9""#);
        check(&epoch, ID.trim_matches('"'), "2023-06-05T09:30:15.123456Z", "GG9");
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let long = "12345678901234567890123456789";
        check(&body(long, AT, r#""GG9""#), long, "2023-06-05T09:30:15.123456Z", "GG9");
    }

    #[test]
    fn unknown_members_white_space_and_escapes_are_tolerated() {
        let text = "\u{feff} {\"x\": [{}], \"programmeMembershipTisId\": \"a\\u002d1\",\n \"conditionsOfJoining\": \
                    {\"version\": \"\\u0047G9\", \"signedAt\": \"2023-06-05T10:30:15+01:00\", \"by\": null}}\r\n";
        check(text, "a-1", "2023-06-05T09:30:15Z", "GG9");
    }

    #[test]
    fn an_unknown_version_is_a_permanent_failure() {
        for version in [r#""GG11""#, r#""gg9""#, r#""""#, "9", "{}", r#"["GG9"]"#] {
            check_invalid(&body(ID, AT, version), "conditionsOfJoining.version is not one of GG9, GG10");
        }
        assert!(ErrorClass::Validation.is_permanent());
    }

    #[test]
    fn what_is_missing_is_named_by_its_pointer() {
        check_invalid(r#"{"a":1}"#, "/programmeMembershipTisId is missing");
        check_invalid(&body("null", AT, r#""GG9""#), "/programmeMembershipTisId is missing");
        check_invalid(r#"{"programmeMembershipTisId":1}"#, "/conditionsOfJoining is missing");
        check_invalid(&body(ID, "null", r#""GG9""#), "/conditionsOfJoining/signedAt is missing");
        check_invalid(&body(ID, AT, " null "), "/conditionsOfJoining/version is missing");
        check_invalid(r#"{"programmeMembershipTisId":1,"conditionsOfJoining":[]}"#, "/conditionsOfJoining is not a JSON object");
        for text in ["[]", "1", "null", "\"SECRET\"", r#"["1",{"signedAt":"x"}]"#] {
            check_invalid(text, "the body is not a JSON object");
        }
    }

    #[test]
    fn an_impossible_identifier_is_refused() {
        for id in ["1.5", "-1", "1e3", "true", "{}", "[1]"] {
            let reason = "/programmeMembershipTisId is neither a string nor a whole number";
            check_invalid(&body(id, AT, r#""GG9""#), reason);
        }
        for id in [r#""""#, r#"" ""#, r#""a\u0000b""#] {
            let reason = "/programmeMembershipTisId is blank or holds control characters";
            check_invalid(&body(id, AT, r#""GG9""#), reason);
        }
        let long = format!("\"{}\"", "9".repeat(256));
        check_invalid(&body(&long, AT, r#""GG9""#), "/programmeMembershipTisId is longer than 255 characters");
    }

    #[test]
    fn an_impossible_time_is_refused() {
        for at in [r#""SECRET""#, r#""2023-06-05T09:30:15""#, "true", "{}", "[2023,6,5]"] {
            let reason = "/conditionsOfJoining/signedAt is neither an ISO-8601 time with an offset nor decimal epoch seconds";
            check_invalid(&body(ID, at, r#""GG9""#), reason);
        }
    }

    #[test]
    fn what_is_not_json_is_said_by_position() {
        check_failed("", ErrorClass::Parse, "not JSON: line 1, column 0");
        check_failed("{\"a\":\n SECRET}", ErrorClass::Parse, "not JSON: line 2, column 2");
        check_failed("{} x", ErrorClass::Parse, "not JSON: line 1, column 4");
        for damaged in [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\\ud800\"", b"\xff", b"{\"a\":1"] {
            let outcome = run(damaged);
            assert!(matches!(&outcome, Outcome::Failed(failure) if failure.class == ErrorClass::Parse), "{outcome:?}");
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        let whole = body(ID, AT, r#""GG9""#).into_bytes();
        for at in 0..whole.len() {
            run(&whole[..at]);
            for byte in [0, b'"', b'{', b'9', b'\\', 0x80, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                run(&damaged);
            }
        }
        run("[".repeat(100_000).as_bytes());
        run(format!("{{\"conditionsOfJoining\":{}", "[".repeat(100_000)).as_bytes());
        run(format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes());
    }

    #[test]
    fn debug_shows_no_content() {
        let shown = format!("{:?}", run(body(ID, AT, r#""GG9""#).as_bytes()));
        assert_eq!(shown, "Done([Signature(Signature { version: \"GG9\", .. })])");
    }
}
