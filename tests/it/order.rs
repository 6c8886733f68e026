//! Order per key: what a dead message holds, what it does not, and the race at the gate.

use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;
use waybill_core::recovery::Disposition;
use waybill_store::record::Settled;

use crate::support::World;
use crate::support::partner::{id, signature};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_message_holds_its_own_key_and_no_other() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let post = async |key: &str, membership: &str, version: &str| {
            let body = signature(membership, "2026-01-31T12:00:00Z", version);
            id(tis.json(key, body).send().await.unwrap()).await
        };
        let dead = post("1", "poisoned", "GG11").await;
        let held = post("2", "poisoned", "GG9").await;
        let others = join_all((0..100).map(|n| {
            let post = &post;
            async move { post(&format!("o{n}"), &format!("healthy-{n}"), "GG9").await }
        }))
        .await;
        tis.until(&dead, "dead").await;
        tis.until(&held, "held").await;
        for other in &others {
            tis.until(other, "processed").await;
        }
        assert_eq!(tis.message(&held).await["held_behind"], dead.as_str());
        assert_eq!(tis.message(&dead).await["error_class"], "validation");
        let letters = world.store.dead_letters(Some("tis"), 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].holds), (1, 1));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_skips_the_dead_goes_on() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let skipping = &partners["skipping"];
        let dead = skipping.json("1", signature("m", "2026-01-31T12:00:00Z", "GG11")).send().await.unwrap();
        let dead = id(dead).await;
        let next = skipping.sign("2", "m", "2026-01-31T12:00:00Z").await;
        skipping.until(&next, "processed").await;
        skipping.until(&dead, "dead").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_messages_have_their_effects_in_the_order_of_the_answers() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        // ascending signatures: if one were overtaken, it would have no effect
        let keys = join_all((0..6).map(|key| async move {
            let mut ids = Vec::new();
            for n in 0..15 {
                let at = format!("2026-01-31T12:00:{n:02}Z");
                ids.push(tis.sign(&format!("{key}-{n}"), &format!("m{key}"), &at).await);
            }
            ids
        }))
        .await;
        world.until_settled().await;
        for (key, ids) in keys.iter().enumerate() {
            let effects: Vec<String> =
                sqlx::query_scalar("select by::text from witness where what = $1 order by ctid")
                    .bind(format!("signature m{key}"))
                    .fetch_all(&world.db)
                    .await
                    .unwrap();
            assert_eq!(&effects, ids, "key {key}");
        }
        world
    })
    .await;
}

/// Holding and releasing race: a claim that finds its predecessor unfinished, against the
/// predecessor's final transaction. Whatever comes first, the message must not stay held.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_left_held_by_a_race_at_the_gate() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        let done = |id: Uuid| Settled {
            id,
            source: "tis".into(),
            attempt: 1,
            started_at: chrono::DateTime::UNIX_EPOCH,
            worker: "w".into(),
            abandoned: false,
            skip_dead: false,
            disposition: Disposition::Complete(vec![].into()),
        };
        let lease = Duration::from_mins(1);
        let mut seen = (0, 0);
        for round in 0..200 {
            let first: Uuid = tis
                .sign(&format!("a{round}"), &format!("m{round}"), "2026-01-31T12:00:00Z")
                .await
                .parse()
                .unwrap();
            let second: Uuid = tis
                .sign(&format!("b{round}"), &format!("m{round}"), "2026-01-31T12:00:01Z")
                .await
                .parse()
                .unwrap();
            assert_eq!(world.store.claim(&[first], "w", lease).await.unwrap().claimed.len(), 1);
            let finish = [done(first)];
            let second = [second];
            let (recorded, claim) =
                tokio::join!(world.store.record(&finish), world.store.claim(&second, "w", lease));
            let (recorded, claim) = (recorded.unwrap(), claim.unwrap());
            if claim.held.is_empty() {
                assert_eq!(claim.claimed.len(), 1, "round {round}: the claim came second and got it");
                seen.0 += 1;
            } else {
                assert_eq!(
                    recorded.released, second,
                    "round {round}: the claim came first, and was released"
                );
                let claim = world.store.claim(&second, "w", lease).await.unwrap();
                assert_eq!(claim.claimed.len(), 1);
                seen.1 += 1;
            }
            world.store.record(&[done(second[0])]).await.unwrap();
        }
        println!("the claim came second {} times, first {} times", seen.0, seen.1);
        world
    })
    .await;
}
