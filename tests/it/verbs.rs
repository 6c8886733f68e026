//! The lifecycle in SQL: each verb moves exactly the states that the transition table allows.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use waybill_core::lifecycle::{State, Verb};
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::recovery::{Disposition, poison};
use waybill_store::record::Settled;

use crate::support::partner::signature;
use crate::support::{BY, World};

/// The columns that make a row of each state a possible one.
fn shape(state: State) -> &'static str {
    match state {
        State::Accepted => "due_at = now(), lease = 1, lease_until = now() + interval '1 minute'",
        State::Published => "due_at = null, published_at = now()",
        State::Held => "due_at = null",
        State::Processing => {
            "due_at = null, attempts = 1, claimed_by = 'w', claimed_at = now(), claimed_until = now() - interval '1 s'"
        }
        State::Retrying => {
            "due_at = now(), attempts = 1, lease = 1, lease_until = now() + interval '1 minute'"
        }
        State::Processed | State::Discarded => "due_at = null, finished_at = now()",
        State::Dead => "due_at = null, finished_at = now(), error_class = 'parse', error_reason = 'x'",
    }
}

/// A message, put into `state` by hand.
async fn message_in(world: &World, state: State) -> Uuid {
    let id = Uuid::now_v7();
    let insert = format!(
        "with r as (insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type)
                    values ('{id}', 'tis', 'conditions-of-joining', now(), sha256(''), 0, 'application/json')),
              b as (insert into body values ('{id}', ''))
         insert into progress (id, source, kind, lane, due_at) values ('{id}', 'tis', 'conditions-of-joining', 'default', now())"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&world.db).await.unwrap();
    let update =
        format!("update progress set state = '{}', {} where id = '{id}'", state.as_str(), shape(state));
    sqlx::query(AssertSqlSafe(update)).execute(&world.db).await.unwrap();
    id
}

fn settled(id: Uuid, disposition: Disposition, abandoned: bool) -> Vec<Settled> {
    vec![Settled {
        id,
        source: "tis".into(),
        attempt: 1,
        started_at: chrono::DateTime::UNIX_EPOCH,
        worker: "w".into(),
        abandoned,
        skip_dead: false,
        disposition,
    }]
}

/// Tries `verb` on the message.
async fn try_verb(world: &World, verb: Verb, id: Uuid) {
    let store = &world.store;
    let failure = || Failure::new(ErrorClass::Internal, "why");
    let wait = Duration::from_mins(1);
    match verb {
        Verb::Hold => {
            // an earlier message of its key, unfinished
            let before = message_in(world, State::Published).await;
            for (seq, id) in [(1_i64, before), (2, id)] {
                sqlx::query("insert into ordering (key, seq, id) values (42, $1, $2)")
                    .bind(seq)
                    .bind(id)
                    .execute(&world.db)
                    .await
                    .unwrap();
            }
            store.claim(&[id], "w", wait).await.unwrap();
            sqlx::raw_sql("delete from ordering").execute(&world.db).await.unwrap();
            sqlx::query("delete from body where id = $1").bind(before).execute(&world.db).await.unwrap();
            sqlx::query("delete from progress where id = $1").bind(before).execute(&world.db).await.unwrap();
            sqlx::query("delete from receipt where id = $1").bind(before).execute(&world.db).await.unwrap();
        }
        Verb::Release => {
            store.release_forgotten(Uuid::nil(), 10).await.unwrap();
        }
        Verb::Confirm => {
            store.confirm(1, &[id]).await.unwrap();
        }
        Verb::Claim => {
            store.claim(&[id], "w", wait).await.unwrap();
        }
        Verb::Complete => {
            store.record(&settled(id, Disposition::Complete(vec![].into()), false)).await.unwrap();
        }
        Verb::Retry => {
            store.record(&settled(id, Disposition::Retry(wait, failure()), false)).await.unwrap();
        }
        Verb::DeadLetter => {
            store.record(&settled(id, Disposition::DeadLetter(failure()), false)).await.unwrap();
        }
        Verb::File => {
            store.file(id, &failure(), false).await.unwrap();
        }
        Verb::Abandon => {
            let found = store.abandoned(10).await.unwrap().into_iter().any(|a| a.id == id);
            if found {
                store.record(&settled(id, Disposition::Retry(wait, poison(1)), true)).await.unwrap();
            }
        }
        Verb::Republish => {
            store.republish(id).await.unwrap();
        }
        Verb::Replay => {
            store.replay(&[id], BY).await.unwrap();
        }
        Verb::Discard => {
            store.discard(&[id], BY.because("a test")).await.unwrap();
        }
        Verb::Edit => {
            crate::edit::by_hand(world, id, b"{}", &[]).await.unwrap();
        }
        Verb::Undo => {
            undo(world, id, wait).await;
        }
    }
}

/// Tries to undo the discard of the message, as if a person had made it just now.
async fn undo(world: &World, id: Uuid, grace: Duration) {
    for as_if in [
        "insert into decision (id, verb, reason, dead_at, error_class, error_reason, places)
         select id, 'discard', 'x', now(), 'parse', 'x', 0 from progress where id = $1 and state = 'discarded'",
        "update progress set error_class = 'parse', error_reason = 'x' where id = $1 and state = 'discarded'",
    ] {
        sqlx::query(as_if).bind(id).execute(&world.db).await.unwrap();
    }
    let how = waybill_store::undo::How { grace, out_of_order: false, by: BY };
    world.store.undo(&[id], how).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_moves_the_states_of_the_table_and_no_other() {
    World::run(async |world| {
        for verb in Verb::ALL {
            for state in State::ALL {
                let id = message_in(&world, state).await;
                try_verb(&world, verb, id).await;
                let now: String = sqlx::query_scalar("select state from progress where id = $1")
                    .bind(id)
                    .fetch_one(&world.db)
                    .await
                    .unwrap();
                let now = State::find(&now).unwrap();
                if verb.from().contains(&state) {
                    assert!(verb.to().contains(&now), "{verb:?} from {state:?} led to {now:?}");
                } else {
                    assert_eq!(now, state, "{verb:?} must not leave {state:?}");
                }
                for table in [
                    "delete from attempt",
                    "delete from progress",
                    "delete from body",
                    "delete from receipt",
                    "delete from in_hand",
                    "delete from decision",
                    "delete from replacement",
                    "delete from difference",
                    "delete from dead_list",
                ] {
                    sqlx::raw_sql(table).execute(&world.db).await.unwrap();
                }
            }
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_refuses_impossible_rows() {
    World::run(async |world| {
        for state in State::ALL {
            let id = message_in(&world, state).await;
            for other in State::ALL.into_iter().filter(|other| *other != state) {
                let alone = format!("update progress set state = '{}' where id = '{id}'", other.as_str());
                let moved = sqlx::query(AssertSqlSafe(alone)).execute(&world.db).await;
                // final states have the same shape but for what explains them
                let alike = matches!(
                    (state, other),
                    (State::Accepted, State::Retrying)
                        | (State::Retrying, State::Accepted)
                        | (State::Processed, State::Discarded)
                        | (State::Discarded, State::Processed)
                        | (State::Dead, State::Processed | State::Discarded)
                        | (State::Published, State::Held)
                );
                assert_eq!(moved.is_ok(), alike, "{state:?} to {other:?} by its name alone");
                if alike {
                    let back = format!("update progress set state = '{}' where id = '{id}'", state.as_str());
                    sqlx::query(AssertSqlSafe(back)).execute(&world.db).await.unwrap();
                }
            }
        }
        for table in ["delete from progress", "delete from body", "delete from receipt"] {
            sqlx::raw_sql(table).execute(&world.db).await.unwrap();
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_wrong_state_is_unaccounted_for() {
    World::run(async |mut world| {
        // no `waybill serve`: its sweeps would mend what is planted before it is looked at
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &url);
        let mut ids = Vec::new();
        for n in 0..4 {
            let posted =
                tis.json(&format!("k{n}"), signature(&format!("m{n}"), "2026-01-31T12:00:00Z", "GG9"));
            ids.push(crate::support::partner::id(posted.send().await.unwrap()).await);
        }
        world.until_settled().await;
        let unaccounted =
            async || -> i64 { world.store.balance().await.unwrap().iter().map(|b| b.unaccounted).sum() };
        assert_eq!(unaccounted().await, 0);
        // "processed", says the row, but no attempt processed it
        for (plant, mend) in [
            (
                "with gone as (delete from attempt where id = $1::uuid) select",
                "insert into attempt (id, attempt, worker, started_at, ended_at, outcome)
                 values ($1::uuid, 1, 'w', now(), now(), 'processed')",
            ),
            // discarded, says the row, but nobody decided that
            (
                "update progress set state = 'discarded' where id = $1::uuid",
                "update progress set state = 'processed' where id = $1::uuid",
            ),
            // held, says the row, but nothing stands before it
            (
                "update progress set state = 'held', finished_at = null where id = $1::uuid",
                "update progress set state = 'processed', finished_at = now() where id = $1::uuid",
            ),
            (
                "with gone as (delete from body where id = $1::uuid) select",
                "insert into body values ($1::uuid, '')",
            ),
        ] {
            sqlx::query(plant).bind(&ids[0]).execute(&world.db).await.unwrap();
            assert_eq!(unaccounted().await, 1, "planted: {plant}");
            sqlx::query(mend).bind(&ids[0]).execute(&world.db).await.unwrap();
        }
        assert_eq!(unaccounted().await, 0);
        world
    })
    .await;
}
