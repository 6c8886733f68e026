//! One kept-alive HTTP/1.1 connection: a request, its answer, the next request. It knows just enough
//! of RFC 9112 for answers that have a `Content-Length`, and takes any other for a fault.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Load, Traffic};

/// For one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Connections that fail one after another before the load gives up.
const FAILURES_MAX: u32 = 50;

/// A connection, and the buffers it uses again and again.
pub(super) struct Connection<'a> {
    traffic: &'a Traffic,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    body: Vec<u8>,
    inbox: Vec<u8>,
    failures: u32,
}

impl<'a> Connection<'a> {
    pub(super) fn new(traffic: &'a Traffic) -> Self {
        let buffer = || Vec::with_capacity(4096);
        Self { traffic, stream: None, request: buffer(), body: buffer(), inbox: buffer(), failures: 0 }
    }

    /// Posts message `n` of the load `tag` and counts its answer; whether it was accepted.
    ///
    /// # Errors
    /// When nothing has been answered for many tries: there is nobody there.
    pub(super) async fn post(&mut self, tag: &str, n: u64, load: &mut Load) -> anyhow::Result<bool> {
        self.traffic.write(tag, n, &mut self.request, &mut self.body);
        let answered = timeout(ANSWER_LIMIT, self.exchange()).await;
        match answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((status, body_at)) => {
                self.failures = 0;
                let answer = self.inbox.get(body_at..).unwrap_or_default();
                if self.traffic.bodies.is_accepted(status, answer) {
                    load.accepted += 1;
                    return Ok(true);
                }
                *load.refused.entry(status).or_default() += 1;
            }
            Err(error) => {
                self.stream = None;
                self.failures += 1;
                load.unknown += 1;
                let address = self.traffic.address;
                anyhow::ensure!(self.failures < FAILURES_MAX, "{address} does not answer: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(false)
    }

    /// Sends the request and reads the answer into `inbox`: its status, and where its body begins.
    async fn exchange(&mut self) -> io::Result<(u16, usize)> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(self.traffic.address).await?),
        };
        stream.write_all(&self.request).await?;
        self.inbox.clear();
        loop {
            if stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = read_head(&self.inbox)? {
                while self.inbox.len() < head.body_at + head.body_bytes {
                    if stream.read_buf(&mut self.inbox).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                return Ok((head.status, head.body_at));
            }
        }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body_at: usize,
    body_bytes: usize,
}

/// The head of an answer; `None` while it is not all there.
fn read_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let fault = || io::Error::from(io::ErrorKind::InvalidData);
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| fault())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let (Some(status), Some(body_bytes)) = (status, length) else { return Err(fault()) };
    Ok(Some(Head { status, body_at: end + 4, body_bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_length() {
        let answer = b"HTTP/1.1 202 Accepted\r\nlocation: /x\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(read_head(&answer[..30]).unwrap(), None);
        let head = read_head(answer).unwrap();
        assert_eq!(head, Some(Head { status: 202, body_at: answer.len() - 2, body_bytes: 2 }));
        assert!(read_head(b"HTTP/1.1 202 Accepted\r\n\r\n").is_err());
        assert!(read_head(b"nonsense\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
