//! Each way in which a virtual host can differ, and how bad it is.

use serde_json::json;

use super::*;

/// A virtual host as `waybill topology apply` makes it, for the lane `default`.
fn good() -> Value {
    json!({
        "queues": [
            {"name": "waybill.work.default", "policy": "p", "arguments": {
                "x-queue-type": "quorum", "x-overflow": "reject-publish",
                "x-dead-letter-exchange": "waybill.dead", "x-dead-letter-strategy": "at-least-once",
                "x-delivery-limit": 50, "x-max-length": 1_000_000}},
            {"name": "waybill.dead", "policy": "p", "arguments": {
                "x-queue-type": "quorum", "x-overflow": "reject-publish", "x-delivery-limit": 1_000_000}},
        ],
        "bindings": [
            {"source": "waybill.in", "destination": "waybill.work.default", "routing_key": "default"},
            {"source": "waybill.dead", "destination": "waybill.dead", "routing_key": ""},
        ],
        "exchanges": [{"name": "waybill.in"}, {"name": "waybill.dead"}],
        "policies": [{"name": "hides", "definition": {"alternate-exchange": "other"}}],
    })
}

fn read(seen: &Value) -> Seen {
    let part = |name: &str| seen[name].clone();
    Seen {
        queues: serde_json::from_value(part("queues")).unwrap(),
        bindings: serde_json::from_value(part("bindings")).unwrap(),
        exchanges: serde_json::from_value(part("exchanges")).unwrap(),
        policies: serde_json::from_value(part("policies")).unwrap(),
    }
}

/// Puts `value` at `pointer` of a good virtual host: the findings, by weight.
fn check(pointer: &str, value: Value, expected: &[(Weight, &str)]) {
    let mut seen = good();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match seen.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        object => object[key] = value,
    }
    let found = read(&seen).findings(&["default".to_owned()]);
    let said: Vec<_> = found.iter().map(|f| (f.weight, f.what.as_str())).collect();
    assert_eq!(said.len(), expected.len(), "{pointer}: {said:?}");
    for ((weight, what), (expected_weight, part)) in said.iter().zip(expected) {
        assert!(weight == expected_weight && what.contains(part), "{pointer}: {said:?}");
    }
}

/// A policy on the work queue that sets one key.
#[expect(clippy::needless_pass_by_value, reason = "so that a case is one line")]
fn policy(key: &str, value: Value, expected: &[(Weight, &str)]) {
    check("/queues/0/effective_policy_definition", json!({key: value}), expected);
}

#[test]
fn a_good_topology_has_no_findings() {
    check("/queues/0/policy", json!("q"), &[]);
    assert_eq!(read(&good()).lanes(), ["default"]);
}

#[test]
fn policies_that_lose_messages_are_unsafe() {
    use Weight::Unsafe;
    policy(
        "overflow",
        json!("drop-head"),
        &[(Unsafe, "waybill.work.default is not safe: a policy sets overflow")],
    );
    policy("overflow", json!("reject-publish-dlx"), &[(Unsafe, "a policy sets overflow")]);
    policy("message-ttl", json!(60_000), &[(Unsafe, "a policy sets message-ttl")]);
    policy("expires", json!(60_000), &[(Unsafe, "a policy sets expires")]);
    policy("dead-letter-exchange", json!("other"), &[(Unsafe, "a policy sets dead-letter-exchange")]);
    policy("dead-letter-strategy", json!("at-most-once"), &[(Unsafe, "a policy sets dead-letter-strategy")]);
    let on_dead = "/queues/1/effective_policy_definition";
    check(on_dead, json!({"dead-letter-exchange": "waybill.dead"}), &[(Unsafe, "waybill.dead is not safe")]);
}

#[test]
fn policies_that_are_only_tighter_are_weak() {
    use Weight::Weak;
    policy("max-length", json!(1), &[(Weak, "waybill.work.default is weakened: a policy sets max-length")]);
    policy("max-length-bytes", json!(1), &[(Weak, "a policy sets max-length-bytes")]);
    policy("delivery-limit", json!(0), &[(Weak, "a policy sets delivery-limit")]);
    policy("delivery-limit", json!(-1), &[(Weak, "a policy sets delivery-limit")]);
}

#[test]
fn policies_that_change_nothing_are_no_findings() {
    policy("overflow", json!("reject-publish"), &[]);
    policy("max-length", json!(2_000_000), &[]);
    policy("dead-letter-exchange", json!("waybill.dead"), &[]);
    policy("queue-leader-locator", json!("balanced"), &[]);
    // what the API does not know yet is not judged; RabbitMQ 3.10 writes "no policy" as a list
    check("/queues/0/effective_policy_definition", Value::Null, &[]);
    check("/queues/0/effective_policy_definition", json!([]), &[]);
}

#[test]
fn arguments_bindings_and_exchanges_are_compared() {
    use Weight::{Unsafe, Weak};
    let classic = json!({"name": "waybill.dead", "arguments": {
        "x-queue-type": "classic", "x-overflow": "reject-publish", "x-delivery-limit": 1_000_000}});
    check("/queues/1", classic, &[(Unsafe, "waybill.dead has not \"quorum\" as argument x-queue-type")]);
    check("/queues/0/name", json!("other"), &[(Unsafe, "waybill.work.default is missing")]);
    check("/bindings/0/routing_key", json!("other"), &[(Weak, "waybill.work.default is not bound")]);
    check("/bindings/0/destination", json!("other"), &[(Unsafe, "other is instead")]);
    check("/bindings/1/source", json!("other"), &[(Unsafe, "waybill.dead is not bound")]);
    check("/exchanges/0/name", json!("other"), &[(Unsafe, "waybill.in is missing")]);
    check("/exchanges/1/name", json!("other"), &[(Unsafe, "waybill.dead is missing")]);
    check("/exchanges/0/policy", json!("hides"), &[(Unsafe, "waybill.in has an alternate exchange")]);
}
