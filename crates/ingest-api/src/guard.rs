//! What is refused by the head of a request alone, whoever sends it: what a proxy in between might
//! read in another way than we do, and what is larger than any honest client sends.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::Version;
use axum::http::header::{CONNECTION, HOST};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use waybill_process::http::Arrival;

use crate::problem::{Kind, Problem};
use crate::request::count_refused;

/// Bytes of path and query.
const URI_BYTES_MAX: usize = 8 * 1024;
/// Bytes of all headers' names and values.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Refuses a request that should not have got this far, and ends its connection.
pub async fn refuse(request: Request, next: Next) -> Response {
    let Err(problem) = judge(&request) else { return next.run(request).await };
    count_refused("-", problem.kind.slug());
    let mut response = problem.into_response();
    // what follows on this connection may be part of the same trick
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn judge(request: &Request) -> Result<(), Problem> {
    let bad = |what| Err(Problem::new(Kind::BadRequest, what));
    if request.extensions().get::<Arrival>().is_some_and(|arrival| arrival.is_contradictory) {
        return bad("Content-Length and Transfer-Encoding stand side by side (RFC 9112, section 6.1)");
    }
    match (request.headers().get_all(HOST).iter().count(), request.version()) {
        (1, _) | (0, Version::HTTP_10) => {}
        _ => return bad("The header Host must stand exactly once (RFC 9112, section 3.2)"),
    }
    if request.uri().path_and_query().is_some_and(|asked| asked.as_str().len() > URI_BYTES_MAX) {
        return Err(Problem::new(Kind::UriTooLong, format!("The limit is {URI_BYTES_MAX} bytes")));
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Err(Problem::new(Kind::HeadersTooLarge, format!("The limit is {HEADER_BYTES_MAX} bytes")));
    }
    Ok(())
}
