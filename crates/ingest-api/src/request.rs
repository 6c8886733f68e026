//! What every request gets: an id, and a place in the metrics.

use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use crate::problem::{ALL, Kind};

/// Bytes of a body that has mostly come together with its head.
const SMALL_BYTES: u64 = 1024;
/// The header that carries a request's id, both ways.
const REQUEST_ID: &str = "x-request-id";

/// Gives the request an id (the sender's own, where it is a plain word) and shows it in the answer.
pub async fn identify(request: Request, next: Next) -> Response {
    let id = sent_id(request.headers()).unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("-"))
    });
    let may_be_unread = may_be_unread(request.headers());
    let mut response = next.run(request).await;
    if let Some(kind) = response.extensions().get::<Kind>() {
        let id = id.to_str().unwrap_or_default();
        tracing::info!(request.id = id, problem = kind.slug(), "refused");
        if may_be_unread {
            // the connection ends behind a body that is not taken: said, so that nobody asks on it again
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Whether a refusal may come before the whole body has.
fn may_be_unread(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length > SMALL_BYTES)
}

fn sent_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(REQUEST_ID)?;
    let text = value.to_str().ok()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| value.clone())
}

/// The sender's trace context, when it is one (W3C Trace Context, section 3.2.2).
pub fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && !is_zero(trace)
        && !is_zero(span);
    valid.then(|| text.to_owned())
}

/// Counts an accepted submission.
pub fn count_accepted(source: &str, duplicate: bool) {
    count_batch(source, u64::from(!duplicate), u64::from(duplicate));
}

/// Counts the items of an accepted batch.
pub fn count_batch(source: &str, stored: u64, duplicates: u64) {
    metrics::counter!("waybill_messages_accepted_total", "source" => source.to_owned()).increment(stored);
    metrics::counter!("waybill_messages_duplicate_total", "source" => source.to_owned())
        .increment(duplicates);
}

/// Counts a refused one.
pub fn count_refused(source: &str, problem: &'static str) {
    metrics::counter!("waybill_messages_refused_total", "source" => source.to_owned(), "problem" => problem)
        .increment(1);
}

/// Makes every series of these sources exist, at 0.
pub fn announce<'a>(sources: impl Iterator<Item = &'a String>) {
    // asking for a histogram makes it exist
    let _ = metrics::histogram!("waybill_accept_seconds");
    for source in sources {
        for name in ["waybill_messages_accepted_total", "waybill_messages_duplicate_total"] {
            metrics::counter!(name, "source" => source.clone()).increment(0);
        }
        let hl7 = ["hl7-error", "hl7-reject"];
        for problem in ALL.map(Kind::slug).into_iter().chain(hl7) {
            metrics::counter!("waybill_messages_refused_total", "source" => source.clone(), "problem" => problem)
                .increment(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_context_is_honoured() {
        let check = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_static(text));
            traceparent(&headers).is_some()
        };
        assert!(check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(!check("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
        assert!(!check("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert!(!check("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"));
        assert!(!check("hello"));
    }
}
