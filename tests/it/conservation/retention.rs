//! Retention: bodies go when their time is over, and only those.

use sqlx::AssertSqlSafe;
use waybill_core::kinds::NONE;

use super::reconcile;
use crate::support::World;

/// A source that keeps its bodies for a shorter time than the others do.
const SHORT: &str = "[[source]]\nname = \"short\"\nformat = \"opaque\"\nretention_days = 2\n";

/// A message that came `days` ago and is in `state`; its id.
async fn came(world: &World, source: &str, days: u32, state: &str) -> String {
    let shape = match state {
        "processed" => "'processed', null, now(), null, null",
        "dead" => "'dead', null, now(), 'parse', 'x'",
        _ => "'accepted', now(), null, null, null",
    };
    let insert = format!(
        "with new as (
             select (substr(id_at(now() - interval '{days} days')::text, 1, 14) || '7' ||
                     substr(gen_random_uuid()::text, 16))::uuid as id
         ), r as (
             insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type)
             select id, '{source}', '{NONE}', now() - interval '{days} days', sha256(''), 0, 'text/plain' from new
         ), b as (
             insert into body select id, 'x' from new
         ), a as (
             insert into attempt (id, attempt, worker, started_at, ended_at, outcome)
             select id, 1, 'w', now(), now(), 'ignored' from new where '{state}' = 'processed'
         ), p as (
             insert into progress (id, source, kind, lane, attempts, state, due_at, finished_at, error_class, error_reason)
             select id, '{source}', '{NONE}', 'default', 1, {shape} from new
         )
         select id::text from new"
    );
    let id = sqlx::query_scalar(AssertSqlSafe(insert)).fetch_one(&world.db).await.unwrap();
    // puts what is dead on the list of the dead, as the verbs do
    world.store.migrate().await.unwrap();
    id
}

async fn has_body(world: &World, id: &str) -> bool {
    sqlx::query_scalar("select exists (select from body where id = $1::uuid)")
        .bind(id)
        .fetch_one(&world.db)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_go_when_their_time_is_over_and_the_rest_stays() {
    World::run(async |mut world| {
        world.apply(&format!("{}{SHORT}", crate::support::world::SOURCES)).await;
        let old = came(&world, "short", 5, "processed").await;
        let young = came(&world, "short", 1, "processed").await;
        let dead = came(&world, "short", 5, "dead").await;
        let longer = came(&world, "archive", 5, "processed").await;
        assert_eq!(world.store.let_bodies_go(100).await.unwrap(), 1);
        assert!(!has_body(&world, &old).await);
        for id in [&young, &dead, &longer] {
            assert!(has_body(&world, id).await);
        }
        assert_eq!(world.store.let_bodies_go(100).await.unwrap(), 0, "once");
        assert_eq!(world.store.drop_oldest_day().await.unwrap(), None, "no day is over");
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(0), "let go is not lost: {said:#}");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_falls_as_a_whole_and_what_is_not_final_outlives_it() {
    World::run(async |mut world| {
        let done = came(&world, "archive", 40, "processed").await;
        let dead = came(&world, "archive", 40, "dead").await;
        let waits = came(&world, "archive", 40, "accepted").await;
        // the first table ends 35 days ago, as if this ledger had been upgraded then
        let earlier = "do $$ declare day regclass; begin
            alter table body detach partition body_first;
            for day in select inhrelid::regclass from pg_inherits
                       where inhparent = 'body'::regclass and inhrelid <> 'body_default'::regclass loop
                execute format('drop table %s', day);
            end loop;
            execute format('alter table body attach partition body_first for values from (minvalue) to (%L)',
                           id_at(now() - interval '35 days'));
        end $$";
        sqlx::raw_sql(earlier).execute(&world.db).await.unwrap();
        assert!(world.store.keep_days_ahead().await.unwrap() >= 3, "today and the next days");
        assert_eq!(world.store.keep_days_ahead().await.unwrap(), 0, "once");
        let young = came(&world, "archive", 0, "processed").await;
        let fallen = world.store.drop_oldest_day().await.unwrap().expect("it is over");
        assert_eq!((fallen.table.as_str(), fallen.moved), ("body_first", 2));
        assert!(!has_body(&world, &done).await);
        for id in [&dead, &waits, &young] {
            assert!(has_body(&world, id).await);
        }
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(0), "let go is not lost: {said:#}");
        // once it is final, its body goes too
        world.serve(&[]).await;
        world.worker(&[]).await;
        world.until_settled().await;
        crate::support::until("the net to be cleared", || async { !has_body(&world, &waits).await }).await;
        assert!(has_body(&world, &dead).await);
        world
    })
    .await;
}
