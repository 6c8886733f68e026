//! Sources as an operator runs them: paused and resumed, silenced, shown; keys imported and revoked.

use serde_json::{Value, json};

use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{World, until};

/// Runs `waybill source …` as `kim`: exit code, JSON, and all that was said.
fn source(world: &World, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let arguments = [&["source"], arguments, &["--json", "--actor", "kim"]].concat();
    let output = run("waybill", &arguments, &world.settings());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), json, said)
}

/// The acts on `source`, the newest first.
async fn acts(world: &World, source: &str) -> Vec<(String, Value)> {
    let filter = waybill_store::audit_trail::Filter { source: Some(source.to_owned()), ..Default::default() };
    let acts = world.store.acts(&filter, 100).await.unwrap();
    acts.into_iter().map(|act| (act.action, act.detail)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disabled_source_sent_is_overdue_as_ever() {
    World::run(async |mut world| {
        let late =
            crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [1]\ndeadline_s = 1");
        world.apply(&late).await;
        let url = world.ingest(&[]).await;
        world.partner("tis", &url).sign("k", "m", "2026-01-31T12:00:00Z").await;
        sqlx::query("update source set enabled = false where name = 'tis'").execute(&world.db).await.unwrap();
        until("it to be overdue", || async {
            let figures = world.store.source_figures().await.unwrap();
            figures.iter().any(|figures| figures.source == "tis" && figures.overdue == 1)
        })
        .await;
        assert_eq!(world.store.overdue(10).await.unwrap().len(), 1, "both say so");
        world.worker(&[]).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_source_accepts_and_waits_and_stands_in_nobodys_way() {
    World::run(async |mut world| {
        world
            .apply(
                &crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [1]\ndeadline_s = 1"),
            )
            .await;
        // small windows: what is parked fills many
        let url = world.ingest(&[("WAYBILL_RELAY__WINDOW_MAX", "2")]).await;
        world.worker(&[]).await;
        let (tis, skipping) = (world.partner("tis", &url), world.partner("skipping", &url));
        assert_eq!(source(&world, &["pause", "tis", "--reason", "their fault"]).1["changed"], true);
        assert_eq!(source(&world, &["pause", "tis"]).1["changed"], false, "once");
        let mut ids = Vec::new();
        for n in 0..15 {
            ids.push(tis.sign(&format!("k{n}"), &format!("m{}", n % 3), "2026-01-31T12:00:00Z").await);
        }
        let other = skipping.sign("k", "m", "2026-01-31T12:00:00Z").await;
        skipping.until(&other, "processed").await;
        let parked = "select count(*) from progress where source = 'tis' and state = 'accepted'
                      and lease_until = due_at and due_at > now() + interval '5 minutes'";
        until("all of it to be parked", || async { world.count(parked).await == 15 }).await;

        until("it to be past the deadline", || async {
            world
                .count(
                    "select count(*) from receipt where source = 'tis'
                         and received_at > now() - interval '1 second'",
                )
                .await
                == 0
        })
        .await;
        let figures = world.store.source_figures().await.unwrap();
        let tis_figures = figures.iter().find(|figures| figures.source == "tis").unwrap();
        assert_eq!((tis_figures.overdue, tis_figures.paused), (0, true), "somebody said so");
        assert!(world.store.overdue(10).await.unwrap().is_empty());
        assert_eq!(world.store.due().await.unwrap().messages, 0, "nothing is late");
        let balance = world.store.balance().await.unwrap();
        let tis_balance = balance.iter().find(|balance| balance.source == "tis").unwrap();
        assert_eq!((tis_balance.due, tis_balance.unaccounted), (15, 0), "all of it is accounted for");
        let reconciled = run("waybill", &["reconcile"], &world.settings());
        assert_eq!(reconciled.status.code(), Some(0), "{}", String::from_utf8_lossy(&reconciled.stdout));
        let listed = source(&world, &["show", "tis"]).1;
        assert_eq!((&listed["paused"], &listed["enabled"]), (&json!(true), &json!(true)));

        assert_eq!(source(&world, &["resume", "tis"]).1["changed"], true);
        for id in &ids {
            tis.until(id, "processed").await;
        }
        assert_eq!(source(&world, &["resume", "tis"]).1["changed"], false);
        let names: Vec<String> = acts(&world, "tis").await.into_iter().map(|(action, _)| action).collect();
        assert_eq!(names, ["resume source", "pause source", "change source", "create source"]);
        assert_eq!(source(&world, &["pause", "nobody"]).0, Some(3));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_an_apply_and_one_resume_ends_it_whatever_the_relays_do() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.serve(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &url);
        for round in 0..5 {
            assert_eq!(source(&world, &["pause", "tis"]).0, Some(0));
            let changed = format!("backoff_s = [{}]", round + 1);
            world.apply(&crate::support::world::SOURCES.replace("backoff_s = [1]", &changed)).await;
            let posts = (0..20).map(|n| {
                let key = format!("r{round}-{n}");
                tis.json(&key, signature(&key, "2026-01-31T12:00:00Z", "GG9")).send()
            });
            for response in futures_util::future::join_all(posts).await {
                assert_eq!(response.unwrap().status(), 202);
            }
            assert_eq!(world.count("select count(*) from attempt").await, round * 20, "paused still");
            // while the relays are parking
            assert_eq!(source(&world, &["resume", "tis"]).0, Some(0));
            let parked = "select count(*) from progress where due_at > now() + interval '1 minute'";
            assert_eq!(world.count(parked).await, 0, "nothing stays behind");
            world.until_settled().await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silenced_source_may_be_silent_for_a_time() {
    World::run(async |mut world| {
        world.apply(&format!("{}silence_s = 60\n", crate::support::world::SOURCES)).await;
        let silence_max = async || {
            let figures = world.store.source_figures().await.unwrap();
            figures.into_iter().find(|figures| figures.source == "skipping").unwrap().silence_s_max
        };
        assert!((silence_max().await - 60.0).abs() < 0.1);
        let silenced = source(&world, &["silence", "skipping", "--for", "2h"]);
        assert!(silenced.1["silenced_until"].as_str().is_some(), "{}", silenced.2);
        assert!(silence_max().await < 0.1, "no alert");
        assert!(acts(&world, "skipping").await[0].1["until"].is_string());
        assert_eq!(source(&world, &["silence", "skipping", "--off"]).1["silenced_until"], Value::Null);
        assert!((silence_max().await - 60.0).abs() < 0.1);
        assert_eq!(source(&world, &["silence", "skipping", "--until", "2020-01-01T00:00:00Z"]).0, Some(2));
        assert_eq!(source(&world, &["silence", "skipping"]).0, Some(2), "until when?");
        assert_eq!(source(&world, &["silence", "nobody", "--for", "1h"]).0, Some(3));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_imported_shown_by_their_id_and_revoked_one_by_one() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let folder = std::env::temp_dir().join(&world.name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        let secret = "5ecret".repeat(7);
        let import = |text: &str| {
            std::fs::write(&path, text).unwrap();
            source(&world, &["import-key", "tis", "--file", path.to_str().unwrap()])
        };
        let key = format!("wb_import1_{secret}");
        let (code, imported, said) = import(&format!("{key}\n"));
        assert_eq!((code, &imported["imported"]), (Some(0), &json!("import1")), "{said}");
        assert_eq!(import(&key).0, Some(0), "the same again changes nothing");
        let refused = [
            "",
            "hello",
            &format!("wb_import2_{secret} x"),
            "wb_import3_5ecret",
            &format!("wb_import1_x{secret}"),
        ];
        for text in refused {
            let (code, _, said) = import(text);
            assert_eq!(code, Some(1), "{text}: {said}");
            assert!(!said.contains("5ecret") && !said.contains("hello"), "{said}");
        }
        assert_eq!(source(&world, &["import-key", "tis", "--file", "/no/such/file"]).0, Some(1));

        let mut partner = world.partner("tis", &url);
        let first = partner.key.clone();
        partner.key = key;
        let status = async |partner: &crate::support::Partner| {
            let body = signature("m", "2026-01-31T12:00:00Z", "GG9");
            partner.json("k", body).send().await.unwrap().status().as_u16()
        };
        until("the imported key to be good", || async { matches!(status(&partner).await, 200 | 202) }).await;
        let shown = source(&world, &["show", "tis"]);
        let ids: Vec<&str> =
            shown.1["keys"].as_array().unwrap().iter().filter_map(|key| key["id"].as_str()).collect();
        assert_eq!((ids.len(), ids[0]), (2, "import1"));
        assert!(!shown.2.contains("5ecret") && !shown.2.contains("digest"), "{}", shown.2);

        let revoked = source(&world, &["revoke-key", "tis", "import1"]);
        assert_eq!((revoked.0, &revoked.1["live"]), (Some(0), &json!(1)), "{}", revoked.2);
        assert_eq!(source(&world, &["revoke-key", "tis", "import1"]).0, Some(3), "once");
        until("the revoked key to be refused", || async { status(&partner).await == 401 }).await;
        partner.key = first;
        assert_eq!(status(&partner).await, 200, "the other one is as good as ever");
        assert_eq!(import(&format!("wb_import1_{secret}")).0, Some(1), "a revoked key does not come back");

        let trail = acts(&world, "tis").await;
        let names: Vec<&str> = trail.iter().map(|(action, _)| action.as_str()).collect();
        assert_eq!(names, ["revoke key", "import key", "create source"]);
        assert_eq!(trail[0].1, json!({"key": "import1"}));
        assert!(!format!("{trail:?}").contains("5ecret"));
        world.until_settled().await;
        let sent =
            id(partner.json("k2", signature("m2", "2026-01-31T12:00:00Z", "GG9")).send().await.unwrap())
                .await;
        partner.until(&sent, "processed").await;
        std::fs::remove_dir_all(&folder).unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_apply_changes_is_on_the_trail_by_field() {
    World::run(async |mut world| {
        let sources = crate::support::world::SOURCES;
        world.apply(&sources.replace("backoff_s = [1]", "backoff_s = [2]\nrate_per_s = 7")).await;
        let (action, detail) = acts(&world, "tis").await.remove(0);
        assert_eq!(action, "change source");
        assert_eq!(detail, json!({"fields": ["backoff_s", "rate_per_s"], "enabled_again": false}));
        assert_eq!(acts(&world, "docutap").await.len(), 1, "what does not change is not on it");
        let without = sources.split("# Dead messages").next().unwrap();
        world.apply(without).await;
        assert_eq!(acts(&world, "skipping").await[0].0, "disable source");
        world.apply(sources).await;
        assert_eq!(acts(&world, "skipping").await[0].1, json!({"fields": [], "enabled_again": true}));
        world
    })
    .await;
}
