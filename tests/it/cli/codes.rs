//! Exit codes: 0 done, 1 failed, 2 usage, 3 nothing matched, 78 configuration; and each failure says what
//! to do next.

use super::{err, waybill, with};
use crate::support::World;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What it exits with, and what it says, without any setting but these.
async fn check(settings: &[(&str, &str)], line: &str, code: i32, needles: &[&str]) {
    let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let ran = with(settings, &line.split_whitespace().collect::<Vec<_>>()).await;
    let said = err(&ran);
    assert_eq!(ran.status.code(), Some(code), "waybill {line}: {said}");
    for needle in needles {
        assert!(said.contains(needle), "waybill {line}: {needle} is missing from {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_code_and_says_what_to_do_next() {
    let gone = ("WAYBILL_DATABASE_URL", "postgres://kim:pa55word@127.0.0.1:9/none");
    let no_broker = ("WAYBILL_AMQP_URL", "amqp://kim:pa55word@127.0.0.1:9/none");
    let soon = ("WAYBILL_DATABASE__ACQUIRE_TIMEOUT_MS", "300");
    check(&[], "", 2, &["Usage", "Examples"]).await;
    check(&[], "nonsense", 2, &["nonsense", "--help"]).await;
    check(&[], "dead list --limit 0", 2, &["--limit"]).await;
    check(&[], "message show no-id", 2, &["no-id"]).await;
    check(&[], "dead discard 1", 2, &[]).await;
    check(&[], "man dead nonsense", 2, &["waybill --help"]).await;
    check(&[], "report", 78, &["WAYBILL_DATABASE_URL"]).await;
    check(&[], "top", 78, &["WAYBILL_DATABASE_URL"]).await;
    check(&[], "topology render", 78, &["WAYBILL_DATABASE_URL"]).await;
    check(&[], "doctor", 78, &["WAYBILL_DATABASE_URL", "WAYBILL_AMQP_URL"]).await;
    check(&[], "config check", 78, &["WAYBILL_DATABASE_URL", "WAYBILL_AMQP_URL"]).await;
    check(&[("WAYBILL_RELAY__SPEED", "9")], "config print", 78, &["relay.speed"]).await;
    check(&[gone], "--config /nowhere/waybill.toml report", 78, &["/nowhere/waybill.toml"]).await;
    check(&[gone, no_broker], "config check", 0, &[]).await;
    check(&[gone], "apply -f nothing.toml", 78, &["WAYBILL_AUTH__PEPPER"]).await;
    for line in ["report", "dead list", "top --once"] {
        check(
            &[gone, soon],
            line,
            1,
            if line.starts_with("top") { &[] } else { &["WAYBILL_DATABASE_URL", "waybill doctor"] },
        )
        .await;
    }
    for line in
        ["--help", "--version", "help dead", "dead replay --help", "config print", "man", "completions zsh"]
    {
        check(&[], line, 0, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_3_and_an_empty_database_names_migrate() {
    World::run(async |world| {
        for line in [
            "message show ID",
            "message timeline ID",
            "dead show ID",
            "dead list",
            "dead replay ID",
            "dead discard ID --reason words",
            "source show nobody",
            "source pause nobody",
            "plan show 7",
            "user role nobody viewer",
            "message find --source tis",
        ] {
            let line = line.replace("ID", ID);
            let ran = waybill(&world, &line.split(' ').collect::<Vec<_>>()).await;
            assert_eq!(ran.status.code(), Some(3), "{line}: {}", err(&ran));
        }
        let empty = vec![("WAYBILL_DATABASE_URL".to_owned(), world.services.database_url.clone())];
        let ran = with(empty, &["report"]).await;
        assert_eq!(ran.status.code(), Some(1));
        assert!(err(&ran).contains("waybill migrate"), "{}", err(&ran));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_shows_a_password() {
    let settings: Vec<(String, String)> = [
        ("WAYBILL_DATABASE_URL", "postgres://kim:pa55word@127.0.0.1:9/none"),
        ("WAYBILL_AMQP_URL", "amqp://kim:pa55word@127.0.0.1:9/none"),
        ("WAYBILL_RABBITMQ_API_URL", "http://kim:pa55word@127.0.0.1:9"),
        ("WAYBILL_AUTH__PEPPER", "pa55word pa55word pa55word pa55word"),
        ("WAYBILL_DATABASE__ACQUIRE_TIMEOUT_MS", "300"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for line in ["doctor", "report", "top --once", "topology check", "config print", "config print --json"] {
        let ran = with(settings.clone(), &line.split(' ').collect::<Vec<_>>()).await;
        let said = format!("{}{}", super::out(&ran), err(&ran));
        assert!(!said.contains("pa55word") && !said.is_empty(), "{line}: {said}");
    }
}
