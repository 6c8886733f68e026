//! Stopping in two stages, with real processes and real signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::programs::{Program, free_port};
use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_finishes_what_is_in_hand() {
    World::run(async |mut world| {
        let with_ports = |more: &[(&str, u16)]| {
            let mut settings = world.settings();
            for (name, port) in more {
                settings.push(((*name).to_owned(), format!("127.0.0.1:{port}")));
            }
            settings
        };
        let (port, ingest_admin, worker_admin) = (free_port(), free_port(), free_port());
        let ingest =
            with_ports(&[("WAYBILL_INGEST__LISTEN", port), ("WAYBILL_INGEST__ADMIN_LISTEN", ingest_admin)]);
        let ingest = Program::start("ingest-api", &[], &ingest);
        let worker =
            Program::start("worker", &[], &with_ports(&[("WAYBILL_WORKER__ADMIN_LISTEN", worker_admin)]));
        world.until_ready(ingest_admin).await;
        world.until_ready(worker_admin).await;
        let tis = world.partner("tis", &format!("http://127.0.0.1:{port}"));

        let stop = Arc::new(AtomicBool::new(false));
        let posting = futures_util::future::join_all((0..8).map(|sender| {
            let (tis, stop) = (tis.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for n in 0.. {
                    let key = format!("{sender}-{n}");
                    let body = crate::support::partner::signature(&key, "2026-01-31T12:00:00Z", "GG9");
                    match tis.json(&key, body).send().await {
                        Ok(response) if response.status() == 202 => {
                            answered.push(crate::support::partner::id(response).await);
                        }
                        // refused connections, once it has stopped
                        _ if stop.load(Ordering::Relaxed) => break,
                        other => panic!("not accepted before the stop: {other:?}"),
                    }
                }
                answered
            })
        }));
        until("traffic to flow", || async { world.count("select count(*) from receipt").await > 300 }).await;
        worker.signal("TERM");
        assert_eq!(worker.exit().await, Some(0), "the worker stops in good order");
        assert_eq!(
            world.count("select count(*) from progress where state = 'processing'").await,
            0,
            "nothing is left in hand"
        );
        stop.store(true, Ordering::Relaxed);
        ingest.signal("TERM");
        assert_eq!(ingest.exit().await, Some(0), "ingest-api stops in good order");
        let answered: Vec<String> = posting.await.into_iter().flat_map(Result::unwrap).collect();

        world.worker(&[]).await;
        world.serve(&[]).await;
        world.until_settled().await;
        let processed: Vec<String> =
            sqlx::query_scalar("select id::text from progress where state = 'processed'")
                .fetch_all(&world.db)
                .await
                .unwrap();
        assert!(answered.iter().all(|id| processed.contains(id)), "everything answered is processed");
        world
    })
    .await;
}
