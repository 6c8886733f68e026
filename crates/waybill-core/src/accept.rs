//! Whether a submission is acceptable, and under which key: the pure half of accepting.
//!
//! Nothing here looks at a clock or a table. A refusal names a position or a field, never content.

use sha2::{Digest as _, Sha256};

use crate::hl7::{self, Charset, Header, Message};
use crate::ordering::{self, Content};
use crate::source::{Format, Source};

/// The media types of HL7 over HTTP.
pub const HL7_MEDIA_TYPES: [&str; 3] =
    ["x-application/hl7-v2+er7", "application/hl7-v2+er7", "application/hl7-v2"];
/// Arrays and objects within each other in a JSON text; `serde_json` reads values no deeper either.
const DEPTH_MAX: usize = 127;
/// Bytes of an `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 255;

/// What a sender posts, with its content encoding undone. Has no `Debug`: it holds a body.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// The media type, parameters included.
    pub content_type: &'a str,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// The headers `ce-source` and `ce-id` of a `CloudEvent` in binary mode.
    pub cloud_event: Option<(&'a str, &'a str)>,
    /// The body as received.
    pub body: &'a [u8],
}

/// An acceptable submission, as the ledger needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptable {
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// The sender's key, where there is one.
    pub idempotency_key: Option<String>,
    /// What makes two submissions the same: 16 bytes of the key's hash; where senders are known to
    /// reuse keys (HL7 control ids), 16 bytes of the body's hash follow.
    pub dedupe_key: Option<Vec<u8>>,
    /// Hashes of the ordering keys.
    pub ordering: Vec<i64>,
}

/// Why a submission is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The source does not take this media type.
    MediaType(&'static str),
    /// Not well-formed for the source's format: what, and where.
    Malformed(String),
    /// The idempotency key cannot be used.
    Key(&'static str),
    /// An HL7 message with a fault, to be answered in HL7.
    Hl7(hl7::Refusal),
}

/// Judges a submission for `source`.
///
/// # Errors
/// Why it is not accepted; nothing is stored then.
pub fn accept(source: &Source, submission: &Submission<'_>) -> Result<Acceptable, Refusal> {
    check_media_type(source.format, submission)?;
    let explicit = submission.idempotency_key.map(read_key).transpose()?;
    let sha256: [u8; 32] = Sha256::digest(submission.body).into();
    let (own_key, ordering) = match source.format {
        Format::Hl7v2 => {
            let header = read_hl7(source, submission.content_type, submission.body)?;
            if header.is_acknowledgement() {
                // never acknowledged, or two systems would acknowledge each other for ever
                return Err(Refusal::Malformed("an acknowledgement is not a message to store".into()));
            }
            if header.charset() == Charset::Unsupported {
                // read as something else, names would be stored garbled
                return Err(Refusal::Malformed(
                    "its character set (HTTP's charset, else MSH-18, else the source's) cannot be read: send utf-8, \
                     ascii, 8859/1 to 8859/15 or windows-1250 to windows-1258; in others, such as GB 18030, BIG-5, \
                     Shift-JIS and UTF-16, a byte of a character may equal a separator"
                        .into(),
                ));
            }
            hl7::judge(&header, &source.processing_ids).map_err(Refusal::Hl7)?;
            let keys = ordering::keys(source, Content::Hl7(&header));
            if keys.len() > ordering::KEYS_MAX {
                return Err(Refusal::Hl7(too_many_patients()));
            }
            (Some(Own::Hl7(control_key(&header))), keys)
        }
        Format::Json => {
            check_json(submission.body)?;
            (None, ordering::keys(source, Content::Json(submission.body)))
        }
        Format::CloudEvents => {
            let key = cloud_event_key(submission)?;
            (Some(Own::Event(key)), ordering::keys(source, Content::Json(submission.body)))
        }
        Format::Opaque => (None, ordering::keys(source, Content::Opaque)),
    };
    let (idempotency_key, dedupe_key) = match (explicit, own_key) {
        (Some(key), _) | (None, Some(Own::Event(key))) => {
            let dedupe = dedupe_prefix(&key).to_vec();
            (Some(key), Some(dedupe))
        }
        (None, Some(Own::Hl7(key))) => {
            let dedupe = [&dedupe_prefix(&key)[..], &sha256[..16]].concat();
            (Some(key), Some(dedupe))
        }
        (None, None) => (None, None),
    };
    Ok(Acceptable { sha256, idempotency_key, dedupe_key, ordering })
}

/// A key that the submission carries inside.
enum Own {
    Hl7(String),
    Event(String),
}

/// Reads an HL7 submission's header.
///
/// # Errors
/// When the bytes are no single HL7 message.
pub fn read_hl7<'a>(source: &Source, content_type: &str, body: &'a [u8]) -> Result<Header<'a>, Refusal> {
    let message = Message::parse(body).map_err(|e| Refusal::Malformed(e.to_string()))?;
    Ok(Header::read(message, content_type, &source.charset))
}

/// The first half of a dedupe key: finds every message whose sender's key is `key`.
pub fn dedupe_prefix(key: &str) -> [u8; 16] {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
    prefix
}

/// MSH-3, MSH-4 and MSH-10, joined by bars; what no text column takes is left out.
fn control_key(header: &Header<'_>) -> String {
    let parts = [header.sending_application(), header.sending_facility(), header.control_id()];
    parts.join("|").chars().filter(|c| !c.is_control()).collect()
}

/// Each key is a lock while the message is claimed: an unbounded list would exhaust them for all.
fn too_many_patients() -> hl7::Refusal {
    hl7::Refusal::Error(hl7::AckError {
        code: hl7::ErrorCode::Cardinality,
        location: Some(hl7::Location { segment: "MRG", field: 1 }),
        text: format!("the message names more than {} patients", ordering::KEYS_MAX).into(),
    })
}

fn check_media_type(format: Format, submission: &Submission<'_>) -> Result<(), Refusal> {
    let essence = submission.content_type.split(';').next().unwrap_or_default().trim();
    let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
    let json = is("application/json") || essence.to_ascii_lowercase().ends_with("+json");
    match format {
        Format::Hl7v2 if HL7_MEDIA_TYPES.iter().any(|wanted| is(wanted)) => Ok(()),
        Format::Hl7v2 => Err(Refusal::MediaType(
            "this source takes application/hl7-v2+er7, x-application/hl7-v2+er7 or application/hl7-v2",
        )),
        Format::Json if json => Ok(()),
        Format::Json => Err(Refusal::MediaType("this source takes application/json")),
        Format::CloudEvents if submission.cloud_event.is_some() => Ok(()),
        Format::CloudEvents if is("application/cloudevents+json") => Ok(()),
        Format::CloudEvents => {
            Err(Refusal::MediaType("this source takes application/cloudevents+json, or ce- headers"))
        }
        Format::Opaque => Ok(()),
    }
}

/// Reads the header's value: a string of visible ASCII, in quotes or not
/// (draft-ietf-httpapi-idempotency-key-header, section 2.1).
pub(crate) fn read_key(text: &str) -> Result<String, Refusal> {
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() || bare.len() > KEY_BYTES_MAX {
        return Err(Refusal::Key("Idempotency-Key must have 1 to 255 characters"));
    }
    if !bare.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Refusal::Key("Idempotency-Key must be of visible ASCII characters"));
    }
    Ok(bare.to_owned())
}

/// Whether the body is one JSON text (RFC 8259): UTF-8, no byte-order mark, nothing after it.
fn check_json(body: &[u8]) -> Result<(), Refusal> {
    check_json_at(body, 0, 0)
}

/// [`check_json`] for an item of a batch, behind so many lines and bytes of the whole body.
pub(crate) fn check_json_at(item: &[u8], lines: usize, bytes: usize) -> Result<(), Refusal> {
    std::str::from_utf8(item)
        .map_err(|e| Refusal::Malformed(format!("not UTF-8 at byte {}", bytes + e.valid_up_to())))?;
    if let Some(at) = too_deep(item) {
        let what = format!("nested deeper than {DEPTH_MAX} at byte {}", bytes + at);
        return Err(Refusal::Malformed(what));
    }
    let read = serde_json::from_slice::<serde::de::IgnoredAny>(item);
    read.map(drop).map_err(|error| not_json(&error, lines))
}

/// Where a text nests deeper than whoever reads its values will follow (RFC 8259, section 9).
fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    text.iter().position(|&byte| {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            return false;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH_MAX
    })
}

/// By position alone, behind so many lines: the parser's own words may quote the body.
pub(crate) fn not_json(error: &serde_json::Error, lines: usize) -> Refusal {
    let what = if error.is_eof() { "JSON ends too early" } else { "not JSON" };
    Refusal::Malformed(format!("{what} at line {}, column {}", lines + error.line(), error.column()))
}

/// `source` and `id` of a `CloudEvent` (`CloudEvents` 1.0.2, section "Required Attributes").
fn cloud_event_key(submission: &Submission<'_>) -> Result<String, Refusal> {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        id: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        source: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        specversion: std::borrow::Cow<'a, str>,
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    if let Some((source, id)) = submission.cloud_event {
        return read_key(&format!("{source}#{id}"));
    }
    check_json(submission.body)?;
    let missing = || Refusal::Malformed("a CloudEvent needs specversion 1.0, id, source and type".into());
    let event: Event<'_> = serde_json::from_slice(submission.body).map_err(|_| missing())?;
    if event.specversion != "1.0" || event.kind.is_empty() {
        return Err(missing());
    }
    read_key(&format!("{}#{}", event.source, event.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(format: &str, kind: &str) -> Source {
        let text = format!("[[source]]\nname = \"a\"\nformat = \"{format}\"\nkind = \"{kind}\"");
        crate::source::read(&text).unwrap().remove(0)
    }

    fn json(key: Option<&str>, body: &[u8]) -> Result<Acceptable, Refusal> {
        accept(
            &source("json", "conditions-of-joining"),
            &Submission {
                content_type: "application/json; charset=utf-8",
                idempotency_key: key,
                cloud_event: None,
                body,
            },
        )
    }

    fn hl7(body: &str) -> Result<Acceptable, Refusal> {
        accept(
            &source("hl7v2", "visit"),
            &Submission {
                content_type: "x-application/hl7-v2+er7",
                idempotency_key: None,
                cloud_event: None,
                body: body.as_bytes(),
            },
        )
    }

    #[test]
    fn malformed_json_is_refused_by_position_without_content() {
        for (body, needle) in [
            (&b"{\"name\": \"SECRET\""[..], "ends too early at line 1"),
            (b"{\"name\": SECRET}", "not JSON at line 1, column"),
            (b"{} SECRET", "not JSON at line 1"),
            (b"\xef\xbb\xbf{}", "not JSON at line 1"),
            (b"{\"a\": \"\xff\"}", "not UTF-8 at byte 7"),
            (b"", "ends too early"),
        ] {
            let Err(Refusal::Malformed(text)) = json(None, body) else { unreachable!("accepted: {needle}") };
            assert!(text.contains(needle) && !text.contains("SECRET"), "{text}");
        }
    }

    #[test]
    fn json_may_nest_as_deep_as_it_can_be_read() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(None, nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(DEPTH_MAX)).is_ok());
        let Err(Refusal::Malformed(text)) = json(None, nested(DEPTH_MAX + 1).as_bytes()) else {
            unreachable!("accepted")
        };
        assert_eq!(text, "nested deeper than 127 at byte 127");
        let brackets = format!("[\"{}\\\"{}\"]", "[".repeat(200), "{".repeat(200));
        assert!(json(None, brackets.as_bytes()).is_ok(), "those in strings do not count");
        let flat = format!("[{}0]", "[],".repeat(1_000));
        assert!(json(None, flat.as_bytes()).is_ok());
    }

    #[test]
    fn keys_may_be_quoted_and_are_limited() {
        let key = |text| json(Some(text), b"{}").map(|a| a.idempotency_key.unwrap());
        assert_eq!(key("abc"), Ok("abc".into()));
        assert_eq!(key("\"abc\""), Ok("abc".into()));
        for bad in ["", "\"\"", "a\u{7f}b", &"x".repeat(256)] {
            assert!(matches!(key(bad), Err(Refusal::Key(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_same_control_id_with_other_bytes_is_another_message() {
        let message = |name: &str| {
            hl7(&format!("MSH|^~\\&|A|B|C|D|20260310||ADT^A04|77|P|2.5\rPID|||1||{name}\r")).unwrap()
        };
        let (one, other) = (message("X"), message("Y"));
        assert_eq!(one.idempotency_key.as_deref(), Some("A|B|77"));
        assert_eq!(one.idempotency_key, other.idempotency_key);
        let (one, other) = (one.dedupe_key.unwrap(), other.dedupe_key.unwrap());
        assert_eq!(one[..16], other[..16]);
        assert_ne!(one[16..], other[16..]);
        assert_eq!(one[..16], dedupe_prefix("A|B|77"));
    }

    #[test]
    fn an_acknowledgement_is_never_stored_or_acknowledged() {
        let ack = hl7("MSH|^~\\&|A|B|C|D|20260310||ACK^A04|77|P|2.5\rMSA|AA|1\r");
        assert!(matches!(ack, Err(Refusal::Malformed(_))));
    }

    #[test]
    fn a_message_about_very_many_patients_is_refused() {
        let merge = |count: usize| {
            let prior: Vec<String> = (0..count).map(|n| format!("{n}^^^X")).collect();
            let source = crate::source::read(
                "[[source]]\nname = \"a\"\nformat = \"hl7v2\"\nkind = \"visit\"\norder_by = \"patient\"",
            );
            let body = format!(
                "MSH|^~\\&|A|B|C|D|20260310||ADT^A40|1|P|2.5\rPID|||a^^^X\rMRG|{}\r",
                prior.join("~")
            );
            accept(
                &source.unwrap()[0],
                &Submission {
                    content_type: "application/hl7-v2",
                    idempotency_key: None,
                    cloud_event: None,
                    body: body.as_bytes(),
                },
            )
        };
        assert_eq!(merge(10).unwrap().ordering.len(), 11);
        assert!(matches!(merge(25_000), Err(Refusal::Hl7(hl7::Refusal::Error(_)))));
    }

    #[test]
    fn each_format_has_its_media_types() {
        let taken = |format, kind, content_type| {
            let submission =
                Submission { content_type, idempotency_key: None, cloud_event: None, body: b"{}" };
            !matches!(accept(&source(format, kind), &submission), Err(Refusal::MediaType(_)))
        };
        assert!(taken("json", "conditions-of-joining", "Application/JSON"));
        assert!(!taken("json", "conditions-of-joining", "text/plain"));
        assert!(taken("hl7v2", "visit", "application/hl7-v2; charset=utf-8"));
        assert!(!taken("hl7v2", "visit", "application/hl7-v2+xml"));
    }
}
