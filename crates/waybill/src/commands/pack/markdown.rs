//! The pack for people. Lists the first affected messages of each source and counts the rest, which
//! the CSV has.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use waybill_store::pack::{Affected, Partner};

use super::{Figures, counts};
use crate::commands::timeline::duration;
use crate::table::plain;

/// Affected messages of one source that are listed.
const LISTED_MAX: u64 = 50;

/// All but the affected messages.
pub(super) fn write(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    let window = &figures.window;
    writeln!(out, "# Incident pack\n")?;
    writeln!(
        out,
        "Accepted from {} to {} (exclusive){}, and what became of it by {}.",
        time(window.from),
        time(window.to),
        window.source.as_ref().map(|name| format!(", source {name}")).unwrap_or_default(),
        time(figures.as_of)
    )?;
    writeln!(
        out,
        "\nCounted from the ledger in one snapshot. Answers to repeats are not kept by time, so they are not in it.\n"
    )?;
    if figures.partners.is_empty() {
        return writeln!(
            out,
            "Nothing was accepted in this window, and nothing accepted earlier was affected in it."
        );
    }
    writeln!(out, "## By partner\n")?;
    writeln!(
        out,
        "| source | accepted | processed | ignored | discarded | dead | held | in progress | unaccounted | delayed | ever dead | replayed | repaired | found by sweeps | retried |"
    )?;
    writeln!(
        out,
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
    )?;
    for p in &figures.partners {
        writeln!(out, "| {} | {} |", p.source, counts(p).map(|count| count.to_string()).join(" | "))?;
    }
    writeln!(
        out,
        "\nAccepted = processed + discarded + dead + held + in progress + unaccounted; ignored are among the processed. Delayed: not final within the source's deadline, and not dead. Repaired: replayed, or mended by a sweep, and processed now.\n"
    )?;
    earlier(out, figures)?;
    how_long(out, figures)?;
    deaths(out, figures)?;
    pieces(out, figures)
}

/// How long it took, was late and was dead.
fn how_long(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    writeln!(out, "## How long\n")?;
    writeln!(
        out,
        "From accepted to processed; how long the latest was beyond its deadline; how long the longest dead was dead; of what was accepted in the window.\n"
    )?;
    writeln!(
        out,
        "| source | half within | 95 % within | longest | which | deadline | latest by | longest dead |\n| --- | --: | --: | --: | --- | --: | --: | --: |"
    )?;
    for p in &figures.partners {
        writeln!(out, "| {} |", speed(p).join(" | "))?;
    }
    Ok(())
}

/// The course of what was accepted in the window.
fn pieces(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    writeln!(out, "\n## In pieces of {} min\n", figures.slice_minutes)?;
    writeln!(out, "Of what was accepted in the window.\n")?;
    writeln!(out, "Pieces in which nothing happened and nothing was open are left out.\n")?;
    writeln!(
        out,
        "| from | accepted | finished | died | open at its end |\n| --- | --: | --: | --: | --: |"
    )?;
    for s in figures.slices.iter().filter(|s| s.accepted + s.finished + s.died + s.open != 0) {
        writeln!(out, "| {} | {} | {} | {} | {} |", time(s.at), s.accepted, s.finished, s.died, s.open)?;
    }
    Ok(())
}

/// What was accepted before the window.
fn earlier(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    writeln!(out, "## Accepted earlier, affected in the window\n")?;
    if figures.partners.iter().all(|p| p.earlier == 0) {
        return writeln!(out, "None.\n");
    }
    writeln!(
        out,
        "Accepted before the window, and dead, late or repaired in it. None of these is counted above.\n"
    )?;
    writeln!(out, "| source | messages | late | dead | repaired |\n| --- | --: | --: | --: | --: |")?;
    for p in figures.partners.iter().filter(|p| p.earlier > 0) {
        let counts = [p.earlier, p.earlier_delayed, p.earlier_dead, p.earlier_repaired];
        writeln!(out, "| {} | {} |", p.source, counts.map(|count| count.to_string()).join(" | "))?;
    }
    writeln!(out)
}

fn deaths(out: &mut impl Write, figures: &Figures) -> io::Result<()> {
    writeln!(out, "\n## Dead\n")?;
    if figures.deaths.is_empty() {
        return writeln!(out, "None died.");
    }
    writeln!(
        out,
        "| group | source | kind | why, for instance | deaths | of those accepted earlier | dead now | first | last | for instance |\n| --- | --- | --- | --- | --: | --: | --: | --- | --- | --- |"
    )?;
    for d in &figures.deaths {
        let example = d.examples.first().map(ToString::to_string).unwrap_or_default();
        let why = cell(&format!("{}: {}", d.class, d.reason));
        writeln!(
            out,
            "| {} | {} | {} | {why} | {} | {} | {} | {} | {} | {example} |",
            d.group,
            d.source,
            cell(&d.kind),
            d.deaths,
            d.earlier,
            d.still_dead,
            time(d.first_at),
            time(d.last_at)
        )?;
    }
    Ok(())
}

fn speed(p: &Partner) -> [String; 8] {
    let seconds = |s: Option<f64>| s.map(duration).unwrap_or_default();
    [
        p.source.clone(),
        seconds(p.p50_s),
        seconds(p.p95_s),
        seconds(p.max_s),
        p.longest.map(|id| id.to_string()).unwrap_or_default(),
        seconds(p.deadline_s),
        seconds(p.late_max_s),
        seconds(p.dead_max_s),
    ]
}

/// The affected messages, source by source.
pub(super) struct Messages<'a, W: Write> {
    out: &'a mut W,
    source: String,
    of_source: u64,
}

impl<'a, W: Write> Messages<'a, W> {
    /// Writes the heading.
    pub(super) fn begin(out: &'a mut W) -> io::Result<Self> {
        writeln!(
            out,
            "\n## Affected messages\n\nDelayed, dead now or before, decided upon, found by a sweep, or not final; accepted in the window, or earlier and affected in it."
        )?;
        Ok(Self { out, source: String::new(), of_source: 0 })
    }

    /// Lists one, if not too many of its source are listed.
    pub(super) fn add(&mut self, message: &Affected) -> anyhow::Result<()> {
        if message.source != self.source {
            self.rest()?;
            self.source.clone_from(&message.source);
            self.of_source = 0;
            writeln!(
                self.out,
                "\n### {}\n\n| message | idempotency key | accepted | state | took | late by | dead for | why |\n| --- | --- | --- | --- | --: | --: | --: | --- |",
                self.source
            )?;
        }
        self.of_source += 1;
        if self.of_source <= LISTED_MAX {
            writeln!(
                self.out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                message.id,
                cell(message.idempotency_key.as_deref().unwrap_or_default()),
                time(message.received_at),
                message.state.as_deref().unwrap_or("no place"),
                message.took_s.map(duration).unwrap_or_default(),
                message.late_s.map(duration).unwrap_or_default(),
                message.dead_s.map(duration).unwrap_or_default(),
                why(message)
            )?;
        }
        Ok(())
    }

    /// Says how many are not listed.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.source.is_empty() {
            writeln!(self.out, "\nNone.")?;
        }
        self.rest()
    }

    fn rest(&mut self) -> io::Result<()> {
        if self.of_source > LISTED_MAX {
            writeln!(
                self.out,
                "\n{} more of {}: see --format csv.",
                self.of_source - LISTED_MAX,
                self.source
            )?;
        }
        Ok(())
    }
}

/// What is the matter with it, in words.
fn why(message: &Affected) -> String {
    let mut words = Vec::new();
    if message.earlier {
        words.push("accepted earlier".to_owned());
    }
    if message.delayed {
        words.push("delayed".to_owned());
    }
    if message.deaths > 0 {
        words.push(format!("died {} times", message.deaths));
    }
    if message.replays > 0 {
        words.push(format!("replayed {} times", message.replays));
    }
    if message.repaired {
        words.push("repaired".to_owned());
    }
    if !message.findings.is_empty() {
        words.push(format!("found: {}", message.findings.join(", ")));
    }
    if let (Some(class), Some(reason)) = (&message.error_class, &message.error_reason) {
        words.push(format!("{class}: {reason}"));
    }
    cell(&words.join("; "))
}

/// Text in a cell: on one line, and with no bar or mark of its own.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in plain(text).chars() {
        if matches!(c, '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']') {
            cell.push('\\');
        }
        cell.push(c);
    }
    cell
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_stays_a_cell() {
        assert_eq!(cell("A|B\n<b>"), "A\\|B\\\\u{a}\\<b\\>");
    }
}
