//! The report: `latest.json`, whose names scripts may rely on, and where the run took place.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::hl7::Reading;
use crate::hot::HotKey;
use crate::latency::Latency;
use crate::measure::{Drain, Measured, Memory};
use crate::replays::Replays;
use crate::scaling::Scaled;

/// A floor's figure.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Floor {
    /// Per second.
    pub per_s: f64,
}

/// Where the run took place.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores, shared by everything that runs.
    pub cores: usize,
    /// Memory, in GiB; none where the system does not say.
    pub memory_gib: Option<f64>,
    /// PostgreSQL's version.
    pub postgresql: String,
    /// RabbitMQ's version.
    pub rabbitmq: String,
}

/// Accepting, and its ratios.
#[derive(Debug, Serialize)]
struct Accept {
    per_s: f64,
    open_per_s: f64,
    #[serde(flatten)]
    latency: Latency,
    vs_naive: f64,
    vs_postgres_floor: f64,
    vs_http_floor: f64,
}

/// The whole way, and its ratios.
#[derive(Debug, Serialize)]
struct EndToEnd {
    per_s: f64,
    open_per_s: f64,
    #[serde(flatten)]
    latency: Latency,
    answer: Latency,
    vs_naive: f64,
    vs_broker_floor: f64,
}

/// The cost of order: the same HL7 messages with `order_by = "none"` and `"patient"`.
#[derive(Debug, Clone, Serialize)]
pub struct Ordering {
    /// Without order.
    pub none: Measured,
    /// Ordered by patient.
    pub patient: Measured,
    /// Throughput by patient, by that without order.
    pub vs_none: Ratios,
    /// What a hot key costs the others.
    pub hot_key: HotKey,
}

/// One gateway's throughput by another's.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ratios {
    accept: f64,
    end_to_end: f64,
    drain: f64,
}

impl Ratios {
    /// Of `one` by `other`.
    pub fn of(one: &Measured, other: &Measured) -> Self {
        Self {
            accept: one.accept.per_s / other.accept.per_s,
            end_to_end: one.end_to_end.per_s / other.end_to_end.per_s,
            drain: one.drain.per_s / other.drain.per_s,
        }
    }
}

/// All that was measured.
#[derive(Debug, Clone)]
pub struct Figures {
    /// `full` or `quick`.
    pub mode: &'static str,
    /// Where.
    pub machine: Machine,
    /// HTTP alone.
    pub http_floor: f64,
    /// PostgreSQL alone.
    pub postgres_floor: f64,
    /// RabbitMQ alone.
    pub broker_floor: f64,
    /// The naive gateway.
    pub naive: Measured,
    /// Waybill.
    pub waybill: Measured,
    /// Order.
    pub ordering: Ordering,
    /// Workers.
    pub scaling: Vec<Scaled>,
    /// Reading HL7.
    pub hl7: Reading,
    /// A replay plan.
    pub replays: Replays,
}

/// The file.
#[derive(Debug, Serialize)]
pub struct Report {
    mode: &'static str,
    machine: Machine,
    http_floor: Floor,
    postgres_floor: Floor,
    broker_floor: Floor,
    naive: Measured,
    accept: Accept,
    end_to_end: EndToEnd,
    drain: Drain,
    memory: Memory,
    hl7: Reading,
    scaling: Vec<Scaled>,
    ordering: Ordering,
    replays: Replays,
}

impl Report {
    /// The report of these figures.
    pub fn of(figures: &Figures) -> Self {
        let Figures { waybill, naive, .. } = figures.clone();
        let (accept, end_to_end) = (waybill.accept, waybill.end_to_end);
        Self {
            mode: figures.mode,
            machine: figures.machine.clone(),
            http_floor: Floor { per_s: figures.http_floor },
            postgres_floor: Floor { per_s: figures.postgres_floor },
            broker_floor: Floor { per_s: figures.broker_floor },
            accept: Accept {
                per_s: accept.per_s,
                open_per_s: accept.open_per_s,
                latency: accept.latency,
                vs_naive: accept.per_s / naive.accept.per_s,
                vs_postgres_floor: accept.per_s / figures.postgres_floor,
                vs_http_floor: accept.per_s / figures.http_floor,
            },
            end_to_end: EndToEnd {
                per_s: end_to_end.per_s,
                open_per_s: end_to_end.open_per_s,
                latency: end_to_end.latency,
                answer: end_to_end.answer,
                vs_naive: end_to_end.per_s / naive.end_to_end.per_s,
                vs_broker_floor: end_to_end.per_s / figures.broker_floor,
            },
            naive,
            drain: waybill.drain,
            memory: waybill.memory,
            hl7: figures.hl7.clone(),
            scaling: figures.scaling.clone(),
            ordering: figures.ordering.clone(),
            replays: figures.replays.clone(),
        }
    }

    /// Writes the file; it is whole or not there.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        write(self, path)
    }
}

/// Writes figures into a file; it is whole or not there.
pub fn write(figures: &impl Serialize, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&rounded(serde_json::to_value(figures)?))?;
    let new = path.with_extension("new");
    std::fs::write(&new, text + "\n").with_context(|| new.display().to_string())?;
    std::fs::rename(&new, path).with_context(|| path.display().to_string())
}

impl Machine {
    /// This machine, with these services.
    pub fn here(postgresql: String, rabbitmq: String) -> Self {
        let kib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
        });
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib.map(|kib| kib / 1024.0 / 1024.0),
            postgresql,
            rabbitmq,
        }
    }
}

/// Four digits are more than a benchmark knows.
fn rounded(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, rounded(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(rounded).collect()),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or(Value::Null, |figure| serde_json::json!(digits(figure)))
        }
        other => other,
    }
}

/// `figure` with four digits that count.
fn digits(figure: f64) -> f64 {
    format!("{figure:.3e}").parse().unwrap_or(figure)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::measure;

    fn measured() -> Measured {
        let latency = Latency { p50_ms: 1.0, p99_ms: 2.0 };
        Measured {
            accept: measure::Accept { per_s: 9000.0, open_per_s: 4500.0, latency },
            end_to_end: measure::EndToEnd { per_s: 6000.0, open_per_s: 3000.0, latency, answer: latency },
            drain: Drain { backlog: 100, per_s: 10.0 },
            memory: Memory {
                ingest_rss_mib: Some(50.0),
                worker_rss_mib: Some(40.0),
                broker_bytes_per_message: Some(300.0),
                broker_messages: Some(100),
            },
        }
    }

    fn figures() -> Figures {
        let latency = Latency { p50_ms: 1.0, p99_ms: 2.0 };
        let mut naive = measured();
        naive.accept.per_s = 3000.0;
        Figures {
            mode: "quick",
            machine: Machine::here("15".to_owned(), "3".to_owned()),
            http_floor: 90_000.0,
            postgres_floor: 45_000.0,
            broker_floor: 30_000.0,
            naive,
            waybill: measured(),
            ordering: Ordering {
                none: measured(),
                patient: measured(),
                vs_none: Ratios::of(&measured(), &measured()),
                hot_key: HotKey {
                    open_per_s: 1.0,
                    share: 0.05,
                    others_without: latency,
                    others_beside: latency,
                    p50_vs_without: 1.0,
                    p99_vs_without: 1.0,
                    hot: latency,
                },
            },
            scaling: vec![Scaled { workers: 1, service_ms: 20, per_s: 100.0, efficiency: 1.0 }],
            hl7: Reading {
                envelope_per_s: 1.0,
                parse_per_s: 1.0,
                other_envelope_per_s: 1.0,
                other_parse_per_s: 1.0,
                envelope_vs_hl7_parser: 1.0,
                parse_vs_hl7_parser: 1.0,
                collection: "demo",
                messages: 1,
                bytes_mean: 1.0,
            },
            replays: Replays {
                dead_letters: 1,
                list_s: 1.0,
                index_per_s: 1.0,
                groups_s: 1.0,
                page_s: 1.0,
                plan_make_s: 1.0,
                plan_run_s: 1.0,
                plan_per_s: 1.0,
                plan_report_s: 1.0,
            },
        }
    }

    fn check(part: &Value, names: &[&str]) {
        let there: BTreeSet<&str> = part.as_object().unwrap().keys().map(String::as_str).collect();
        for name in names {
            assert!(there.contains(name), "{name} is missing among {there:?}");
        }
    }

    #[test]
    fn the_names_that_scripts_rely_on_are_there() {
        let report = serde_json::to_value(Report::of(&figures())).unwrap();
        check(&report, &["accept", "end_to_end", "drain", "memory", "hl7", "scaling"]);
        check(&report, &["http_floor", "postgres_floor", "broker_floor", "naive"]);
        check(&report["accept"], &["per_s", "p50_ms", "p99_ms", "vs_naive", "vs_postgres_floor"]);
        check(&report["end_to_end"], &["per_s", "p50_ms", "p99_ms", "vs_naive"]);
        check(&report["drain"], &["backlog", "per_s"]);
        check(&report["memory"], &["ingest_rss_mib", "worker_rss_mib", "broker_bytes_per_message"]);
        check(&report["hl7"], &["envelope_per_s", "parse_per_s"]);
        check(&report["replays"], &["dead_letters", "plan_make_s", "plan_run_s"]);
        check(&report["scaling"][0], &["workers", "service_ms", "per_s", "efficiency"]);
    }

    #[test]
    fn ratios_are_of_this_run() {
        let report = serde_json::to_value(Report::of(&figures())).unwrap();
        assert_eq!(report["accept"]["vs_naive"], 3.0);
        assert_eq!(report["accept"]["vs_postgres_floor"], 0.2);
        assert_eq!(report["end_to_end"]["vs_naive"], 1.0);
        assert_eq!(report["end_to_end"]["vs_broker_floor"], 0.2);
    }

    #[test]
    fn figures_have_four_digits() {
        assert!((digits(12_345.678) - 12_350.0).abs() < 1e-9);
        assert!((digits(0.012_345_6) - 0.012_35).abs() < 1e-12);
        assert!(digits(0.0).abs() < 1e-12);
    }
}
