//! The audit trail: whole whoever writes, provable whoever tampers, and written with every act or the act
//! does not take place.

mod acts;
mod commands;
mod exports;
mod hostile;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;
use waybill_core::audit::{Break, Head, Kind};
use waybill_store::audit::{Act, Via};

use crate::support::World;
use crate::support::programs::run;

/// Writes six acts, no two alike in form.
async fn six_acts(world: &World) {
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let details = [json!({}), json!({"a": 1.50, "é": [null, true]}), json!({"n": 1e30})];
    let subjects = [vec![], vec![id], vec![id, other]];
    for n in 0..6 {
        let act = Act {
            actor: ["kim", "sàm \"x\"", "a\u{1b}b"][n % 3],
            via: [
                Via::Cli,
                Via::Serve,
                Via::Console { address: "192.0.2.1", session: Some("0a1b2c3d4e5f") },
                Via::Console { address: "", session: None },
            ][n % 4],
            action: "view body",
            reason: "ticket",
            subjects: &subjects[n % 3],
            source: [None, Some("tis"), Some("")][n % 3],
            detail: &details[n % 3],
        };
        world.store.audit(act).await.unwrap();
    }
}

/// What `waybill audit verify` says: its exit code and JSON.
fn verify(world: &World, arguments: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["audit", "verify", "--json"], arguments].concat();
    let output = run("waybill", &arguments, &world.settings());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

async fn break_at(world: &World, expected: Option<Head>) -> Option<Break> {
    world.store.prove_audit(expected).await.unwrap().broken
}

/// Runs `statements` as a superuser who switches the triggers off; what is noticed; and all as before.
async fn tampered(world: &World, statements: &str, expected: Option<Head>) -> Option<Break> {
    let tamper = format!(
        "create table saved as select * from audit;
         alter table audit disable trigger user;
         {statements};
         alter table audit enable always trigger audit_is_append_only;
         alter table audit enable always trigger audit_chain"
    );
    sqlx::raw_sql(AssertSqlSafe(tamper)).execute(&world.db).await.unwrap();
    let found = break_at(world, expected).await;
    let restore = "alter table audit disable trigger user;
         truncate audit;
         insert into audit overriding system value select * from saved;
         create unique index if not exists audit_position on audit (position);
         alter table audit alter column position set not null;
         drop table saved;
         alter table audit enable always trigger audit_is_append_only;
         alter table audit enable always trigger audit_chain";
    sqlx::raw_sql(restore).execute(&world.db).await.unwrap();
    assert_eq!(break_at(world, expected).await, None, "as before");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_who_edits_the_trail_is_caught() {
    World::run(async |world| {
        // each source of the harness is on the trail already
        world.db.execute("alter table audit disable trigger user").await.unwrap();
        world.db.execute("truncate audit restart identity").await.unwrap();
        world.db.execute("alter table audit enable always trigger audit_chain").await.unwrap();
        world.db.execute("alter table audit enable always trigger audit_is_append_only").await.unwrap();
        six_acts(&world).await;
        let head = world.store.audit_head().await.unwrap();
        assert_eq!(head.position, 6);
        let forged = "insert into audit (position, previous, hash, actor, action, reason)";
        let at_the_end =
            format!("{forged} select 7, hash, sha256('x'), 'x', 'x', 'x' from audit where position = 1");
        let beside = format!(
            "drop index audit_position;
             {forged} select 4, previous, hash, 'x', 'x', 'x' from audit where position = 4"
        );
        let nowhere = format!(
            "alter table audit alter column position drop not null;
             {forged} select null, previous, hash, 'x', 'x', 'x' from audit where position = 4"
        );
        let cases: [(&str, i64, Kind); 16] = [
            ("update audit set reason = 'another' where position = 3", 3, Kind::Changed),
            ("update audit set at = at + interval '1 microsecond' where position = 2", 2, Kind::Changed),
            ("update audit set source = null where position = 3", 3, Kind::Changed),
            ("update audit set detail = '{\"a\": 2}' where position = 1", 1, Kind::Changed),
            ("update audit set subjects = '{}' where position = 6", 6, Kind::Changed),
            ("update audit set via = 'cli' where position = 2", 2, Kind::Changed),
            ("update audit set via = null where position = 1", 1, Kind::Changed),
            ("update audit set session = null where position = 3", 3, Kind::Changed),
            ("update audit set version = 1, via = null where position = 1", 1, Kind::Changed),
            // with a hash that fits its new content: the next one tells
            (
                "update audit set actor = 'sam' where position = 3;
                 update audit set hash = audit_hash(audit) where position = 3",
                3,
                Kind::Changed,
            ),
            ("delete from audit where position = 3", 3, Kind::Removed),
            ("delete from audit where position in (1, 2)", 1, Kind::Removed),
            (
                "delete from audit where position = 3; drop index audit_position;
                 update audit set position = position - 1 where position > 3",
                3,
                Kind::Removed,
            ),
            (&at_the_end, 7, Kind::Inserted),
            (&beside, 4, Kind::Inserted),
            (&nowhere, 0, Kind::Inserted),
        ];
        for (statements, position, kind) in cases {
            let found = tampered(&world, statements, None).await;
            assert_eq!(found, Some(Break { position, kind }), "{statements}");
        }
        let cut = "delete from audit where position > 4";
        assert_eq!(tampered(&world, cut, None).await, None, "the chain alone cannot tell");
        let told = tampered(&world, cut, Some(head)).await;
        assert_eq!(told, Some(Break { position: 5, kind: Kind::Removed }), "a head kept elsewhere can");
        // everything written anew, every hash computed: the same
        let anew = "update audit set actor = 'sam' where position = 6;
                    update audit set hash = audit_hash(audit) where position = 6";
        assert_eq!(tampered(&world, anew, None).await, None);
        let told = tampered(&world, anew, Some(head)).await;
        assert_eq!(told, Some(Break { position: 6, kind: Kind::Changed }));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_the_head_or_the_first_bad_act() {
    World::run(async |world| {
        six_acts(&world).await;
        let (code, said) = verify(&world, &[]);
        assert_eq!((code, &said["ok"]), (Some(0), &json!(true)));
        let head = said["head"].as_str().unwrap().to_owned();
        assert_eq!(head.parse::<Head>().unwrap(), world.store.audit_head().await.unwrap());
        six_acts(&world).await;
        assert_eq!(verify(&world, &["--expect", &head]).0, Some(0), "an older head is passed on the way");
        let other = format!("{}:{}", said["position"], "0".repeat(64));
        assert_eq!(verify(&world, &["--expect", &other]).0, Some(1));
        assert_eq!(
            run("waybill", &["audit", "verify", "--expect", "7"], &world.settings()).status.code(),
            Some(2)
        );

        let tamper = "alter table audit disable trigger audit_is_append_only;
                      delete from audit where position = 2";
        sqlx::raw_sql(tamper).execute(&world.db).await.unwrap();
        let (code, said) = verify(&world, &[]);
        assert_eq!((code, &said["ok"], &said["position"]), (Some(1), &json!(false), &json!(1)));
        assert_eq!(said["broken"], json!({"position": 2, "kind": "removed"}));
        let output = run("waybill", &["audit", "verify"], &world.settings());
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains("At position 2"));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_and_rollbacks_leave_no_hole() {
    World::run(async |world| {
        let before = world.store.audit_head().await.unwrap().position;
        let insert = "insert into audit (actor, action, reason) values ('kim', 'view body', 'ticket')";
        let writers = (0..40).map(|n| {
            let db = world.db.clone();
            async move {
                let mut connection = db.acquire().await.unwrap();
                let end = if n % 2 == 0 { "commit" } else { "rollback" };
                for statement in ["begin", insert, end] {
                    connection.execute(statement).await.unwrap();
                }
            }
        });
        futures_util::future::join_all(writers).await;
        // several in one statement
        let two = "insert into audit (actor, action, reason) values ('kim', 'a', 'b'), ('sam', 'c', 'd')";
        world.db.execute(two).await.unwrap();
        let proof = world.store.prove_audit(None).await.unwrap();
        assert_eq!((proof.head.position, proof.broken), (before + 22, None));
        assert!(world.count("select max(id) from audit").await > proof.head.position, "ids have gaps");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_needs_no_right_but_to_insert() {
    World::run(async |world| {
        let role = &world.name;
        let mut connection = world.db.acquire().await.unwrap();
        let statements = [
            format!("create role {role}"),
            format!("grant insert on audit to {role}"),
            format!("set role {role}"),
            // an own table of that name, which must not be taken for the trail
            "create temporary table audit (position bigint, hash bytea)".to_owned(),
            "insert into public.audit (actor, action, reason, at, position)
             values ('kim', 'view body', 'ticket', '2001-01-01', 1)"
                .to_owned(),
        ];
        for statement in statements {
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        assert!(connection.execute("select from public.audit").await.is_err(), "it may not even look");
        for statement in [
            "reset role".to_owned(),
            "drop table pg_temp.audit".to_owned(),
            format!("revoke all on public.audit from {role}"),
            format!("drop role {role}"),
        ] {
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
        }
        drop(connection);
        assert_eq!(break_at(&world, None).await, None);
        let dated_back = "select count(*) from audit where at < now() - interval '1 day'";
        assert_eq!(world.count(dated_back).await, 0, "nobody dates a row back");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_the_chain_is_chained() {
    World::run(async |world| {
        let old = format!("{}_old", world.name);
        world.db.execute(AssertSqlSafe(format!("create database {old}"))).await.unwrap();
        let options = (*world.db.connect_options()).clone().database(&old);
        let db = sqlx::PgPool::connect_with(options).await.unwrap();
        for text in [
            include_str!("../../crates/waybill-store/migrations/0001_ledger.sql"),
            include_str!("../../crates/waybill-store/migrations/0002_audit.sql"),
            "insert into audit (actor, action, reason) values ('kim', 'view body', 'a'), ('sam', 'view body', 'b')",
            include_str!("../../crates/waybill-store/migrations/0004_decisions.sql"),
            include_str!("../../crates/waybill-store/migrations/0007_audit_chain.sql"),
            "insert into audit (actor, action, reason, source) values ('kim', 'view body', 'c', 'tis')",
            include_str!("../../crates/waybill-store/migrations/0008_plans.sql"),
            include_str!("../../crates/waybill-store/migrations/0009_console.sql"),
            include_str!("../../crates/waybill-store/migrations/0013_ways_of_acts.sql"),
            // an older process does not say by which way
            "insert into audit (actor, action, reason) values ('kim', 'view body', 'd')",
            "insert into audit (actor, action, reason, via, address) values ('kim', 'log in', 'e', 'console', '::1')",
        ] {
            sqlx::raw_sql(text).execute(&db).await.unwrap();
        }
        assert!(db.execute("update audit set reason = 'x'").await.is_err(), "refused as ever");
        let versions: Vec<i16> =
            sqlx::query_scalar("select version from audit order by position").fetch_all(&db).await.unwrap();
        assert_eq!(versions, [1, 1, 1, 2, 2]);
        for odd in ["'cli', '::1', null", "null, '::1', null", "'cli', null, 'x'", "'post', null, null"] {
            let forged = "insert into audit (actor, action, reason, via, address, session) values ('x', 'y', 'z', ";
            let forged = db.execute(AssertSqlSafe(format!("{forged}{odd})"))).await;
            assert!(forged.is_err(), "{odd} is no way");
        }
        db.close().await;
        let config = crate::support::world::database(&world.services, &old);
        let store = waybill_store::Store::new(&config, "test").unwrap();
        let proof = store.prove_audit(None).await.unwrap();
        assert_eq!((proof.head.position, proof.broken), (5, None));
        store.close().await;
        world.db.execute(AssertSqlSafe(format!("drop database {old} with (force)"))).await.unwrap();
        world
    })
    .await;
}
