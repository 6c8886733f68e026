//! `waybill dead groups|list|show`, as an operator runs them.

use serde_json::Value;
use waybill_core::outcome::ErrorClass;

use super::dead;
use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{World, until};

/// Runs `waybill dead` with these arguments; what it printed and what it complained of.
async fn waybill(world: &World, arguments: &[&str], code: i32) -> (String, String) {
    let settings = world.settings();
    let arguments: Vec<String> = ["dead"].iter().chain(arguments).map(|one| (*one).to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run("waybill", &arguments, &settings);
        (arguments.join(" "), output)
    });
    let (asked, output) = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{asked}: {said} {complained}");
    (said, complained)
}

async fn json(world: &World, arguments: &[&str]) -> Value {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&waybill(world, &arguments, 0).await.0).unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_from_groups_to_a_letter() {
    World::run(async |mut world| {
        waybill(&world, &["groups"], 3).await;
        waybill(&world, &["list"], 3).await;
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = &world.partner("tis", &url);
        let mut dead = Vec::new();
        for membership in ["MRN-77001", "MRN-77002", "MRN-77003"] {
            let body = signature(membership, "2026-01-31T12:00:00Z", "GG11");
            dead.push(id(tis.json(membership, body).send().await.unwrap()).await);
            tis.until(dead.last().unwrap(), "dead").await;
        }
        let held = tis.sign("later", "MRN-77001", "2026-02-01T12:00:00Z").await;
        tis.until(&held, "held").await;

        let groups = json(&world, &["groups"]).await;
        assert_eq!(
            (groups[0]["count"].as_i64(), groups[0]["holds"].as_i64()),
            (Some(3), Some(1)),
            "{groups}"
        );
        let group = groups[0]["fingerprint"].as_str().unwrap();
        let (said, _) = waybill(&world, &["groups"], 0).await;
        assert!(said.contains(group) && said.contains("is not one of GG9, GG10"), "{said}");

        let list = json(&world, &["list", "--group", group, "--limit", "2"]).await;
        assert_eq!(ids(&list), [dead[2].as_str(), dead[1].as_str()], "{list}");
        let place = format!("{}/{}", list[1]["dead_at"].as_str().unwrap(), dead[1]);
        let rest = json(&world, &["list", "--group", group, "--after", &place]).await;
        assert_eq!(ids(&rest), [dead[0].as_str()], "{rest}");
        let (said, _) = waybill(&world, &["list", "--limit", "1"], 0).await;
        assert!(said.contains("--after") && said.contains(&dead[2]), "{said}");

        let of_key = ["list", "--source", "tis", "--key", "MRN-77001"];
        assert_eq!(ids(&json(&world, &of_key).await), [dead[0].as_str()]);
        let (said, complained) = waybill(&world, &of_key, 0).await;
        assert!(!format!("{said}{complained}").contains("77001"), "{said} {complained}");

        let letter = json(&world, &["show", &dead[0]]).await;
        assert_eq!((letter["alike"].as_i64(), letter["holds"].as_i64()), (Some(3), Some(1)), "{letter:#}");
        assert_eq!(letter["held"][0], held.as_str());
        assert_eq!(letter["attempt_log"][0]["outcome"], "failed");
        let (said, _) = waybill(&world, &["show", &dead[0]], 0).await;
        for part in [group, &held, "waybill dead replay", "--reason TEXT", "with 2 others", " ms"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        waybill(&world, &["replay", &dead[0]], 0).await;
        until("it to be dead again", || async { tis.message(&dead[0]).await["attempts"] == 2 }).await;
        tis.until(&dead[0], "dead").await;
        let letter = json(&world, &["show", &dead[0]]).await;
        assert_eq!(letter["decisions"][0]["verb"], "replay", "{letter:#}");
        assert!(waybill(&world, &["show", &held], 3).await.1.contains("it is held"));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() {
    World::run(async |world| {
        dead(&world, "archive", 1, ErrorClass::Validation, "a test").await;
        for (arguments, code, said) in [
            (&["list", "--key", "secret-1"][..], 2, "--source"),
            (&["list", "--key", "secret-1", "--source", "nobody"], 2, "there is no source nobody"),
            (&["list", "--key", "secret-1", "--source", "archive"], 2, "no ordering key"),
            (&["list", "--reason", "odd"], 2, "one of parse, validation"),
            (&["list", "--group", "xyz"], 2, "16 hexadecimal digits"),
            (&["list", "--since", "yesterday"], 2, "how long ago"),
            (&["list", "--after", "x"], 2, "TIME/ID"),
            (&["groups", "--until", "1d"], 3, ""),
            (&["groups", "--source", "tis"], 3, ""),
            (&["groups", "--since", "1d"], 0, ""),
            (&["show", "01890a5d-ac96-774b-bcce-b302099a8057"], 3, "there is no message"),
        ] {
            let (_, complained) = waybill(&world, arguments, code).await;
            assert!(complained.contains(said), "{arguments:?}: {complained}");
            assert!(!complained.contains("secret-1"), "{arguments:?}: {complained}");
        }
        world
    })
    .await;
}
