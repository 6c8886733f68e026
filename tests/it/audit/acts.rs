//! Which acts are on the trail, with what; and that none takes place without.

use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::conservation::{self, metric};
use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{Partner, World, until};

/// Runs `waybill` as `kim`.
fn waybill(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "nobody".to_owned()));
    settings.push(("WAYBILL_ACTOR".to_owned(), "kim".to_owned()));
    let output = run("waybill", arguments, &settings);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn list(world: &World, arguments: &[&str]) -> Vec<Value> {
    let (code, said) = waybill(world, &[&["audit", "list", "--json"], arguments].concat());
    let listed: Vec<Value> = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(code, Some(if listed.is_empty() { 3 } else { 0 }), "{arguments:?}");
    listed
}

/// Dead letters of `tis`, each of a key of its own.
pub(super) async fn dead<const N: usize>(world: &World, tis: &Partner) -> [String; N] {
    let mut ids = Vec::new();
    for n in 0..N {
        let body = signature(&format!("m{n}"), "2026-01-31T12:00:00Z", "no such version");
        let key = format!("k{n}");
        let id = id(tis.insist(|| tis.json(&key, body.clone())).await).await;
        tis.until(&id, "dead").await;
        ids.push(id);
    }
    assert!(world.count("select count(*) from dead_letter").await > 0);
    ids.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_on_the_trail_once_for_all_that_were_decided_together() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let [one, two, three] = dead(&world, &partners["tis"]).await;
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(waybill(&world, &["dead", "replay", &one, &two, unknown, "--why", "fixed"]).0, Some(0));
        let acts = list(&world, &["--action", "replay"]);
        assert_eq!((acts.len(), &acts[0]["actor"], &acts[0]["reason"]), (1, &json!("kim"), &json!("fixed")));
        let mut subjects: Vec<&str> =
            acts[0]["subjects"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        subjects.sort_unstable();
        let mut replayed = [one.as_str(), two.as_str()];
        replayed.sort_unstable();
        assert_eq!(subjects, replayed, "what was no dead letter is not among them");

        let discard = ["dead", "discard", &three, "--reason", "sent again", "--actor", "sam"];
        assert_eq!(waybill(&world, &discard).0, Some(0));
        assert_eq!(waybill(&world, &discard).0, Some(3), "nothing left to decide");
        let acts = list(&world, &["--message", &three]);
        assert_eq!(acts.len(), 1, "and nothing written");
        assert_eq!((&acts[0]["actor"], &acts[0]["action"]), (&json!("sam"), &json!("discard")));

        assert_eq!(list(&world, &["--actor", "sam"]).len(), 1);
        assert_eq!((&acts[0]["via"], &acts[0]["address"]), (&json!("cli"), &Value::Null));
        assert_eq!(list(&world, &["--via", "cli", "--actor", "sam"]).len(), 1);
        assert_eq!(list(&world, &["--via", "console"]).len(), 0);
        assert_eq!(waybill(&world, &["audit", "list", "--via", "post"]).0, Some(2));
        assert_eq!(list(&world, &["--actor", "nobody at all"]).len(), 0);
        assert_eq!(list(&world, &["--source", "tis"])[0]["action"], "create source");
        assert_eq!(list(&world, &["--until", "2020-01-01T00:00:00Z"]).len(), 0);
        let all = list(&world, &["--since", "2020-01-01T00:00:00Z"]);
        let newest = list(&world, &["--limit", "2"]);
        let before = newest[1]["position"].to_string();
        let rest = list(&world, &["--before", &before]);
        assert_eq!([newest, rest].concat(), all, "pages make up the whole");
        let table = waybill(&world, &["audit", "list"]).1;
        assert!(table.contains("sent again") && table.contains(&three), "{table}");
        until("the replayed to be dead again", || async {
            world.count("select count(*) from dead_letter").await == 2
        })
        .await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_that_cannot_be_written_down() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let [letter] = dead(&world, &partners["tis"]).await;
        let folder = std::env::temp_dir().join(&world.name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("sources.toml");
        let sources = crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [2]");
        std::fs::write(&file, sources).unwrap();
        let file = file.to_str().unwrap();
        let key = folder.join("key");
        std::fs::write(&key, format!("wb_abc_{}", "7".repeat(40))).unwrap();
        let key = key.to_str().unwrap();
        let state = "select md5((select string_agg(s::text, ',' order by name) from source s)
            || (select string_agg(k::text, ',' order by id) from source_key k)
            || (select string_agg(p.state, ',' order by id) from progress p))";
        let look = async || -> String { sqlx::query_scalar(state).fetch_one(&world.db).await.unwrap() };
        let before = look().await;
        let live: String = sqlx::query_scalar("select id from source_key where source = 'tis'")
            .fetch_one(&world.db)
            .await
            .unwrap();

        world.db.execute("alter table audit rename to gone").await.unwrap();
        let acts: [&[&str]; 9] = [
            &["dead", "replay", &letter],
            &["dead", "discard", &letter, "--reason", "x"],
            &["apply", "-f", file],
            &["source", "rotate-key", "tis"],
            &["source", "revoke-key", "tis", &live],
            &["source", "import-key", "tis", key],
            &["source", "pause", "tis"],
            &["source", "silence", "tis", "--for", "1h"],
            &["message", "show", &letter, "--as", "raw", "--reveal", "x"],
        ];
        for act in acts {
            let (code, said) = waybill(&world, act);
            assert_eq!(code, Some(1), "{act:?}: {said}");
            assert!(!said.contains("wb_"), "{act:?} shows a key that is none: {said}");
        }
        assert_eq!(look().await, before, "nothing has changed");
        world.db.execute("alter table gone rename to audit").await.unwrap();
        for act in acts.iter().filter(|act| act[1] != "discard") {
            let (code, said) = waybill(&world, act);
            assert_eq!(code, Some(0), "{act:?}: {said}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_ne!(look().await, before);
        assert_eq!(waybill(&world, &["source", "resume", "tis"]).0, Some(0));
        until("it to be dead again", || async { world.count("select count(*) from dead_letter").await == 1 })
            .await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_repair_mends_is_on_the_trail() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        world.until_settled().await;
        // held, says the row, but nothing stands before it
        let plant = "update progress set state = 'held', finished_at = null where id = $1::uuid";
        sqlx::query(plant).bind(&id).execute(&world.db).await.unwrap();
        world.db.execute("alter table audit rename to gone").await.unwrap();
        assert_eq!(waybill(&world, &["reconcile", "--repair"]).0, Some(1));
        let held = "select count(*) from progress where state = 'held'";
        assert_eq!(world.count(held).await, 1, "not mended");
        world.db.execute("alter table gone rename to audit").await.unwrap();
        let (code, said) = waybill(&world, &["reconcile", "--repair"]);
        assert_eq!(code, Some(0), "{said}");
        let acts = list(&world, &["--action", "repair"]);
        assert_eq!(acts[0]["subjects"], json!([id]));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_told_outside() {
    World::run(async |world| {
        // a process of its own: metrics are one process's
        let (_program, serve) = conservation::serve(&world, &[]).await;
        let head = world.store.audit_head().await.unwrap();
        until("the metric to say it", || async {
            metric(&world.http, &serve, "waybill_audit_position").await == Some(head.position)
        })
        .await;
        world
    })
    .await;
}
