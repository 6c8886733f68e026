//! The same again: exactly one message per key, whatever happens at once.

use futures_util::future::join_all;
use serde_json::Value;
use uuid::Uuid;
use waybill_store::accept::{Accepted, NewMessage};

use crate::support::World;
use crate::support::partner::{acknowledged, arrival, signature};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_store_one_message() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let posts = (0..50).map(|_| tis.json("same", signature("m", "2026-01-31T12:00:00Z", "GG9")).send());
        let (mut new, mut again, mut ids) = (0, 0, Vec::new());
        for response in join_all(posts).await {
            let response = response.unwrap();
            let replayed = response.headers().contains_key("idempotent-replayed");
            match response.status().as_u16() {
                202 => new += 1,
                200 => again += 1,
                other => panic!("{other}"),
            }
            let receipt: Value = response.json().await.unwrap();
            assert_eq!(receipt["duplicate"].as_bool(), Some(replayed));
            ids.push(receipt["id"].as_str().unwrap().to_owned());
        }
        assert_eq!((new, again), (1, 49));
        ids.dedup();
        assert_eq!(ids.len(), 1, "all got the first receipt");
        tis.until(&ids[0], "processed").await;
        assert_eq!(world.count("select count from duplicate where source = 'tis'").await, 49);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_for_other_bytes_is_refused_and_other_sources_are_apart() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let (tis, skipping) = (&partners["tis"], &partners["skipping"]);
        let first = tis.sign("k", "m-1", "2026-01-31T12:00:00Z").await;
        let other = tis.json("k", signature("m-2", "2026-01-31T12:00:00Z", "GG9")).send().await.unwrap();
        assert_eq!(other.status(), 422);
        let problem: Value = other.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/idempotency-key-reused");
        let apart = skipping.sign("k", "m-1", "2026-01-31T12:00:00Z").await;
        assert_ne!(first, apart);
        let keyless = || {
            let body = signature("m-3", "2026-01-31T12:00:00Z", "GG9");
            let post = tis.request(reqwest::Method::POST, "/v1/messages");
            post.header("content-type", "application/json").body(body).send()
        };
        assert_eq!(keyless().await.unwrap().status(), 202);
        assert_eq!(keyless().await.unwrap().status(), 202, "without a key every post is new");
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from receipt").await, 4);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_hl7_message_gets_the_same_acknowledgement_a_reused_control_id_is_flagged() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let first = docutap.hl7(arrival("77", "P1", "V1")).send().await.unwrap();
        let again = docutap.hl7(arrival("77", "P1", "V1")).send().await.unwrap();
        assert_eq!(acknowledged(&first), acknowledged(&again));
        assert_eq!(again.headers()["idempotent-replayed"], "true");
        assert!(!first.headers().contains_key("idempotent-replayed"));
        assert_eq!(first.text().await.unwrap(), again.text().await.unwrap());
        let reused = docutap.hl7(arrival("77", "P2", "V2")).send().await.unwrap();
        let id = acknowledged(&reused);
        docutap.until(&id, "processed").await;
        assert_eq!(docutap.message(&id).await["control_id_conflict"], true);
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from visit").await, 2);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_refuses_does_not_refuse_its_neighbours() {
    World::run(async |mut world| {
        // a constraint that only this test has stands for data that PostgreSQL cannot take
        sqlx::raw_sql("alter table receipt add check (idempotency_key is distinct from 'bad')")
            .execute(&world.db)
            .await
            .unwrap();
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let posts = (0..40).map(|n| {
            let key = if n == 20 { "bad".to_owned() } else { format!("good-{n}") };
            tis.json(&key, signature(&format!("m-{n}"), "2026-01-31T12:00:00Z", "GG9")).send()
        });
        let statuses = join_all(posts).await.into_iter().map(|r| r.unwrap().status().as_u16());
        let (stored, refused): (Vec<u16>, Vec<u16>) = statuses.partition(|status| *status == 202);
        assert_eq!((stored.len(), refused), (39, vec![503]));
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_id_that_is_reused_within_one_insert_is_flagged() {
    World::run(async |mut world| {
        let message = |key: [u8; 32], body: &'static [u8]| NewMessage {
            id: Uuid::now_v7(),
            source: "archive".into(),
            kind: "-".into(),
            lane: "default".into(),
            received_at: chrono::DateTime::UNIX_EPOCH,
            sha256: [body[0]; 32],
            content_type: "text/plain".into(),
            idempotency_key: Some("A|B|1".into()),
            dedupe_key: Some(key.to_vec()),
            traceparent: None,
            ordering: vec![],
            body: bytes::Bytes::from_static(body),
        };
        let (mut one, mut other) = ([1; 32], [1; 32]);
        (one[31], other[31]) = (2, 3);
        let alone = message([9; 32], b"z");
        let batch = [message(one, b"x"), message(other, b"y"), message(one, b"x"), alone];
        let answers = world.store.accept(&batch).await.unwrap();
        let stored = |conflict| Some(Accepted::Stored { control_id_conflict: conflict });
        assert_eq!((&answers[0], &answers[1], &answers[3]), (&stored(false), &stored(true), &stored(false)));
        assert!(matches!(&answers[2], Some(Accepted::Known(first)) if first.id == batch[0].id));
        world.everything().await;
        world.until_settled().await;
        world
    })
    .await;
}
