//! A worker is killed in mid-flow: what it had in hand is taken up again, and no effect doubles.

use crate::support::programs::Program;
use crate::support::{Services, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_sigkill_in_mid_flow() {
    World::run_on(Services::breakable(), async |mut world| {
        let url = world.ingest(&[]).await;
        world.serve(&[]).await;
        let tis = world.partner("tis", &url);
        let mut settings = world.settings();
        for (name, value) in [
            ("WAYBILL_WORKER__CLAIM_LEASE_S", "5"),
            ("WAYBILL_WORKER__PROCESS_TIMEOUT_S", "2"),
            ("WAYBILL_WORKER__BATCH_MAX", "4"),
        ] {
            settings.push((name.to_owned(), value.to_owned()));
        }
        for round in 0..3 {
            let worker = Program::start("worker", &[], &settings);
            let ids = futures_util::future::join_all((0..400).map(|n| {
                let (tis, key) = (&tis, format!("{round}-{n}"));
                async move { tis.sign(&key, &key, "2026-01-31T12:00:00Z").await }
            }))
            .await;
            assert_eq!(ids.len(), 400);
            // killed while it has messages in hand: a claim is open at this very moment
            let in_hand = "select exists (select from progress
                 where state = 'processing' and claimed_by like '%/' || $1)";
            let pid = worker.pid().to_string();
            until("the worker to have messages in hand", || async {
                sqlx::query_scalar(in_hand).bind(&pid).fetch_one(&world.db).await.unwrap()
            })
            .await;
            worker.signal("KILL");
            assert_eq!(worker.exit().await, None, "ended by the signal");
        }
        world.worker(&[]).await;
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from progress where state = 'processed'").await, 1200);
        assert_eq!(world.count("select count(*) from witness").await, 1200, "each effect once");
        world
    })
    .await;
}
