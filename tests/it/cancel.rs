//! Clients that go away in mid-request: no poisoned connection, no half write, no false answer.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use uuid::Uuid;
use waybill_store::Store;
use waybill_store::accept::NewMessage;

use crate::support::partner::signature;
use crate::support::{Partner, World, until};

/// Posts over a bare connection and goes away after `stay`, having sent so many tenths of the request.
async fn post_and_leave(tis: &Partner, n: usize, tenths: usize, stay: Duration) {
    let body = signature(&format!("gone-{n}"), "2026-01-31T12:00:00Z", "GG9");
    let address = tis.url.trim_start_matches("http://");
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nidempotency-key: gone-{n}\r\ncontent-length: {}\r\n\r\n{body}",
        tis.key,
        body.len()
    );
    let length = request.len() * tenths / 10;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.as_bytes()[..length]).await.unwrap();
    tokio::time::sleep(stay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_clients_that_leave_harms_nobody() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let mut answered = Vec::new();
        for round in 0..15 {
            let leaving = join_all((0..40).map(|n| {
                let (n, stay) = (round * 40 + n, Duration::from_micros(n as u64 * 150));
                // most send all of it and leave before the answer, some leave in mid-body
                post_and_leave(tis, n, if n % 4 == 0 { 9 } else { 10 }, stay)
            }));
            // handlers of reads are dropped while they hold a connection
            let looking = join_all((0..20).map(|n| {
                let look = tis.request(reqwest::Method::GET, &format!("/v1/messages?idempotency_key=gone-{n}"));
                tokio::time::timeout(Duration::from_micros(n * 200), look.send())
            }));
            let staying = join_all((0..10).map(|n| async move {
                let key = format!("stays-{round}-{n}");
                (key.clone(), tis.sign(&key, &key, "2026-01-31T12:00:00Z").await)
            }));
            answered.extend(tokio::join!(leaving, looking, staying).2);
        }
        world.until_settled().await;
        for (key, id) in &answered {
            assert_eq!(tis.state(id).await, "processed", "{key} was answered");
        }
        let half = "select count(*) from receipt r
             full join body b on b.id = r.id full join progress p on p.id = r.id
             where r.id is null or b.id is null or p.id is null";
        assert_eq!(world.count(half).await, 0, "no half write");
        let cut = "select count(*) from receipt where idempotency_key ~ '^gone-' and substr(idempotency_key, 6)::int % 4 = 0";
        assert_eq!(world.count(cut).await, 0, "nothing of a body that broke off");
        until("no connection to be left inside a transaction", || async {
            let query = "select count(*) from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%'";
            world.count(query).await == 0
        })
        .await;
        // whoever left and asks again with the same key gets the one receipt
        for n in [1, 2, 3, 5] {
            let key = format!("gone-{n}");
            let retry = tis.json(&key, signature(&key, "2026-01-31T12:00:00Z", "GG9")).send().await.unwrap();
            assert!(matches!(retry.status().as_u16(), 200 | 202));
        }
        world.until_settled().await;
        let distinct = "select count(*) - count(distinct idempotency_key) from receipt";
        assert_eq!(world.count(distinct).await, 0, "one message per key");
        world
    })
    .await;
}

/// The trap itself: a read that begins a transaction is dropped at every possible point, on a pool
/// of one connection, and then a message is stored over that same connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_dropped_never_swallows_a_later_write() {
    World::run(async |mut world| {
        let mut config = crate::support::world::database(&world.services, &world.name);
        config.connections_max = 1;
        let store = Store::new(&config, "one connection").unwrap();
        for round in 0..150 {
            let reading = store.message(Uuid::now_v7(), None);
            let polls = async {
                for _ in 0..round % 15 {
                    tokio::task::yield_now().await;
                }
                tokio::time::sleep(Duration::from_micros(round * 20)).await;
            };
            tokio::select! {
                biased;
                _ = reading => {}
                () = polls => {}
            }
            let id = Uuid::now_v7();
            store.accept(&[keyless(id)]).await.unwrap();
            let seen: bool = sqlx::query_scalar("select exists (select from receipt where id = $1)")
                .bind(id)
                .fetch_one(&world.db)
                .await
                .unwrap();
            assert!(seen, "round {round}: stored, said the ledger, and nobody else can see it");
        }
        store.close().await;
        world.everything().await;
        world.until_settled().await;
        world
    })
    .await;
}

/// A message of the source without a kind.
fn keyless(id: Uuid) -> NewMessage {
    NewMessage {
        id,
        source: "archive".into(),
        kind: "-".into(),
        lane: "default".into(),
        received_at: chrono::DateTime::UNIX_EPOCH,
        sha256: [0; 32],
        content_type: "text/plain".into(),
        idempotency_key: None,
        dedupe_key: None,
        traceparent: None,
        ordering: vec![],
        body: bytes::Bytes::new(),
    }
}
