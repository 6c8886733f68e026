//! Reading a body: within its limits of size and time, with its content encoding undone.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::problem::{Kind, Problem};

/// A body as it came, within its limits, with its content encoding on. Has no `Debug`.
pub struct Encoded {
    bytes: Bytes,
    is_gzip: bool,
    bytes_max: usize,
}

/// Reads the whole body: at most `bytes_max`, before and after decompression, within `limit`.
///
/// # Errors
/// What is wrong with it; a body that breaks off is malformed, and nothing is stored of it.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    limit: Duration,
) -> Result<Bytes, Problem> {
    collect(headers, body, bytes_max, limit).await?.decode()
}

/// [`read`], without undoing the content encoding.
///
/// # Errors
/// What is wrong with it.
pub async fn collect(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    limit: Duration,
) -> Result<Encoded, Problem> {
    let is_gzip = is_gzip(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let collected = tokio::time::timeout(limit, Limited::new(body, bytes_max).collect()).await;
    let bytes = match collected {
        Err(_) => return Err(Kind::RequestTimeout.into()),
        Ok(Err(e)) if e.downcast_ref::<LengthLimitError>().is_some() => return Err(too_large(bytes_max)),
        Ok(Err(_)) => return Err(Problem::new(Kind::MalformedBody, "The body broke off")),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    Ok(Encoded { bytes, is_gzip, bytes_max })
}

impl Encoded {
    /// Undoes the content encoding; of a large body, on a thread that may block.
    ///
    /// # Errors
    /// When it cannot be undone, or the body is too large without it.
    pub fn decode(self) -> Result<Bytes, Problem> {
        if self.is_gzip {
            inflate(&self.bytes, self.bytes_max)
                .map_err(|what| what.unwrap_or_else(|| too_large(self.bytes_max)))
        } else {
            Ok(self.bytes)
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("The limit is {bytes_max} bytes"))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let (first, more) = (encodings.next(), encodings.next());
    match (first.map(|value| value.to_str().unwrap_or("?").trim()), more) {
        (None | Some("" | "identity"), None) => Ok(false),
        (Some("gzip" | "x-gzip"), None) => Ok(true),
        _ => Err(Problem::new(Kind::UnsupportedMediaType, "The content encoding is not gzip")),
    }
}

/// Undoes gzip (RFC 1952) up to `bytes_max`; `Err(None)`: it would be larger.
fn inflate(encoded: &[u8], bytes_max: usize) -> Result<Bytes, Option<Problem>> {
    let mut body = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(encoded)
        .take(limit)
        .read_to_end(&mut body)
        .map_err(|_| Some(Problem::new(Kind::MalformedBody, "The body is not gzip")))?;
    if body.len() > bytes_max { Err(None) } else { Ok(body.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    async fn check(encoding: &'static str, body: Vec<u8>) -> Result<Bytes, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        read(&headers, Body::from(body), 1000, Duration::from_secs(5)).await.map_err(|p| p.kind)
    }

    #[tokio::test]
    async fn the_limit_counts_before_and_after_decompression() {
        assert_eq!(check("identity", vec![1; 1000]).await, Ok(vec![1; 1000].into()));
        assert_eq!(check("identity", vec![1; 1001]).await, Err(Kind::BodyTooLarge));
        assert_eq!(check("gzip", gzip(&[1; 1000])).await, Ok(vec![1; 1000].into()));
        assert_eq!(check("gzip", gzip(&[1; 1001])).await, Err(Kind::BodyTooLarge));
        assert_eq!(check("gzip", gzip(&vec![0; 50_000_000])).await, Err(Kind::BodyTooLarge));
    }

    #[tokio::test]
    async fn other_encodings_and_broken_ones_are_refused() {
        assert_eq!(check("br", vec![1]).await, Err(Kind::UnsupportedMediaType));
        assert_eq!(check("gzip", vec![1]).await, Err(Kind::MalformedBody));
    }
}
