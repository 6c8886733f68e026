//! An HTTP/1.1 server with limits, which `axum::serve` does not have: on the time a request's head
//! may take (and a connection may idle), on the time a client may leave its answer untaken, on
//! headers, on connections. HTTP/2 and TLS are the edge's.

mod stream;
mod talk;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use stream::Stream;
pub use talk::Arrival;
use talk::Talk;

/// Limits of one port.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// For a request's head; an idle connection is closed after it too.
    pub header_timeout: Duration,
    /// For a client to take some of what it is sent.
    pub write_timeout: Duration,
    /// Headers of one request.
    pub headers_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            headers_max: 64,
            head_bytes_max: 64 * 1024,
        }
    }
}

/// Serves `router` until told to stop, then lets the requests under way finish.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // out of file descriptors, most likely: give others time to close
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let connection = converse(stream, peer, router.clone(), limits);
        let watched = graceful.watch(connection);
        connections.spawn(async move {
            // a client's fault, or its going away: nothing of ours to report
            let _ = watched.await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
    connections.close();
    connections.wait().await;
}

/// The other end of the connection on which a request came; handed to its handler as an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// One connection's requests: each is handed to the router with its [`Arrival`] and its [`Peer`].
struct Conversation {
    peer: Peer,
    router: TowerToHyperService<Router>,
    talk: Talk,
}

impl Service<hyper::Request<Incoming>> for Conversation {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(self.talk.asked());
        request.extensions_mut().insert(self.peer);
        let (answering, talk) = (self.router.call(request), self.talk.clone());
        Box::pin(async move {
            let answer = answering.await;
            talk.answered();
            answer
        })
    }
}

fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
) -> http1::Connection<TokioIo<Stream>, Conversation> {
    let talk = Talk::default();
    let stream = Stream::new(stream, talk.clone(), limits.write_timeout);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .half_close(true)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(
            TokioIo::new(stream),
            Conversation { peer: Peer(peer), router: TowerToHyperService::new(router), talk },
        )
}
