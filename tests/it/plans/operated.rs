//! Replay plans as an operator has them: on the command line, in the metrics and in the audit trail.

use serde_json::Value;

use super::{Letter, bad, counts, dead, good, serve};
use crate::support::World;
use crate::support::programs::run;
use crate::support::until;

/// Runs `waybill`, which must end with `code`; what it printed.
fn waybill(world: &World, arguments: &[&str], code: i32) -> String {
    let mut settings = world.settings();
    settings.push(("USER".into(), "ada".into()));
    let output = run("waybill", arguments, &settings);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}{complained}");
    said + &complained
}

fn json(said: &str) -> Value {
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

const FILTER: [&str; 4] = ["dead", "replay", "--source", "tis"];

fn replay<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FILTER.iter().chain(more).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_looked_at_started_and_watched_on_the_command_line() {
    World::run(async |mut world| {
        dead(&world, &[good(1), good(2), bad(3)]).await;
        let dry = waybill(&world, &replay(&["--why", "release 41", "--dry-run"]), 0);
        assert!(
            dry.contains("3 dead letters of 3 ordering keys") && dry.contains("no plan was made"),
            "{dry}"
        );
        let dry = json(&waybill(&world, &replay(&["--why", "release 41", "--dry-run", "--json"]), 0));
        assert_eq!(dry["dry_run"]["items"], 3);
        let group = dry["dry_run"]["parts"][0]["group"].as_str().unwrap().to_owned();
        assert!(waybill(&world, &["plan", "list"], 3).contains("No plans"));

        let by_group = ["dead", "replay", "--group", &group, "--why", "release 41", "--stop-at", "1"];
        let made = waybill(&world, &by_group, 0);
        assert!(made.contains("is made") && made.contains("waybill plan start"), "{made}");
        let listed = json(&waybill(&world, &["plan", "list", "--open", "--json"], 0));
        let id = listed[0]["id"].to_string();
        assert_eq!((&listed[0]["state"], &listed[0]["made_by"]), (&"made".into(), &"ada".into()));
        assert!(waybill(&world, &["plan", "pause", &id, "--why", "no"], 3).contains("nothing was changed"));

        world.worker(&[]).await;
        let metrics = serve(&mut world, &[]).await;
        let watched = waybill(&world, &["plan", "start", &id, "--why", "go", "--watch"], 0);
        assert!(
            watched.contains("recovered   2") && watched.contains("failed      1 (1 validation)"),
            "{watched}"
        );
        assert!(watched.contains("says the same of all 3 items"), "{watched}");
        assert!(!watched.contains('\u{1b}'), "no terminal, no bar: {watched}");
        assert!(waybill(&world, &["plan", "start", &id, "--why", "go"], 3).contains("is finished"));

        let shown = json(&waybill(&world, &["plan", "show", &id, "--json"], 0));
        assert_eq!(shown["plan"]["items"]["recovered"], 2);
        assert_eq!(shown["report"]["contradicted"], 0);
        assert!(shown["plan"]["asked"].as_str().unwrap().contains(&group));
        assert!(waybill(&world, &["plan", "show", "999"], 3).contains("no plan 999"));

        let stopped = r#"waybill_plans{state="stopped"} 0"#;
        until("the metrics to name every state", || async {
            let text =
                world.http.get(format!("{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
            text.contains(stopped) && text.contains(r#"waybill_plan_items{state="held"} 0"#)
        })
        .await;
        let trail: Vec<(String, String, String)> =
            sqlx::query_as("select actor, action, reason from audit order by id")
                .fetch_all(&world.db)
                .await
                .unwrap();
        let trail: Vec<_> = trail.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
        assert_eq!(trail[..2], [("ada", "plan make", "release 41"), ("ada", "plan start", "go")]);
        assert_eq!(trail[2], ("waybill serve", "plan finish", "every item had its outcome"));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_stops_says_so_with_its_exit_code_and_its_metric() {
    World::run(async |mut world| {
        dead(&world, &[bad(1), good(2), good(3)]).await;
        world.worker(&[]).await;
        let metrics = serve(&mut world, &[]).await;
        let watched = waybill(&world, &replay(&["--why", "try", "--canary", "1", "--watch"]), 1);
        assert!(watched.contains("too many of the canary failed again"), "{watched}");
        assert!(watched.contains("not begun   2") && watched.contains("waybill plan resume"), "{watched}");
        until("the metric to say so", || async {
            let text =
                world.http.get(format!("{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
            text.contains(r#"waybill_plans{state="stopped"} 1"#)
        })
        .await;
        let id = json(&waybill(&world, &["plan", "list", "--json"], 0))[0]["id"].to_string();
        waybill(&world, &["plan", "cancel", &id, "--why", "another filter", "--json"], 0);
        assert_eq!(counts(&world, id.parse().unwrap()).await, [0, 1, 0, 0, 0, 2]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused() {
    World::run(async |world| {
        dead(&world, &[good(1)]).await;
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for wrong in [
            &["dead", "replay"][..],
            &["dead", "replay", "--source", "tis"],
            &["dead", "replay", "--why", "everything, or a slip?"],
            &["dead", "replay", id, "--source", "tis"],
            &["dead", "replay", "--source", "tis", "--all"],
            &["dead", "replay", "--source", "tis", "--why", " "],
            &["dead", "replay", "--source", "tis", "--why", "x", "--rate", "0"],
            &["dead", "replay", "--source", "tis", "--why", "x", "--stop-at", "2"],
            &["dead", "replay", "--source", "tis", "--why", "x", "--confirm"],
            &["dead", "replay", "--source", "tis", "--why", "x", "--dry-run", "--start"],
            &["dead", "replay", "--source", "tis", "--all", "--why", "x"],
            &["plan", "start", "1"],
        ] {
            waybill(&world, wrong, 2);
        }
        assert_eq!(world.count("select count(*) from plan").await, 0);
        let nothing = waybill(&world, &["dead", "replay", "--source", "docutap", "--why", "x"], 3);
        assert!(nothing.contains("no dead letter matches"), "{nothing}");
        let all = json(&waybill(&world, &["dead", "replay", "--all", "--why", "x", "--json"], 0));
        assert_eq!(all["plan"]["items"]["waiting"], 1);
        let limits = [("WAYBILL_PLANS__ITEMS_MAX".to_owned(), "0".to_owned())];
        let settings: Vec<_> = world.settings().into_iter().chain(limits).collect();
        assert_eq!(run("waybill", &["plan", "list"], &settings).status.code(), Some(78));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordering_key_is_matched_and_never_written_down() {
    World::run(async |world| {
        let sources = waybill_core::source::read(crate::support::world::SOURCES).unwrap();
        let tis = sources.iter().find(|source| source.name == "tis").unwrap();
        let key = waybill_core::ordering::Key::typed(tis, "secret-membership").unwrap();
        dead(&world, &[Letter { key: Some(key.as_i64()), ..good(1) }, good(2)]).await;
        let replay =
            ["dead", "replay", "--source", "tis", "--key", "secret-membership", "--why", "x", "--json"];
        let made = json(&waybill(&world, &replay, 0));
        assert_eq!(made["preview"]["items"], 1);
        let text: String = sqlx::query_scalar(
            "select string_agg(p::text, '') || (select string_agg(a::text, '') from audit a) from plan p",
        )
        .fetch_one(&world.db)
        .await
        .unwrap();
        assert!(!text.contains("secret"), "{text}");
        world
    })
    .await;
}
