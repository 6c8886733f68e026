//! PostgreSQL goes away: 503, never a false answer; when it is back, everything goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::partner::{id, signature};
use crate::support::{Services, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_under_load() {
    World::run_on(Services::breakable(), async |mut world| {
        let partners = world.everything().await;
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..8).map(|sender| {
            let (tis, stop) = (partners["tis"].clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut answered, mut refused) = (Vec::new(), 0);
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = format!("{sender}-{n}");
                    // as a partner would: the same key again until it is answered
                    loop {
                        let response = tis
                            .json(&key, signature(&key, "2026-01-31T12:00:00Z", "GG9"))
                            .send()
                            .await
                            .unwrap();
                        match response.status().as_u16() {
                            200 | 202 => {
                                answered.push(id(response).await);
                                break;
                            }
                            503 => {
                                assert!(response.headers().contains_key("retry-after"));
                                refused += 1;
                                tokio::task::yield_now().await;
                            }
                            other => panic!("{other}"),
                        }
                    }
                }
                (answered, refused)
            })
        });
        let senders: Vec<_> = senders.collect();
        until("traffic to flow", || async { world.count("select count(*) from receipt").await > 200 }).await;
        world.services.control("postgres", "kill").await;
        world.services.control("postgres", "start").await;
        let counted = async || {
            sqlx::query_scalar::<_, i64>("select count(*) from receipt")
                .fetch_one(&world.db)
                .await
                .unwrap_or(0)
        };
        let before = {
            until("the ledger to be back", || async { counted().await > 0 }).await;
            counted().await
        };
        until("traffic to flow again", || async { counted().await > before + 200 }).await;
        stop.store(true, Ordering::Relaxed);
        let mut answered = Vec::new();
        let mut refused = 0;
        for sender in senders {
            let (ids, no) = sender.await.unwrap();
            answered.extend(ids);
            refused += no;
        }
        assert!(refused > 0, "the fault bit: somebody was answered 503");
        world.until_settled().await;
        let stored: Vec<String> =
            sqlx::query_scalar("select id::text from progress where state = 'processed'")
                .fetch_all(&world.db)
                .await
                .unwrap();
        let stored: std::collections::HashSet<_> = stored.into_iter().collect();
        assert!(answered.iter().all(|id| stored.contains(id)), "no false answer");
        assert_eq!(answered.len(), stored.len(), "one message per key");
        world
    })
    .await;
}
