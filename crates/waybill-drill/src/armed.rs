//! The points and mutants of a drill's build.
//!
//! `WAYBILL_DRILL` names a folder. A file in it with the name of a point arms that point once: who
//! passes it takes the file away by renaming it to `NAME.hit` (so that one pass alone is hit, and
//! the drill can see that it was) and does what the file says: `kill`, `stop`, or `sleep` and a
//! number of milliseconds. `WAYBILL_MUTANT` lists the defects that are switched on, with commas.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| variable("WAYBILL_DRILL").map(PathBuf::from));
static MUTANTS: LazyLock<String> = LazyLock::new(|| variable("WAYBILL_MUTANT").unwrap_or_default());

#[expect(clippy::disallowed_methods, reason = "no part of the configuration: drill builds alone have it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A named place on a message's way: does what the drill has armed it with, if anything.
pub fn point(name: &str) {
    let Some(folder) = &*FOLDER else { return };
    let hit = folder.join(format!("{name}.hit"));
    if std::fs::rename(folder.join(name), &hit).is_err() {
        return;
    }
    let told = std::fs::read_to_string(&hit).unwrap_or_default();
    match told.trim().split_once(' ').unwrap_or((told.trim(), "")) {
        ("kill", _) => signal("KILL"),
        ("stop", _) => signal("STOP"),
        ("sleep", ms) => std::thread::sleep(Duration::from_millis(ms.parse().unwrap_or_default())),
        // nothing happens, and the drill sees that nothing did
        _ => {}
    }
}

/// Sends this process a signal; by the time `kill` has ended, it was delivered.
fn signal(name: &str) {
    let _ = Command::new("kill").args(["-s", name, &std::process::id().to_string()]).status();
}

/// Whether the defect `name` is switched on.
pub fn mutant(name: &str) -> bool {
    MUTANTS.split(',').any(|listed| listed == name)
}
