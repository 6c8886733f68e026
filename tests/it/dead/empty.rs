//! Groups that have long been empty go; one that is met again is there again. And what is held is looked at
//! from the held side.

use waybill_core::outcome::ErrorClass;
use waybill_store::dead::Filter;
use waybill_store::health::Held;

use super::{LEASE, dead, die, groups};
use crate::support::by_hand::accepted;
use crate::support::{BY, World};

const GROUPS: &str = "select count(*) from dead_group";
const TALLY: &str = "select count(*) from dead_tally";
const START: i64 = i64::MIN;

/// Makes it so that every group that is empty has been so for 400 days.
async fn age(world: &World) {
    let old = "update dead_group set empty_since = now() - interval '400 days' where empty_since is not null";
    sqlx::query(old).execute(&world.db).await.unwrap();
}

/// One pass over all groups, `limit` at a time; how many went.
async fn pass(world: &World, limit: u32) -> u64 {
    let (mut gone, mut after) = (0, START);
    loop {
        let (went, next) = world.store.let_groups_go(after, limit).await.unwrap();
        gone += went;
        after = next;
        if after == START {
            return gone;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_when_it_has_been_empty_for_long_and_not_before() {
    World::run(async |world| {
        let gone = dead(&world, "tis", 1, ErrorClass::Parse, "not JSON").await;
        let again = dead(&world, "tis", 2, ErrorClass::Internal, "it broke").await;
        dead(&world, "tis", 3, ErrorClass::Timeout, "took 20 s").await;
        world.store.discard(&[gone, again], BY.because("a test")).await.unwrap();
        for limit in [1, 2, 100] {
            assert_eq!(pass(&world, limit).await, 0, "empty, and not for long");
        }
        age(&world).await;
        // somebody of the second one's cause dies again, and leaves again, between two passes
        let other = dead(&world, "tis", 4, ErrorClass::Internal, "it broke").await;
        assert_eq!(pass(&world, 1).await, 1, "one group has been empty for long");
        world.store.discard(&[other], BY.because("a test")).await.unwrap();
        assert_eq!(pass(&world, 1).await, 0, "the second one counts from anew");
        assert_eq!(world.count(GROUPS).await, 2);
        assert_eq!(groups(&world, &Filter::default()).await.len(), 1);
        age(&world).await;
        assert_eq!(pass(&world, 100).await, 1);
        assert_eq!((world.count(GROUPS).await, world.count(TALLY).await), (1, 1), "and its counts with it");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_went_is_there_again_when_it_is_met() {
    World::run(async |world| {
        let first = dead(&world, "tis", 1, ErrorClass::Parse, "not JSON: line 1").await;
        world.store.discard(&[first], BY.because("a test")).await.unwrap();
        pass(&world, 100).await;
        age(&world).await;
        // a death under way has met the group: it does not go under it, nor is it waited for
        let id = accepted(&world, "tis", &[vec![2]]).await[0];
        let mut entering = world.db.begin().await.unwrap();
        let met = "insert into dead_group (fingerprint, source, kind, error_class, pattern)
                   select fingerprint, source, kind, error_class, pattern from dead_group
                   on conflict do nothing";
        sqlx::query(met).execute(&mut *entering).await.unwrap();
        let refused = world.store.let_groups_go(START, 100).await.unwrap_err();
        assert!(matches!(refused, waybill_store::StoreError::Contended(_)), "{refused:?}");
        entering.rollback().await.unwrap();
        assert_eq!(pass(&world, 100).await, 1);
        assert_eq!(world.count(GROUPS).await, 0);
        die(&world, id, ErrorClass::Parse, "not JSON: line 2").await;
        let groups = groups(&world, &Filter::default()).await;
        assert_eq!((groups.len(), groups[0].count, groups[0].example), (1, 1, id));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_counted_with_the_letters_that_hold_it() {
    World::run(async |world| {
        let check = async |messages, letters, what: &str| {
            let held = world.store.held_behind_dead().await.unwrap();
            assert_eq!(held, Held { messages, letters }, "{what}");
        };
        check(0, 0, "nothing").await;
        dead(&world, "tis", 1, ErrorClass::Parse, "not JSON").await;
        dead(&world, "tis", 2, ErrorClass::Parse, "not JSON").await;
        dead(&world, "skipping", 3, ErrorClass::Parse, "not JSON").await;
        check(0, 0, "dead, and nobody waits").await;
        let waiting = accepted(&world, "tis", &[vec![1], vec![1], vec![1, 2]]).await;
        assert_eq!(world.store.claim(&waiting, "w", LEASE).await.unwrap().held, waiting);
        check(3, 2, "one of them waits behind both").await;
        world
    })
    .await;
}
