//! Of several who decide at once one does, and nothing has effects twice.

use std::time::Duration;

use uuid::Uuid;
use waybill_core::recovery::Disposition;
use waybill_store::edit::Edited;
use waybill_store::record::Settled;

use super::{by_hand, edit, state, undo};
use crate::decisions::{complete, die, of_one_key};
use crate::support::by_hand::{done, settled};
use crate::support::{BY, World};

const fn is_done(edited: &Edited) -> bool {
    matches!(edited, Edited::Done { .. })
}

async fn decisions(world: &World, id: Uuid) -> i64 {
    sqlx::query_scalar("select count(*) from decision where id = $1")
        .bind(id)
        .fetch_one(&world.db)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_edits_a_replay_and_a_discard_at_once_one_is_done() {
    World::run(async |world| {
        for round in 0..40 {
            // with a key, and without one: then the row alone is the arbiter
            let (source, keys) = if round % 2 == 0 { ("tis", &[7][..]) } else { ("archive", &[][..]) };
            let [dead] = if round % 2 == 0 {
                of_one_key(&world, source).await
            } else {
                crate::support::by_hand::accepted(&world, source, &[vec![]]).await.try_into().unwrap()
            };
            die(&world, dead).await;
            let (ids, store) = ([dead], &world.store);
            let (a, b, c, d) = tokio::join!(
                by_hand(&world, dead, b"1", keys),
                by_hand(&world, dead, b"2", keys),
                store.replay(&ids, BY),
                store.discard(&ids, BY.because("no"))
            );
            let (a, b) = (a.unwrap(), b.unwrap());
            let edits = usize::from(is_done(&a.1)) + usize::from(is_done(&b.1));
            let (replayed, discarded) = (c.unwrap().len(), d.unwrap().discarded.len());
            assert_eq!(edits + replayed + discarded, 1, "round {round}");
            assert_eq!(decisions(&world, dead).await, 1, "round {round}");
            let replaced_by = world.store.message(dead, None).await.unwrap().unwrap().replaced_by;
            assert_eq!(replaced_by.is_some(), edits == 1, "round {round}");
            if replayed == 1 {
                complete(&world, dead).await;
            }
            if let Some(new) = replaced_by {
                assert!(if is_done(&a.1) { new == a.0 } else { new == b.0 }, "round {round}");
                complete(&world, new).await;
                assert_eq!(state(&world, dead).await, "discarded");
            }
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_beside_an_edit_never_leaves_both() {
    World::run(async |world| {
        for round in 0..20 {
            let [dead] = of_one_key(&world, "tis").await;
            die(&world, dead).await;
            world.store.discard(&[dead], BY.because("no")).await.unwrap();
            let ids = [dead];
            let (edited, undone) =
                tokio::join!(by_hand(&world, dead, b"{}", &[7]), undo(&world, &ids, false));
            assert_eq!(undone.undone, [dead], "nothing forbids it, round {round}");
            let (new, edited) = edited.unwrap();
            // either it came after the undo, or it found no dead letter
            assert_eq!(state(&world, dead).await, if is_done(&edited) { "discarded" } else { "dead" });
            if is_done(&edited) {
                complete(&world, new).await;
                let again = undo(&world, &ids, true).await;
                assert!(again.undone.is_empty(), "its place is taken, round {round}");
            } else {
                world.store.discard(&[dead], BY.because("no")).await.unwrap();
            }
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_late_changes_nothing_about_an_edit() {
    World::run(async |world| {
        let [id] = of_one_key(&world, "tis").await;
        let late =
            world.store.claim(&[id], "late", Duration::from_millis(1)).await.unwrap().claimed.remove(0);
        // the sweep takes the claim back, for good; the worker is still at it
        let failure = waybill_core::recovery::poison(1);
        let given_up = settled("tis", id, late.attempt, Disposition::DeadLetter(failure));
        assert_eq!(by_hand(&world, id, b"{}", &[7]).await.unwrap().1, Edited::NotDead, "it is in hand");
        let given_up = Settled { abandoned: true, ..given_up };
        world.store.record(&[given_up]).await.unwrap();
        let both = [done(&late)];
        let (edited, recorded) = tokio::join!(by_hand(&world, id, b"{}", &[7]), world.store.record(&both));
        assert_eq!(recorded.unwrap().late, [id]);
        let (new, edited) = edited.unwrap();
        assert!(is_done(&edited));
        complete(&world, new).await;
        assert_eq!(world.count("select count(*) from witness").await, 1, "the corrected one's effect alone");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_had_effects_is_not_edited_whatever_its_row_says() {
    World::run(async |world| {
        let [id] = of_one_key(&world, "tis").await;
        complete(&world, id).await;
        let wrong =
            "update progress set state = 'dead', error_class = 'parse', error_reason = 'x' where id = $1";
        sqlx::query(wrong).bind(id).execute(&world.db).await.unwrap();
        assert_eq!(edit(&world, id, b"{}", &[7], true).await.unwrap().1, Edited::NotDead);
        sqlx::query("update progress set state = 'processed' where id = $1")
            .bind(id)
            .execute(&world.db)
            .await
            .unwrap();
        world
    })
    .await;
}
