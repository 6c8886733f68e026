//! The command line and the configuration, as an operator meets them.

use serde_json::Value;

use crate::support::programs::{Program, free_port, run};
use crate::support::{World, until};

fn json(output: &std::process::Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("no JSON: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_applied_shown_disabled_and_their_keys_rotated() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let settings = world.settings();
        let folder = std::env::temp_dir().join(&world.name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("sources.toml");
        let path = file.to_str().unwrap();
        let lab = "[[source]]\nname = \"lab\"\nformat = \"json\"\nkind = \"conditions-of-joining\"\nlane = \"slow\"\n";
        std::fs::write(&file, format!("{}{lab}", crate::support::world::SOURCES)).unwrap();
        let waybill = |arguments: &[&str]| run("waybill", arguments, &settings);

        let dry = json(&waybill(&["apply", "-f", path, "--dry-run", "--json"]));
        assert_eq!((&dry["created"][0]["name"], &dry["created"][0]["key"]), (&"lab".into(), &Value::Null));
        assert_eq!(world.count("select count(*) from source where name = 'lab'").await, 0);

        let applied = json(&waybill(&["apply", "-f", path, "--json"]));
        let first = applied["created"][0]["key"].as_str().expect("the key is shown once").to_owned();
        let again = json(&waybill(&["apply", "-f", path, "--json"]));
        assert_eq!(again, serde_json::json!({"created": [], "changed": [], "disabled": []}));
        let stored = world.count("select count(*) from source_key where source = 'lab' and digest is not null").await;
        assert_eq!(stored, 1);

        let rotated = json(&waybill(&["source", "rotate-key", "lab", "--json"]));
        let second = rotated["key"].as_str().unwrap().to_owned();
        let third = json(&waybill(&["source", "rotate-key", "lab", "--json"]))["key"].as_str().unwrap().to_owned();
        let http = world.http.clone();
        let post = async |key: &str| {
            let request = http.post(format!("{url}/v1/messages")).bearer_auth(key);
            let body = crate::support::partner::signature("m", "2026-01-31T12:00:00Z", "GG9");
            let request = request.header("content-type", "application/json").header("idempotency-key", "k").body(body);
            request.send().await.unwrap().status().as_u16()
        };
        until("the newest key to be picked up", || async { matches!(post(&third).await, 200 | 202) }).await;
        assert_eq!(post(&second).await, 200, "two keys live side by side");
        assert_eq!(post(&first).await, 401, "the oldest is revoked");
        // its lane has its queue already
        world.worker(&[]).await;
        world.until_settled().await;

        std::fs::write(&file, crate::support::world::SOURCES).unwrap();
        assert_eq!(json(&waybill(&["apply", "-f", path, "--json"]))["disabled"], serde_json::json!(["lab"]));
        until("the disabled source to be refused", || async { post(&third).await == 401 }).await;

        std::fs::write(&file, "[[source]]\nname = \"bad name\"\nformat = \"json\"\n[[source]]\nname = \"x\"\n").unwrap();
        let refused = waybill(&["apply", "-f", path]);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("bad name") && said.contains("source x"), "every mistake: {said}");
        assert_eq!(waybill(&["source", "rotate-key", "nobody"]).status.code(), Some(3));
        std::fs::remove_dir_all(&folder).unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_dead_letters_are_shown_without_bodies() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = crate::support::partner::signature("secret-member", "2026-01-31T12:00:00Z", "GG11");
        let id = crate::support::partner::id(tis.json("k", body).send().await.unwrap()).await;
        tis.until(&id, "dead").await;
        let settings = world.settings();
        let shown = run("waybill", &["message", "show", &id], &settings);
        assert_eq!(shown.status.code(), Some(0));
        let list = run("waybill", &["dead", "list"], &settings);
        assert_eq!(list.status.code(), Some(0));
        for output in [&shown, &list] {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains(&id) && text.contains("validation"), "{text}");
            assert!(!text.contains("secret-member"), "no body: {text}");
        }
        let letters = json(&run("waybill", &["dead", "list", "--json"], &settings));
        assert_eq!(letters[0]["id"], id.as_str());
        assert_eq!(json(&run("waybill", &["message", "show", &id, "--json"], &settings))["state"], "dead");
        let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(run("waybill", &["message", "show", unknown], &settings).status.code(), Some(3));
        assert_eq!(run("waybill", &["message", "show", "no-id"], &settings).status.code(), Some(2));
        assert_eq!(
            run("waybill", &["dead", "list", "--source", "docutap"], &settings).status.code(),
            Some(3)
        );
        assert_eq!(run("waybill", &["report"], &settings).status.code(), Some(0));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topology_is_compared_and_each_difference_named() {
    World::run(async |world| {
        let settings = world.settings();
        let check = || run("waybill", &["topology", "check"], &settings);
        // RabbitMQ's API knows a new virtual host some seconds later
        until("the topology to be right", || async { check().status.code() == Some(0) }).await;
        let url = format!("{}/{}", world.services.amqp_url.trim_end_matches('/'), world.name);
        let connection =
            lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let (queue, exchange) = ("waybill.work.default", waybill_broker::topology::EXCHANGE);
        let none = lapin::types::FieldTable::default;
        channel.queue_unbind(queue.into(), exchange.into(), "default".into(), none()).await.unwrap();
        until("the binding to be missed", || async {
            let checked = check();
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            checked.status.code() == Some(1) && said.contains("waybill.work.default is not bound")
        })
        .await;
        channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
        until("the queue to be missed", || async {
            let checked = check();
            let said = String::from_utf8_lossy(&checked.stdout).into_owned();
            checked.status.code() == Some(1) && said.contains("waybill.work.default is missing")
        })
        .await;
        assert_eq!(run("waybill", &["topology", "apply"], &settings).status.code(), Some(0));
        until("the topology to be right again", || async { check().status.code() == Some(0) }).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_whole_before_a_port_is_bound() {
    let settings: Vec<(String, String)> = [
        ("WAYBILL_INGEST__BATCH_MAX", "many"),
        ("WAYBILL_RELAY__LEASE_S", "1"),
        ("WAYBILL_WORKER__COLOUR", "red"),
        ("WAYBILL_WHATEVER", "is none of our business"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for program in ["ingest-api", "worker", "waybill"] {
        let arguments: &[&str] = if program == "waybill" { &["serve"] } else { &[] };
        let output = run(program, arguments, &settings);
        assert_eq!(output.status.code(), Some(78), "{program}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for needle in [
            "WAYBILL_INGEST__BATCH_MAX",
            "WAYBILL_WORKER__COLOUR",
            "WAYBILL_DATABASE_URL",
            "WAYBILL_AMQP_URL",
        ] {
            assert!(said.contains(needle), "{program}: {needle} is missing from {said}");
        }
        assert!(!said.contains("WHATEVER"), "{program}: {said}");
        assert_eq!(run(program, &["--version"], &[]).status.code(), Some(0));
        assert_eq!(run(program, &["--help"], &[]).status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_starts_without_rabbitmq_and_not_on_a_taken_port() {
    World::run(async |world| {
        let (port, admin) = (free_port(), free_port());
        let mut settings = world.settings();
        settings.push(("WAYBILL_AMQP_URL".into(), "amqp://nobody:nothing@127.0.0.1:9/none".into()));
        settings.push(("WAYBILL_INGEST__LISTEN".into(), format!("127.0.0.1:{port}")));
        settings.push(("WAYBILL_INGEST__ADMIN_LISTEN".into(), format!("127.0.0.1:{admin}")));
        let mut program = Program::start("ingest-api", &[], &settings);
        world.until_ready(admin).await;
        assert!(program.runs());
        let second = run("ingest-api", &[], &settings);
        assert_eq!(second.status.code(), Some(1), "the port is taken");
        program.signal("TERM");
        assert_eq!(program.exit().await, Some(0));
        world
    })
    .await;
}
