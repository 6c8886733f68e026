//! Problems: every refusal a partner can get, as RFC 9457 describes it.
//!
//! One enum, one stable slug each; the slug is the problem's type, its page at `/problems/<slug>`,
//! and the label of `waybill_messages_refused_total`. A problem names a position or a limit, never
//! a value of the message.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request breaks a rule of HTTP.
    BadRequest,
    /// The path and query are too long.
    UriTooLong,
    /// The headers are too large.
    HeadersTooLarge,
    /// The body is not well-formed for the source's format.
    MalformedBody,
    /// The idempotency key cannot be used.
    InvalidKey,
    /// No credential, or a wrong one.
    Unauthorized,
    /// There is no such message, or it is another source's.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is larger than the source may send.
    BodyTooLarge,
    /// The media type or content encoding is not taken.
    UnsupportedMediaType,
    /// The key was used for other bytes.
    KeyReused,
    /// The source sends faster than it may.
    RateLimited,
    /// The ledger cannot be reached or did not answer.
    StoreUnavailable,
    /// Too much waits for the ledger.
    Overloaded,
}

/// Every kind.
pub const ALL: [Kind; 15] = [
    Kind::BadRequest,
    Kind::UriTooLong,
    Kind::HeadersTooLarge,
    Kind::MalformedBody,
    Kind::InvalidKey,
    Kind::Unauthorized,
    Kind::NotFound,
    Kind::MethodNotAllowed,
    Kind::RequestTimeout,
    Kind::BodyTooLarge,
    Kind::UnsupportedMediaType,
    Kind::KeyReused,
    Kind::RateLimited,
    Kind::StoreUnavailable,
    Kind::Overloaded,
];

impl Kind {
    /// Slug, status and title.
    const fn describe(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "The request breaks a rule of HTTP"),
            Self::UriTooLong => ("uri-too-long", StatusCode::URI_TOO_LONG, "The path and query are too long"),
            Self::HeadersTooLarge => (
                "headers-too-large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too large",
            ),
            Self::MalformedBody => ("malformed-body", StatusCode::BAD_REQUEST, "The body is not well-formed"),
            Self::InvalidKey => {
                ("idempotency-key-invalid", StatusCode::BAD_REQUEST, "The idempotency key cannot be used")
            }
            Self::Unauthorized => {
                ("unauthorized", StatusCode::UNAUTHORIZED, "The credential is missing or wrong")
            }
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is nothing here"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "This path takes other methods")
            }
            Self::RequestTimeout => {
                ("request-timeout", StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")
            }
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The media type or content encoding is not taken",
            ),
            Self::KeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used for another message",
            ),
            Self::RateLimited => {
                ("rate-limited", StatusCode::TOO_MANY_REQUESTS, "The source sends faster than it may")
            }
            Self::StoreUnavailable => {
                ("store-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The message could not be stored now")
            }
            Self::Overloaded => {
                ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Too many messages wait to be stored")
            }
        }
    }

    /// What the sender should do.
    const fn advice(self) -> &'static str {
        match self {
            Self::BadRequest => "Nothing was stored. Mend the client, or the proxy in between.",
            Self::UriTooLong => "Ask for one message, by its id or its idempotency key.",
            Self::HeadersTooLarge => "Nothing was stored. Send fewer or shorter headers.",
            Self::MalformedBody => {
                "Nothing was stored. Mend the message; sending the same bytes again will fail again."
            }
            Self::InvalidKey => "Nothing was stored. Send a key of 1 to 255 visible ASCII characters.",
            Self::Unauthorized => {
                "Nothing was stored. Send Authorization: Bearer wb_…, or Basic with the source's name and key, whichever the source allows."
            }
            Self::NotFound => "Check the path and the id; messages of other sources are not shown.",
            Self::MethodNotAllowed => {
                "Messages are sent with POST /v1/messages or /v1/messages/batch and read with GET."
            }
            Self::RequestTimeout => "Nothing was stored. Send it again.",
            Self::BodyTooLarge => {
                "Nothing was stored. Send less at once. A limit on bytes counts before and after decompression; ask the operator to raise body_bytes_max if the message is right."
            }
            Self::UnsupportedMediaType => {
                "Nothing was stored. Set Content-Type to what the source takes, and Content-Encoding to gzip or nothing."
            }
            Self::KeyReused => {
                "Nothing was stored. Use a new key for a new message, and the same bytes for a retry."
            }
            Self::RateLimited => {
                "Nothing was stored. Keep the message and send it again after the time in Retry-After."
            }
            Self::StoreUnavailable => {
                "Keep the message and send it again with the same key: if it was stored after all, the answer will say so."
            }
            Self::Overloaded => "Nothing was stored. Keep the message and send it again after a while.",
        }
    }

    /// The stable name.
    pub const fn slug(self) -> &'static str {
        self.describe().0
    }

    /// The kind called `slug`.
    pub fn find(slug: &str) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.slug() == slug)
    }

    /// A page that explains the problem to a developer.
    pub fn page(self) -> String {
        let ((slug, status, title), advice) = (self.describe(), self.advice());
        format!(
            "<!doctype html><meta charset=\"utf-8\"><title>{slug}</title>\
             <h1>{title}</h1><p>Status {status}, type <code>/problems/{slug}</code>.</p><p>{advice}</p>"
        )
    }
}

/// A problem, ready to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub kind: Kind,
    /// What is special about this one; never a value of the message.
    pub detail: Option<String>,
    /// Seconds after which trying again makes sense, where that is known.
    pub retry_after_s: Option<u64>,
    /// Which item of a batch it is about, counted from 0.
    pub item: Option<usize>,
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self { kind, detail: None, retry_after_s: None, item: None }
    }
}

impl Problem {
    /// A problem of `kind`, with something to say about this occurrence.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: Some(detail.into()), retry_after_s: None, item: None }
    }

    /// The same, about one item of a batch.
    #[must_use]
    pub fn of_item(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }
}

/// RFC 9457, section 3.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let ((slug, status, title), advice) = (self.kind.describe(), self.kind.advice());
        let detail = self.detail.map_or_else(|| advice.to_owned(), |what| format!("{what}. {advice}"));
        let mut body = serde_json::json!({
            "type": format!("/problems/{slug}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
        });
        if let Some(item) = self.item {
            body["item"] = item.into();
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(seconds) = self.retry_after_s.or(unavailable.then_some(2)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"waybill\""));
        }
        response.extensions_mut().insert(self.kind);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_found() {
        for kind in ALL {
            assert_eq!(Kind::find(kind.slug()), Some(kind));
        }
    }
}
