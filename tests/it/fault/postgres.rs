//! PostgreSQL goes away: 503, never a false answer; when it is back, everything goes on.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::partner::{id, signature};
use crate::support::{Partner, Services, World, until};

/// What the senders do, and what they have seen.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    refused: AtomicUsize,
}

/// Posts until told to stop, each message with the same key until it is answered, as a partner
/// would; the ids that were answered.
async fn send(tis: Partner, sender: usize, traffic: Arc<Traffic>) -> Vec<String> {
    let mut answered = Vec::new();
    let mut n = 0;
    while !traffic.stop.load(Ordering::Relaxed) {
        let key = format!("{sender}-{n}");
        let response = tis.json(&key, signature(&key, "2026-01-31T12:00:00Z", "GG9")).send().await.unwrap();
        match response.status().as_u16() {
            200 | 202 => {
                answered.push(id(response).await);
                n += 1;
            }
            503 => {
                assert!(response.headers().contains_key("retry-after"));
                traffic.refused.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("{other}"),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_under_load() {
    World::run_on(Services::breakable(), async |mut world| {
        let partners = world.everything().await;
        let traffic = Arc::new(Traffic::default());
        let senders: Vec<_> = (0..8)
            .map(|sender| tokio::spawn(send(partners["tis"].clone(), sender, Arc::clone(&traffic))))
            .collect();
        until("traffic to flow", || async { world.count("select count(*) from receipt").await > 200 }).await;
        world.services.control("postgres", "kill").await;
        until("somebody to be answered 503", || async { traffic.refused.load(Ordering::Relaxed) > 0 }).await;
        world.services.control("postgres", "start").await;
        let receipts = async || {
            let counted =
                sqlx::query_scalar::<_, i64>("select count(*) from receipt").fetch_one(&world.db).await;
            counted.unwrap_or(0)
        };
        until("the ledger to be back", || async { receipts().await > 0 }).await;
        let before = receipts().await;
        until("traffic to flow again", || async { receipts().await > before + 200 }).await;
        traffic.stop.store(true, Ordering::Relaxed);
        let mut answered = Vec::new();
        for sender in senders {
            answered.extend(sender.await.unwrap());
        }
        world.until_settled().await;
        let stored: Vec<String> =
            sqlx::query_scalar("select id::text from progress where state = 'processed'")
                .fetch_all(&world.db)
                .await
                .unwrap();
        let stored: HashSet<_> = stored.into_iter().collect();
        assert!(answered.iter().all(|id| stored.contains(id)), "no false answer");
        let keys = "select count(*) - count(distinct idempotency_key) from receipt";
        assert_eq!(world.count(keys).await, 0, "one message per key");
        world
    })
    .await;
}
