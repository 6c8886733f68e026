//! On a terminal: what is printed fits it, colours are for it alone, and `waybill top` gives it back.
//! A terminal is made by `script` (util-linux); where there is none, these tests say so and go on.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::{out, waybill};
use crate::support::partner::{id, signature};
use crate::support::programs::command;
use crate::support::{World, until};

/// What gives a terminal its other screen, and takes it away.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

/// Whether terminals can be made here.
fn has_terminals() -> bool {
    let made = Command::new("script").args(["-qec", "true", "/dev/null"]).stdin(Stdio::null()).output();
    let has = made.is_ok_and(|made| made.status.success());
    if !has {
        eprintln!("no `script` of util-linux here: not looked at on a terminal");
    }
    has
}

/// `waybill` with these arguments on a terminal of so many columns.
fn on_terminal(world: &World, columns: u32, arguments: &str, more: &[(&str, &str)]) -> Command {
    let mut settings = world.settings();
    settings.push(("TERM".to_owned(), "xterm".to_owned()));
    settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let program = command("waybill", &[]).get_program().to_str().unwrap().to_owned();
    let line = format!("stty cols {columns} rows 40; echo pid=$$; exec {program} {arguments}");
    let mut script = Command::new("script");
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYBILL_")) {
        script.env_remove(variable);
    }
    script.env_remove("NO_COLOR").env_remove("COLUMNS").envs(settings);
    script.args(["-qec", &line, "/dev/null"]);
    script
}

/// What it printed there: without the ends of lines that a terminal makes, and the line of its number.
async fn printed(world: &World, columns: u32, arguments: &str, more: &[(&str, &str)]) -> String {
    let mut script = on_terminal(world, columns, arguments, more);
    let ran = tokio::task::spawn_blocking(move || script.stdin(Stdio::null()).output().unwrap());
    let text = out(&ran.await.unwrap()).replace('\r', "");
    text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

/// The text without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_fits_the_terminal_cuts_no_id_and_colours_states_there_alone() {
    if !has_terminals() {
        return;
    }
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = &world.partner("tis", &url);
        let body = signature("m", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("k", body.clone())).await).await;
        tis.until(&dead, "dead").await;
        for columns in [24, 60, 80, 130, 200] {
            let text = plain(&printed(&world, columns, "message find --source tis", &[]).await);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(widest <= usize::try_from(columns).unwrap().max(2 + dead.len()), "{columns}:\n{text}");
            assert!(text.contains(&dead), "{columns}: the id is whole:\n{text}");
        }
        let find = "message find --source tis";
        // as a table, and upright
        for columns in [200, 60] {
            let text = printed(&world, columns, find, &[]).await;
            assert!(text.contains("\u{1b}[38;5;9mdead"), "coloured: {text:?}");
        }
        for (arguments, more) in [
            (format!("{find} --color never"), &[][..]),
            (find.to_owned(), &[("NO_COLOR", "1")]),
            (find.to_owned(), &[("TERM", "dumb")]),
            (format!("{find} --json"), &[]),
        ] {
            let text = printed(&world, 130, &arguments, more).await;
            assert!(!text.contains('\u{1b}') && text.contains(&dead), "{arguments} {more:?}: {text:?}");
        }
        let in_pipe = waybill(&world, &["message", "find", "--source", "tis"]).await;
        assert!(!out(&in_pipe).contains('\u{1b}') && out(&in_pipe).contains("GG10"), "{}", out(&in_pipe));
        let asked = waybill(&world, &["message", "find", "--source", "tis", "--color", "always"]).await;
        assert!(out(&asked).contains("\u{1b}["), "{}", out(&asked));
        world
    })
    .await;
}

/// A started view: what it has drawn so far, and its keyboard.
struct View {
    script: Child,
    drawn: Arc<Mutex<String>>,
}

impl View {
    fn start(world: &World) -> Self {
        let mut command = on_terminal(world, 120, "top --every 1", &[]);
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut output, drawn) = (script.stdout.take().unwrap(), Arc::new(Mutex::new(String::new())));
        let kept = Arc::clone(&drawn);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { script, drawn }
    }

    fn drawn(&self) -> String {
        self.drawn.lock().unwrap().clone()
    }

    async fn until_drawn(&self, what: &str) {
        until(what, || async { self.drawn().contains(what) }).await;
    }

    /// The exit code, and everything that was drawn.
    async fn end(mut self) -> (Option<i32>, String) {
        let ended = tokio::task::spawn_blocking(move || (self.script.wait().unwrap().code(), self));
        let (code, view) = ended.await.unwrap();
        view.until_drawn(GIVEN_BACK).await;
        (code, view.drawn())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_view_ends_by_key_and_by_signal_and_gives_the_terminal_back() {
    if !has_terminals() {
        return;
    }
    World::run(async |world| {
        for by_signal in [false, true] {
            let mut view = View::start(&world);
            view.until_drawn("unfinished").await;
            view.until_drawn("RabbitMQ: up").await;
            // rates are there from the second look on
            view.until_drawn("accepted 0.0/s").await;
            assert!(view.drawn().contains(TAKEN) && !view.drawn().contains(GIVEN_BACK));
            if by_signal {
                let drawn = view.drawn();
                let pid = drawn.split("pid=").nth(1).unwrap().split(['\r', '\n']).next().unwrap();
                assert!(Command::new("kill").args(["-s", "TERM", pid]).status().unwrap().success());
            } else {
                view.script.stdin.as_mut().unwrap().write_all(b"xq").unwrap();
            }
            let (code, drawn) = view.end().await;
            assert_eq!(code, Some(0), "{by_signal}: {drawn:?}");
            assert!(drawn.rfind(CURSOR) > drawn.rfind(TAKEN), "the cursor is back: {drawn:?}");
        }
        world
    })
    .await;
}
