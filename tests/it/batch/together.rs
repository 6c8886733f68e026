//! Batches at the same moment: the same keys in other orders, single submissions, clients that leave.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{RequestBuilder, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use uuid::Uuid;
use waybill_core::accept::dedupe_prefix;
use waybill_store::StoreError;
use waybill_store::accept::{Accepted, NewMessage};
use waybill_store::accept_batch::{BatchAccepted, NewBatch, NewItem};

use super::{HL7, LINES, lines, post};
use crate::support::partner::{acknowledged, arrival};
use crate::support::{Partner, World, until};

/// Items without a kind, under these keys.
fn batch(keys: impl Iterator<Item = u32>) -> NewBatch {
    let item = |key: u32| NewItem {
        id: Uuid::now_v7(),
        sha256: [1; 32],
        idempotency_key: Some(key.to_string()),
        dedupe_key: Some([&[0; 12][..], &key.to_be_bytes()[..]].concat()),
        ordering: vec![],
        body: bytes::Bytes::from_static(b"x"),
    };
    NewBatch {
        source: "archive".into(),
        kind: "-".into(),
        lane: "default".into(),
        received_at: chrono::DateTime::UNIX_EPOCH,
        content_type: "text/plain".into(),
        traceparent: None,
        items: keys.map(item).collect(),
    }
}

/// How many items were stored now.
fn new(batch: &BatchAccepted) -> usize {
    let BatchAccepted::Stored(items) = batch else { panic!("{batch:?}") };
    items.iter().filter(|item| matches!(item, Accepted::Stored { .. })).count()
}

/// Rows go in by key: whoever comes second waits for the first, and never the first for the second.
/// Nobody works the messages off: what is tested is how they are stored.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_keys_in_opposite_order_never_deadlock() {
    World::run(async |world| {
        let mut waited = 0;
        for round in 0..40 {
            let keys = round * 1000..round * 1000 + 300;
            let (there, back) = (batch(keys.clone()), batch((keys.start + 100..keys.end + 100).rev()));
            // as the group commit sorts them
            let single: Vec<NewMessage> = batch(keys).items.into_iter().step_by(7).map(single).collect();
            let answers = tokio::join!(
                world.store.accept_batch(&there, 0),
                world.store.accept_batch(&back, 0),
                world.store.accept(&single)
            );
            let (there, back) = (new(&answers.0.unwrap()), new(&answers.1.unwrap()));
            let alone = answers.2.unwrap();
            let alone = alone.iter().filter(|answer| matches!(answer, Some(Accepted::Stored { .. }))).count();
            assert_eq!(there + back + alone, 400, "round {round}: each key once");
            waited += usize::from(there < 300);
        }
        println!("the first batch found keys known in {waited} of 40 rounds");
        sqlx::raw_sql("truncate receipt, body, progress").execute(&world.db).await.unwrap();
        world
    })
    .await;
}

fn single(item: NewItem) -> NewMessage {
    NewMessage {
        id: item.id,
        source: "archive".into(),
        kind: "-".into(),
        lane: "default".into(),
        received_at: chrono::DateTime::UNIX_EPOCH,
        sha256: item.sha256,
        content_type: "text/plain".into(),
        idempotency_key: item.idempotency_key,
        dedupe_key: item.dedupe_key,
        traceparent: None,
        ordering: vec![],
        body: item.body,
    }
}

async fn until_one_waits(world: &World) {
    let waiting = "select count(*) from pg_stat_activity where datname = current_database()
                   and wait_event = 'transactionid'";
    crate::support::until("a batch to wait for a key", || async { world.count(waiting).await == 1 }).await;
}

/// A key that becomes known while the batch waits for it: only the unique index can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_reused_at_the_same_moment_refuses_all() {
    World::run(async |mut world| {
        let mut first = world.db.begin().await.unwrap();
        let other = "insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type,
                                          idempotency_key, dedupe_key)
                     values (gen_random_uuid(), 'archive', '-', now(), decode(repeat('07', 32), 'hex'), 0, '-',
                             '5', decode('00000000000000000000000000000005', 'hex'))";
        sqlx::query(other).execute(&mut *first).await.unwrap();
        let items = batch(0..10);
        let store = world.store.clone();
        let waiting = tokio::spawn(async move { store.accept_batch(&items, 0).await });
        until_one_waits(&world).await;
        first.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), BatchAccepted::KeyReused(5));
        assert_eq!(world.count("select count(*) from receipt").await, 1, "nothing of the batch");
        assert_eq!(world.count("select count(*) from progress").await, 0);
        // what is refused for another reason is no reused key
        let mut impossible = batch(20..22);
        impossible.items[1].idempotency_key = None;
        let refused = world.store.accept_batch(&impossible, 0).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        sqlx::raw_sql("truncate receipt").execute(&world.db).await.unwrap();
        world.everything().await;
        world
    })
    .await;
}

/// Sends it again as long as the ledger is busy with the same keys elsewhere.
async fn until_taken(request: impl Fn() -> RequestBuilder) -> Response {
    loop {
        let response = request().send().await.unwrap();
        if response.status() != 503 {
            assert_eq!(response.status(), 200);
            return response;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_single_messages_at_two_gateways_store_each_message_once() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let here = &partners["docutap"];
        let elsewhere = world.ingest(&[]).await;
        let there = world.partner("docutap", &elsewhere);
        for round in 0..8 {
            let messages: Vec<String> = (0..30)
                .map(|n| arrival(&format!("{round}-{n}"), &format!("P{n}"), &format!("V{n}")))
                .collect();
            let forward = until_taken(|| post(here, HL7, messages.concat()));
            let backward = messages.iter().rev().map(String::as_str).collect::<String>();
            let backward = until_taken(|| post(&there, HL7, backward.clone()));
            let alone = messages.iter().step_by(5);
            let alone = join_all(alone.map(|message| until_taken(|| here.hl7(message.clone()))));
            let (forward, backward, alone) = tokio::join!(forward, backward, alone);
            let said = async |answer: Response| {
                let text = answer.text().await.unwrap().replace("\rBTS", "");
                let mut pairs: Vec<String> = text
                    .split("\rMSH")
                    .skip(1)
                    .map(|one| one.split('|').skip(9).take(5).collect::<Vec<_>>().join("|"))
                    .collect();
                pairs.sort();
                pairs
            };
            let (forward, backward) = (said(forward).await, said(backward).await);
            assert_eq!(forward.len(), 30, "{forward:?}");
            assert_eq!(forward, backward, "the same acknowledgements, whoever came first");
            for response in alone {
                acknowledged(&response);
            }
        }
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from receipt").await, 240);
        world
    })
    .await;
}

/// Posts a batch over a bare connection and goes away after `stay`.
async fn post_and_leave(tis: &Partner, n: usize, tenths: usize, stay: Duration) {
    let body = lines(&format!("gone-{n}"), 20);
    let address = tis.url.trim_start_matches("http://");
    let request = format!(
        "POST /v1/messages/batch HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-type: {LINES}\r\nidempotency-key: gone-{n}\r\ncontent-length: {}\r\n\r\n{body}",
        tis.key,
        body.len()
    );
    let length = request.len() * tenths / 10;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.as_bytes()[..length]).await.unwrap();
    tokio::time::sleep(stay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batch_of_a_client_that_leaves_is_stored_whole_or_not_at_all() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_INGEST__POSTED_BATCHES_MAX", "50")]).await;
        world.worker(&[]).await;
        let tis = &world.partner("tis", &url);
        // most send all of it and leave before the answer, some leave in mid-body
        join_all((0..40).map(|n| {
            let stay = Duration::from_millis(n as u64 * 4);
            post_and_leave(tis, n, if n % 4 == 0 { 9 } else { 10 }, stay)
        }))
        .await;
        let parts = "select count(*) from (select split_part(idempotency_key, '/', 1) as batch from receipt
                     group by 1 having count(*) <> 20) t";
        assert_eq!(world.count(parts).await, 0, "whole or not at all");
        println!("{} of 30 were stored by then", world.count("select count(*) / 20 from receipt").await);
        // whoever left and asks again with the same key gets the receipts there are
        for n in (0..40).filter(|n| n % 4 != 0) {
            crate::support::until("a retry to be taken", || async {
                let retry = post(tis, LINES, lines(&format!("gone-{n}"), 20));
                let retry = retry.header("idempotency-key", format!("gone-{n}")).send().await.unwrap();
                assert!(matches!(retry.status().as_u16(), 200 | 202 | 503), "{}", retry.status());
                retry.status() != 503
            })
            .await;
        }
        world.until_settled().await;
        assert_eq!(world.count(parts).await, 0, "whole or not at all");
        let cut = "select count(*) from receipt
                   where substr(split_part(idempotency_key, '/', 1), 6)::int % 4 = 0";
        assert_eq!(world.count(cut).await, 0, "nothing of a body that broke off");
        assert_eq!(world.count("select count(*) from receipt").await, 600, "one message per key");
        let inside = "select count(*) from pg_stat_activity
             where datname = current_database() and state like 'idle in transaction%'";
        until("no connection to be left inside a transaction", || async { world.count(inside).await == 0 })
            .await;
        world
    })
    .await;
}

/// The batch is in PostgreSQL and waits for a key when its client leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_being_stored_no_longer_needs_its_client() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &url);
        let mut other = world.db.begin().await.unwrap();
        let key = "insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type,
                                        idempotency_key, dedupe_key)
                   values (gen_random_uuid(), 'tis', '-', now(), decode(repeat('07', 32), 'hex'), 0, '-', '-', $1)";
        let key = sqlx::query(key).bind(dedupe_prefix("gone-1/7").to_vec());
        key.execute(&mut *other).await.unwrap();
        let leaving = tokio::spawn(async move { post_and_leave(&tis, 1, 10, Duration::from_mins(1)).await });
        until_one_waits(&world).await;
        leaving.abort();
        assert!(leaving.await.unwrap_err().is_cancelled());
        other.rollback().await.unwrap();
        crate::support::until("the batch to be stored", || async {
            world.count("select count(*) from progress").await == 20
        })
        .await;
        world.until_settled().await;
        world
    })
    .await;
}
