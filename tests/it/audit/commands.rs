//! Every command, with the acts that it puts on the audit trail; one that is not in this table fails.

use std::collections::BTreeSet;

use serde_json::Value;

use super::acts::dead;
use crate::support::World;
use crate::support::programs;

/// The acts of each command; without any: it neither changes anything of the ledger's nor reveals.
const COMMANDS: [(&str, &[&str]); 47] = [
    // before there is a trail; the schema tells its own story
    ("migrate", &[]),
    // declares what is missing in RabbitMQ, and takes nothing away
    ("topology apply", &[]),
    ("topology check", &[]),
    ("topology render", &[]),
    ("top", &[]),
    ("completions", &[]),
    ("man", &[]),
    ("config check", &[]),
    ("config print", &[]),
    ("apply", &["create source", "change source", "disable source"]),
    ("source list", &[]),
    ("source show", &[]),
    ("source rotate-key", &["rotate key"]),
    ("source revoke-key", &["revoke key"]),
    ("source import-key", &["import key"]),
    ("source pause", &["pause source"]),
    ("source resume", &["resume source"]),
    ("source silence", &["silence source"]),
    // masked; in clear with --reveal
    ("message show", &["view body", "view difference"]),
    ("message find", &["find message", "export messages"]),
    ("message timeline", &[]),
    ("dead groups", &["find dead letters"]),
    ("dead list", &["find dead letters", "export dead letters"]),
    ("dead show", &[]),
    ("dead replay", &["replay", "plan make"]),
    ("dead discard", &["discard"]),
    ("dead undo", &["undo"]),
    ("dead edit", &["edit"]),
    ("plan list", &[]),
    ("plan show", &[]),
    ("plan start", &["plan start"]),
    ("plan pause", &["plan pause"]),
    ("plan resume", &["plan resume"]),
    ("plan cancel", &["plan cancel"]),
    ("audit list", &["export audit"]),
    ("audit verify", &[]),
    ("user add", &["add user"]),
    ("user list", &[]),
    ("user password", &["set password"]),
    ("user role", &["set role"]),
    ("user disable", &["disable user", "enable user"]),
    ("user sessions", &[]),
    ("user logout", &["end sessions"]),
    ("report", &["export report"]),
    ("reconcile", &["repair"]),
    ("doctor", &[]),
    // what its plans do by themselves
    ("serve", &["plan ready", "plan stop", "plan finish"]),
];

/// Acts that are shown to be on the trail elsewhere: they take a plan that ends, a source that goes, an edit, or
/// a row that does not fit.
const ELSEWHERE: [&str; 7] = [
    "plan ready",
    "plan stop",
    "plan finish",
    "create source",
    "disable source",
    "view difference",
    "repair",
];

#[test]
fn every_command_is_in_the_table() {
    let known: BTreeSet<String> = waybill::cli::all().into_iter().collect();
    let named: BTreeSet<String> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<_> = known.difference(&named).collect();
    assert!(missing.is_empty(), "which acts do these leave on the audit trail? {missing:?}");
    assert_eq!(known, named, "a command that is gone");
}

/// Runs `waybill` as `kim`, with `typed` on standard input; the acts that it left.
async fn acts_of(world: &World, arguments: &[&str], typed: &str) -> Vec<Value> {
    let before = world.store.audit_head().await.unwrap().position;
    let mut settings = world.settings();
    settings.push(("WAYBILL_ACTOR".to_owned(), "kim".to_owned()));
    // a plan that serve is at is locked until its commit is on disk
    settings.push(("WAYBILL_DATABASE__LOCK_TIMEOUT_MS".to_owned(), "30000".to_owned()));
    let (code, said) = programs::typed("waybill", arguments, &settings, typed);
    assert!(matches!(code, Some(0 | 3)), "{arguments:?}: {said}");
    sqlx::query_scalar("select to_jsonb(audit) from audit where position > $1 order by position")
        .bind(before)
        .fetch_all(&world.db)
        .await
        .unwrap()
}

/// Runs each command line, which must leave just these acts, by way of the command line.
async fn check(world: &World, seen: &mut BTreeSet<String>, lines: &[(&str, &[&str], &str)]) {
    for (line, more, expected) in lines {
        let arguments: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
        let acts = acts_of(world, &arguments, "a password of the tests\n").await;
        let of_kim: Vec<&Value> = acts.iter().filter(|act| act["actor"] == "kim").collect();
        let names: Vec<&str> = of_kim.iter().map(|act| act["action"].as_str().unwrap()).collect();
        let expected: Vec<&str> = expected.split(", ").filter(|name| !name.is_empty()).collect();
        assert_eq!(names, expected, "{arguments:?}");
        assert!(of_kim.iter().all(|act| act["via"] == "cli" && act["version"] == 2), "{of_kim:?}");
        seen.extend(names.into_iter().map(str::to_owned));
    }
}

/// Commands on messages, dead letters and the report.
async fn on_messages(
    world: &World,
    seen: &mut BTreeSet<String>,
    [replayed, discarded, edited, corrected]: [&String; 4],
) {
    let plan = ["--source", "tis", "--why", "w", "--rate", "0.01"];
    let lines: [(&str, &[&str], &str); 24] = [
        ("migrate", &[], ""),
        ("topology apply", &[], ""),
        ("dead list", &[], ""),
        ("dead list --source tis --key m1", &[], "find dead letters"),
        ("dead groups --source tis --key m1", &[], "find dead letters"),
        ("dead list --csv -", &[], "export dead letters"),
        ("dead show", &[replayed], ""),
        ("message show", &[replayed], ""),
        ("message show", &[replayed, "--as", "raw"], ""),
        ("message show", &[replayed, "--as", "raw", "--reveal", "why"], "view body"),
        ("message timeline", &[replayed], ""),
        ("message find --state dead", &[], ""),
        ("message find --key m1", &[], "find message"),
        ("message find --idempotency-key k1", &[], "find message"),
        ("message find --key m1 --csv -", &[], "find message, export messages"),
        ("dead replay", &[replayed], "replay"),
        ("dead discard", &[discarded, "--reason", "why"], "discard"),
        ("dead undo", &[discarded], "undo"),
        ("dead edit", &[edited, "--reason", "why", "--dry-run", "--file", corrected], ""),
        ("dead edit", &[edited, "--reason", "why", "--file", corrected], "edit"),
        ("dead replay --dry-run", &plan, ""),
        ("dead replay", &plan, "plan make"),
        ("report", &[], ""),
        ("report --from 2026-01-01 --to 2026-01-02", &[], "export report"),
    ];
    check(world, seen, &lines).await;
}

/// Commands on plans, sources, users and the trail.
async fn on_others(world: &World, seen: &mut BTreeSet<String>, [id, sources, live, key]: [&String; 4]) {
    let lines: [(&str, &[&str], &str); 20] = [
        ("plan list", &[], ""),
        ("plan show", &[id], ""),
        ("apply -f", &[sources], "change source"),
        ("source list", &[], ""),
        ("source show tis", &[], ""),
        ("source rotate-key tis", &[], "rotate key"),
        ("source revoke-key tis", &[live], "revoke key"),
        ("source import-key tis", &[key], "import key"),
        ("source pause tis", &[], "pause source"),
        ("source resume tis", &[], "resume source"),
        ("source silence tis --for 1h", &[], "silence source"),
        ("user add sam", &[], "add user"),
        ("user password sam", &[], "set password"),
        ("user role sam operator", &[], "set role"),
        ("user disable sam", &[], "disable user"),
        ("user disable sam --undo", &[], "enable user"),
        ("user list", &[], ""),
        ("user sessions", &[], ""),
        ("audit verify", &[], ""),
        ("audit list --csv -", &[], "export audit"),
    ];
    check(world, seen, &lines).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_leaves_its_acts_on_the_trail() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let console = world.console(&[]).await;
        let tis = world.partner("tis", &url);
        let [replayed, discarded, edited, other] = dead(&world, &tis).await;
        let folder = std::env::temp_dir().join(&world.name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let sources = crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [2]");
        let sources = file("sources.toml", &sources);
        let key = file("key", &format!("wb_abc_{}", "7".repeat(40)));
        let corrected =
            file("body", &crate::support::partner::signature("m2", "2026-01-31T12:00:00Z", "GG10"));
        let live: String = sqlx::query_scalar("select id from source_key where source = 'tis'")
            .fetch_one(&world.db)
            .await
            .unwrap();
        let mut seen = BTreeSet::new();
        on_messages(&world, &mut seen, [&replayed, &discarded, &edited, &corrected]).await;
        let id: i64 = sqlx::query_scalar("select max(id) from plan").fetch_one(&world.db).await.unwrap();
        let id = id.to_string();
        for verb in ["start", "pause", "resume", "cancel"] {
            let order = format!("plan {verb}");
            check(&world, &mut seen, &[(&order, &[&id, "--why", "w"], &order)]).await;
        }
        on_others(&world, &mut seen, [&id, &sources, &live, &key]).await;
        let browser = crate::console::Browser::new(&console);
        assert_eq!(browser.log_in("sam", "a password of the tests").await.status, 303);
        check(&world, &mut seen, &[("user logout sam", &[], "end sessions")]).await;
        std::fs::remove_dir_all(&folder).unwrap();

        let settled = "select count(*) from progress where state not in ('processed', 'dead', 'discarded')";
        crate::support::until("all to be settled", || async { world.count(settled).await == 0 }).await;
        // by SQL: the keys of its source are gone by now
        let state = sqlx::query_scalar::<_, String>("select state from progress where id = $1::uuid");
        let state = state.bind(&other).fetch_one(&world.db).await.unwrap();
        assert_eq!(state, "dead");
        let named: BTreeSet<String> =
            COMMANDS.iter().flat_map(|(_, acts)| acts.iter().map(|act| (*act).to_owned())).collect();
        let unseen: Vec<&String> =
            named.difference(&seen).filter(|act| !ELSEWHERE.contains(&act.as_str())).collect();
        assert!(unseen.is_empty(), "the table names acts that no command left: {unseen:?}");
        assert!(seen.is_subset(&named), "{:?}", seen.difference(&named).collect::<Vec<_>>());
        world
    })
    .await;
}
