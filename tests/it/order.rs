//! Order per key: what a dead message holds, and what it does not.

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use uuid::Uuid;
use waybill_store::dead::Filter;

use crate::support::partner::{acknowledged, hl7, id, signature};
use crate::support::{BY, Partner, World, until};

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
        let letters = world.store.dead_page(&Filter::source("tis"), None, 10).await.unwrap().letters;
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
            assert_eq!(&world.had_effect(&format!("signature m{key}")).await, ids, "key {key}");
        }
        world
    })
    .await;
}

/// Posts three messages of patient number `patient`, one after the other; the first of the poisoned
/// patient names no visit. Their ids.
async fn three_of(docutap: &Partner, patient: usize, poisoned: usize) -> [String; 3] {
    let mut ids = [const { String::new() }; 3];
    for (n, trigger) in ["ADT^A04", "ADT^A08", "ADT^A03"].into_iter().enumerate() {
        let visit = if patient == poisoned && n == 0 { String::new() } else { format!("V{patient}") };
        let body = hl7(trigger, &format!("C{patient}-{n}"), &format!("P{patient}"), &visit);
        let answer = docutap.insist(|| docutap.hl7(body.clone())).await;
        ids[n] = acknowledged(&answer);
    }
    ids
}

/// Among so many patients one is poisoned: it costs the others nothing, and where the source holds
/// its dead, its own later messages wait until a person decides.
async fn check_poisoned(patients: usize, on_dead: &str) {
    World::run(async |mut world| {
        let sources = crate::support::world::SOURCES.replacen("\"hold\"", &format!("\"{on_dead}\""), 1);
        world.apply(&sources).await;
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let posting = futures_util::stream::iter(0..patients).map(|n| three_of(docutap, n, patients / 2));
        let mut posted: Vec<[String; 3]> = posting.buffered(16).collect().await;
        let [dead, waiting @ ..] = posted.remove(patients / 2);
        docutap.until(&dead, "dead").await;
        world.until_settled().await;
        let holds = if on_dead == "hold" { 2 } else { 0 };
        let processed = "select count(*) from progress where state = 'processed'";
        let all = i64::try_from(3 * patients).unwrap();
        assert_eq!(world.count(processed).await, all - 1 - holds);
        let letters = world.store.dead_page(&Filter::source("docutap"), None, 10).await.unwrap().letters;
        assert_eq!((letters.len(), letters[0].holds), (1, holds), "it holds its own key's, and no other");
        for waits in waiting.iter().filter(|_| holds > 0) {
            let message = docutap.message(waits).await;
            assert_eq!((&message["state"], &message["held_behind"]), (&"held".into(), &dead.as_str().into()));
        }
        let dead: Uuid = dead.parse().unwrap();
        world.store.discard(&[dead], BY.because("it names no visit")).await.unwrap();
        until("what waited to be processed", || async { world.count(processed).await == all - 1 }).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poisoned_patient_among_a_thousand_costs_the_others_nothing() {
    check_poisoned(1000, "hold").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_dead_are_skipped_a_poisoned_patient_costs_nobody_anything() {
    check_poisoned(100, "skip").await;
}
