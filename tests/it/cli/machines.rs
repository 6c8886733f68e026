//! `--json`: every command that reads prints one JSON document, on a ledger without a single message too.

use serde_json::Value;

use super::{commands, err, out, waybill};
use crate::support::World;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What reads: its arguments, the exit code in a world without messages, and whether it prints a document
/// then (what is asked for by its name, and is not there, is only complained of).
const READS: &[(&str, &[&str], i32, bool)] = &[
    ("topology check", &[], 0, true),
    ("topology render", &[], 0, true),
    ("source list", &[], 0, true),
    ("source show", &["tis"], 0, true),
    ("message show", &[ID], 3, false),
    ("message find", &["--source", "tis"], 3, true),
    ("message timeline", &[ID], 3, false),
    ("dead groups", &[], 3, true),
    ("dead list", &[], 3, true),
    ("dead show", &[ID], 3, false),
    ("audit list", &[], 0, true),
    ("audit verify", &[], 0, true),
    ("plan list", &[], 3, true),
    ("plan show", &["1"], 3, false),
    ("user list", &[], 3, true),
    ("user sessions", &[], 3, true),
    ("report", &[], 0, true),
    ("reconcile", &[], 0, true),
    // whoever asks for no process is told so; without one it cannot fail for that
    ("doctor", &[], 0, true),
    ("top", &["--every", "1"], 0, true),
    ("config check", &[], 0, true),
    ("config print", &[], 0, true),
];

/// What changes something, or prints nothing for machines.
const OTHERS: &[&str] = &[
    "migrate",
    "topology apply",
    "apply",
    "source rotate-key",
    "source revoke-key",
    "source import-key",
    "source pause",
    "source resume",
    "source silence",
    "dead replay",
    "dead discard",
    "dead undo",
    "dead edit",
    "plan start",
    "plan pause",
    "plan resume",
    "plan cancel",
    "user add",
    "user password",
    "user role",
    "user disable",
    "user logout",
    "serve",
    "completions",
    "man",
];

#[test]
fn every_command_is_known_to_read_or_not() {
    let mut listed: Vec<&str> = READS.iter().map(|(path, ..)| *path).chain(OTHERS.iter().copied()).collect();
    let mut found = commands();
    listed.sort_unstable();
    found.sort_unstable();
    assert_eq!(listed, found, "a new command is listed above, and what reads prints JSON");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_prints_a_document_on_an_empty_ledger() {
    World::run(async |world| {
        for (path, arguments, code, prints) in READS {
            let all: Vec<&str> = path.split(' ').chain(arguments.iter().copied()).chain(["--json"]).collect();
            let ran = waybill(&world, &all).await;
            let (said, complained) = (out(&ran), err(&ran));
            // RabbitMQ's API knows a new virtual host some seconds later
            let may_fail = matches!(*path, "doctor" | "topology check" | "reconcile");
            assert!(
                ran.status.code() == Some(*code) || (may_fail && ran.status.code() == Some(1)),
                "{path}: {:?}, not {code}: {said} {complained}",
                ran.status.code()
            );
            if *prints {
                let document: Result<Value, _> = serde_json::from_str(&said);
                assert!(
                    document.is_ok_and(|document| !document.is_null()),
                    "{path}: no JSON: {said}{complained}"
                );
            } else {
                assert!(said.is_empty() && !complained.is_empty(), "{path}: {said}{complained}");
            }
            assert!(!said.contains('\u{1b}'), "{path}: colours in JSON");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_says_so_as_a_document_too() {
    World::run(async |world| {
        let cases: [(&[&str], &str); 5] = [
            (&["migrate", "--json"], "now"),
            (&["topology", "apply", "--json"], "declared"),
            (&["source", "pause", "tis", "--json"], "paused"),
            (&["source", "resume", "tis", "--json"], "changed"),
            (&["source", "rotate-key", "tis", "--json"], "key"),
        ];
        for (arguments, member) in cases {
            let ran = waybill(&world, arguments).await;
            let said: Value =
                serde_json::from_str(&out(&ran)).unwrap_or_else(|_| panic!("{arguments:?}: {}", err(&ran)));
            assert_eq!(ran.status.code(), Some(0), "{arguments:?}");
            assert!(!said[member].is_null(), "{arguments:?}: {said}");
        }
        world
    })
    .await;
}
