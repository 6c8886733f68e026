//! `waybill dead show`: everything about one dead letter, and what to do next.

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;
use waybill_core::outcome::ErrorClass;
use waybill_store::Store;
use waybill_store::dead::Letter;
use waybill_store::message::Attempt;

use super::list::holds;
use super::when;
use crate::cli::Output;
use crate::commands::Ended;
use crate::table;

pub(super) async fn show(store: &Store, id: Uuid, output: Output) -> anyhow::Result<Ended> {
    let Some(letter) = store.dead_letter(id).await? else {
        match store.message(id, None).await? {
            Some(message) => eprintln!("{id} is no dead letter: it is {}", message.state),
            None => eprintln!("there is no message {id} in this ledger"),
        }
        return Ok(Ended::Nothing);
    };
    let next = next(&letter);
    if output.json {
        let mut said = serde_json::to_value(&letter)?;
        said["next"] = json!(
            next.iter().map(|(command, why)| json!({"command": command, "why": why})).collect::<Vec<_>>()
        );
        println!("{}", table::json(&said)?);
        return Ok(Ended::Done);
    }
    println!("{}", table::table(&["", ""], facts(&letter)));
    let header = ["attempt", "began", "took", "worker", "outcome", "what it said"];
    println!("{}", table::table(&header, letter.message.attempt_log.iter().map(row)));
    if !letter.decisions.is_empty() {
        let decided = letter.decisions.iter().map(|one| {
            vec![
                when(one.decided_at),
                one.verb.clone(),
                one.reason.clone().unwrap_or_default(),
                format!("dead since {}: {}: {}", when(one.dead_at), one.error_class, one.error_reason),
            ]
        });
        println!("{}", table::table(&["decided", "what", "why", "upon"], decided));
    }
    println!("{}", advice(&letter));
    println!("{}", table::table(&["next", ""], next.into_iter().map(|(command, why)| vec![command, why])));
    Ok(Ended::Done)
}

fn facts(letter: &Letter) -> Vec<Vec<String>> {
    let message = &letter.message;
    let mut waits = holds(letter.holds);
    if !letter.held.is_empty() {
        let some: Vec<String> = letter.held.iter().map(Uuid::to_string).collect();
        waits = format!("{waits}: {}{}", some.join(", "), if some.len() < 10 { "" } else { ", ..." });
    }
    let others = (letter.alike - 1).max(0);
    let facts = [
        ("message", message.id.to_string()),
        ("source", message.source.clone()),
        ("kind", message.kind.clone()),
        ("accepted", when(message.received_at)),
        ("dead since", when(letter.dead_at)),
        ("why", format!("{}: {}", letter.reason, letter.explanation)),
        ("attempts", message.attempts.to_string()),
        ("group", format!("{}, with {others} others like it", letter.fingerprint)),
        ("like it", letter.pattern.clone()),
        ("holds", waits),
    ];
    facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn row(attempt: &Attempt) -> Vec<String> {
    let said = match (&attempt.error_class, &attempt.error_reason) {
        (Some(class), Some(reason)) => format!("{class}: {reason}"),
        _ => attempt.warnings.join("; "),
    };
    vec![
        attempt.attempt.to_string(),
        when(attempt.started_at),
        took(attempt.ended_at - attempt.started_at),
        attempt.worker.clone(),
        attempt.outcome.clone(),
        said,
    ]
}

/// How long an attempt took.
fn took(time: TimeDelta) -> String {
    let ms = time.num_milliseconds().max(0);
    if ms < 10_000 { format!("{ms} ms") } else { format!("{} s", ms / 1000) }
}

/// What the class of the failure says about whether trying again can help.
fn advice(letter: &Letter) -> &'static str {
    match ErrorClass::find(&letter.reason) {
        Some(ErrorClass::Parse | ErrorClass::Validation) => {
            "Its body does not mend itself: tell the partner, whose corrected message is a new one, and \
             discard this; replay it after a release that can read it."
        }
        Some(ErrorClass::UnknownKind) => "Update the workers, then replay it.",
        Some(ErrorClass::Timeout) => {
            "Look why processing took so long at the times of its attempts, then replay it."
        }
        Some(ErrorClass::Poison) => {
            "Look why workers went away at the times of its attempts, before you replay it: it may take \
             another one down."
        }
        Some(ErrorClass::Internal) | None => {
            "Look into the workers' logs at the times of its attempts; replay it when the fault is mended."
        }
    }
}

/// The exact commands.
fn next(letter: &Letter) -> Vec<(String, String)> {
    let id = letter.message.id;
    let mut next = vec![
        (format!("waybill dead replay {id}"), "try it again, in its old place".to_owned()),
        (
            format!("waybill dead discard {id} --reason TEXT"),
            match letter.holds {
                0 => "decide that it is to have no effects".to_owned(),
                count => format!("decide that it is to have no effects; {} go on", holds(count)),
            },
        ),
        (format!("waybill message show {id} --as raw"), "its body, masked".to_owned()),
    ];
    if letter.alike > 1 {
        let group = format!("waybill dead list --group {}", letter.fingerprint);
        next.push((group, format!("all {} like it", letter.alike)));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_told_in_milliseconds() {
        assert_eq!(took(TimeDelta::milliseconds(1234)), "1234 ms");
        assert_eq!(took(TimeDelta::seconds(61)), "61 s");
        assert_eq!(took(TimeDelta::seconds(-1)), "0 ms");
    }
}
