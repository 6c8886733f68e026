//! Batches: all or none, in their order, once; over HTTP and straight into the ledger.

mod forms;
mod limits;
mod together;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::support::partner::signature;
use crate::support::{Partner, World};

/// Sources that only these tests have, besides those of every test.
const MORE: &str = r#"
[[source]]
name = "events"
format = "cloudevents"
order_by = "source"

[[source]]
name = "slow"
format = "json"
rate_per_s = 1
burst = 20

[[source]]
name = "small"
format = "json"
body_bytes_max = 100
"#;

const LINES: &str = "application/x-ndjson";
const ARRAY: &str = "application/json";
const EVENTS: &str = "application/cloudevents-batch+json";
const HL7: &str = "application/hl7-v2+er7";

async fn apply_more(world: &mut World) {
    world.apply(&format!("{}{MORE}", crate::support::world::SOURCES)).await;
}

/// A post of a batch.
fn post(partner: &Partner, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
    partner
        .request(reqwest::Method::POST, "/v1/messages/batch")
        .header("content-type", content_type)
        .body(body)
}

/// So many signed forms of one person, one on each line, each signed a second later.
fn lines(membership: &str, count: usize) -> String {
    let line = |n: usize| {
        let at = format!("2026-01-31T12:{:02}:{:02}Z", n / 60, n % 60);
        format!("{}\n", signature(membership, &at, "GG10"))
    };
    (0..count).map(line).collect()
}

fn event(id: usize, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":"{data}"}}"#)
}

/// The items of an answer, which has this status.
async fn items(response: Response, status: u16) -> Vec<Value> {
    let found = response.status();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(found, status, "{answer}");
    answer["items"].as_array().expect("items").clone()
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

/// The answer is this problem, about this item.
async fn check_problem(response: Response, status: u16, slug: &str, item: Option<usize>) -> Value {
    let found = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    assert!(!text.contains("SECRET"), "content is never echoed: {text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["type"], format!("/problems/{slug}"), "{text}");
    assert_eq!(problem.get("item").and_then(Value::as_u64), item.map(|item| item as u64), "{text}");
    problem
}
