//! Answers: the receipt for JSON and opaque bodies, the acknowledgement for HL7.

use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;
use waybill_core::credential::hex;
use waybill_core::hl7::{self, Header, Verdict};
use waybill_store::accept::First;

/// What a sender gets for an accepted submission.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// The message's id.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// `accepted`.
    pub state: &'static str,
    /// When it arrived.
    #[serde(serialize_with = "rfc3339")]
    pub received_at: DateTime<Utc>,
    /// SHA-256 of the raw body, hexadecimal.
    pub sha256: String,
    /// The raw body's length.
    pub bytes: usize,
    /// The key it was stored under.
    pub idempotency_key: Option<String>,
    /// Whether the same was sent before.
    pub duplicate: bool,
    /// HL7 only: this control id was seen before with other bytes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub control_id_conflict: bool,
}

impl Receipt {
    /// What a repeat gets: what the first submission of its key got.
    #[must_use]
    pub fn of_first(self, first: First) -> Self {
        Self { id: first.id, kind: first.kind, received_at: first.received_at, duplicate: true, ..self }
    }
}

fn rfc3339<S: serde::Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// 202 with the receipt; for a repeat 200 and the first receipt.
pub fn receipt(receipt: &Receipt) -> Response {
    let status = if receipt.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, axum::Json(receipt)).into_response();
    mark(&mut response, receipt);
    response
}

/// 200 with an acknowledgement in the request's own media type: the same text for every repeat,
/// since its control id and time are those of the stored message.
pub fn acknowledged(request: &Header<'_>, content_type: &str, receipt: &Receipt) -> Response {
    let mut response = hl7_response(acknowledgement(request, receipt), content_type);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&receipt.id.to_string()) {
        headers.insert("waybill-message-id", id);
    }
    mark(&mut response, receipt);
    response
}

/// The acknowledgement of a stored message.
pub fn acknowledgement(request: &Header<'_>, receipt: &Receipt) -> Vec<u8> {
    hl7::acknowledgement(request, &Verdict::Accept, &control_id(receipt.id), receipt.received_at)
}

/// 200 with a negative acknowledgement: nothing was stored.
pub fn refused(request: &Header<'_>, content_type: &str, refusal: hl7::Refusal) -> Response {
    let own = control_id(Uuid::now_v7());
    let text = hl7::acknowledgement(request, &refusal.into(), &own, now());
    hl7_response(text, content_type)
}

/// 202 with the receipts of a batch, 200 when every item is a repeat.
pub fn receipts(receipts: &[Receipt]) -> Response {
    let status = if all_repeated(receipts) { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, axum::Json(Items { items: receipts })).into_response();
    mark_batch(&mut response, receipts);
    response
}

#[derive(Serialize)]
struct Items<'a> {
    items: &'a [Receipt],
}

/// 200 with the batch of `acknowledgements` that answers `batch`. They are those given before for
/// what was sent before; the batch around them is a new one.
pub fn acknowledged_batch(
    batch: &hl7::Batch<'_>,
    acknowledgements: &[Vec<u8>],
    content_type: &str,
    receipts: &[Receipt],
) -> Response {
    let text = batch.answer(acknowledgements, || control_id(Uuid::now_v7()), now());
    let mut response = hl7_response(text, content_type);
    mark_batch(&mut response, receipts);
    response
}

fn all_repeated(receipts: &[Receipt]) -> bool {
    !receipts.is_empty() && receipts.iter().all(|receipt| receipt.duplicate)
}

fn mark_batch(response: &mut Response, receipts: &[Receipt]) {
    if all_repeated(receipts) {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
}

fn mark(response: &mut Response, receipt: &Receipt) {
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/messages/{}", receipt.id)) {
        headers.insert(LOCATION, location);
    }
    if receipt.duplicate {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
}

fn hl7_response(text: Vec<u8>, content_type: &str) -> Response {
    let mut response = (StatusCode::OK, text).into_response();
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// A control id of our own, at most 20 characters (HL7 2.3, MSH-10): time and randomness of a
/// message's id.
fn control_id(id: Uuid) -> String {
    let bytes = id.as_bytes();
    format!("{}{}", hex(&bytes[..6]), hex(&bytes[12..]))
}

/// The time of arrival, by this process's clock.
pub fn now() -> DateTime<Utc> {
    // microseconds are what the ledger keeps: a receipt reads the same now and later
    #[expect(clippy::disallowed_methods, reason = "the accept path's one look at the clock")]
    let now = Utc::now();
    chrono::SubsecRound::trunc_subsecs(now, 6)
}
