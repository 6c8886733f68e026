//! The list of the dead and its counts are in step with the ledger, whoever moves a message. The
//! harness asserts it at the end of every test; these make it come out of step.

use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_store::dead::Filter;

use super::{dead, die, groups};
use crate::conservation::{metric, problems_of, reconcile, serve};
use crate::support::by_hand::accepted;
use crate::support::{BY, World, until};

const LISTED: &str = "select count(*) from dead_list";
const UNLIST_ALL: &str = "delete from dead_list";

async fn plant(world: &World, statement: &'static str, id: Uuid) {
    sqlx::query(statement).bind(id).execute(&world.db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_into_and_out_of_dead_keeps_the_list() {
    World::run(async |world| {
        for source in ["tis", "skipping", "archive"] {
            let one = dead(&world, source, 1, ErrorClass::Validation, "/version is missing").await;
            let filed = accepted(&world, source, &[vec![2]]).await[0];
            let failure = Failure::new(ErrorClass::Poison, "a test");
            assert!(world.store.file(filed, &failure, source == "skipping").await.unwrap());
            assert_eq!(world.count(LISTED).await, 2, "{source}");
            assert_eq!(world.store.replay(&[one, filed], BY).await.unwrap().len(), 2);
            assert_eq!(world.count(LISTED).await, 0, "{source}");
            // again, of something else: no trace of the first death
            die(&world, one, ErrorClass::Internal, "it broke").await;
            die(&world, filed, ErrorClass::Internal, "it broke").await;
            let groups = groups(&world, &Filter::default()).await;
            assert_eq!((groups.len(), groups[0].count), (1, 2), "{source}");
            assert_eq!(
                world.store.discard(&[one, filed], BY.because("a test")).await.unwrap().discarded.len(),
                2
            );
            assert_eq!(world.count(LISTED).await, 0, "{source}");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_enters_what_was_dead_before_there_was_a_list() {
    World::run(async |world| {
        for key in 0..5 {
            dead(&world, "tis", key, ErrorClass::Validation, "/version is missing").await;
        }
        sqlx::raw_sql(UNLIST_ALL).execute(&world.db).await.unwrap();
        assert!(groups(&world, &Filter::default()).await.is_empty());
        world.store.migrate().await.unwrap();
        assert_eq!(groups(&world, &Filter::default()).await[0].count, 5);
        assert_eq!(world.store.list_the_dead().await.unwrap(), 0, "once");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_out_of_step_is_named_and_mended() {
    World::run(async |world| {
        let missing = dead(&world, "tis", 1, ErrorClass::Validation, "/version is missing").await;
        let stale = dead(&world, "tis", 2, ErrorClass::Validation, "/version is missing").await;
        let left_over = dead(&world, "tis", 3, ErrorClass::Validation, "/version is missing").await;
        let sound = dead(&world, "tis", 4, ErrorClass::Validation, "/version is missing").await;
        world.store.discard(&[left_over], BY.because("a test")).await.unwrap();
        plant(&world, "delete from dead_list where id = $1", missing).await;
        plant(&world, "update dead_list set dead_at = 'epoch' where id = $1", stale).await;
        plant(&world, "insert into dead_list select $1::uuid, now(), fingerprint from dead_group", left_over)
            .await;
        let wrong = [
            (missing, "dead-list-missing"),
            (stale, "dead-list-missing"),
            (left_over, "dead-list-left-over"),
        ];
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(1), "{said:#}");
        for (id, problem) in wrong {
            assert_eq!(problems_of(&said, &id.to_string()), [problem], "{said:#}");
        }
        assert!(problems_of(&said, &sound.to_string()).is_empty(), "{said:#}");
        let page = world.store.dead_page(&Filter::default(), None, 10).await.unwrap();
        assert!(page.letters.iter().all(|letter| letter.id != left_over), "what is not dead is not shown");
        let (_program, admin) = serve(&world, &[]).await;
        until("the list to be mended", || async { reconcile(&world, &[]).await.0 == Some(0) }).await;
        let series =
            "waybill_dead_letters{source=\"tis\",kind=\"conditions-of-joining\",reason=\"validation\"}";
        until("the metric to be right", || async { metric(&world.http, &admin, series).await == Some(3) })
            .await;
        world.store.replay(&[sound], BY).await.unwrap();
        until("the metric to follow", || async { metric(&world.http, &admin, series).await == Some(2) })
            .await;
        die(&world, sound, ErrorClass::Timeout, "it took 20 s").await;
        assert_eq!(groups(&world, &Filter::default()).await.len(), 2);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_added_up_and_stay_the_same() {
    World::run(async |world| {
        let mut ids = Vec::new();
        for key in 0..20 {
            ids.push(dead(&world, "tis", key, ErrorClass::Validation, "/version is missing").await);
        }
        world.store.discard(&ids[..3], BY.because("a test")).await.unwrap();
        let rows = "select count(*) from dead_tally";
        assert_eq!(world.count(rows).await, 21, "a row for each transaction");
        let store = &world.store;
        let (a, b) = tokio::join!(store.add_up_the_dead(1000), store.add_up_the_dead(1000));
        let (became_fewer, left) = (a.unwrap() + b.unwrap(), world.count(rows).await);
        assert_eq!(i64::try_from(became_fewer).unwrap() + left, 21);
        assert!(left <= 17, "{left} rows");
        assert_eq!(world.store.dead_counts().await.unwrap()[0].3, 17);
        assert_eq!(groups(&world, &Filter::default()).await[0].count, 17);
        world.store.discard(&ids[3..], BY.because("a test")).await.unwrap();
        assert!(groups(&world, &Filter::default()).await.is_empty(), "a group without letters is none");
        world
    })
    .await;
}

/// Many die at once of the same new things, in transactions of their own: none waits in a circle.
#[tokio::test(flavor = "multi_thread")]
async fn deaths_at_once_do_not_stand_in_each_others_way() {
    World::run(async |world| {
        for round in 0..10 {
            let keys: Vec<Vec<i64>> = (0..8).map(|key| vec![key]).collect();
            let ids = accepted(&world, "tis", &keys).await;
            let claim = world.store.claim(&ids, "w", super::LEASE).await.unwrap();
            let settle = |half: &[waybill_store::claim::Claimed], turned: bool| {
                let mut settled: Vec<_> = half
                    .iter()
                    .enumerate()
                    .map(|(n, claimed)| {
                        let n = if turned { 3 - n } else { n };
                        let words = ["one", "two", "three", "four"][n];
                        let why = Failure::new(
                            ErrorClass::Validation,
                            format!("{} {words}", "x".repeat(round + 1)),
                        );
                        let dead = waybill_core::recovery::Disposition::DeadLetter(why);
                        crate::support::by_hand::settled("tis", claimed.id, claimed.attempt, dead)
                    })
                    .collect();
                if turned {
                    settled.reverse();
                }
                settled
            };
            let (a, b) = (settle(&claim.claimed[..4], false), settle(&claim.claimed[4..], true));
            let (a, b) = tokio::join!(world.store.record(&a), world.store.record(&b));
            assert_eq!(a.unwrap().recorded.len() + b.unwrap().recorded.len(), 8, "round {round}");
            assert_eq!(world.store.discard(&ids, BY.because("a test")).await.unwrap().discarded.len(), 8);
        }
        world
    })
    .await;
}
