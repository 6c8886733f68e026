//! RabbitMQ's Prometheus endpoints, one on each node: a second way to see queues and alarms.
//!
//! They answer when the management API hangs, and know what it does not count (dead letters by
//! reason). A quorum queue's figures come from the node of its leader alone, so every node is
//! asked; what no node says is unknown, never zero.

use std::collections::BTreeMap;

use crate::api::{Config, client, escape};
use crate::error::BrokerError;

/// The endpoints of a cluster's nodes, for one virtual host. Cheap to clone.
#[derive(Clone)]
pub struct Endpoints {
    client: reqwest::Client,
    urls: Vec<String>,
    vhost: String,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoints({} nodes)", self.urls.len())
    }
}

/// A queue's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready messages.
    pub ready: Option<u64>,
    /// Deliveries in hand.
    pub unacked: Option<u64>,
    /// Consumers.
    pub consumers: Option<u64>,
}

/// What the endpoints say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrape {
    /// The virtual host's queues.
    pub queues: BTreeMap<String, Depth>,
    /// Alarms by kind (`memory`, `disk`), where every node has answered.
    pub alarms: BTreeMap<&'static str, bool>,
    /// Messages dead-lettered since the nodes started, by reason and strategy, in all virtual hosts,
    /// where every node has answered.
    pub dead_lettered: BTreeMap<(String, String), u64>,
}

const ALARMS: [(&str, &str); 2] = [
    ("rabbitmq_alarms_memory_used_watermark", "memory"),
    ("rabbitmq_alarms_free_disk_space_watermark", "disk"),
];

impl Endpoints {
    /// The endpoints of the section, where it names any.
    ///
    /// # Errors
    /// When one is no URL.
    pub fn configured(config: &Config, vhost: &str) -> Result<Option<Self>, BrokerError> {
        if config.metrics_urls.is_empty() {
            return Ok(None);
        }
        for url in &config.metrics_urls {
            reqwest::Url::parse(url)
                .map_err(|_| BrokerError::Configuration("rabbitmq_api.metrics_urls: not a URL".into()))?;
        }
        let urls = config.metrics_urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Some(Self { client: client()?, urls, vhost: vhost.to_owned() }))
    }

    /// Asks every node at once.
    ///
    /// # Errors
    /// When none answers.
    pub async fn scrape(&self) -> Result<Scrape, BrokerError> {
        let asked = futures_util::future::join_all(self.urls.iter().map(|url| self.ask(url))).await;
        let all = asked.iter().all(Result::is_ok);
        let texts: Vec<(String, String)> = asked.into_iter().filter_map(Result::ok).collect();
        if texts.is_empty() {
            return Err(BrokerError::Unavailable("no node's Prometheus endpoint answers".into()));
        }
        let mut scrape = Scrape::default();
        for (detailed, all_in_all) in &texts {
            scrape.add(&self.vhost, detailed, all_in_all);
        }
        if !all {
            scrape.alarms.clear();
            scrape.dead_lettered.clear();
        }
        Ok(scrape)
    }

    async fn ask(&self, url: &str) -> Result<(String, String), reqwest::Error> {
        let text = async |path: String| {
            let response = self.client.get(format!("{url}/metrics{path}")).send().await?;
            response.error_for_status()?.text().await
        };
        let vhost = escape(&self.vhost);
        let families = "family=queue_coarse_metrics&family=queue_consumer_count";
        tokio::try_join!(text(format!("/detailed?vhost={vhost}&{families}")), text(String::new()))
    }
}

impl Scrape {
    /// Adds one node's answers.
    fn add(&mut self, vhost: &str, detailed: &str, all_in_all: &str) {
        for Sample { name, labels, value } in detailed.lines().filter_map(sample) {
            let Some(queue) = labels.get("queue") else { continue };
            if labels.get("vhost").map(String::as_str) != Some(vhost) {
                continue;
            }
            let depth = self.queues.entry(queue.clone()).or_default();
            match name {
                "rabbitmq_detailed_queue_messages_ready" => depth.ready = depth.ready.max(Some(value)),
                "rabbitmq_detailed_queue_messages_unacked" => depth.unacked = depth.unacked.max(Some(value)),
                "rabbitmq_detailed_queue_consumers" => depth.consumers = depth.consumers.max(Some(value)),
                _ => {}
            }
        }
        for Sample { name, labels, value } in all_in_all.lines().filter_map(sample) {
            if let Some((_, kind)) = ALARMS.iter().find(|(metric, _)| *metric == name) {
                *self.alarms.entry(kind).or_default() |= value > 0;
            }
            let reason = name
                .strip_prefix("rabbitmq_global_messages_dead_lettered_")
                .and_then(|rest| rest.strip_suffix("_total"));
            if let (Some(reason), Some(strategy)) = (reason, labels.get("dead_letter_strategy")) {
                *self.dead_lettered.entry((reason.to_owned(), strategy.clone())).or_default() += value;
            }
        }
    }
}

struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<String, String>,
    value: u64,
}

/// One line of the text format. Our labels (names of queues and virtual hosts) may hold anything
/// but a line's end; RabbitMQ escapes quotes.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)?;
    let (name, rest) = series.split_once('{').unwrap_or((series, ""));
    let mut labels = BTreeMap::new();
    for pair in rest.trim_end_matches('}').split("\",") {
        if let Some((label, text)) = pair.split_once("=\"") {
            labels.insert(label.to_owned(), text.trim_end_matches('"').to_owned());
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
    Some(Sample { name, labels, value: value as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_answers_make_one_picture() {
        let mut scrape = Scrape::default();
        let ready = "rabbitmq_detailed_queue_messages_ready";
        let first = format!(
            "# TYPE {ready} gauge\n{ready}{{vhost=\"v\",queue=\"a\"}} 3\n{ready}{{vhost=\"other\",queue=\"b\"}} 9\n"
        );
        let global = "rabbitmq_global_messages_dead_lettered_expired_total";
        let counted =
            format!("{global}{{queue_type=\"rabbit_quorum_queue\",dead_letter_strategy=\"disabled\"}} 2\n");
        scrape.add("v", &first, &format!("rabbitmq_alarms_memory_used_watermark 0\n{counted}"));
        scrape.add(
            "v",
            "rabbitmq_detailed_queue_consumers{vhost=\"v\",queue=\"a\"} 1\n",
            &format!("rabbitmq_alarms_memory_used_watermark 1\n{counted}"),
        );
        let depth = Depth { ready: Some(3), unacked: None, consumers: Some(1) };
        assert_eq!(scrape.queues, BTreeMap::from([("a".to_owned(), depth)]), "unknown is not zero");
        assert_eq!(scrape.alarms, BTreeMap::from([("memory", true)]), "one node's alarm is the cluster's");
        let dead = BTreeMap::from([(("expired".to_owned(), "disabled".to_owned()), 4)]);
        assert_eq!(scrape.dead_lettered, dead);
    }
}
