//! Taking a whole drill's result into the documentation.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::faults::FAULTS;
use crate::services::variable;

/// What the table shows of a run; `latest.json` holds more.
#[derive(Debug, Deserialize)]
struct Run {
    fault: String,
    accepted: usize,
    lost: usize,
    duplicate_effects: usize,
    out_of_order: usize,
    recovery_s: f64,
    ok: Option<bool>,
    reason: Option<String>,
}

const PAGE: &str = "docs/RELIABILITY.md";
const BEGIN: &str = "<!-- table: ./dev chaos --publish writes it -->\n";
const END: &str = "<!-- end of table -->\n";

/// Copies `latest.json` to docs/data/chaos.json and its table into docs/RELIABILITY.md, both seen
/// from the top of the checkout.
///
/// # Errors
/// When there is no whole drill to take, or the page has no place for it.
pub fn publish() -> Result<()> {
    let latest = PathBuf::from(variable("WAYBILL_CHAOS_DIR")?).join("latest.json");
    let json = std::fs::read_to_string(&latest)
        .with_context(|| format!("{} cannot be read: run a whole ./dev chaos first", latest.display()))?;
    let runs: Vec<Run> = serde_json::from_str(&json)?;
    ensure!(
        runs.len() > FAULTS.len(),
        "{} holds {} runs, which is no whole drill",
        latest.display(),
        runs.len()
    );
    let page = std::fs::read_to_string(PAGE)?;
    let (before, rest) = page.split_once(BEGIN).context("docs/RELIABILITY.md has no place for the table")?;
    let (_, after) = rest.split_once(END).context("the table in docs/RELIABILITY.md has no end")?;
    std::fs::create_dir_all("docs/data")?;
    std::fs::write("docs/data/chaos.json", &json)?;
    std::fs::write(PAGE, format!("{before}{BEGIN}{}{END}{after}", table(&runs)?))?;
    Ok(())
}

fn table(runs: &[Run]) -> Result<String> {
    let mut table =
        String::from("\n| fault | accepted | lost | wrong effects | out of order | recovery | |\n");
    table.push_str("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for run in runs {
        let verdict = match run.ok {
            Some(true) => "ok".to_owned(),
            Some(false) => format!("**failed**: {}", run.reason.as_deref().unwrap_or_default()),
            None => format!("not injected: {}", run.reason.as_deref().unwrap_or_default()),
        };
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {:.1} s | {} |",
            run.fault.replace('+', " + "),
            run.accepted,
            run.lost,
            run.duplicate_effects,
            run.out_of_order,
            run.recovery_s,
            verdict.replace(['|', '\n'], " ")
        )?;
    }
    table.push('\n');
    Ok(table)
}
