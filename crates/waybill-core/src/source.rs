//! A source: one partner's feed, as its operator describes it in TOML.
//!
//! Reading a file of sources reports every mistake at once, each with the source's name, so that
//! a file is mended in one go. What this version cannot do is refused here with a reason: a
//! setting that is silently ignored is a promise broken.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::hl7::Charset;
use crate::kinds::{self, Reading};
use crate::recovery::Policy;

/// The format a source's bodies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// HL7 version 2, encoding rules 7 ("pipes and hats").
    Hl7v2,
    /// One JSON value (RFC 8259).
    Json,
    /// `CloudEvents` 1.0, structured or binary mode.
    CloudEvents,
    /// Any bytes.
    Opaque,
}

/// A way for a partner to show who they are; any listed one suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer wb_…`.
    ApiKey,
    /// Basic, with the source's name and key (RFC 7617).
    Basic,
    /// Standard Webhooks headers.
    WebhookSignature,
}

/// Which messages of a source must have their effects in the order they were answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OrderBy {
    /// None: messages are independent.
    None,
    /// All of them, one after another.
    Source,
    /// Those of one patient (HL7).
    Patient,
    /// Those of one visit or appointment (HL7).
    Visit,
    /// Those with one value at this JSON pointer (RFC 6901) of the body.
    Json(String),
}

impl TryFrom<String> for OrderBy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self::None),
            "source" => Ok(Self::Source),
            "patient" => Ok(Self::Patient),
            "visit" => Ok(Self::Visit),
            _ => match text.strip_prefix("json:") {
                Some(pointer) if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
                _ => {
                    Err(format!("order_by = {text:?} is none of none, source, patient, visit, json:/pointer"))
                }
            },
        }
    }
}

impl From<OrderBy> for String {
    fn from(order: OrderBy) -> Self {
        match order {
            OrderBy::None => "none".to_owned(),
            OrderBy::Source => "source".to_owned(),
            OrderBy::Patient => "patient".to_owned(),
            OrderBy::Visit => "visit".to_owned(),
            OrderBy::Json(pointer) => format!("json:{pointer}"),
        }
    }
}

/// What becomes of the later messages of a key when one of its messages is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDead {
    /// They wait until it is replayed or discarded.
    Hold,
    /// They pass.
    Skip,
}

/// When a partner is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// Once the message is stored.
    Stored,
    /// Once it is also parsed and validated.
    Validated,
    /// Once it is processed, or after 30 s.
    Processed,
}

/// One partner's feed: format, credentials, order, policy. Field by field as in the file.
///
/// Keys that this version does not know are refused in a file, but passed over in the ledger: a
/// newer process may have written them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// `[a-z0-9-]{1,63}`.
    pub name: String,
    /// What the bodies are.
    pub format: Format,
    /// Which processor reads them; none: they are kept and accounted for, without effects.
    #[serde(default)]
    pub kind: Option<String>,
    /// Accepted credentials.
    #[serde(default = "defaults::auth")]
    pub auth: Vec<Auth>,
    /// For timestamps that carry no offset.
    #[serde(default = "defaults::timezone")]
    pub timezone: Tz,
    /// Where neither HTTP's charset nor MSH-18 says.
    #[serde(default = "defaults::charset")]
    pub charset: String,
    /// MSH-11 values that may have effects; `""` lets an empty one in.
    #[serde(default = "defaults::processing_ids")]
    pub processing_ids: Vec<String>,
    /// Which messages keep their order.
    #[serde(default = "defaults::order_by")]
    pub order_by: OrderBy,
    /// What a dead message does to the later ones of its key.
    #[serde(default = "defaults::on_dead")]
    pub on_dead: OnDead,
    /// Which work queue.
    #[serde(default = "defaults::lane")]
    pub lane: String,
    /// When the partner is answered.
    #[serde(default = "defaults::acknowledge")]
    pub acknowledge: Acknowledge,
    /// Largest body, in bytes, before and after decompression.
    #[serde(default = "defaults::body_bytes_max")]
    pub body_bytes_max: u32,
    /// Messages per second and process above which the answer is 429; 0 = no limit.
    #[serde(default)]
    pub rate_per_s: u32,
    /// How many messages may come at once before the rate counts.
    #[serde(default = "defaults::burst")]
    pub burst: u32,
    /// Attempts before a message is dead.
    #[serde(default = "defaults::attempts_max")]
    pub attempts_max: u32,
    /// Seconds to wait after the first, second, … failed attempt; the last one repeats.
    #[serde(default = "defaults::backoff_s")]
    pub backoff_s: Vec<u32>,
    /// Accepted but not final after this many seconds: overdue.
    #[serde(default = "defaults::deadline_s")]
    pub deadline_s: u32,
    /// No traffic for this many seconds: alert; 0 = off.
    #[serde(default)]
    pub silence_s: u32,
    /// Days a body is kept after its message is final.
    #[serde(default = "defaults::retention_days")]
    pub retention_days: u32,
}

impl Source {
    /// How failed attempts are retried.
    pub fn policy(&self) -> Policy {
        Policy { attempts_max: self.attempts_max, backoff_s: self.backoff_s.clone() }
    }

    /// What bears on reading a body.
    pub fn reading(&self) -> Reading {
        Reading {
            timezone: self.timezone,
            charset: self.charset.clone(),
            processing_ids: self.processing_ids.clone(),
        }
    }

    /// The kind's name, or [`kinds::NONE`]: the value of the label `kind`.
    pub fn kind_label(&self) -> &str {
        self.kind.as_deref().unwrap_or(kinds::NONE)
    }

    /// Every mistake in this source, in words for its operator.
    fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |ok: bool, what: String| {
            if !ok {
                found.push(what);
            }
        };
        check(is_label(&self.name), "name must be [a-z0-9-]{1,63}".into());
        check(is_label(&self.lane), "lane must be [a-z0-9-]{1,63}".into());
        match self.kind.as_deref().map(kinds::find) {
            // stored and accounted for, without effects
            None => {}
            Some(None) => {
                let known: Vec<_> = kinds::REGISTRY.iter().map(|kind| kind.name).collect();
                check(false, format!("kind is none of {}", known.join(", ")));
            }
            Some(Some(kind)) => check(
                kind.formats.contains(&self.format),
                format!("kind {} does not read this format", kind.name),
            ),
        }
        check(
            Charset::choose("", b"", &self.charset) != Charset::Unsupported,
            "charset is none of utf-8, ascii, 8859/1 to 8859/15, windows-1250 to windows-1258".into(),
        );
        check(
            self.processing_ids.iter().all(|id| matches!(id.as_str(), "P" | "D" | "T" | "")),
            "processing_ids lists something else than P, D, T and \"\" (an empty MSH-11)".into(),
        );
        check(!self.auth.is_empty(), "auth lists no credential".into());
        check(
            !self.auth.contains(&Auth::WebhookSignature),
            "auth webhook-signature is not in this version: use api-key or basic".into(),
        );
        check(
            self.acknowledge == Acknowledge::Stored,
            "acknowledge must be \"stored\" in this version".into(),
        );
        check(
            match self.order_by {
                OrderBy::Patient | OrderBy::Visit => self.format == Format::Hl7v2,
                OrderBy::Json(_) => matches!(self.format, Format::Json | Format::CloudEvents),
                OrderBy::None | OrderBy::Source => true,
            },
            "order_by does not fit the format: patient and visit need hl7v2, json: needs json or cloudevents"
                .into(),
        );
        check(
            (1..=104_857_600).contains(&self.body_bytes_max),
            "body_bytes_max must be 1 to 104857600".into(),
        );
        check((1..=1000).contains(&self.attempts_max), "attempts_max must be 1 to 1000".into());
        check(
            !self.backoff_s.is_empty() && self.backoff_s.iter().all(|s| *s <= 604_800),
            "backoff_s needs at least one entry, none above 604800".into(),
        );
        check(self.rate_per_s == 0 || self.burst > 0, "burst must be above 0".into());
        check(self.deadline_s > 0, "deadline_s must be above 0".into());
        check(self.retention_days > 0, "retention_days must be above 0".into());
        found
    }
}

/// Whether `text` is a name for sources and lanes.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Every key a source may have in a file.
const KEYS: [&str; 19] = [
    "name",
    "format",
    "kind",
    "auth",
    "timezone",
    "charset",
    "processing_ids",
    "order_by",
    "on_dead",
    "lane",
    "acknowledge",
    "body_bytes_max",
    "rate_per_s",
    "burst",
    "attempts_max",
    "backoff_s",
    "deadline_s",
    "silence_s",
    "retention_days",
];

/// Reads a file of sources.
///
/// # Errors
/// Every mistake found, each naming the source it is in.
pub fn read(text: &str) -> Result<Vec<Source>, Vec<String>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        source: Vec<toml::Table>,
    }
    let file: File =
        toml::from_str(text).map_err(|e| vec![format!("not a file of sources: {}", e.message())])?;
    let (mut sources, mut mistakes, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, table) in file.source.into_iter().enumerate() {
        let name = table
            .get("name")
            .and_then(toml::Value::as_str)
            .map_or_else(|| format!("#{}", at + 1), str::to_owned);
        let keys: Vec<String> = table.keys().cloned().collect();
        match table.try_into::<Source>() {
            Ok(source) => {
                let unknown = keys.iter().filter(|key| !KEYS.contains(&key.as_str()));
                let unknown = unknown.map(|key| format!("there is no key {key} in this version"));
                let found = unknown.chain(source.mistakes());
                mistakes.extend(found.map(|mistake| format!("source {name}: {mistake}")));
                sources.push(source);
            }
            Err(e) => mistakes.push(format!("source {name}: {}", e.message())),
        }
        if !names.insert(name.clone()) {
            mistakes.push(format!("source {name}: the name stands twice"));
        }
    }
    if mistakes.is_empty() { Ok(sources) } else { Err(mistakes) }
}

mod defaults {
    //! What a source that is silent gets.
    use super::{Acknowledge, Auth, OnDead, OrderBy, Tz};

    pub(super) fn auth() -> Vec<Auth> {
        vec![Auth::ApiKey]
    }
    pub(super) fn timezone() -> Tz {
        Tz::UTC
    }
    pub(super) fn charset() -> String {
        "utf-8".to_owned()
    }
    pub(super) fn processing_ids() -> Vec<String> {
        vec!["P".to_owned()]
    }
    pub(super) fn order_by() -> OrderBy {
        OrderBy::None
    }
    pub(super) fn on_dead() -> OnDead {
        OnDead::Hold
    }
    pub(super) fn lane() -> String {
        "default".to_owned()
    }
    pub(super) fn acknowledge() -> Acknowledge {
        Acknowledge::Stored
    }
    pub(super) fn body_bytes_max() -> u32 {
        10_485_760
    }
    pub(super) fn burst() -> u32 {
        2000
    }
    pub(super) fn attempts_max() -> u32 {
        8
    }
    pub(super) fn backoff_s() -> Vec<u32> {
        vec![1, 5, 30, 120, 600, 3600]
    }
    pub(super) fn deadline_s() -> u32 {
        300
    }
    pub(super) fn retention_days() -> u32 {
        30
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/sources.example.toml");

    #[test]
    fn the_example_file_is_good() {
        let names: Vec<_> =
            read(EXAMPLE).map(|sources| sources.into_iter().map(|s| s.name).collect()).unwrap_or_default();
        assert_eq!(names, ["docutap", "tis"]);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = r#"
            [[source]]
            name = "A b"
            format = "json"
            kind = "visit"
            attempts_max = 0
            processing_ids = ["P", "", "Q"]
            [[source]]
            name = "two"
            format = "json"
            kind = "conditions-of-joining"
            order_by = "patience"
            [[source]]
            name = "two"
            format = "opaque"
            kind = "nothing"
            colour = "red"
        "#;
        let found = read(text).err().unwrap_or_default().join("\n");
        for needle in [
            "source A b: name must be",
            "source A b: kind visit does not read this format",
            "source A b: attempts_max",
            "source A b: processing_ids",
            "source two: order_by = \"patience\"",
            "source two: there is no key colour",
            "source two: the name stands twice",
        ] {
            assert!(found.contains(needle), "{needle:?} is missing from:\n{found}");
        }
    }

    #[test]
    fn every_key_of_a_source_is_known() {
        let source = read(EXAMPLE).unwrap().remove(0);
        let stored = serde_json::to_value(&source).unwrap();
        let mut keys: Vec<_> = stored.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = KEYS.to_vec();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        for source in read(EXAMPLE).unwrap_or_default() {
            let stored = serde_json::to_value(&source).ok();
            let back = stored.and_then(|value| serde_json::from_value(value).ok());
            assert_eq!(Some(source), back);
        }
    }
}
