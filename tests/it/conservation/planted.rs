//! Rows moved to a wrong state by hand.

use super::{metric, plant, problems_of, reconcile, serve, sign};
use crate::support::partner::{acknowledged, arrival, hl7};
use crate::support::{World, until};

/// What is done by hand to a due message, and the problem that it is.
const UNFINISHED: [(&str, &str); 11] = [
    (
        "update progress set state = 'processed', due_at = null, finished_at = now() where id = $1::uuid",
        "attempt-missing",
    ),
    (
        "update progress set state = 'published', due_at = null, published_at = now() + interval '1 hour'
         where id = $1::uuid",
        "published-too-late",
    ),
    (
        "update progress set state = 'processing', due_at = null, attempts = 1, claimed_by = 'nobody',
                claimed_at = now(), claimed_until = now() + interval '1 minute' where id = $1::uuid",
        "claim-impossible",
    ),
    (
        "update progress set state = 'processing', due_at = null,
                claimed_until = now() - interval '1 minute' where id = $1::uuid",
        "claim-impossible",
    ),
    ("update progress set state = 'held', due_at = null where id = $1::uuid", "held-alone"),
    ("update progress set due_at = now() + interval '100 days' where id = $1::uuid", "due-too-late"),
    (
        "update progress set lease = 1, lease_until = now() + interval '5 hours' where id = $1::uuid",
        "lease-too-long",
    ),
    ("delete from progress where id = $1::uuid", "progress-missing"),
    ("delete from ordering where id = $1::uuid", "order-missing"),
    ("insert into in_hand select key, id from ordering where id = $1::uuid", "in-hand-left-over"),
    (
        "update progress set state = 'published', due_at = null, published_at = now() - interval '1 hour'
         where id = $1::uuid",
        "lost",
    ),
];

/// As if the sources had been applied long ago.
const APPLIED_LONG_AGO: &str = "update source set changed_at = now() - interval '1 day' where $1 = $1";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_unfinished_row_is_named_and_mended() {
    World::run(async |mut world| {
        // nothing moves by itself: neither relay nor worker nor sweeps
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        plant(&world, APPLIED_LONG_AGO, "").await;
        let ids = sign(&tis, 12).await;
        assert_eq!(reconcile(&world, &[]).await.0, Some(0), "nothing is wrong yet");
        for ((statement, _), id) in UNFINISHED.iter().zip(&ids) {
            plant(&world, statement, id).await;
        }
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(1));
        for ((statement, problem), id) in UNFINISHED.iter().zip(&ids) {
            assert!(problems_of(&said, id).contains(problem), "{problem}: {statement}\n{said:#}");
        }
        assert!(problems_of(&said, &ids[UNFINISHED.len()]).is_empty(), "the sound one is not named");
        let (_program, serve) = serve(&world, &[("WAYBILL_SERVE__LOST_GRACE_S", "10")]).await;
        let series = "waybill_unaccounted_messages{source=\"tis\"}";
        until("the metric to say so", || async { metric(&world.http, &serve, series).await > Some(0) }).await;
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from progress where state = 'processed'").await, 12);
        assert_eq!(world.count("select count(*) from witness").await, 12, "each effect once");
        until("the metric to be 0 again", || async { metric(&world.http, &serve, series).await == Some(0) })
            .await;
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(0), "{said:#}");
        let unmended = "select count(*) from finding where mended_at is null";
        assert_eq!(world.count(unmended).await, 0, "and it is written down: {said:#}");
        // the one that was held may have been released by the net before it was looked at
        assert!(world.count("select count(distinct id) from finding").await >= 10);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_has_lost_one_of_its_keys_is_named_and_mended() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let docutap = world.partner("docutap", &url);
        plant(&world, APPLIED_LONG_AGO, "").await;
        let post = async |body: String| acknowledged(&docutap.hl7(body).send().await.unwrap());
        post(arrival("1", "A", "V1")).await;
        let merge = hl7("ADT^A40", "2", "B", "V2").replace("PV1|", "MRG|A^^^EAST^MR\rPV1|");
        let merge = post(merge).await;
        let keys = "select count(*) from ordering o join receipt r using (id) where r.seq = 2";
        assert_eq!(world.count(keys).await, 2, "the keys of both patients");
        assert_eq!(reconcile(&world, &[]).await.0, Some(0), "nothing is wrong yet");
        plant(
            &world,
            "delete from ordering where id = $1::uuid and key in (
                 select key from ordering group by key having count(*) > 1)",
            &merge,
        )
        .await;
        assert_eq!(world.count(keys).await, 1, "patient A's is gone");
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!((code, problems_of(&said, &merge)), (Some(1), vec!["order-missing"]), "{said:#}");
        let (_program, serve) = serve(&world, &[]).await;
        until("it to be in both keys again", || async { world.count(keys).await == 2 }).await;
        let series = "waybill_unaccounted_messages{source=\"docutap\"}";
        until("the metric to be 0 again", || async { metric(&world.http, &serve, series).await == Some(0) })
            .await;
        assert_eq!(world.count("select count(*) from finding where problem = 'order-missing'").await, 1);
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(0), "{said:#}");
        world.worker(&[]).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_by_hand_does_the_same() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        let ids = sign(&tis, 2).await;
        plant(&world, UNFINISHED[0].0, &ids[0]).await;
        let (code, said) = reconcile(&world, &["--repair"]).await;
        assert_eq!((code, problems_of(&said, &ids[0]).len()), (Some(0), 0), "{said:#}");
        assert_eq!(said["repaired"][0]["id"], ids[0].as_str());
        assert_eq!(tis.state(&ids[0]).await, "accepted");
        world.ingest(&[]).await;
        world.worker(&[]).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_that_are_written_are_never_written_again() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let ids = sign(tis, 3).await;
        world.until_settled().await;
        // due again, says the row; the relay publishes it, and a worker gets it
        plant(
            &world,
            "update progress set state = 'accepted', due_at = now(), finished_at = null where id = $1::uuid",
            &ids[0],
        )
        .await;
        plant(
            &world,
            "update progress set state = 'dead', error_class = 'parse', error_reason = 'x' where id = $1::uuid",
            &ids[1],
        )
        .await;
        plant(&world, "delete from progress where id = $1::uuid", &ids[2]).await;
        for id in &ids {
            tis.until(id, "processed").await;
        }
        until("all to be mended", || async { reconcile(&world, &[]).await.0 == Some(0) }).await;
        assert_eq!(world.count("select count(*) from witness").await, 3, "each effect once");
        assert_eq!(world.count("select count(*) from attempt").await, 3, "and one attempt each");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_message_that_is_left_in_a_key_holds_nobody_for_long() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let first = tis.sign("k1", "same", "2026-01-31T12:00:00Z").await;
        tis.until(&first, "processed").await;
        let key = "insert into ordering (key, seq, id)
                   select 42, seq, id from receipt where id = $1::uuid";
        plant(&world, key, &first).await;
        until("it to be taken out", || async { world.count("select count(*) from ordering").await == 0 })
            .await;
        let second = tis.sign("k2", "same", "2026-02-28T12:00:00Z").await;
        tis.until(&second, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mended_without_guessing_stays_named() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let ids = sign(tis, 3).await;
        world.until_settled().await;
        let (_program, serve) = serve(&world, &[]).await;
        sqlx::raw_sql(
            "create table kept_body as select * from body; create table kept_attempt as select * from attempt;
             create table kept_receipt as select * from receipt;",
        )
        .execute(&world.db)
        .await
        .unwrap();
        plant(&world, "delete from body where id = $1::uuid", &ids[0]).await;
        plant(&world, "delete from attempt where id = $1::uuid", &ids[1]).await;
        plant(&world, "delete from receipt where id = $1::uuid", &ids[2]).await;
        let series = "waybill_unaccounted_messages{source=\"tis\"}";
        until("the metric to count them", || async { metric(&world.http, &serve, series).await == Some(3) })
            .await;
        let (code, said) = reconcile(&world, &["--repair"]).await;
        assert_eq!(code, Some(1));
        for (id, problem) in ids.iter().zip(["body-missing", "attempt-missing", "receipt-missing"]) {
            assert_eq!(problems_of(&said, id), [problem], "{said:#}");
        }
        assert_eq!(world.count("select count(*) from progress where state = 'processed'").await, 3);
        sqlx::raw_sql(
            "insert into body select * from kept_body on conflict do nothing;
             insert into attempt select * from kept_attempt on conflict do nothing;
             insert into receipt overriding system value select * from kept_receipt on conflict do nothing;",
        )
        .execute(&world.db)
        .await
        .unwrap();
        until("the metric to be 0 again", || async { metric(&world.http, &serve, series).await == Some(0) })
            .await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_message_is_listed_by_its_id_and_is_no_misfit() {
    World::run(async |mut world| {
        let impatient = "backoff_s = [1]\ndeadline_s = 1";
        world.apply(&crate::support::world::SOURCES.replace("backoff_s = [1]", impatient)).await;
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        let ids = sign(&tis, 1).await;
        until("it to be overdue", || async {
            let (code, said) = reconcile(&world, &[]).await;
            assert_eq!(code, Some(0), "{said:#}");
            said["overdue"][0]["id"] == ids[0].as_str()
        })
        .await;
        world.ingest(&[]).await;
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(reconcile(&world, &[]).await.1["overdue"], serde_json::json!([]));
        world
    })
    .await;
}
