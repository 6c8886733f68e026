//! What is known of the talk on one connection: when the request at hand began, and whether its head
//! contradicts itself.
//!
//! The server library drops `Content-Length` when `Transfer-Encoding` stands beside it, so that no
//! handler can see the contradiction by which requests are smuggled past a proxy (RFC 9112, 6.1 and
//! 11.2). It is looked for in the bytes as they arrive, while no request is under way; what a client
//! sends ahead of its answer is not seen here, and such a request ends its connection anyway.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Bytes of a head that are kept to be looked at.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How a request arrived; handed to its handler as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When its first byte came.
    pub began: Instant,
    /// Its head gives the body's length in two ways.
    pub is_contradictory: bool,
}

/// One connection's talk. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Talk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    under_way: bool,
    began: Option<Instant>,
    head: Vec<u8>,
    is_contradictory: bool,
}

impl Talk {
    /// Bytes have come from the client.
    pub(super) fn heard(&self, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.under_way || bytes.is_empty() {
            return;
        }
        state.began.get_or_insert_with(Instant::now);
        let room = HEAD_BYTES_MAX.saturating_sub(state.head.len()).min(bytes.len());
        let seen = state.head.len().saturating_sub(3);
        state.head.extend(bytes.iter().take(room));
        let fresh = state.head.get(seen..).unwrap_or_default();
        if let Some(end) = fresh.windows(4).position(|four| four == b"\r\n\r\n") {
            state.is_contradictory |= is_contradictory(state.head.get(..seen + end).unwrap_or_default());
            // what follows is a body
            state.under_way = true;
        }
    }

    /// A request's head has been read.
    pub(super) fn asked(&self) -> Arrival {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way = true;
        let began = state.began.unwrap_or_else(Instant::now);
        Arrival { began, is_contradictory: state.is_contradictory }
    }

    /// The request has been answered.
    pub(super) fn answered(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }
}

/// Whether a head has both `Content-Length` and `Transfer-Encoding`.
fn is_contradictory(head: &[u8]) -> bool {
    let has = |name: &[u8]| {
        head.split(|&byte| byte == b'\n').skip(1).any(|line| {
            let given = line.split(|&byte| byte == b':').next().unwrap_or_default();
            line.contains(&b':') && given.trim_ascii().eq_ignore_ascii_case(name)
        })
    };
    has(b"content-length") && has(b"transfer-encoding")
}

#[cfg(test)]
mod tests {
    use super::Talk;

    /// Hears `head` in pieces of every size.
    fn check(head: &str, expected: bool) {
        for size in 1..=head.len() {
            let talk = Talk::default();
            for piece in head.as_bytes().chunks(size) {
                talk.heard(piece);
            }
            assert_eq!(talk.asked().is_contradictory, expected, "{head:?} in pieces of {size}");
        }
    }

    #[test]
    fn two_lengths_are_a_contradiction() {
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", true);
        check("POST / HTTP/1.1\r\ntransfer-encoding : x\r\nCONTENT-LENGTH:3\r\n\r\nabc", true);
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nTransfer-Encoding: chunked\r\n\r\n", false);
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: content-length: 3\r\n\r\n", false);
    }

    #[test]
    fn each_request_is_looked_at_anew() {
        let talk = Talk::default();
        talk.heard(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
        let first = talk.asked();
        talk.answered();
        talk.heard(b"GET / HTTP/1.1\r\n\r\n");
        let second = talk.asked();
        assert!(first.is_contradictory && !second.is_contradictory && first.began <= second.began);
    }
}
