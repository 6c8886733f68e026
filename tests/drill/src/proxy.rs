//! A TCP proxy that stands in for a bad network: every connection of the drill goes through one.
//!
//! It knows nothing of what it carries. Whoever sets a mode may ask how often it has bitten: a
//! fault that hit nothing proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Carries everything.
    Open,
    /// Breaks all connections and takes no new ones.
    Cut,
    /// Carries nothing, and tells nobody.
    Silent,
    /// Takes its time, in milliseconds, with every chunk.
    Slow(u64),
    /// Carries what is asked and throws the answers away.
    NoAnswers,
    /// Breaks a connection in the middle of what is asked.
    ResetMidBody,
    /// Breaks a connection a moment, in milliseconds, after everything was asked.
    Hasty(u64),
}

/// A proxy in front of one address.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens, on loopback.
    pub port: u16,
    mode: Arc<watch::Sender<Mode>>,
    bites: Arc<AtomicU64>,
}

/// Which way a chunk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Asked,
    Answered,
}

/// What becomes of a connection after a chunk.
enum Then {
    GoOn,
    Break,
}

impl Proxy {
    /// Starts a proxy in front of `target` on this machine.
    pub async fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let proxy = Self { port, mode: Arc::new(watch::Sender::new(Mode::Open)), bites: Arc::default() };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let proxy = serving.clone();
                tokio::spawn(async move { proxy.carry(client, target).await });
            }
        });
        Ok(proxy)
    }

    /// Sets what the network does from now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections or chunks a mode other than open has hit.
    pub fn bites(&self) -> u64 {
        self.bites.load(Ordering::Relaxed)
    }

    fn bite(&self) {
        self.bites.fetch_add(1, Ordering::Relaxed);
    }

    /// One connection, to its end. Whatever ends one way ends the other, unless it is a half-close.
    async fn carry(&self, client: TcpStream, target: u16) {
        if *self.mode.borrow() == Mode::Cut {
            self.bite();
            return reset(&client);
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return reset(&client) };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (client_in, client_out) = client.into_split();
        let (server_in, server_out) = server.into_split();
        let asked = self.pump(Way::Asked, client_in, server_out);
        let answered = self.pump(Way::Answered, server_in, client_out);
        tokio::pin!(asked, answered);
        // a way that ends well was half-closed; one that breaks breaks the other
        tokio::select! {
            ended = &mut asked => if ended.is_ok() { let _ = answered.await; },
            ended = &mut answered => if ended.is_ok() { let _ = asked.await; },
        }
    }

    /// Carries chunks one way. An error: the connection is to be broken.
    async fn pump(&self, way: Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Result<(), Broken> {
        let mut mode = self.mode.subscribe();
        let mut buffer = vec![0; 64 * 1024];
        let mut tainted = false;
        loop {
            let now = *mode.borrow_and_update();
            if now == Mode::Cut || tainted && now != Mode::NoAnswers {
                self.bite();
                return Err(broken(&from, &to));
            }
            if now == Mode::Silent {
                self.bite();
                mode.changed().await.map_err(|_| Broken)?;
                continue;
            }
            let read = tokio::select! {
                read = from.read(&mut buffer) => read,
                changed = mode.changed() => {
                    changed.map_err(|_| Broken)?;
                    continue;
                }
            };
            let length = match read {
                Ok(0) => return to.shutdown().await.map_err(|_| Broken),
                Ok(length) => length,
                Err(_) => return Err(broken(&from, &to)),
            };
            let now = *mode.borrow();
            tainted |= now == Mode::NoAnswers && way == Way::Answered;
            match self.chunk(now, way, &buffer[..length], &mut to, &mut mode).await {
                Ok(Then::GoOn) => {}
                Ok(Then::Break) | Err(_) => return Err(broken(&from, &to)),
            }
        }
    }

    async fn chunk(
        &self,
        now: Mode,
        way: Way,
        bytes: &[u8],
        to: &mut OwnedWriteHalf,
        mode: &mut watch::Receiver<Mode>,
    ) -> std::io::Result<Then> {
        if now != Mode::Open {
            self.bite();
        }
        match (now, way) {
            (Mode::NoAnswers, Way::Answered) => return Ok(Then::GoOn),
            (Mode::ResetMidBody, Way::Asked) => {
                to.write_all(&bytes[..bytes.len() - bytes.len().min(24)]).await?;
                return Ok(Then::Break);
            }
            (Mode::Hasty(ms), Way::Asked) => {
                to.write_all(bytes).await?;
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return Ok(Then::Break);
            }
            (Mode::Slow(ms), _) => tokio::time::sleep(Duration::from_millis(ms)).await,
            (Mode::Silent, _) => {
                // it was on its way when the network fell silent
                let _ = mode.wait_for(|mode| *mode != Mode::Silent).await;
            }
            _ => {}
        }
        to.write_all(bytes).await?;
        Ok(Then::GoOn)
    }
}

/// The connection is to be broken, and was.
#[derive(Debug)]
struct Broken;

/// Breaks a connection as a crash does: with a reset, not with good manners.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

fn broken(from: &OwnedReadHalf, to: &OwnedWriteHalf) -> Broken {
    reset(from.as_ref());
    reset(to.as_ref());
    Broken
}
