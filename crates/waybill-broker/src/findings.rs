//! What a topology's differences mean: which can lose messages, and which only weaken it.
//!
//! It asks [`crate::api`] and judges the answers. A policy is not harmless because the queue's own
//! arguments say otherwise: of the two, RabbitMQ takes a policy's `overflow`, and the smaller
//! `max-length`, `delivery-limit` and `message-ttl`. What the API has not said yet is not judged.

use serde_json::Value;

use crate::BrokerError;
use crate::api::{Api, Binding, ExchangeFigures, Policy, QueueFigures};
use crate::topology::{self, Argument, DEAD, EXCHANGE, Queue};

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Messages can be lost or go astray: nobody publishes or consumes.
    Unsafe,
    /// It is not as it must be, but what happens is seen: messages wait, or become dead letters.
    Weak,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The queue or exchange.
    pub on: String,
    /// How bad it is.
    pub weight: Weight,
    /// What is different and what to do, in words.
    pub what: String,
}

/// What the API has read of a virtual host.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its queues.
    pub queues: Vec<QueueFigures>,
    /// Its bindings.
    pub bindings: Vec<Binding>,
    /// Its exchanges.
    pub exchanges: Vec<ExchangeFigures>,
    /// Its policies.
    pub policies: Vec<Policy>,
}

impl Seen {
    /// Asks the API for all of it at once.
    ///
    /// # Errors
    /// When any answer is missing: half a topology is not judged.
    pub async fn read(api: &Api) -> Result<Self, BrokerError> {
        let (queues, bindings, exchanges, policies) =
            tokio::try_join!(api.queues(), api.bindings(), api.exchanges(), api.policies())?;
        Ok(Self { queues, bindings, exchanges, policies })
    }

    /// The lanes whose queues are there.
    pub fn lanes(&self) -> Vec<String> {
        let names = self.queues.iter().map(|queue| queue.name.as_str());
        names.filter_map(topology::lane_of).map(str::to_owned).collect()
    }

    /// Every difference from what these lanes need.
    pub fn findings(&self, lanes: &[String]) -> Vec<Finding> {
        let mut found = Vec::new();
        for (name, _) in topology::EXCHANGES {
            self.exchange(name, &mut found);
        }
        for wanted in topology::queues(lanes) {
            let Some(queue) = self.queues.iter().find(|queue| queue.name == wanted.name) else {
                let what = "is missing: run `waybill topology apply`";
                found.push(finding(&wanted.name, Weight::Unsafe, what));
                continue;
            };
            arguments(&wanted, queue, &mut found);
            policy(&wanted, queue, &mut found);
            self.binding(&wanted, &mut found);
        }
        found
    }

    /// An alternate exchange would take unroutable messages, and they would count as confirmed.
    fn exchange(&self, name: &str, found: &mut Vec<Finding>) {
        let Some(exchange) = self.exchanges.iter().find(|exchange| exchange.name == name) else {
            let what = "is missing: run `waybill topology apply`";
            found.push(finding(name, Weight::Unsafe, what));
            return;
        };
        let policy = self.policies.iter().find(|p| Some(&p.name) == exchange.policy.as_ref());
        let by_policy = policy.is_some_and(|p| p.definition.contains_key("alternate-exchange"));
        if by_policy || exchange.arguments.contains_key("alternate-exchange") {
            let weight = if name == EXCHANGE { Weight::Unsafe } else { Weight::Weak };
            let what = "has an alternate exchange, which would hide what cannot be routed: remove it";
            found.push(finding(name, weight, what));
        }
    }

    fn binding(&self, wanted: &Queue, found: &mut Vec<Finding>) {
        let (exchange, key) = (wanted.binding.0, &wanted.binding.1);
        let from = |binding: &&Binding| binding.source == exchange && binding.routing_key == *key;
        if self.bindings.iter().filter(from).any(|binding| binding.destination == wanted.name) {
            return;
        }
        let elsewhere = self.bindings.iter().find(from);
        // unbound, publishes come back and stay due; dead letters, or what goes elsewhere, do not
        let weight = if wanted.name == DEAD || elsewhere.is_some() { Weight::Unsafe } else { Weight::Weak };
        let instead =
            elsewhere.map(|other| format!("; {} is instead", other.destination)).unwrap_or_default();
        let what = format!("is not bound to {exchange}{instead}: run `waybill topology apply`");
        found.push(finding(&wanted.name, weight, &what));
    }
}

fn arguments(wanted: &Queue, queue: &QueueFigures, found: &mut Vec<Finding>) {
    for (key, value) in &wanted.arguments {
        let wanted_value = match value {
            Argument::Number(number) => Value::from(*number),
            Argument::Word(word) => Value::from(*word),
        };
        if queue.arguments.get(*key) != Some(&wanted_value) {
            let what = format!(
                "has not {wanted_value} as argument {key}: empty the queue, remove it by hand, then run \
                 `waybill topology apply`"
            );
            found.push(finding(&wanted.name, Weight::Unsafe, &what));
        }
    }
}

fn policy(wanted: &Queue, queue: &QueueFigures, found: &mut Vec<Finding>) {
    let Some(Value::Object(definition)) = &queue.effective_policy_definition else { return };
    let names: Vec<&str> =
        [&queue.policy, &queue.operator_policy].into_iter().filter_map(Option::as_deref).collect();
    for (key, value) in definition {
        if let Some((weight, harm)) = harm(wanted, key, value) {
            let state = if weight == Weight::Unsafe { "is not safe" } else { "is weakened" };
            let names = names.join(" or operator policy ");
            let what = format!("{state}: a policy sets {key}, {harm}; remove it from policy {names}");
            found.push(finding(&wanted.name, weight, &what));
        }
    }
}

/// What a policy's key does to a queue; none: nothing.
fn harm(wanted: &Queue, key: &str, value: &Value) -> Option<(Weight, &'static str)> {
    let argument = |key: &str| match wanted.arguments.get(key) {
        Some(Argument::Word(word)) => Some(Value::from(*word)),
        Some(Argument::Number(number)) => Some(Value::from(*number)),
        None => None,
    };
    let same = argument(&format!("x-{key}")).as_ref() == Some(value);
    let smaller =
        argument(&format!("x-{key}")).and_then(|ours| Some(value.as_i64()? < ours.as_i64()?)).unwrap_or(true);
    match key {
        _ if same => None,
        "overflow" => Some((Weight::Unsafe, "which drops messages when the queue is full")),
        "expires" => Some((Weight::Unsafe, "which deletes the queue while no worker is there")),
        "message-ttl" => Some((Weight::Unsafe, "which takes messages away while they wait")),
        "dead-letter-exchange" | "dead-letter-strategy" | "dead-letter-routing-key" => {
            Some((Weight::Unsafe, "which sends dead letters astray"))
        }
        "max-length" | "max-length-bytes" if smaller => {
            Some((Weight::Weak, "which refuses messages early: they stay due"))
        }
        "delivery-limit" if smaller => {
            Some((Weight::Weak, "which changes when a delivery is given up as dead"))
        }
        _ => None,
    }
}

fn finding(on: &str, weight: Weight, what: &str) -> Finding {
    Finding { on: on.to_owned(), weight, what: format!("{on} {what}") }
}

#[cfg(test)]
mod tests;
