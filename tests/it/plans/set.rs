//! Which dead letters a plan replays: those that were seen, each once, and no others.

use std::time::Duration;

use waybill_core::plan::{State, Verb};
use waybill_store::dead::Filter;
use waybill_store::plan::{Made, Moved, Wanted};
use waybill_store::{Config, Store, StoreError, audit};

use super::{
    ACTIVE, BY, LEASE, complete, counts, dead, die, free, good, is, made, of, order, plan, started, step,
    stored,
};
use crate::support::world::database;
use crate::support::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_was_seen_is_replayed() {
    World::run(async |world| {
        let seen = dead(&world, &[good(1), good(2), good(3)]).await;
        let others = dead(&world, &[good(4).of("skipping")]).await;
        let (plan, preview) = made(&world, "tis", &free()).await;
        assert_eq!((plan.state, plan.items.all, preview.items), (State::Made, 3, 3));
        assert_eq!(step(&world, plan.id).await, 0, "not before it is started");
        let later = dead(&world, &[good(5)]).await;
        order(&world, plan.id, Verb::Start).await;
        assert_eq!(step(&world, plan.id).await, 3);
        for (ids, state) in [(&seen, "accepted"), (&others, "dead"), (&later, "dead")] {
            for id in ids {
                assert_eq!(world.store.message(*id, None).await.unwrap().unwrap().state, state);
            }
        }
        assert_eq!(complete(&world, &seen).await, 3);
        step(&world, plan.id).await;
        is(&world, plan.id, State::Finished).await;
        assert_eq!(counts(&world, plan.id).await, [3, 0, 0, 0, 0, 0]);
        let told = world.store.message(seen[0], None).await.unwrap().unwrap().timeline;
        let by_plan = format!("replayed by plan {}", plan.id);
        assert!(told.iter().any(|event| event.what == by_plan), "{told:?}");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_the_letter_that_was_seen_is_skipped_with_the_reason() {
    World::run(async |world| {
        let ids = dead(&world, &[good(1), good(2), good(3), good(4), good(5)]).await;
        let id = started(&world, "tis", &free()).await;
        // one was processed meanwhile, one discarded, one replayed, one died again: not this death
        world.store.replay(&ids[..3], crate::support::BY).await.unwrap();
        assert_eq!(complete(&world, &ids[..1]).await, 1);
        assert_eq!(die(&world, &ids[1..2]).await, 1);
        world.store.discard(&ids[3..4], crate::support::BY.because("a test")).await.unwrap();
        assert_eq!(step(&world, id).await, 1);
        assert_eq!(complete(&world, &ids[4..]).await, 1);
        step(&world, id).await;
        is(&world, id, State::Finished).await;
        let report = world.store.plan_report(id).await.unwrap();
        assert_eq!(report.recovered, 1);
        let mut why: Vec<_> = report.skipped.iter().map(|c| (c.why.as_str(), c.items)).collect();
        why.sort_unstable();
        let expected =
            [("died again since", 1), ("discarded", 1), ("processed already", 1), ("replayed already", 1)];
        assert_eq!(why, expected);
        assert_eq!(complete(&world, &ids[2..3]).await, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_happen_and_makes_nothing() {
    World::run(async |world| {
        // two keys; a message waits behind the first, and one behind the second and another source's
        let letters = dead(&world, &[good(1), good(2)]).await;
        let foreign = dead(&world, &[good(3).of("docutap")]).await;
        let behind = stored(&world, &[good(1)]).await;
        let mut both = crate::support::by_hand::message("tis", &[2, 3]);
        both.body = good(2).body.into();
        let stuck = both.id;
        world.store.accept(&[both]).await.unwrap();
        let held = world.store.claim(&[behind[0], stuck], "w", LEASE).await.unwrap().held;
        assert_eq!(held.len(), 2);

        let filter = of("tis");
        let policy = free();
        let wanted =
            Wanted { filter: &filter, asked: "tis", policy: &policy, by: BY, items_max: 1000, once: None };
        let Made::Plan(_, seen) = world.store.preview_plan(wanted).await.unwrap() else { panic!("nothing") };
        assert_eq!((seen.items, seen.keys, seen.waits, seen.releases), (2, 2, 2, 1));
        assert!(seen.fullest_keys.is_empty(), "each key has one");
        let part = &seen.parts[0];
        assert_eq!((part.source.as_str(), part.reason.as_str(), part.items), ("tis", "validation", 2));
        assert_eq!(part.example, "a test");
        assert!(world.store.plans(false, 10).await.unwrap().is_empty());
        assert_eq!(world.count("select count(*) from plan_item").await, 0);
        assert_eq!(world.count("select count(*) from audit where action <> 'create source'").await, 0);

        let id = started(&world, "tis", &policy).await;
        step(&world, id).await;
        assert_eq!(complete(&world, &letters).await, 2);
        assert_eq!(complete(&world, &[stuck]).await, 0, "held again, by its other key");
        step(&world, id).await;
        let report = world.store.plan_report(id).await.unwrap();
        assert_eq!((report.waits, report.released), (2, 1), "as was said");
        assert_eq!(complete(&world, &behind).await, 1);
        world.store.replay(&foreign, crate::support::BY).await.unwrap();
        assert_eq!(complete(&world, &foreign).await, 1);
        assert_eq!(complete(&world, &[stuck]).await, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_or_none_make_no_plan() {
    World::run(async |world| {
        dead(&world, &[good(1), good(2)]).await;
        let (none, two, policy) = (of("archive"), of("tis"), free());
        let wanted =
            |filter, items_max| Wanted { filter, asked: "", policy: &policy, by: BY, items_max, once: None };
        assert!(matches!(world.store.make_plan(wanted(&none, 9)).await.unwrap(), Made::Nothing));
        assert!(matches!(world.store.make_plan(wanted(&two, 1)).await.unwrap(), Made::TooMany));
        assert!(matches!(world.store.make_plan(wanted(&two, 2)).await.unwrap(), Made::Plan(..)));
        let everything = Filter::default();
        assert!(matches!(world.store.make_plan(wanted(&everything, 2)).await.unwrap(), Made::Plan(..)));
        assert_eq!(world.count("select count(*) from plan").await, 2);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_with_the_same_letters_replay_each_once() {
    World::run(async |world| {
        let letters: Vec<_> = (0..250).map(good).collect();
        let ids = dead(&world, &letters).await;
        let (one, other) = (started(&world, "tis", &free()).await, started(&world, "tis", &free()).await);
        // two plans, and two replicas at each
        let done =
            tokio::join!(step(&world, one), step(&world, other), step(&world, one), step(&world, other));
        let mut rest = 0;
        for id in [one, other] {
            rest += step(&world, id).await;
        }
        assert_eq!(done.0 + done.1 + done.2 + done.3 + rest, 250, "each once");
        assert_eq!(world.count("select count(*) from decision").await, 250);
        for some in ids.chunks(50) {
            assert_eq!(complete(&world, some).await, some.len());
        }
        for id in [one, other] {
            step(&world, id).await;
            is(&world, id, State::Finished).await;
        }
        let (one, other) = (plan(&world, one).await.items, plan(&world, other).await.items);
        assert_eq!(one.recovered + other.recovered, 250);
        assert_eq!(one.skipped + other.skipped, 250);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_click_does_nothing_and_is_not_in_the_trail() {
    World::run(async |world| {
        let ids = dead(&world, &[good(1)]).await;
        let (plan, _) = made(&world, "tis", &free()).await;
        let start = || world.store.move_plan(plan.id, Verb::Start, BY, ACTIVE);
        let (one, two) = tokio::join!(start(), start());
        let took = [one.unwrap(), two.unwrap()].iter().filter(|m| matches!(m, Moved::Done(_))).count();
        assert_eq!(took, 1);
        assert!(matches!(start().await.unwrap(), Moved::Not(_)));
        let unknown = world.store.move_plan(plan.id + 1, Verb::Start, BY, ACTIVE).await.unwrap();
        assert!(matches!(unknown, Moved::Unknown));
        step(&world, plan.id).await;
        assert_eq!(step(&world, plan.id).await, 0);
        assert_eq!(complete(&world, &ids).await, 1);
        step(&world, plan.id).await;
        assert!(matches!(start().await.unwrap(), Moved::Not(_)), "finished is final");
        let trail: Vec<(String, String)> =
            sqlx::query_as("select action, actor from audit where action <> 'create source' order by id")
                .fetch_all(&world.db)
                .await
                .unwrap();
        let trail: Vec<_> = trail.iter().map(|(action, actor)| (action.as_str(), actor.as_str())).collect();
        assert_eq!(trail, [("plan make", "a test"), ("plan start", "a test"), ("plan finish", "a test")]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_asked_for_twice_under_one_name_is_made_once() {
    World::run(async |world| {
        dead(&world, &[good(1), good(2), good(3).of("skipping")]).await;
        let (tis, skipping) = (of("tis"), of("skipping"));
        let policy = free();
        let wanted =
            |filter, asked, once| Wanted { filter, asked, policy: &policy, by: BY, items_max: 1000, once };
        // as two clicks do: at once
        let both = (0..8).map(|_| world.store.make_plan(wanted(&tis, "tis", Some("form 7"))));
        let made = futures_util::future::join_all(both).await;
        let (mut new, mut before) = (Vec::new(), Vec::new());
        for made in made {
            match made.unwrap() {
                Made::Plan(plan, _) => new.push(plan.id),
                Made::Before(plan) => before.push((plan.id, plan.items.all)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new.len(), before), (1, vec![(new[0], 2); 7]));
        assert_eq!(world.count("select count(*) from plan").await, 1);
        assert_eq!(world.count("select count(*) from audit where action = 'plan make'").await, 1);
        let another = world.store.make_plan(wanted(&skipping, "skipping", Some("form 7"))).await.unwrap();
        assert!(matches!(another, Made::Another(plan) if plan.id == new[0]));
        // what makes no plan leaves the name to whoever asks next
        let none = of("nobody");
        let nothing = world.store.make_plan(wanted(&none, "nobody", Some("form 8"))).await.unwrap();
        assert!(matches!(nothing, Made::Nothing));
        let Made::Plan(other, seen) =
            world.store.make_plan(wanted(&tis, "tis", Some("form 8"))).await.unwrap()
        else {
            panic!("no plan")
        };
        let also: Vec<_> = seen.also_in.iter().map(|also| (also.plan, also.items)).collect();
        assert_eq!(also, [(new[0], 2)], "the same letters are in the first one");
        assert_ne!(other.id, new[0]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_a_plan_waits_for_those_that_act_before_it() {
    World::run(async |world| {
        dead(&world, &[good(1), good(2)]).await;
        let limits = Config { lock_timeout_ms: 200, ..database(&world.services, &world.name) };
        let store = Store::new(&limits, "a test").unwrap();
        let other = made(&world, "tis", &free()).await.0.id;
        // somebody else's act is on the trail, and its commit takes long
        let mut acting = world.db.begin().await.unwrap();
        let act = audit::By::cli("somebody").on_messages("an act", &[], &serde_json::Value::Null);
        audit::write(&mut acting, act).await.unwrap();
        let started = store.move_plan(other, Verb::Start, BY, ACTIVE).await;
        assert!(matches!(started, Err(StoreError::Contended(_))), "an order has 200 ms: {started:?}");
        let (filter, policy) = (of("tis"), free());
        let wanted =
            Wanted { filter: &filter, asked: "tis", policy: &policy, by: BY, items_max: 9, once: None };
        let committed = async {
            let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                 and database = (select oid from pg_database where datname = current_database())";
            until("the plan to be made but for the trail", async || world.count(waiting).await == 1).await;
            tokio::time::sleep(Duration::from_millis(600)).await;
            acting.commit().await.unwrap();
        };
        let (made, ()) = tokio::join!(store.make_plan(wanted), committed);
        assert!(matches!(made.unwrap(), Made::Plan(plan, _) if plan.items.all == 2));
        store.close().await;
        world
    })
    .await;
}
