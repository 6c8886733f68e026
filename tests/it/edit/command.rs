//! `waybill dead edit` and `undo`, as an operator and the sender see them.

use serde_json::{Value, json};

use crate::support::partner::{acknowledged, arrival, id, signature};
use crate::support::programs::{Program, run};
use crate::support::{Partner, World, until};

/// A file with this text, for the length of a test.
struct File(std::path::PathBuf);

impl File {
    fn with(world: &World, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{}", world.name, uuid::Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What an edit needs to have effects: an `ingest-api`, its relay and a worker; the partner.
async fn running(world: &mut World, source: &str) -> Partner {
    let url = world.ingest(&[]).await;
    world.worker(&[]).await;
    world.partner(source, &url)
}

/// Posts a good form of this member, under the key 2; its id.
async fn sign(tis: &Partner, member: &str) -> String {
    let form = signature(member, "2026-02-01T12:00:00Z", "GG10");
    id(tis.insist(|| tis.json("2", form.clone())).await).await
}

/// Runs `waybill` with `arguments`, which must end with `code`; what it printed and said.
fn waybill(world: &World, arguments: &[&str], code: i32) -> String {
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "kim".to_owned()));
    let output = run("waybill", arguments, &settings);
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

/// What an operator is shown of the edit that made `new` of `dead`: its lines for a reason alone.
fn both_links_and_the_difference_are_shown(world: &World, dead: &str, new: &str) {
    assert!(waybill(world, &["message", "show", dead], 0).contains(new));
    assert!(waybill(world, &["message", "show", new], 0).contains(dead));
    let masked = waybill(world, &["message", "show", new, "--as", "difference"], 0);
    assert!(masked.contains("kim") && masked.contains("/conditionsOfJoining/version changed"), "{masked}");
    assert!(!masked.contains("GG1"), "{masked}");
    let reveal = ["message", "show", dead, "--as", "difference", "--reveal", "ticket 7"];
    let shown = waybill(world, &reveal, 0);
    assert!(shown.contains("-{") && shown.contains("+{") && shown.contains("GG11"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_edits_and_the_sender_is_told() {
    World::run(async |mut world| {
        let tis = &running(&mut world, "tis").await;
        let sent = signature("secret-member", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("1", sent.clone())).await).await;
        tis.until(&dead, "dead").await;
        let held = sign(tis, "secret-member").await;
        tis.until(&held, "held").await;

        let good = File::with(&world, &sent.replace("GG11", "GG10"));
        let edit = |file: &File, code, more: &[&str]| {
            let arguments =
                [&["dead", "edit", &dead, "--file", file.path(), "--reason", "a typo"], more].concat();
            let said = waybill(&world, &arguments, code);
            assert!(!said.contains("secret-member") && !said.contains("GG1"), "no value is shown: {said}");
            said
        };
        assert!(edit(&good, 0, &["--dry-run"]).contains("/conditionsOfJoining/version changed"));
        assert_eq!(tis.state(&dead).await, "dead", "nothing was changed");
        for (text, why) in [
            (sent.clone(), "the body as it was"),
            ("{\"secret-member\": ".to_owned(), "ends too early at line 1"),
            ("[".repeat(200), "nested deeper"),
        ] {
            assert!(edit(&File::with(&world, &text), 1, &[]).contains(why), "{why}");
        }
        let other = File::with(&world, &sent.replace("secret-member", "another"));
        assert!(edit(&other, 1, &[]).contains("--out-of-order"));
        assert_eq!(tis.state(&dead).await, "dead", "nothing was changed");

        let said: Value = serde_json::from_str(&edit(&good, 0, &["--json"])).unwrap();
        assert_eq!(
            (&said["replaces"], &said["changed"]),
            (&json!(dead), &json!(["/conditionsOfJoining/version changed"]))
        );
        let new = said["id"].as_str().unwrap();
        tis.until(new, "processed").await;
        tis.until(&held, "processed").await;
        assert!(edit(&good, 3, &[]).contains("it is discarded"), "a double click does nothing");

        // the sender asks by id and by key; a repeat is a repeat of the original
        let message = tis.message(&dead).await;
        assert_eq!((&message["state"], &message["replaced_by"]), (&json!("discarded"), &json!(new)));
        let path = "/v1/messages?idempotency_key=1";
        let by_key: Value =
            tis.request(reqwest::Method::GET, path).send().await.unwrap().json().await.unwrap();
        assert_eq!((&by_key["id"], &by_key["replaced_by"]), (&json!(dead), &json!(new)));
        let repeat = tis.insist(|| tis.json("1", sent.clone())).await;
        assert_eq!((repeat.status().as_u16(), id(repeat).await), (200, dead.clone()));
        let message = tis.message(new).await;
        assert_eq!((&message["replaces"], &message["idempotency_key"]), (&json!(dead), &Value::Null));

        both_links_and_the_difference_are_shown(&world, &dead, new);
        waybill(&world, &["message", "show", &held, "--as", "difference"], 3);
        let looked = "select count(*) from audit where action = 'view difference' and actor = 'kim'";
        assert_eq!(world.count(looked).await, 1);
        assert_eq!(waybill(&world, &["reconcile", "--json"], 0).matches("\"replacements\": 1").count(), 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hl7_body_is_judged_as_ingest_judges_it() {
    World::run(async |mut world| {
        let docutap = &running(&mut world, "docutap").await;
        let sent = arrival("C1", "SECRET", "");
        let dead = acknowledged(&docutap.insist(|| docutap.hl7(sent.clone())).await);
        docutap.until(&dead, "dead").await;
        for (from, to, why) in [
            ("2.5.1", "9.9", "AR "),
            ("|P|", "|X|", "AR "),
            ("ADT^A04", "ACK", "acknowledgement"),
            ("\rEVN", "\rMSH|^~\\&|A\rEVN", "a second MSH"),
        ] {
            let file = File::with(&world, &sent.replace(from, to));
            let edit = ["dead", "edit", &dead, "--file", file.path(), "--reason", "x"];
            let said = waybill(&world, &edit, 1);
            assert!(said.contains(why) && !said.contains("SECRET"), "{why}: {said}");
        }
        assert_eq!(docutap.state(&dead).await, "dead");
        let file = File::with(&world, &arrival("C1", "SECRET", "V9"));
        let said =
            waybill(&world, &["dead", "edit", &dead, "--file", file.path(), "--reason", "no visit"], 0);
        assert!(said.contains("PV1-19 changed") && said.contains("it is due"), "{said}");
        until("the corrected visit", || async {
            world.count("select count(*) from visit where visit_id = 'V9'").await == 1
        })
        .await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_killed_has_changed_nothing_and_is_made_again() {
    World::run(async |mut world| {
        let tis = &running(&mut world, "tis").await;
        let sent = signature("m", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("1", sent.clone())).await).await;
        tis.until(&dead, "dead").await;
        let good = File::with(&world, &sent.replace("GG11", "GG10"));
        let arguments =
            ["dead", "edit", &dead, "--file", good.path(), "--reason", "a typo", "--actor", "kim"];
        let mut gate = world.db.begin().await.unwrap();
        sqlx::query("select pg_advisory_xact_lock(key) from ordering").execute(&mut *gate).await.unwrap();
        let mut settings = world.settings();
        settings.push(("WAYBILL_DATABASE__LOCK_TIMEOUT_MS".to_owned(), "60000".to_owned()));
        let program = Program::start("waybill", &arguments, &settings);
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
             and database = (select oid from pg_database where datname = current_database())";
        until("the edit to wait for the key", || async { world.count(waiting).await == 1 }).await;
        program.signal("KILL");
        program.exit().await;
        gate.rollback().await.unwrap();
        until("its transaction to end", || async {
            world
                .count(
                    "select count(*) from pg_locks where locktype = 'advisory'
                 and database = (select oid from pg_database where datname = current_database())",
                )
                .await
                == 0
        })
        .await;
        assert_eq!(tis.state(&dead).await, "dead");
        assert_eq!(world.count("select count(*) from receipt").await, 1);
        waybill(&world, &arguments, 0);
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from witness").await, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_undoes_a_discard() {
    World::run(async |mut world| {
        let tis = &running(&mut world, "tis").await;
        let sent = signature("m", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("1", sent.clone())).await).await;
        tis.until(&dead, "dead").await;
        let discard = ["dead", "discard", &dead, "--reason", "by mistake"];
        assert!(waybill(&world, &discard, 0).contains("waybill dead undo"));
        assert!(waybill(&world, &["dead", "undo", &dead, "--reason", "a mistake"], 0).contains("1 undone"));
        assert_eq!(tis.state(&dead).await, "dead");
        assert!(waybill(&world, &["dead", "undo", &dead], 3).contains("it is dead"), "a double click");
        waybill(&world, &discard, 0);
        let later = sign(tis, "m").await;
        tis.until(&later, "processed").await;
        let refused = waybill(&world, &["dead", "undo", &dead], 1);
        assert!(refused.contains(&later) && refused.contains("--out-of-order"), "{refused}");
        let said = waybill(&world, &["dead", "undo", &dead, "--out-of-order", "--json"], 0);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said, json!({"undone": [dead], "refused": [], "unknown": []}));
        world
    })
    .await;
}
