//! `waybill report --from --to`: the incident pack, as Markdown, CSV and JSON.
//!
//! One snapshot of the ledger; the affected messages pass through one by one. It leaves the machine
//! with people, so taking one is written to the audit trail first, with how many messages are in it, and
//! none is written when that fails. Holds ids, states and reasons, and senders' keys as hashes unless
//! somebody said why they are needed; no body and no part of one.

mod markdown;
mod tables;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;
use waybill_core::mask;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::pack::{Affected, Death, Pack, Partner, Slice, Window};

use super::export::create;
use super::{Ended, nobody};
use crate::cli::{self, Output, PackFormat, Who};

/// Pieces that a window has at most.
const SLICES_MAX: i64 = 400;
/// The lengths of a piece, in minutes.
const STEPS_MIN: [u32; 6] = [1, 15, 60, 360, 1_440, 10_080];
/// What the audit trail keeps where no reason is given.
const NO_REASON: &str = "none given";

/// A source's messages of the window, column by column.
const fn counts(p: &Partner) -> [i64; 14] {
    [
        p.accepted,
        p.processed,
        p.ignored,
        p.discarded,
        p.dead,
        p.held,
        p.in_progress,
        p.unaccounted,
        p.delayed,
        p.ever_dead,
        p.replayed,
        p.repaired,
        p.found,
        p.retried,
    ]
}

/// All of a pack but the affected messages.
#[derive(Debug, Serialize)]
struct Figures {
    window: Window,
    as_of: chrono::DateTime<chrono::Utc>,
    /// Affected messages, those accepted before the window among them.
    affected: i64,
    partners: Vec<Partner>,
    deaths: Vec<Death>,
    slice_minutes: u32,
    slices: Vec<Slice>,
}

pub(super) async fn run(
    store: &Store,
    window: Window,
    arguments: &cli::Pack,
    who: &Who,
    output: Output,
) -> anyhow::Result<Ended> {
    let minutes = match step(&window) {
        Ok(minutes) => minutes,
        Err(what) => {
            eprintln!("{what}");
            return Ok(Ended::Usage);
        }
    };
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    if let Some(name) = &window.source
        && !store.sources().await?.iter().any(|known| known.source.name == *name)
    {
        eprintln!("the ledger has no source {name}");
        return Ok(Ended::Nothing);
    }
    let folder = arguments.out.as_deref().filter(|out| is_folder(out));
    let format =
        arguments.format.unwrap_or(if output.json { PackFormat::Json } else { PackFormat::Markdown });
    let form = if folder.is_some() { "all".to_owned() } else { format!("{format:?}").to_lowercase() };
    let mut pack = store.pack(window.clone()).await?;
    let figures = Figures {
        as_of: pack.as_of,
        affected: pack.affected,
        partners: pack.partners().await?,
        deaths: pack.deaths().await?,
        slice_minutes: minutes,
        slices: pack.slices(minutes).await?,
        window,
    };
    let detail = json!({
        "filter": {"from": figures.window.from, "to": figures.window.to}, "form": form, "count": figures.affected,
        "keys": arguments.keys,
    });
    let by = By::cli(&actor).because(arguments.reason.as_deref().unwrap_or(NO_REASON));
    let act = by.on_messages("export report", &[], &detail);
    let act = figures.window.source.as_deref().map_or(act, |source| act.of(source));
    store.audit(act).await.context("nothing is written: the audit trail cannot be written")?;
    let keys = arguments.keys;
    match (folder, arguments.out.as_deref()) {
        (Some(folder), _) => all(&mut pack, &figures, folder, keys).await?,
        (None, Some(file)) => {
            let mut out = create(file)?;
            one(&mut pack, &figures, (format, keys), &mut out).await?;
            out.flush()?;
            eprintln!("written to {}", file.display());
        }
        (None, None) => {
            let mut out = BufWriter::new(io::stdout().lock());
            one(&mut pack, &figures, (format, keys), &mut out).await?;
            out.flush()?;
        }
    }
    Ok(if figures.partners.is_empty() { Ended::Nothing } else { Ended::Done })
}

/// A message as it is shown: its sender's key may hold a patient's number.
fn shown(mut affected: Affected, keys: bool) -> Affected {
    if !keys {
        affected.idempotency_key = affected.idempotency_key.as_deref().map(mask::key);
    }
    affected
}

/// The shortest piece that cuts the window into few enough.
fn step(window: &Window) -> Result<u32, String> {
    let minutes = (window.to - window.from).num_minutes();
    if window.to <= window.from {
        return Err("--to must be after --from".to_owned());
    }
    let found = STEPS_MIN.into_iter().find(|step| minutes / i64::from(*step) <= SLICES_MAX);
    found.ok_or_else(|| "the window is longer than seven years".to_owned())
}

/// A folder that is there, or a name that ends as one.
fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.to_string_lossy().ends_with('/')
}

/// Every form, into a folder.
async fn all(pack: &mut Pack, figures: &Figures, folder: &Path, keys: bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let mut report = create(&folder.join("report.md"))?;
    let mut machine = create(&folder.join("report.json"))?;
    let mut messages = create(&folder.join("messages.csv"))?;
    let mut tables = [
        ("partners.csv", tables::partners(figures)),
        ("deaths.csv", tables::deaths(figures)),
        ("timeline.csv", tables::slices(figures)),
    ];
    for (name, table) in &mut tables {
        let mut file = create(&folder.join(name))?;
        file.write_all(table.as_bytes())?;
        file.flush()?;
    }
    markdown::write(&mut report, figures)?;
    let mut json = JsonMessages::begin(&mut machine, figures)?;
    let mut listed = markdown::Messages::begin(&mut report)?;
    messages.write_all(tables::HEADER.as_bytes())?;
    let mut partners = Partners::begin(folder)?;
    let each = |affected: Affected| -> anyhow::Result<()> {
        let affected = &shown(affected, keys);
        listed.add(affected)?;
        json.add(affected)?;
        let line = tables::line(affected);
        partners.add(&affected.source, &line)?;
        Ok(messages.write_all(line.as_bytes())?)
    };
    let count = pack.affected(each).await??;
    partners.end()?;
    listed.end()?;
    json.end()?;
    report.flush()?;
    machine.flush()?;
    messages.flush()?;
    eprintln!("{count} affected messages; written to {}", folder.display());
    Ok(())
}

/// The affected messages of each partner, in a file of its own: what can be sent to that partner.
struct Partners {
    folder: PathBuf,
    open: Option<(String, BufWriter<File>)>,
}

impl Partners {
    fn begin(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("by-partner");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be created", folder.display()))?;
        Ok(Self { folder, open: None })
    }

    /// Adds a line; those of one source come together.
    fn add(&mut self, source: &str, line: &str) -> anyhow::Result<()> {
        if self.open.as_ref().is_none_or(|(name, _)| name != source) {
            self.end()?;
            let mut file = create(&self.folder.join(format!("{source}.csv")))?;
            file.write_all(tables::HEADER.as_bytes())?;
            self.open = Some((source.to_owned(), file));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file.write_all(line.as_bytes())?),
            None => bail!("no file is open for {source}"),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.open.take().map_or(Ok(()), |(_, mut file)| file.flush())
    }
}

/// One form.
async fn one(
    pack: &mut Pack,
    figures: &Figures,
    (format, keys): (PackFormat, bool),
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match format {
        PackFormat::Markdown => {
            markdown::write(out, figures)?;
            let mut listed = markdown::Messages::begin(out)?;
            pack.affected(|affected| listed.add(&shown(affected, keys))).await??;
            listed.end()?;
        }
        PackFormat::Csv => {
            out.write_all(tables::HEADER.as_bytes())?;
            pack.affected(|affected| out.write_all(tables::line(&shown(affected, keys)).as_bytes()))
                .await??;
        }
        PackFormat::Json => {
            let mut json = JsonMessages::begin(out, figures)?;
            pack.affected(|affected| json.add(&shown(affected, keys))).await??;
            json.end()?;
        }
    }
    Ok(())
}

/// The figures as one JSON object, whose last member, the affected messages, is written as they come.
struct JsonMessages<'a, W: Write> {
    out: &'a mut W,
    first: bool,
}

impl<'a, W: Write> JsonMessages<'a, W> {
    fn begin(out: &'a mut W, figures: &Figures) -> anyhow::Result<Self> {
        let text = serde_json::to_string(figures)?;
        let Some(open) = text.strip_suffix('}') else { bail!("the figures are no JSON object") };
        write!(out, "{open},\n\"messages\":[")?;
        Ok(Self { out, first: true })
    }

    fn add(&mut self, affected: &Affected) -> anyhow::Result<()> {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        write!(self.out, "{comma}\n{}", serde_json::to_string(affected)?)?;
        Ok(())
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_few_pieces_and_a_beginning_before_its_end() {
        let hours = |hours: i64| {
            let from = chrono::DateTime::UNIX_EPOCH;
            step(&Window { from, to: from + chrono::Duration::hours(hours), source: None }).ok()
        };
        for (length, expected) in [
            (-1, None),
            (0, None),
            (1, Some(1)),
            (6, Some(1)),
            (24, Some(15)),
            (24 * 11, Some(60)),
            (24 * 365 * 9, None),
        ] {
            assert_eq!(hours(length), expected, "{length} h");
        }
    }
}
