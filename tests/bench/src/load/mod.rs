//! The load generator: HTTP/1.1 over kept-alive connections, in a closed loop (each connection posts
//! again as soon as it is answered: the peak) or an open one (times fixed in advance: latencies).
//!
//! It costs the machine something too, and shares it with what is measured.

mod closed;
mod connection;
mod open;

pub use closed::{Until, closed};
pub use open::open;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::bodies::Bodies;

/// Where what is posted, and with which key.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The partner's port.
    pub address: SocketAddr,
    /// What is posted.
    pub bodies: Bodies,
    /// The source's key.
    pub key: String,
}

/// What a load came to.
#[derive(Debug)]
pub struct Load {
    /// Messages answered with "safe".
    pub accepted: u64,
    /// Of these, answered before the load's time was up.
    pub accepted_in_time: u64,
    /// Other answers, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Posted and not answered: safe or not.
    pub unknown: u64,
    /// Of each accepted message its number, and from when it was due to its answer, in microseconds.
    pub answers: Vec<(u64, u32)>,
    /// When it began.
    pub began: SystemTime,
    /// How long it was to last.
    pub lasted: Duration,
    /// From one message's due time to the next one's; 0 in a closed loop.
    pub step_s: f64,
}

impl Load {
    fn new() -> Self {
        Self {
            accepted: 0,
            accepted_in_time: 0,
            refused: BTreeMap::new(),
            unknown: 0,
            answers: Vec::new(),
            began: SystemTime::now(),
            lasted: Duration::ZERO,
            step_s: 0.0,
        }
    }

    /// Adds what one connection came to.
    fn add(&mut self, part: Load) {
        self.accepted += part.accepted;
        self.accepted_in_time += part.accepted_in_time;
        self.unknown += part.unknown;
        for (status, count) in part.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.answers.extend(part.answers);
    }

    /// When message `n` was due, in microseconds since 1970.
    pub fn due_at(&self, n: u64) -> f64 {
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (began.as_secs_f64() + self.step_s * n as f64) * 1e6
    }

    /// Messages accepted in its time, per second.
    pub fn per_s(&self) -> f64 {
        self.accepted_in_time as f64 / self.lasted.as_secs_f64()
    }
}

impl Traffic {
    /// Writes the request for message `n` of the load `tag` into `request`; `body` is scratch space.
    fn write(&self, tag: &str, n: u64, request: &mut Vec<u8>, body: &mut Vec<u8>) {
        let key = format!("{tag}-{n}");
        self.bodies.write(&key, n, body);
        request.clear();
        // writing into memory does not fail
        let _ = write!(
            request,
            "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n",
            self.address,
            self.key,
            self.bodies.content_type(),
            body.len()
        );
        if self.bodies == Bodies::Json {
            let _ = write!(request, "idempotency-key: {key}\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
    }
}
