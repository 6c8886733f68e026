//! Finding messages by what is in their bodies, without a value standing in an index or a log.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;
use waybill_core::find::Entry;
use waybill_store::find_index::{Lease, Page};

use crate::support::by_hand::message;
use crate::support::partner::{acknowledged, arrival, hl7, id, signature};
use crate::support::programs::{command, run};
use crate::support::{World, until};

/// Runs `waybill message find --json`: its exit code, what it printed, what it said.
fn find(world: &World, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["message", "find", "--json"], arguments].concat();
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "kim".to_owned()));
    let output = run("waybill", &arguments, &settings);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

fn ids(found: &Value) -> Vec<&str> {
    found["messages"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

/// Finds exactly these messages, the newest first.
fn check(world: &World, arguments: &[&str], expected: &[&str]) {
    let (code, found, said) = find(world, arguments);
    let ended = if expected.is_empty() { 3 } else { 0 };
    assert_eq!(code, Some(ended), "{arguments:?}: {found} {said}");
    assert_eq!(ids(&found), expected, "{arguments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_by_every_value_and_filter() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let (docutap, tis) = (&partners["docutap"], &partners["tis"]);
        let first = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-1", "MRN-7", "V-1"))).await);
        let second = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-2", "MRN-8", "V-2"))).await);
        let merge = hl7("ADT^A40", "C-3", "MRN-7", "").replace("PV1", "MRG|MRN-8^^^EAST^MR\rPV1");
        let merge = acknowledged(&docutap.insist(|| docutap.hl7(merge.clone())).await);
        let signed =
            id(tis.insist(|| tis.json("k-1", signature("member-1", "2026-01-31T12:00:00Z", "GG9"))).await)
                .await;
        let dead =
            id(tis.insist(|| tis.json("k-2", signature("member-2", "2026-01-31T12:00:00Z", "GG11"))).await)
                .await;
        world.until_settled().await;
        world.until_indexed().await;

        check(&world, &["--id", &first], &[&first]);
        check(&world, &["--control-id", "C-2"], &[&second]);
        check(&world, &["--patient", "MRN-7"], &[&merge, &first]);
        check(&world, &["--patient", " MRN-8\n"], &[&merge, &second]);
        check(&world, &["--patient", "MRN-7", "--authority", "EAST"], &[&merge, &first]);
        check(&world, &["--patient", "MRN-7", "--authority", "WEST"], &[]);
        check(&world, &["--patient", "MRN-7", "--visit", "V-1"], &[&first]);
        check(&world, &["--patient", "MRN-7", "--visit", "V-2"], &[]);
        check(&world, &["--visit", "V-2"], &[&second]);
        check(&world, &["--key", "member-1"], &[&signed]);
        check(&world, &["--idempotency-key", "k-2"], &[&dead]);
        check(&world, &["--idempotency-key", "APP|EAST|C-1"], &[&first]);
        check(&world, &["--idempotency-key", "k-2", "--key", "member-1"], &[]);
        check(&world, &["--state", "dead"], &[&dead]);
        check(&world, &["--source", "tis"], &[&dead, &signed]);
        check(&world, &["--kind", "visit", "--state", "processed"], &[&merge, &second, &first]);
        check(&world, &["--from", "2020-01-01", "--to", "2020-01-02"], &[]);
        check(
            &world,
            &["--patient", "MRN-7", "--from", "2020-01-01", "--source", "docutap"],
            &[&merge, &first],
        );
        check(&world, &["--patient", "MRN-7", "--source", "tis"], &[]);

        let (_, page, _) = find(&world, &["--patient", "MRN-7", "--limit", "1"]);
        assert_eq!((ids(&page), &page["next"]), (vec![merge.as_str()], &json!(merge)));
        let (_, page, _) = find(&world, &["--patient", "MRN-7", "--limit", "1", "--after", &merge]);
        assert_eq!((ids(&page), &page["next"]), (vec![first.as_str()], &Value::Null));
        assert_eq!(page["indexed"]["complete"], true);
        for wrong in
            [&["--patient", " "][..], &["--authority", "EAST"], &["--state", "lost"], &["--from", "soon"]]
        {
            assert_eq!(find(&world, wrong).0, Some(2), "{wrong:?}");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_stands_in_no_index_no_trail_and_no_log() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let docutap = world.partner("docutap", &url);
        let secret = "MRN-SECRET-4711";
        let sent = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-1", secret, "V-SECRET-1"))).await);
        world.worker(&[]).await;
        // the programs themselves, as loud as they can be
        let mut settings = world.settings();
        settings.push(("WAYBILL_PROCESS__LOG".into(), "trace".into()));
        settings.push(("USER".into(), "kim".into()));
        let log = std::env::temp_dir().join(format!("{}.log", world.name));
        let file = std::fs::File::create(&log).unwrap();
        let mut serve = command("waybill", &settings)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        world.until_settled().await;
        world.until_indexed().await;

        // from standard input, so that it stands in no list of processes
        let mut asked = command("waybill", &settings)
            .args(["message", "find", "--patient", "-", "--reason", "ticket 7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        asked.stdin.take().unwrap().write_all(format!("{secret}\n").as_bytes()).unwrap();
        let output = asked.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{shown}{}", String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains(&sent), "{shown}");
        serve.kill().unwrap();
        serve.wait().unwrap();

        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.contains("waybill serve") || !said.is_empty(), "something was logged");
        let mut places = vec![
            ("the log", said),
            ("the answer", shown),
            ("errors", String::from_utf8_lossy(&output.stderr).into_owned()),
        ];
        for table in
            ["find_index", "find_cursor", "audit", "receipt", "progress", "attempt", "ordering", "finding"]
        {
            let rows =
                sqlx::AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from {table} t"));
            places.push((table, sqlx::query_scalar(rows).fetch_one(&world.db).await.unwrap()));
        }
        for (place, text) in &places {
            assert!(!text.contains(secret) && !text.contains("V-SECRET-1"), "a value stands in {place}");
        }
        let act: Value = sqlx::query_scalar(
            "select to_jsonb(audit) - 'id' - 'at' from audit where action = 'find message'",
        )
        .fetch_one(&world.db)
        .await
        .unwrap();
        assert_eq!((&act["actor"], &act["reason"]), (&json!("kim"), &json!("ticket 7")));
        let digest = act["detail"]["by"][0]["digest"].as_str().unwrap();
        assert_eq!((&act["detail"]["by"][0]["what"], digest.len()), (&json!("patient"), 16));
        std::fs::remove_file(&log).unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_looked_for_without_a_trail_and_the_right_key() {
    World::run(async |world| {
        let mut settings = world.settings();
        settings.push(("USER".to_owned(), "kim".to_owned()));
        let by_patient = ["message", "find", "--patient", "MRN-1"];
        world.db.execute("alter table audit rename to gone").await.unwrap();
        let refused = run("waybill", &by_patient, &settings);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{said}");
        assert!(said.contains("nothing is looked for") && !said.contains("MRN-1"), "{said}");
        assert_eq!(
            run("waybill", &["message", "find", "--state", "dead"], &settings).status.code(),
            Some(3),
            "needs no trail"
        );
        world.db.execute("alter table gone rename to audit").await.unwrap();

        let without: Vec<_> =
            settings.iter().filter(|(name, _)| name != "WAYBILL_AUTH__PEPPER").cloned().collect();
        let refused = run("waybill", &by_patient, &without);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("auth.pepper"));

        // nothing is indexed: that is said, and is not the same as "there is none"
        world.store.accept(&[message("tis", &[])]).await.unwrap();
        let empty = run("waybill", &by_patient, &settings);
        let shown = String::from_utf8_lossy(&empty.stdout).into_owned();
        assert_eq!(empty.status.code(), Some(3));
        assert!(shown.contains("No message is indexed yet"), "{shown}");

        world.store.take_index(None, 42, std::time::Duration::from_secs(30)).await.unwrap().unwrap();
        let refused = run("waybill", &by_patient, &settings);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("another auth.pepper"));
        world
            .db
            .execute("delete from ordering; delete from progress; delete from body; delete from receipt")
            .await
            .unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_never_passes_a_message_that_commits_late() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        // a sequence number is taken, and not committed
        let mut late = world.db.begin().await.unwrap();
        let late_id = Uuid::now_v7();
        let body = signature("member-late", "2026-01-31T12:00:00Z", "GG9");
        sqlx::query(
            "with r as (insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type)
                        values ($1, 'tis', 'conditions-of-joining', now(), sha256($2), octet_length($2), 'application/json')
                        returning id, seq),
                  b as (insert into body values ($1, $2)),
                  o as (insert into ordering select 7, seq, id from r)
             insert into progress (id, source, kind, lane, due_at) values ($1, 'tis', 'conditions-of-joining', 'default', now())",
        )
        .bind(late_id)
        .bind(body.as_bytes())
        .execute(&mut *late)
        .await
        .unwrap();
        let after = tis.sign("k", "member-after", "2026-01-31T12:00:00Z").await;
        world.worker(&[]).await;
        world.serve(&[]).await;
        tis.until(&after, "processed").await;
        // several passes of the sweep go by
        let passes = || async {
            let settled = world.store.receipt_writers().await.unwrap();
            assert!(!settled.is_empty(), "the open transaction is seen");
            world.store.index_progress().await.unwrap()
        };
        until("the index to have been taken", || async { passes().await.key_check.is_some() }).await;
        let lag = world.store.index_lag_s().await.unwrap();
        until("the lag to grow", || async { world.store.index_lag_s().await.unwrap() > lag + 2.5 }).await;
        assert_eq!(passes().await.seq, 0, "the cursor stands before the gap");
        let (_, found, _) = find(&world, &["--key", "member-after"]);
        assert_eq!(found["indexed"]["complete"], false, "and the search says so");

        late.commit().await.unwrap();
        world.until_settled().await;
        world.until_indexed().await;
        check(&world, &["--key", "member-late"], &[&late_id.to_string()]);
        check(&world, &["--key", "member-after"], &[&after]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_writes_and_a_late_one_changes_nothing() {
    World::run(async |world| {
        let lease = |mine| world.store.take_index(mine, 42, std::time::Duration::from_secs(30));
        let mine: Lease = lease(None).await.unwrap().expect("nobody has it");
        assert_eq!(lease(None).await.unwrap(), None, "it is taken");
        assert_eq!(lease(Some(mine.token)).await.unwrap(), Some(mine), "it is kept");
        let other_key =
            world.store.take_index(Some(mine.token), 43, std::time::Duration::from_secs(30)).await.unwrap();
        assert_eq!(other_key, None, "another key takes nothing");
        world.db.execute("update find_cursor set lease_until = now() - interval '1 second'").await.unwrap();
        let next = lease(None).await.unwrap().expect("the lease is over");
        assert_ne!(next.token, mine.token);
        let page = || Page { messages: Vec::new(), through: 5 };
        let rows = [(Uuid::now_v7(), Entry { digest: 1, narrow: 0 })];
        assert!(!world.store.write_index(mine, &page(), &rows).await.unwrap(), "too late");
        assert_eq!(world.count("select count(*) from find_index").await, 0);
        assert!(world.store.write_index(next, &page(), &rows).await.unwrap());
        assert!(!world.store.write_index(next, &page(), &rows).await.unwrap(), "the cursor has moved");
        assert_eq!(world.count("select count(*) from find_index").await, 1);
        assert_eq!(world.store.forget_in_index(&[rows[0].0]).await.unwrap(), 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn index_rows_go_with_the_bodies() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let sent = partners["tis"].sign("k", "member-1", "2026-01-31T12:00:00Z").await;
        let kept = partners["tis"].sign("k2", "member-2", "2026-01-31T12:00:00Z").await;
        partners["tis"].until(&sent, "processed").await;
        partners["tis"].until(&kept, "processed").await;
        world.until_indexed().await;
        check(&world, &["--key", "member-1"], &[&sent]);
        // as retention does, later
        let boundary = "insert into retention values ('tis', id_at(now() + interval '1 hour'))
                        on conflict (source) do update set let_go_before = excluded.let_go_before";
        world.db.execute(boundary).await.unwrap();
        sqlx::query("delete from body where id = $1::uuid").bind(&sent).execute(&world.db).await.unwrap();
        until("the row to go", || async { world.count("select count(*) from find_index").await == 1 }).await;
        check(&world, &["--key", "member-1"], &[]);
        check(&world, &["--key", "member-2"], &[&kept]);
        world
    })
    .await;
}
