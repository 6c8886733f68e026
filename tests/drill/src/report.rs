//! What people and machines read of a drill.

use std::time::Duration;

use anyhow::Result;

use crate::run::Outcome;
use crate::services::variable;

/// Violations that are explained one by one; more of them say nothing new.
const EXPLAINED: usize = 5;

/// The line that is printed when a run has ended. Its first word is what `./dev test` counts.
pub fn line(at: usize, of: usize, outcome: &Outcome) -> String {
    let reason = outcome.reason.as_deref().unwrap_or_default();
    let (verdict, detail) = match outcome.ok {
        None => ("skip", format!("cannot be injected here: {reason}")),
        Some(false) => ("FAIL", reason.to_owned()),
        Some(true) => {
            let (accepted, recovery) = (outcome.accepted, outcome.recovery_s);
            ("ok", format!("{accepted:>5} accepted, recovered in {recovery:>5.1} s; {}", outcome.bite))
        }
    };
    format!("{verdict:<4} {at:>3}/{of} {:<52} {detail}", outcome.fault)
}

/// The table, and an explanation of each failure.
pub fn print(outcomes: &[Outcome], took: Duration, seed: u64) {
    println!();
    println!(
        "{:<52} {:>6} {:>8} {:>9} {:>5} {:>5} {:>7} {:>6} {:>6} {:>9}",
        "fault", "sent", "accepted", "processed", "dead", "lost", "effects", "order", "other", "recovery"
    );
    for o in outcomes {
        let verdict = match o.ok {
            Some(true) => "",
            Some(false) => "  FAIL",
            None => "  not injected",
        };
        println!(
            "{:<52} {:>6} {:>8} {:>9} {:>5} {:>5} {:>7} {:>6} {:>6} {:>7.1} s{verdict}",
            o.fault,
            o.sent,
            o.accepted,
            o.processed,
            o.dead,
            o.lost,
            o.duplicate_effects,
            o.out_of_order,
            o.other,
            o.recovery_s
        );
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.is_fine()) {
        explain(outcome);
    }
    let count = |ok| outcomes.iter().filter(|outcome| outcome.ok == ok).count();
    let accepted: usize = outcomes.iter().map(|outcome| outcome.accepted).sum();
    println!(
        "\n{} runs in {} min {} s, seed {seed}: {} fine, {} failed, {} not injected here; {accepted} messages accepted",
        outcomes.len(),
        took.as_secs() / 60,
        took.as_secs() % 60,
        count(Some(true)),
        count(Some(false)),
        count(None)
    );
}

/// Which message, which promise, and what to read.
fn explain(outcome: &Outcome) {
    println!("\n{} failed: {}", outcome.fault, outcome.reason.as_deref().unwrap_or_default());
    for violation in outcome.violations.iter().take(EXPLAINED) {
        let id = violation.id.map(|id| format!(" message {id}:")).unwrap_or_default();
        println!("  {:?}:{id} {}", violation.invariant, violation.what);
    }
    if outcome.violations.len() > EXPLAINED {
        println!("  and {} more", outcome.violations.len() - EXPLAINED);
    }
    if outcome.violations.is_empty() {
        println!("  The run could not be played out, so it proves nothing: no promise was seen broken.");
    }
    if let Some(folder) = &outcome.folder {
        println!("  Read the processes' logs in {folder} (grep the message's id).");
    }
    println!("  Again: ./dev chaos --only {} --seed {}", outcome.fault, outcome.seed);
}

/// Writes `latest.json`, or `quick.json`.
///
/// # Errors
/// When it cannot be written.
pub fn write(outcomes: &[Outcome], quick: bool) -> Result<()> {
    let folder = std::path::PathBuf::from(variable("WAYBILL_CHAOS_DIR")?);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(if quick { "quick.json" } else { "latest.json" });
    let lines: Vec<String> = outcomes.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    std::fs::write(&file, format!("[\n{}\n]\n", lines.join(",\n")))?;
    println!("written: {}", file.display());
    Ok(())
}

impl Outcome {
    /// Whether nothing is wrong with it. What could not be injected is no failure, and no success.
    pub fn is_fine(&self) -> bool {
        self.ok != Some(false)
    }
}
