//! Taking a list out, as CSV. It leaves the machine with people, so who takes it, by which filter and how
//! many there are is on the audit trail first, and nothing is written when that fails. Never holds a body
//! or a part of one.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use waybill_store::Store;
use waybill_store::audit::By;

use super::{Ended, nobody};
use crate::cli::{Export, Who};
use crate::csv;

/// A list that is to be taken out.
pub(super) struct List<'a> {
    /// What the trail calls it, for instance `export dead letters`.
    pub action: &'a str,
    /// What was asked for, in a form that may be written down: no value out of a body.
    pub filter: Value,
    /// Of which source alone, if of one.
    pub source: Option<&'a str>,
    /// Why, where they said.
    pub reason: Option<&'a str>,
    /// Whether senders' keys are in it as they are.
    pub keys: bool,
    /// The columns.
    pub header: &'a [&'a str],
    /// The lines.
    pub rows: Vec<Vec<String>>,
    /// Whether there are more than these.
    pub more: bool,
}

/// Writes the act down, then the list to where `export` says.
pub(super) async fn write(
    store: &Store,
    who: &Who,
    export: &Export,
    list: List<'_>,
) -> anyhow::Result<Ended> {
    let Some(to) = export.csv.as_deref() else { return Ok(Ended::Usage) };
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    let detail =
        json!({"filter": list.filter, "count": list.rows.len(), "more": list.more, "keys": list.keys});
    let act = By::cli(&actor).because_of(list.reason).on_messages(list.action, &[], &detail);
    let act = list.source.map_or(act, |source| act.of(source));
    store.audit(act).await.context("nothing is written: the audit trail cannot be written")?;
    let mut text = csv::row(list.header);
    for cells in &list.rows {
        text.push_str(&csv::row(cells));
    }
    if to == Path::new("-") {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    } else {
        let mut out = create(to)?;
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    if to != Path::new("-") || std::io::stdout().is_terminal() {
        eprintln!("{} lines{}", list.rows.len(), if list.more { "; there are more" } else { "" });
    } else if list.more {
        eprintln!("there are more than these {} lines", list.rows.len());
    }
    Ok(if list.rows.is_empty() { Ended::Nothing } else { Ended::Done })
}

/// A new file that its owner alone can read; one that is there is not overwritten.
pub(super) fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    Ok(BufWriter::new(file.with_context(|| format!("{} cannot be created", path.display()))?))
}
