//! The command line with its examples: every command's `--help` ends with some, and so does its page of
//! the manual. Each must parse; the ids, names and people in them are invented.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::Arguments;

/// What is done, and how it is typed.
type Example = (&'static str, &'static str);

/// Examples of each command; of a group that is not listed, the first of each of its commands.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("What is wrong, why, and what to do", "waybill doctor"),
            ("Where everything is that was accepted", "waybill report"),
            ("The flow, live; q ends it", "waybill top"),
            ("What died in the last two hours, by cause", "waybill dead groups --since 2h"),
            ("One message's story", "waybill message timeline 01890a5d-ac96-774b-bcce-b302099a8057"),
        ],
    ),
    (
        "migrate",
        &[
            ("Before new versions of the programs start", "waybill migrate"),
            ("As a deployment's step", "waybill --config /etc/waybill.toml migrate --json"),
        ],
    ),
    ("topology apply", &[("After a lane was added by hand", "waybill topology apply")]),
    (
        "topology check",
        &[
            ("Exit code 1 when there is a difference", "waybill topology check"),
            ("The differences, for a script", "waybill topology check --json"),
        ],
    ),
    (
        "topology render",
        &[
            ("For rabbitmqctl import_definitions", "waybill topology render > definitions.json"),
            ("Without a ledger", "waybill topology render --lane default --lane slow --vhost waybill"),
        ],
    ),
    (
        "apply",
        &[
            ("What would change, and nothing else", "waybill apply -f sources.toml --dry-run"),
            ("Make it so; the key of a new source is shown this once", "waybill apply -f sources.toml"),
        ],
    ),
    (
        "source list",
        &[
            ("Every source, and which are paused", "waybill source list"),
            ("For a script", "waybill source list --json"),
        ],
    ),
    ("source show", &[("How docutap is set up, and its keys by id", "waybill source show docutap")]),
    (
        "source rotate-key",
        &[(
            "A new key; the older one stays live beside it",
            "waybill source rotate-key docutap --reason 'yearly'",
        )],
    ),
    (
        "source revoke-key",
        &[(
            "A key that leaked, by the id that `source show` lists",
            "waybill source revoke-key docutap 4fQzL1 --reason 'it was in a log'",
        )],
    ),
    (
        "source import-key",
        &[
            ("A key that was made elsewhere", "waybill source import-key docutap key.txt"),
            ("From a secret store, past the shell's history", "waybill source import-key docutap -"),
        ],
    ),
    (
        "source pause",
        &[(
            "Accept, and process nothing for now",
            "waybill source pause tis --reason 'their replay runs at 9'",
        )],
    ),
    ("source resume", &[("Go on", "waybill source resume tis")]),
    (
        "source silence",
        &[
            ("No alert tonight", "waybill source silence docutap --for 12h --reason 'their maintenance'"),
            ("Alert again", "waybill source silence docutap --off"),
        ],
    ),
    (
        "message show",
        &[
            ("State, attempts, timeline", "waybill message show 01890a5d-ac96-774b-bcce-b302099a8057"),
            (
                "Its body, every value masked",
                "waybill message show 01890a5d-ac96-774b-bcce-b302099a8057 --as raw",
            ),
            (
                "In clear, for a reason that the audit trail keeps",
                "waybill message show 01890a5d-ac96-774b-bcce-b302099a8057 --as normalized --reveal 'ticket 4711'",
            ),
        ],
    ),
    (
        "message find",
        &[
            ("What waits", "waybill message find --source tis --state held"),
            ("By a value, past the shell's history", "waybill message find --patient - --from 2026-03-10"),
            ("By what the sender calls it", "waybill message find --control-id MSG00042 --source docutap"),
        ],
    ),
    (
        "message timeline",
        &[(
            "What happened to it, and how long it took",
            "waybill message timeline 01890a5d-ac96-774b-bcce-b302099a8057",
        )],
    ),
    (
        "dead groups",
        &[
            ("All, by cause", "waybill dead groups"),
            (
                "What failed validation since yesterday evening",
                "waybill dead groups --reason validation --since 14h",
            ),
        ],
    ),
    (
        "dead list",
        &[
            ("One cause", "waybill dead list --group 9c41d2aa70b35e18"),
            (
                "The next page",
                "waybill dead list --after 2026-03-10T09:15:00Z/01890a5d-ac96-774b-bcce-b302099a8057",
            ),
            ("Ids alone", "waybill dead list --source tis --json | jq -r '.[].id'"),
        ],
    ),
    (
        "dead show",
        &[("Its attempts, and what to do next", "waybill dead show 01890a5d-ac96-774b-bcce-b302099a8057")],
    ),
    (
        "dead replay",
        &[
            ("One, again", "waybill dead replay 01890a5d-ac96-774b-bcce-b302099a8057"),
            (
                "What would be replayed",
                "waybill dead replay --source tis --why 'the schema is mended' --dry-run",
            ),
            (
                "All of it, twenty first, and watch",
                "waybill dead replay --source tis --why 'the schema is mended' --canary 20 --watch",
            ),
        ],
    ),
    (
        "dead discard",
        &[(
            "It is to have no effect; what waited for it goes on",
            "waybill dead discard 01890a5d-ac96-774b-bcce-b302099a8057 --reason 'sent twice, ticket 4711'",
        )],
    ),
    (
        "dead undo",
        &[(
            "A discard that was a mistake",
            "waybill dead undo 01890a5d-ac96-774b-bcce-b302099a8057 --reason 'the wrong one'",
        )],
    ),
    (
        "dead edit",
        &[
            (
                "What a corrected body would change",
                "waybill dead edit 01890a5d-ac96-774b-bcce-b302099a8057 --file fixed.hl7 --reason 'wrong date' --dry-run",
            ),
            (
                "Put it in the dead letter's place",
                "waybill dead edit 01890a5d-ac96-774b-bcce-b302099a8057 --file fixed.hl7 --reason 'wrong date'",
            ),
        ],
    ),
    (
        "audit list",
        &[
            ("The newest acts", "waybill audit list --limit 20"),
            (
                "Who saw this message's body",
                "waybill audit list --action 'view body' --message 01890a5d-ac96-774b-bcce-b302099a8057",
            ),
            ("What one person did", "waybill audit list --actor kim --since 2026-03-10T00:00:00Z"),
        ],
    ),
    (
        "audit verify",
        &[
            ("Whether anything was changed; prints the place to keep", "waybill audit verify"),
            (
                "Whether the end was cut off since then",
                "waybill audit verify --expect 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ],
    ),
    ("plan list", &[("Those that have not ended", "waybill plan list --open")]),
    (
        "plan show",
        &[("How far it is", "waybill plan show 7"), ("Stay until it ends", "waybill plan show 7 --watch")],
    ),
    ("plan start", &[("Begin, and watch", "waybill plan start 7 --why 'the schema is mended' --watch")]),
    ("plan pause", &[("Replay no more for now", "waybill plan pause 7 --why 'the partner is busy'")]),
    ("plan resume", &[("Go on after the canary", "waybill plan resume 7 --why 'the canary is well'")]),
    ("plan cancel", &[("Give it up", "waybill plan cancel 7 --why 'the fix was wrong'")]),
    (
        "user add",
        &[
            ("Asks for the password", "waybill user add kim --role operator"),
            ("From a secret store", "pass show waybill/kim | waybill user add kim --role viewer"),
        ],
    ),
    ("user list", &[("Who may log in", "waybill user list")]),
    ("user password", &[("Another password; their sessions end", "waybill user password kim")]),
    ("user role", &[("Let kim decide, not only look", "waybill user role kim operator")]),
    (
        "user disable",
        &[("Out at once", "waybill user disable kim"), ("In again", "waybill user disable kim --undo")],
    ),
    ("user sessions", &[("Who is logged in, from where", "waybill user sessions")]),
    ("user logout", &[("End all sessions of kim", "waybill user logout kim")]),
    (
        "report",
        &[
            ("Where everything is, by source", "waybill report"),
            (
                "The pack of an incident, as files",
                "waybill report --from 2026-03-10T08:00:00Z --to 2026-03-10T12:00:00Z --out incident/",
            ),
        ],
    ),
    (
        "reconcile",
        &[
            ("Look at everything; exit code 1 when something does not fit", "waybill reconcile"),
            ("Mend what can be mended without guessing", "waybill reconcile --repair"),
        ],
    ),
    (
        "doctor",
        &[
            ("What is wrong, why, and what to do", "waybill doctor"),
            ("With the processes", "waybill doctor --serve-admin-url http://127.0.0.1:9082"),
            (
                "What fails, for a script",
                "waybill doctor --json | jq '.checks[] | select(.verdict == \"fail\")'",
            ),
        ],
    ),
    (
        "top",
        &[
            ("Live; q ends it", "waybill top"),
            (
                "With what the workers count",
                "waybill top --worker-admin-urls http://10.0.0.5:9081,http://10.0.0.6:9081",
            ),
            ("One look, for a script", "waybill top --json | jq .ledger.oldest_due_s"),
        ],
    ),
    (
        "config check",
        &[
            ("Before a deployment", "waybill --config /etc/waybill.toml config check"),
            ("Every mistake, for a script", "waybill config check --json"),
        ],
    ),
    (
        "config print",
        &[
            ("What holds, and what set it", "waybill config print"),
            ("One setting", "waybill config print --json | jq .relay.window_max"),
        ],
    ),
    ("serve", &[("As a service, its console on", "WAYBILL_CONSOLE__LISTEN=127.0.0.1:8090 waybill serve")]),
    (
        "completions",
        &[
            ("For this Bash", "source <(waybill completions bash)"),
            ("For every zsh", "waybill completions zsh > /usr/local/share/zsh/site-functions/_waybill"),
            ("For fish", "waybill completions fish > ~/.config/fish/completions/waybill.fish"),
        ],
    ),
    (
        "man",
        &[
            ("Install the manual", "waybill man --out /usr/local/share/man/man1"),
            ("One page, without installing", "waybill man dead replay | man -l -"),
        ],
    ),
];

/// The command line: what is parsed, completed and described.
pub fn command() -> Command {
    taught(Arguments::command(), "")
}

/// `command` and all below it, with their examples.
fn taught(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let mut shown: Vec<Example> = examples(path).to_vec();
    if shown.is_empty() {
        shown = names.iter().filter_map(|name| examples(&joined(path, name)).first().copied()).collect();
    }
    let command = names.into_iter().fold(command, |command, name| {
        let path = joined(path, &name);
        command.mut_subcommand(name, |below| taught(below, &path))
    });
    if shown.is_empty() { command } else { command.after_help(text(&shown)) }
}

fn examples(path: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(of, _)| *of == path).map_or(&[], |(_, examples)| examples)
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path} {name}") }
}

fn text(examples: &[Example]) -> String {
    let mut text = "Examples:".to_owned();
    for (what, line) in examples {
        // writing to a string cannot fail
        let _ = write!(text, "\n  # {what}\n  {line}");
    }
    text
}

#[cfg(test)]
mod tests;
