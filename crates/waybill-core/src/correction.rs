//! Whether a corrected body may take the place of a dead letter's: the pure half of an edit.
//!
//! It is judged by the very function that judges what a partner posts (`accept.rs`), so an edit can
//! store nothing that `ingest-api` would refuse. It never gets an idempotency key: the sender's stays
//! with the message that the sender posted.

use crate::accept::{self, Acceptable, Refusal, Submission};
use crate::items;
use crate::source::{Format, Source};

/// Why a corrected body is not taken. Names a position or a field, never content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is larger than the source's messages may be.
    #[error("it has {bytes} bytes, and the source takes at most {bytes_max} (body_bytes_max)")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The source's limit.
        bytes_max: usize,
    },
    /// What a partner would have been told.
    #[error("{0}")]
    Refused(String),
}

/// Judges `body` as a correction of a message that was posted to `source` as `content_type`.
///
/// # Errors
/// What `ingest-api` would refuse it for.
pub fn judge(source: &Source, content_type: &str, body: &[u8]) -> Result<Acceptable, Fault> {
    let bytes_max = source.body_bytes_max as usize;
    if body.len() > bytes_max {
        return Err(Fault::TooLarge { bytes: body.len(), bytes_max });
    }
    let submission = Submission {
        content_type,
        idempotency_key: None,
        cloud_event: has_headers(source, content_type).then_some(("waybill", "edit")),
        body,
    };
    let acceptable = accept::accept(source, &submission)
        .map_err(|refusal| in_words(items::in_words(source, &submission, refusal)))?;
    Ok(Acceptable { idempotency_key: None, dedupe_key: None, ..acceptable })
}

/// Whether it was an event in binary mode, whose attributes were headers (`CloudEvents` 1.0.2, HTTP
/// binding, section 3.1): the body alone is corrected then.
fn has_headers(source: &Source, content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    source.format == Format::CloudEvents && !essence.eq_ignore_ascii_case("application/cloudevents+json")
}

fn in_words(refusal: Refusal) -> Fault {
    Fault::Refused(match refusal {
        Refusal::MediaType(what) | Refusal::Key(what) => what.to_owned(),
        Refusal::Malformed(what) => what,
        // said in words already
        Refusal::Hl7(_) => "the message has a fault that its source refuses".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Fault, judge};
    use crate::source::{Source, read};

    fn source(format: &str, more: &str) -> Source {
        let text = format!("[[source]]\nname = \"a\"\nformat = \"{format}\"\nbody_bytes_max = 1024\n{more}");
        read(&text).unwrap().remove(0)
    }

    fn check_refused(source: &Source, content_type: &str, body: &[u8], needle: &str) {
        let Err(fault) = judge(source, content_type, body) else { unreachable!("taken: {needle}") };
        assert!(fault.to_string().contains(needle), "{fault}");
        assert!(!fault.to_string().contains("SECRET"), "{fault}");
    }

    #[test]
    fn what_ingest_refuses_is_refused() {
        let (json, event) = (source("json", ""), source("cloudevents", ""));
        let hl7 = source("hl7v2", "");
        check_refused(&json, "application/json", b"{\"a\": SECRET", "not JSON at line 1");
        check_refused(&json, "application/json", "[".repeat(200).as_bytes(), "nested deeper");
        check_refused(&json, "application/json", &[b' '; 1025], "at most 1024");
        check_refused(&event, "application/cloudevents+json", b"{\"id\": \"1\"}", "specversion");
        check_refused(&hl7, "application/hl7-v2", b"SECRET", "no MSH");
        let ack = b"MSH|^~\\&|A|B|C|D|20260310||ACK|77|P|2.5\rMSA|AA|1\r";
        check_refused(&hl7, "application/hl7-v2", ack, "acknowledgement");
        let test = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A04|77|T|2.5\r";
        assert!(
            judge(&source("hl7v2", "processing_ids = [\"P\", \"T\"]"), "application/hl7-v2", test).is_ok()
        );
        let version = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A04|77|P|9.9\r";
        check_refused(&hl7, "application/hl7-v2", version, "AR ");
        let charset = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A04|77|P|2.5||||||UNICODE UTF-16\r";
        check_refused(&hl7, "application/hl7-v2", charset, "character set");
    }

    #[test]
    fn a_correction_has_no_key_of_its_own() {
        let message = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A04|77|P|2.5\rPID|||1\r";
        let taken = judge(&source("hl7v2", "order_by = \"patient\""), "application/hl7-v2", message).unwrap();
        assert_eq!((taken.idempotency_key, taken.dedupe_key), (None, None));
        assert_eq!(taken.ordering.len(), 1);
        let event = source("cloudevents", "");
        assert!(judge(&event, "text/plain", b"an event in binary mode").is_ok());
        let too_large = judge(&event, "text/plain", &[0; 2000]);
        assert_eq!(too_large, Err(Fault::TooLarge { bytes: 2000, bytes_max: 1024 }));
    }
}
