//! The table: every figure with what it is measured against, for people.

use comfy_table::{Table, TableStyle, presets};

use crate::latency::Latency;
use crate::measure::Measured;
use crate::report::Figures;

/// The rows: what, its figure, against what, the ratio.
type Row = [String; 4];

/// The table for a terminal.
pub fn text(figures: &Figures) -> String {
    draw(figures, presets::UTF8_FULL_CONDENSED)
}

/// The same in Markdown.
pub fn markdown(figures: &Figures) -> String {
    draw(figures, presets::ASCII_MARKDOWN)
}

fn draw(figures: &Figures, style: TableStyle) -> String {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["what", "figure", "against", "ratio"]);
    let groups = [floors(figures), gateways(figures), order(figures), rest(figures)];
    for row in groups.into_iter().flatten() {
        table.add_row(row);
    }
    table.to_string()
}

fn row(what: &str, figure: String, against: &str, ratio: Option<f64>) -> Row {
    let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
    [what.to_owned(), figure, against.to_owned(), ratio]
}

fn rate(per_s: f64) -> String {
    format!("{per_s:.0}/s")
}

fn times(latency: Latency) -> String {
    format!("p50 {:.1} ms, p99 {:.1} ms", latency.p50_ms, latency.p99_ms)
}

fn floors(figures: &Figures) -> Vec<Row> {
    let floor = |what, per_s| row(what, rate(per_s), "", None);
    vec![
        floor("http_floor: read the body, answer", figures.http_floor),
        floor("postgres_floor: batched durable inserts", figures.postgres_floor),
        floor("broker_floor: confirmed publishes", figures.broker_floor),
    ]
}

fn gateways(figures: &Figures) -> Vec<Row> {
    let (waybill, naive) = (&figures.waybill, &figures.naive);
    let (accept, end_to_end) = (waybill.accept.per_s, waybill.end_to_end.per_s);
    let mut rows = of_gateway("naive", naive, None);
    rows.extend(of_gateway("Waybill", waybill, Some(("naive", naive))));
    rows.push(row("Waybill, accept", rate(accept), "postgres_floor", Some(accept / figures.postgres_floor)));
    rows.push(row("Waybill, accept", rate(accept), "http_floor", Some(accept / figures.http_floor)));
    let against_broker = Some(end_to_end / figures.broker_floor);
    rows.push(row("Waybill, end to end", rate(end_to_end), "broker_floor", against_broker));
    rows
}

fn of_gateway(name: &str, measured: &Measured, against: Option<(&str, &Measured)>) -> Vec<Row> {
    let (accept, end_to_end, drain) = (&measured.accept, &measured.end_to_end, &measured.drain);
    let other = against.map_or("", |(other, _)| other);
    let ratio = |ours: f64, theirs: fn(&Measured) -> f64| against.map(|(_, them)| ours / theirs(them));
    let at = |what: &str, per_s: f64| format!("{name}, {what} at {}", rate(per_s));
    let drained = format!("{name}, drain of {}", drain.backlog);
    vec![
        row(&format!("{name}, accept"), rate(accept.per_s), other, ratio(accept.per_s, |m| m.accept.per_s)),
        row(&at("accept", accept.open_per_s), times(accept.latency), "", None),
        row(
            &format!("{name}, end to end"),
            rate(end_to_end.per_s),
            other,
            ratio(end_to_end.per_s, |m| m.end_to_end.per_s),
        ),
        row(&at("end to end", end_to_end.open_per_s), times(end_to_end.latency), "", None),
        row(&at("answer", end_to_end.open_per_s), times(end_to_end.answer), "", None),
        row(&drained, rate(drain.per_s), other, ratio(drain.per_s, |m| m.drain.per_s)),
    ]
}

fn order(figures: &Figures) -> Vec<Row> {
    let ordering = &figures.ordering;
    let none = "HL7, order_by none";
    let mut rows = of_gateway(none, &ordering.none, None);
    rows.extend(of_gateway("HL7, by patient", &ordering.patient, Some((none, &ordering.none))));
    let hot = &ordering.hot_key;
    let (without, beside) = (hot.others_without, hot.others_beside);
    let beside_what = format!("others beside a hot key ({:.0} %)", hot.share * 100.0);
    rows.push(row("others without a hot key", times(without), "", None));
    rows.push(row(&beside_what, times(beside), "p50 without it", Some(hot.p50_vs_without)));
    rows.push(row(&beside_what, times(beside), "p99 without it", Some(hot.p99_vs_without)));
    rows.push(row("the hot key itself", times(hot.hot), "", None));
    rows
}

fn rest(figures: &Figures) -> Vec<Row> {
    let memory = &figures.waybill.memory;
    let known = |figure: Option<f64>, unit: &str| {
        figure.map_or("unknown here".to_owned(), |figure| format!("{figure:.0} {unit}"))
    };
    let waiting = memory.broker_messages.map_or(String::new(), |count| format!(", {count} waiting"));
    let hl7 = &figures.hl7;
    let mut rows = vec![
        row("memory, ingest-api at most", known(memory.ingest_rss_mib, "MiB"), "", None),
        row("memory, worker at most", known(memory.worker_rss_mib, "MiB"), "", None),
        row(
            &format!("broker, for each message{waiting}"),
            known(memory.broker_bytes_per_message, "bytes"),
            "",
            None,
        ),
        row("HL7 envelope", rate(hl7.envelope_per_s), "hl7-parser", Some(hl7.envelope_vs_hl7_parser)),
        row("HL7, every part", rate(hl7.parse_per_s), "hl7-parser", Some(hl7.parse_vs_hl7_parser)),
    ];
    let replays = &figures.replays;
    let plan = |what: &str| format!("replay plan of {}, {what}", replays.dead_letters);
    rows.push(row(&plan("made"), format!("{:.1} s", replays.plan_make_s), "", None));
    rows.push(row(&plan("run to its end"), format!("{:.0} s", replays.plan_run_s), "", None));
    for run in &figures.scaling {
        let what = format!("{} workers, {} ms a message", run.workers, run.service_ms);
        rows.push(row(&what, rate(run.per_s), "as many times one", Some(run.efficiency)));
    }
    rows
}
