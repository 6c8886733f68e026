//! Reading a body: within its limits of size and time, with its content encoding undone.

use std::io::Read as _;
use std::time::Instant;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt as _;
use tokio::time::timeout_at;

use crate::budget::Share;
use crate::problem::{Kind, Problem};

/// Bytes of memory that an announced length alone makes us reserve.
const RESERVED_MAX: usize = 64 * 1024;
/// Bytes that are inflated at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Limits of one body.
#[derive(Debug)]
pub struct Limits {
    /// Bytes, before and after decompression.
    pub bytes_max: usize,
    /// When it must be here.
    pub deadline: Instant,
    /// Its share of the memory for bodies.
    pub share: Share,
}

/// A body as it came, with its content encoding on. Has no `Debug`.
pub struct Encoded {
    bytes: Bytes,
    is_gzip: bool,
    limits: Limits,
}

/// Reads the whole body and undoes its content encoding. The share is as large as what is in memory.
///
/// # Errors
/// What is wrong with it; a body that breaks off is malformed, and nothing is stored of it.
pub async fn read(headers: &HeaderMap, body: Body, limits: Limits) -> Result<(Bytes, Share), Problem> {
    let encoded = collect(headers, body, limits).await?;
    if !encoded.is_gzip {
        return encoded.decode();
    }
    // inflating is work: it must not hold up the requests that share this thread
    tokio::task::spawn_blocking(|| encoded.decode())
        .await
        .unwrap_or_else(|_| Err(Problem::new(Kind::MalformedBody, "The body could not be inflated")))
}

/// [`read`], without undoing the content encoding.
///
/// # Errors
/// What is wrong with it.
pub async fn collect(headers: &HeaderMap, body: Body, mut limits: Limits) -> Result<Encoded, Problem> {
    let is_gzip = is_gzip(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.bytes_max) {
        return Err(too_large(limits.bytes_max));
    }
    let deadline = limits.deadline;
    let arriving = arrive(body, announced.unwrap_or_default(), &mut limits);
    let bytes = timeout_at(deadline.into(), arriving).await.map_err(|_| Kind::RequestTimeout)??;
    Ok(Encoded { bytes, is_gzip, limits })
}

impl Encoded {
    /// Undoes the content encoding; of a large body, on a thread that may block.
    ///
    /// # Errors
    /// When it cannot be undone, or the body is too large without it.
    pub fn decode(self) -> Result<(Bytes, Share), Problem> {
        if self.is_gzip { inflate(&self.bytes, self.limits) } else { Ok((self.bytes, self.limits.share)) }
    }
}

/// Takes in the body piece by piece, each only when there is room for it.
async fn arrive(mut body: Body, announced: usize, limits: &mut Limits) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::MalformedBody, "The body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > limits.bytes_max {
            return Err(too_large(limits.bytes_max));
        }
        limits.share.grow(piece.len())?;
        if whole.is_empty() {
            if piece.len() == announced {
                return Ok(piece);
            }
            // a length that is only announced reserves little
            whole.reserve(announced.min(RESERVED_MAX).max(piece.len()));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
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

/// Undoes gzip (RFC 1952); stops at the limit, so that a bomb never unfolds.
fn inflate(encoded: &[u8], mut limits: Limits) -> Result<(Bytes, Share), Problem> {
    let mut body = BytesMut::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut decoder = MultiGzDecoder::new(encoded);
    loop {
        let broken = |_| Problem::new(Kind::MalformedBody, "The body is not gzip");
        let length = decoder.read(&mut piece).map_err(broken)?;
        if length == 0 {
            return Ok((body.freeze(), limits.share));
        }
        if body.len() + length > limits.bytes_max {
            return Err(too_large(limits.bytes_max));
        }
        limits.share.grow(length)?;
        body.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;
    use std::time::Duration;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    async fn check(encoding: &'static str, body: Vec<u8>) -> Result<Bytes, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        let share = Budget::new(2_500).share();
        let limits = Limits { bytes_max: 1000, deadline: Instant::now() + Duration::from_secs(5), share };
        read(&headers, Body::from(body), limits).await.map(|(body, _)| body).map_err(|p| p.kind)
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
