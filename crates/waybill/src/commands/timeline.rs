//! `waybill message timeline ID`: one message's story, in order. Never shows a body.

use chrono::SecondsFormat;
use uuid::Uuid;
use waybill_store::Store;

use super::Ended;
use crate::cli::Output;
use crate::table;

pub(super) async fn run(store: &Store, id: Uuid, output: Output) -> anyhow::Result<Ended> {
    let Some(told) = store.timeline(id).await? else {
        eprintln!("there is no message {id} in this ledger");
        return Ok(Ended::Nothing);
    };
    if output.json {
        println!("{}", table::json(&told)?);
        return Ok(Ended::Done);
    }
    let state = told.state.as_deref().unwrap_or("in no place");
    println!("{id} of {}, kind {}: {state}", told.source, told.kind);
    let rows = told.steps.iter().map(|step| {
        vec![
            step.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            duration(step.after_s),
            step.what.clone(),
            match (&step.by, &step.via) {
                (Some(by), Some(via)) => format!("{by} ({via})"),
                (by, _) => by.clone().unwrap_or_default(),
            },
            step.detail.clone().unwrap_or_default(),
        ]
    });
    println!("{}", table::table(&["when", "after", "what", "by", "how"], rows));
    for unknown in &told.unknown {
        println!("Not known: {unknown}.");
    }
    Ok(Ended::Done)
}

/// A time between two steps, as short as it can be read.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.0005 => String::new(),
        s if s < 120.0 => format!("{s:.3} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_are_read_at_a_glance() {
        for (seconds, expected) in [
            (0.0, ""),
            (0.25, "0.250 s"),
            (119.0, "119.000 s"),
            (600.0, "10.0 min"),
            (10_800.0, "3.0 h"),
            (259_200.0, "3.0 d"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
