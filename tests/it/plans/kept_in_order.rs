//! Order per key over a plan: the letters of a key go in the order of the ledger, what waits for them
//! is released in its turn, and what stays behind a dead letter is named and does not stop the plan.

use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::plan::{State, Verb};

use super::{
    LEASE, complete, counts, dead, die, free, good, is, made, order, plan, serve, started, step, stored,
};
use crate::support::World;

/// The order in which these were processed.
async fn effects(world: &World) -> Vec<Uuid> {
    sqlx::query_scalar("select by from witness order by seq").fetch_all(&world.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_one_key_keep_their_order_whatever_order_they_died_in() {
    World::run(async |mut world| {
        let letters: Vec<_> = (0..45).map(|n| good(n % 3).of("skipping")).collect();
        let ids = stored(&world, &letters).await;
        let all_die = async || {
            while world.count("select count(*) from progress where state <> 'dead'").await > 0 {
                die(&world, &ids).await;
            }
        };
        all_die().await;
        // the first die last
        assert_eq!(world.store.replay(&ids[..15], crate::support::BY).await.unwrap().len(), 15);
        all_die().await;
        let id = started(&world, "skipping", &free()).await;
        world.worker(&[]).await;
        serve(&mut world, &[]).await;
        crate::support::until("the plan to end", || async { plan(&world, id).await.ended_at.is_some() })
            .await;
        is(&world, id, State::Finished).await;
        assert_eq!(counts(&world, id).await, [45, 0, 0, 0, 0, 0]);
        let processed: Vec<Uuid> = sqlx::query_scalar(
            "select id from attempt where outcome = 'processed' order by ended_at, started_at",
        )
        .fetch_all(&world.db)
        .await
        .unwrap();
        assert_eq!(processed.len(), 45);
        for key in 0..3 {
            let of_key = |list: &[Uuid]| -> Vec<Uuid> {
                let place = |id: &Uuid| ids.iter().position(|one| one == id).unwrap();
                list.iter().filter(|id| place(id) % 3 == key).copied().collect()
            };
            assert_eq!(of_key(&processed), of_key(&ids), "key {key}");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_behind_a_letter_goes_on_after_it() {
    World::run(async |mut world| {
        let first = dead(&world, &[good(1)]).await;
        let later = stored(&world, &[good(1), good(1)]).await;
        assert_eq!(world.store.claim(&later, "w", LEASE).await.unwrap().held.len(), 2);
        let (plan, preview) = made(&world, "tis", &free()).await;
        assert_eq!((preview.waits, preview.releases), (2, 2));
        order(&world, plan.id, Verb::Start).await;
        world.worker(&[]).await;
        serve(&mut world, &[]).await;
        crate::support::until("the plan to end", || async {
            super::plan(&world, plan.id).await.ended_at.is_some()
        })
        .await;
        let processed = "select count(*) from progress where state = 'processed'";
        crate::support::until("all to be processed", || async { world.count(processed).await == 3 }).await;
        let report = world.store.plan_report(plan.id).await.unwrap();
        assert_eq!((report.recovered, report.waits, report.released), (1, 2, 2));
        // an equal signature is written once; the one that stands is that of the first of them
        assert_eq!(effects(&world).await.first(), Some(&first[0]));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_behind_one_that_stays_dead_is_held_and_the_plan_ends() {
    World::run(async |world| {
        // filed by the broker while the first held its key: two dead letters of one key
        let first = dead(&world, &[good(1)]).await;
        let second = stored(&world, &[good(1)]).await;
        let failure = Failure::new(ErrorClass::Poison, "a test");
        assert!(world.store.file(second[0], &failure, false).await.unwrap());
        let id = started(&world, "tis", &free()).await;
        assert_eq!(step(&world, id).await, 2);
        assert_eq!(die(&world, &first).await, 1);
        assert_eq!(complete(&world, &second).await, 0, "it is held");
        step(&world, id).await;
        is(&world, id, State::Finished).await;
        assert_eq!(counts(&world, id).await, [0, 1, 1, 0, 0, 0]);
        let behind: String = sqlx::query_scalar("select why from plan_item where state = 'held'")
            .fetch_one(&world.db)
            .await
            .unwrap();
        assert_eq!(behind, format!("behind {}", first[0]));
        // a person decides on the first, and the second goes on
        world.store.replay(&first, crate::support::BY).await.unwrap();
        assert_eq!(complete(&world, &first).await, 1);
        assert_eq!(complete(&world, &second).await, 1);
        assert_eq!(world.store.plan_report(id).await.unwrap().held_final, 1);
        world
    })
    .await;
}
