//! Every trigger of the kind as a file: `fixtures/visit/NAME.hl7` and what it means beside it, in
//! `NAME.effects.json`. A value that is absent there is absent, `null` clears.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};

use super::run;
use crate::hl7::{PatientId, Value};
use crate::kinds::Effect;
use crate::kinds::visit::{StatusChange, VisitChange};
use crate::outcome::Outcome;

/// Every trigger that the kind handles.
const TRIGGERS: &[&str] = &[
    "ADT^A01", "ADT^A02", "ADT^A03", "ADT^A04", "ADT^A05", "ADT^A06", "ADT^A07", "ADT^A08", "ADT^A11",
    "ADT^A13", "ADT^A18", "ADT^A34", "ADT^A40", "SIU^S12", "SIU^S13", "SIU^S14", "SIU^S15", "SIU^S26",
];

/// The fixtures, each with its text and what it should mean.
fn fixtures() -> Vec<(String, String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/visit");
    let files: BTreeSet<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    let read = |path: &PathBuf| {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let messages = files.iter().filter(|file| file.extension().is_some_and(|end| end == "hl7"));
    let found: Vec<_> = messages
        .map(|file| {
            (
                file.file_stem().unwrap().display().to_string(),
                read(file),
                read(&file.with_extension("effects.json")),
            )
        })
        .collect();
    assert_eq!(found.len() * 2, files.len(), "a file in {} belongs to no fixture", folder.display());
    found
}

#[test]
fn every_fixture_means_what_is_written_beside_it() {
    let mut wrong = Vec::new();
    for (name, message, expected) in fixtures() {
        let found = shown(&run(&message));
        if serde_json::from_str::<Json>(&expected).ok().as_ref() != Some(&found) {
            wrong.push(format!("{name}: {found:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_trigger_has_a_fixture_with_effects() {
    let with_effects = |(_, message, expected): (String, String, String)| {
        let msh_9 = message.split('|').nth(8).unwrap_or_default();
        let trigger: Vec<&str> = msh_9.splitn(3, '^').take(2).collect();
        expected.contains("\"effects\"").then(|| trigger.join("^"))
    };
    let seen: BTreeSet<String> = fixtures().into_iter().filter_map(with_effects).collect();
    for trigger in TRIGGERS {
        assert!(seen.contains(*trigger), "no fixture for {trigger}");
    }
}

fn shown(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Done(done) => {
            let mut shown = json!({ "effects": done.effects.iter().map(effect).collect::<Vec<_>>() });
            if !done.warnings.is_empty() {
                shown["warnings"] = json!(done.warnings);
            }
            shown
        }
        Outcome::Ignored(reason) => json!({ "ignored": reason }),
        Outcome::Failed(failure) => json!({ "failed": failure.class.as_str(), "reason": failure.reason }),
    }
}

fn effect(effect: &Effect) -> Json {
    match effect {
        Effect::Visit(change) => json!({ "visit": visit(change) }),
        Effect::Merge(merge) => {
            json!({ "merge": { "prior": patient(&merge.prior), "survivor": patient(&merge.survivor) } })
        }
        Effect::Signature(_) => json!("none of this kind's"),
    }
}

fn patient(patient: &PatientId) -> Json {
    json!({ "id": patient.id, "authority": patient.authority })
}

fn visit(change: &VisitChange) -> Json {
    let mut shown = Map::new();
    shown.insert("visit_id".into(), json!(change.visit_id));
    shown.insert("patient".into(), patient(&change.patient));
    let status = match change.status {
        StatusChange::To(status) => status.as_str(),
        StatusChange::Progress => "in_progress, if it was arrived or unknown",
    };
    shown.insert("status".into(), json!(status));
    let mut put = |column: &str, value: Value<String>| match value {
        Value::Absent => {}
        Value::Null => drop(shown.insert(column.into(), Json::Null)),
        Value::Present(text) => drop(shown.insert(column.into(), json!(text))),
    };
    put("family_name", change.family_name.clone());
    put("given_name", change.given_name.clone());
    put("birth_date", change.birth_date.map(|date| date.to_string()));
    put("location", change.location.clone());
    for (column, time) in [
        ("scheduled_at", change.scheduled_at),
        ("arrived_at", change.arrived_at),
        ("closed_at", change.closed_at),
    ] {
        put(column, time.map(|at| at.to_rfc3339().replace("+00:00", "Z")));
    }
    if let Some(at) = change.recorded_at {
        put("recorded_at", Value::Present(at.to_rfc3339().replace("+00:00", "Z")));
    }
    Json::Object(shown)
}
