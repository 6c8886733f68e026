//! One message's story, in order, and nothing made up.

use serde_json::{Value, json};

use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{World, until};

fn story(world: &World, message: &str) -> Value {
    let output = run("waybill", &["message", "timeline", message, "--json"], &world.settings());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What happened, in order; without the last publish, whose confirm may be written late or never.
fn steps(story: &Value) -> Vec<&str> {
    let all = story["steps"].as_array().unwrap().iter().map(|step| step["what"].as_str().unwrap());
    all.filter(|what| *what != "published").collect()
}

/// The step of this name.
fn step<'a>(story: &'a Value, what: &str) -> &'a Value {
    let mut steps = story["steps"].as_array().unwrap().iter();
    steps.find(|step| step["what"] == what).unwrap_or_else(|| panic!("no {what}: {story:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_tells_of_its_death_its_replay_and_whom_it_waited_for() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = |version| signature("member-1", "2026-01-31T12:00:00Z", version);
        let dead = id(tis.insist(|| tis.json("k1", body("GG11"))).await).await;
        tis.until(&dead, "dead").await;
        let waits = id(tis.insist(|| tis.json("k2", body("GG10"))).await).await;
        tis.until(&waits, "held").await;
        let now = story(&world, &waits);
        assert_eq!(steps(&now), ["accepted", "held"], "{now:#}");
        assert_eq!((&now["state"], &step(&now, "held")["other"]), (&json!("held"), &json!(dead)));

        let mut settings = world.settings();
        settings.push(("WAYBILL_ACTOR".to_owned(), "kim".to_owned()));
        assert_eq!(run("waybill", &["dead", "replay", &dead], &settings).status.code(), Some(0));
        // it fails as before: dead again
        until("it to be dead again", || async {
            world.count("select count(*) from progress where state = 'dead' and attempts = 2").await == 1
        })
        .await;
        let discard = run("waybill", &["dead", "discard", &dead, "--reason", "a test"], &settings);
        assert_eq!(discard.status.code(), Some(0));
        tis.until(&waits, "processed").await;

        let told = story(&world, &dead);
        let expected =
            ["accepted", "claimed", "failed", "dead", "replayed", "claimed", "failed", "dead", "discarded"];
        assert_eq!(steps(&told), expected, "{told:#}");
        assert_eq!(step(&told, "discarded")["detail"], "a test");
        let discarded = step(&told, "discarded");
        assert_eq!((&discarded["by"], &discarded["via"]), (&json!("kim"), &json!("cli")), "by whom");
        assert_eq!(step(&told, "replayed")["by"], "kim");
        assert_eq!(
            told["unknown"].as_array().unwrap().len(),
            1,
            "of two publishes the last is kept: {told:#}"
        );
        let times: Vec<&str> =
            told["steps"].as_array().unwrap().iter().map(|step| step["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        let told = story(&world, &waits);
        assert_eq!(told["steps"].as_array().unwrap().last().unwrap()["what"], "processed", "{told:#}");
        assert_eq!(step(&told, "held")["other"], json!(dead));
        assert_eq!(step(&told, "released")["other"], json!(dead));
        assert!(step(&told, "claimed")["by"].as_str().is_some_and(|worker| !worker.is_empty()));

        let shown = run("waybill", &["message", "timeline", &dead], &settings);
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(text.contains("discarded") && !text.contains("member-1"), "{text}");
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(run("waybill", &["message", "timeline", unknown], &settings).status.code(), Some(3));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_to_come_and_a_look_at_the_body_are_told() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let sent = tis.sign("k", "member-1", "2026-01-31T12:00:00Z").await;
        let mut settings = world.settings();
        settings.push(("USER".to_owned(), "kim".to_owned()));
        let reveal = ["message", "show", &sent, "--as", "raw", "--reveal", "ticket 7"];
        assert_eq!(run("waybill", &reveal, &settings).status.code(), Some(0));
        let told = story(&world, &sent);
        let audited: Vec<&Value> =
            told["steps"].as_array().unwrap().iter().filter(|step| step["what"] == "audited").collect();
        assert_eq!(
            (&audited[0]["by"], &audited[0]["detail"]),
            (&json!("kim"), &json!("view body: ticket 7"))
        );
        world.worker(&[]).await;
        tis.until(&sent, "processed").await;
        let told = story(&world, &sent);
        assert!(!steps(&told).contains(&"due"), "nothing is to come: {told:#}");
        assert_eq!(told["unknown"], json!([]));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_decision_is_told_once_whoever_made_it() {
    World::run(async |world| {
        use crate::plans::{dead, good};
        use crate::support::BY;
        let ids = dead(&world, &[good(1), good(2)]).await;
        let (one, two) = (ids[0].to_string(), ids[1].to_string());
        for _ in 0..2 {
            world.store.discard(&ids[..1], BY.because("the wrong one")).await.unwrap();
            let how = waybill_store::undo::How {
                grace: std::time::Duration::from_mins(5),
                out_of_order: false,
                by: BY.because("not so"),
            };
            assert_eq!(world.store.undo(&ids[..1], how).await.unwrap().undone.len(), 1);
        }
        // a look, that no step but its own tells of
        let detail = json!({});
        world.store.audit(BY.on_messages("view body", &ids[..1], &detail)).await.unwrap();
        let told = story(&world, &one);
        let expected =
            ["accepted", "failed", "dead", "discarded", "undone", "discarded", "undone", "audited"];
        // by hand it was claimed at no time in particular
        let steps_of = |told| steps(told).into_iter().filter(|what| *what != "claimed").collect::<Vec<_>>();
        assert_eq!(steps_of(&told), expected, "{told:#}");
        let details: Vec<&Value> =
            told["steps"].as_array().unwrap().iter().map(|step| &step["detail"]).collect();
        assert!(details.contains(&&json!("view body: not stated")), "{details:?}");

        // decided by a process of before the trail
        world.store.replay(&ids[1..], BY).await.unwrap();
        let before = "alter table audit disable trigger user; delete from audit where action = 'replay';
                      alter table audit enable always trigger audit_chain;
                      alter table audit enable always trigger audit_is_append_only";
        sqlx::raw_sql(before).execute(&world.db).await.unwrap();
        let told = story(&world, &two);
        assert_eq!(steps_of(&told), ["accepted", "failed", "dead", "replayed", "due"], "{told:#}");
        assert_eq!(step(&told, "replayed")["by"], Value::Null);
        assert_eq!(crate::plans::complete(&world, &ids[1..]).await, 1);
        world
    })
    .await;
}
