//! A subscription that brings nothing any more, and of which the worker hears nothing.
//!
//! Either RabbitMQ has ended it, and the news (`basic.cancel`, AMQP 0-9-1 extension of RabbitMQ) is lost:
//! a proxy that reads the frames takes it out, everything else passes. Or it goes on, for a queue that
//! is no more (ADR 24).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapin::options::QueueDeleteOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use waybill_broker::topology::{self, work_queue};

use crate::publish::channel;
use crate::support::{World, until};

/// Type, channel and size of a frame come before its payload; one octet ends it (AMQP 0-9-1, 2.3.5).
const HEAD: usize = 7;
/// A method frame's type, and the class and method of `basic.cancel`.
const CANCEL: (u8, [u8; 4]) = (1, [0, 60, 0, 30]);

/// Starts the proxy in front of `target`; its port, and whether it has taken news out.
async fn deaf(target: String) -> (u16, Arc<AtomicBool>) {
    let taken = Arc::new(AtomicBool::new(false));
    let news = Arc::clone(&taken);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, news) = (target.clone(), Arc::clone(&news));
            tokio::spawn(async move {
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = TcpStream::connect(target).await.unwrap().into_split();
                tokio::spawn(copy(client_in, server_out));
                let _ = without_cancels(server_in, client_out, &news).await;
            });
        }
    });
    (port, taken)
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn without_cancels(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    news: &AtomicBool,
) -> std::io::Result<()> {
    loop {
        let mut frame = vec![0; HEAD];
        from.read_exact(&mut frame).await?;
        let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
        frame.resize(HEAD + usize::try_from(size).unwrap() + 1, 0);
        from.read_exact(&mut frame[HEAD..]).await?;
        if frame[0] == CANCEL.0 && frame[HEAD..].starts_with(&CANCEL.1) {
            news.store(true, Ordering::Relaxed);
        } else {
            to.write_all(&frame).await?;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_ended_unheard_is_made_again() {
    World::run(async |mut world| {
        let url = world.services.amqp_url.clone();
        let (credentials, target) =
            url.trim_end_matches('/').rsplit_once('@').expect("a URL with credentials");
        let (port, news) = deaf(target.to_owned()).await;
        let through = format!("{credentials}@127.0.0.1:{port}/{}", world.name);
        world.worker(&[("WAYBILL_AMQP_URL", &through)]).await;
        let (_connection, channel) = channel(&world).await;
        let queue = work_queue("default");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        until("the news to be sent, and taken out", async || news.load(Ordering::Relaxed)).await;
        topology::declare(&world.link().await, &["default".to_owned()]).await.unwrap();
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until(&id, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_a_queue_that_is_no_more_is_made_again() {
    World::run(async |mut world| {
        world.worker(&[]).await;
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let (link, (_connection, channel)) = (world.link().await, channel(&world).await);
        let queue = work_queue("default");
        // at once, so that RabbitMQ 3.10 carries the subscription over, and loses what it hands to it
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        topology::declare(&link, &["default".to_owned()]).await.unwrap();
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until_at_last(&id, "processed").await;
        world
    })
    .await;
}
