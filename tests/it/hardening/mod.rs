//! What attackers and broken clients send: refused, dropped or survived, and never a false answer.

mod bodies;
mod framing;
mod safety;
mod slow;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::Partner;

/// Longer than any limit of the product; a connection still open then is a failure.
const FOREVER: Duration = Duration::from_secs(40);

/// A bare connection to the partner's port.
struct Raw(TcpStream);

impl Raw {
    async fn connect(partner: &Partner) -> Self {
        Self(TcpStream::connect(partner.url.trim_start_matches("http://")).await.unwrap())
    }

    /// Sends bytes; a connection that is closed already is no failure.
    async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).await.is_ok()
    }

    /// All that comes until the other side closes.
    async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        // a reset ends the connection as well
        let _ = timeout(FOREVER, self.0.read_to_end(&mut answer)).await.expect("the connection is closed");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What comes until `end` is in it.
    async fn until(&mut self, end: &str) -> String {
        let mut answer = String::new();
        while !answer.contains(end) {
            let mut piece = [0; 4096];
            let length = timeout(FOREVER, self.0.read(&mut piece)).await.expect("an answer").unwrap_or(0);
            assert!(length > 0, "closed after {answer:?}");
            answer.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
        answer
    }
}

/// The head of a post, with further header lines (each ended by CR LF) and without its end.
fn head(partner: &Partner, more: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: waybill\r\nauthorization: Bearer {}\r\n\
         content-type: application/octet-stream\r\n{more}",
        partner.key
    )
}

/// The status of an answer; 0 when there is none.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Bodies stored in all.
async fn stored(world: &crate::support::World) -> i64 {
    sqlx::query_scalar("select count(*) from receipt").fetch_one(&world.db).await.unwrap()
}
