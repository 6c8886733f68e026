//! The corrected message has the original's place, and whatever it was that waited goes on waiting.

use serde_json::{Value, json};
use uuid::Uuid;
use waybill_store::edit::Edited;

use super::{corrected, edit, state};
use crate::decisions::{behind, complete, die, is_held, of_one_key};
use crate::support::by_hand::accepted;
use crate::support::{BY, World};

async fn told(world: &World, id: Uuid) -> Vec<String> {
    let message = world.store.message(id, None).await.unwrap().unwrap();
    message.timeline.into_iter().map(|event| event.what).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_message_has_the_place_of_the_original_which_keeps_its_bytes() {
    World::run(async |world| {
        let [dead, next] = of_one_key(&world, "tis").await;
        die(&world, dead).await;
        is_held(&world, next).await;
        let (new, released) = corrected(&world, dead, &[7]).await;
        assert!(released.is_empty(), "what waited waits for the corrected one");
        assert_eq!(behind(&world, next).await, Some(new));
        assert_eq!(state(&world, dead).await, "discarded");
        assert_eq!(world.count("select count(*) from dead_list").await, 0);
        assert_eq!(complete(&world, new).await, [next]);
        complete(&world, next).await;

        let original = world.store.message(dead, None).await.unwrap().unwrap();
        assert_eq!((original.replaced_by, original.replaces, original.bytes), (Some(new), None, 0));
        assert_eq!(world.store.body(dead).await.unwrap().unwrap().body.unwrap(), b"");
        let corrected = world.store.message(new, None).await.unwrap().unwrap();
        assert_eq!((corrected.replaced_by, corrected.replaces, corrected.bytes), (None, Some(dead), 2));
        assert_eq!(corrected.idempotency_key, None, "the sender's key stays with the original");
        assert!(told(&world, dead).await.contains(&format!("replaced by {new}: a wrong version")));
        assert!(told(&world, new).await.contains(&format!("made to replace {dead}: a wrong version")));
        let kept = world.store.difference(dead).await.unwrap().unwrap();
        assert_eq!((kept.id, kept.replaces, kept.actor.as_str()), (new, dead, "kim"));
        assert!(kept.difference.is_some());
        let trail: Vec<Value> = sqlx::query_scalar(
            "select jsonb_build_object('actor', actor, 'action', action, 'reason', reason,
                                       'subjects', subjects, 'source', source) from audit",
        )
        .fetch_all(&world.db)
        .await
        .unwrap();
        let act = json!({"actor": "kim", "action": "edit", "reason": "a wrong version",
                         "subjects": [dead, new], "source": "tis"});
        assert_eq!(trail, [act]);
        let balance = world.store.balance().await.unwrap();
        let tis = balance.iter().find(|balance| balance.source == "tis").unwrap();
        assert_eq!((tis.accepted, tis.replacements, tis.processed, tis.discarded), (3, 1, 2, 1));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_are_joined_at_the_originals_place_and_only_when_that_is_wanted() {
    World::run(async |world| {
        let keys = [vec![1], vec![1, 2], vec![2]];
        let [dead, both, other] = accepted(&world, "tis", &keys).await.try_into().unwrap();
        die(&world, dead).await;
        is_held(&world, both).await;
        is_held(&world, other).await;
        assert_eq!(edit(&world, dead, b"{}", &[2], false).await.unwrap().1, Edited::OtherKeys);
        assert_eq!(state(&world, dead).await, "dead", "nothing was changed");
        assert_eq!(world.count("select count(*) from replacement").await, 0);

        let (new, released) = corrected(&world, dead, &[2]).await;
        assert_eq!(released, [both], "first of the key that was given up");
        // first of all its keys by its place, so that no two messages ever wait for each other
        is_held(&world, both).await;
        assert_eq!(behind(&world, both).await, Some(new));
        assert_eq!(complete(&world, new).await, [both]);
        assert_eq!(complete(&world, both).await, [other]);
        complete(&world, other).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_waits_for_what_is_in_hand_of_a_key_that_it_joins() {
    World::run(async |world| {
        let [dead, in_hand] = accepted(&world, "tis", &[vec![1], vec![2]]).await.try_into().unwrap();
        die(&world, dead).await;
        let lease = std::time::Duration::from_mins(1);
        let claim = world.store.claim(&[in_hand], "w", lease).await.unwrap();
        let (new, _) = corrected(&world, dead, &[1, 2]).await;
        is_held(&world, new).await;
        let done = crate::support::by_hand::done(&claim.claimed[0]);
        assert_eq!(world.store.record(&[done]).await.unwrap().released, [new]);
        complete(&world, new).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_of_what_was_skipped_finds_its_place_among_what_is_unfinished() {
    World::run(async |world| {
        let [dead, passed, later] = of_one_key(&world, "skipping").await;
        die(&world, dead).await;
        complete(&world, passed).await;
        let (_, edited) = edit(&world, dead, b"{}", &[7], false).await.unwrap();
        assert_eq!(edited, Edited::Done { released: vec![] }, "it had this key");
        let new = world.store.message(dead, None).await.unwrap().unwrap().replaced_by.unwrap();
        is_held(&world, later).await;
        assert_eq!(complete(&world, new).await, [later]);
        complete(&world, later).await;
        assert_eq!(world.count("select count(*) from skipped").await, 0);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_dies_is_a_dead_letter_like_any_other() {
    World::run(async |world| {
        let [dead, next] = of_one_key(&world, "tis").await;
        die(&world, dead).await;
        is_held(&world, next).await;
        let (second, _) = corrected(&world, dead, &[7]).await;
        die(&world, second).await;
        let (third, _) = corrected(&world, second, &[7]).await;
        assert_eq!(behind(&world, next).await, Some(third), "the first one's place");
        let middle = world.store.message(second, None).await.unwrap().unwrap();
        assert_eq!((middle.replaces, middle.replaced_by), (Some(dead), Some(third)));
        die(&world, third).await;
        assert_eq!(world.store.replay(&[third], BY).await.unwrap(), [third]);
        assert_eq!(complete(&world, third).await, [next]);
        complete(&world, next).await;
        // its keys are read again from its body: at the place it had, not at its own receipt's
        let places: Vec<i64> = sqlx::query_scalar(
            "select x.seq - r.seq from replacement x join receipt r on r.id = $1 order by 1",
        )
        .bind(dead)
        .fetch_all(&world.db)
        .await
        .unwrap();
        assert_eq!(places, [0, 0]);
        world
    })
    .await;
}
