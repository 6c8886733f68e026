//! A proxy that reads the frames on their way from RabbitMQ to a worker, and interferes with one kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::World;

/// Type, channel and size of a frame come before its payload; one octet ends it (AMQP 0-9-1, 2.3.5).
const HEAD: usize = 7;
/// The type of a frame that holds a method: its class and number come first.
const METHOD: u8 = 1;

/// What happens to frames of one method.
#[derive(Clone, Copy)]
pub(super) enum Mischief {
    /// They are taken out; everything else passes.
    TakenOut([u8; 4]),
    /// They, and all that comes after them, are held back until the worker has connected anew.
    HeldBack([u8; 4]),
}

/// The proxy.
pub(super) struct Proxy {
    struck: Arc<AtomicBool>,
}

impl Proxy {
    /// Starts one between RabbitMQ and a worker of `world`; the URL by which the worker comes to it.
    pub(super) async fn before(world: &World, mischief: Mischief) -> (Self, String) {
        let url = world.services.amqp_url.trim_end_matches('/');
        let (credentials, target) = url.rsplit_once('@').expect("a URL with credentials");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let through = format!("{credentials}@127.0.0.1:{port}/{}", world.name);
        let struck = Arc::new(AtomicBool::new(false));
        tokio::spawn(serve(listener, target.to_owned(), mischief, Arc::clone(&struck)));
        (Self { struck }, through)
    }

    /// Whether it has interfered.
    pub(super) fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, target: String, mischief: Mischief, struck: Arc<AtomicBool>) {
    let connections = watch::Sender::new(0_usize);
    while let Ok((client, _)) = listener.accept().await {
        connections.send_modify(|count| *count += 1);
        let way = Way { mischief, struck: Arc::clone(&struck), connections: connections.subscribe() };
        let (mut client_in, client_out) = client.into_split();
        let (server_in, mut server_out) = TcpStream::connect(&target).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut client_in, &mut server_out).await });
        tokio::spawn(way.back(server_in, client_out));
    }
}

/// The way back from RabbitMQ, of one connection.
struct Way {
    mischief: Mischief,
    struck: Arc<AtomicBool>,
    connections: watch::Receiver<usize>,
}

impl Way {
    async fn back(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
        let first = *self.connections.borrow() == 1;
        loop {
            let mut frame = vec![0; HEAD];
            from.read_exact(&mut frame).await?;
            let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
            frame.resize(HEAD + usize::try_from(size).unwrap() + 1, 0);
            from.read_exact(&mut frame[HEAD..]).await?;
            let is = |method: [u8; 4]| frame[0] == METHOD && frame[HEAD..].starts_with(&method);
            match self.mischief {
                Mischief::TakenOut(method) if is(method) => {
                    self.struck.store(true, Ordering::Relaxed);
                    continue;
                }
                Mischief::HeldBack(method) if first && is(method) => {
                    self.struck.store(true, Ordering::Relaxed);
                    let _ = self.connections.wait_for(|count| *count > 1).await;
                }
                _ => {}
            }
            to.write_all(&frame).await?;
        }
    }
}
