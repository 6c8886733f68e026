//! The kind `conditions-of-joining`: a trainee signed their Conditions of Joining.
//!
//! The body is `{"programmeMembershipTisId", "conditionsOfJoining": {"signedAt", "version",
//! "syncedAt"}}`, of which `syncedAt` and unknown members are not looked at. Times are read from
//! their text, never through a float. Nothing that the JSON reader says is passed on, because it
//! quotes values: a reason names a place.

mod signed_at;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::find::{Facet, Named};
use crate::kinds::{Effect, Input, Kind};
use crate::outcome::{ErrorClass, Failure, Outcome};
use crate::source::Format;

/// The entry in the registry.
pub const KIND: Kind = Kind { name: "conditions-of-joining", formats: &[Format::Json], process, facets };

/// The versions of the form that are known.
const VERSIONS: [&str; 2] = ["GG9", "GG10"];

/// The longest identifier, in characters: small enough for an entry of a database index.
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
        Ok(signature) => Outcome::Done(vec![Effect::Signature(signature)].into()),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// `programmeMembershipTisId`, whatever is wrong with the rest.
pub fn facets(input: &Input<'_>) -> Vec<Named> {
    let event = whole(input.body).ok().and_then(Object::read);
    let id = event.and_then(|event| event.required("programmeMembershipTisId", "").ok().map(text_of));
    id.map(|id| Named::new(Facet::Key, id)).into_iter().collect()
}

fn whole(body: &[u8]) -> Result<&RawValue, Failure> {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(text).map_err(|error| unreadable(&error))
}

fn evaluate(body: &[u8]) -> Result<Signature, Failure> {
    let event = Object::read(whole(body)?).ok_or_else(|| invalid("the body is not a JSON object"))?;
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
