//! What `waybill top` asks the processes whose admin ports it was told: whether they are ready, and of
//! workers how much they have processed, by source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::cli::Processes;

/// For one answer.
const LIMIT: Duration = Duration::from_secs(3);
/// Counts the messages that a worker processed.
const PROCESSED: &str = "waybill_messages_processed_total{";

/// One process.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Process {
    #[serde(rename = "process")]
    pub(super) name: &'static str,
    /// Its host and port.
    pub(super) at: String,
    pub(super) ready: bool,
    /// Why it is not.
    pub(super) why: Option<String>,
}

/// What the processes said at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) processes: Vec<Process>,
    /// What each worker has processed since it started, by source; none: it did not say.
    pub(super) processed: BTreeMap<String, Option<BTreeMap<String, f64>>>,
}

/// What looks at the processes.
pub(super) struct Eye {
    client: reqwest::Client,
    named: Vec<(&'static str, String)>,
}

impl Eye {
    pub(super) fn new(processes: &Processes) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(LIMIT).build()?;
        let ingest = processes.ingest_admin_url.iter().map(|url| ("ingest-api", url));
        let workers = processes.worker_admin_urls.iter().map(|url| ("worker", url));
        let serve = processes.serve_admin_url.iter().map(|url| ("waybill serve", url));
        let named = ingest.chain(workers).chain(serve).filter(|(_, url)| !url.is_empty());
        let named = named.map(|(name, url)| (name, url.trim_end_matches('/').to_owned()));
        Ok(Self { client, named: named.collect() })
    }

    pub(super) async fn look(&self) -> Seen {
        let asked = self.named.iter().map(async |(name, url)| {
            let (ready, metrics) = tokio::join!(self.ask(url, "readyz"), async {
                if *name == "worker" { Some(self.ask(url, "metrics").await) } else { None }
            });
            let (ready, why) = match ready {
                Ok((true, _)) => (true, None),
                Ok((false, text)) => (false, Some(text.trim().replace('\n', "; "))),
                Err(why) => (false, Some(why)),
            };
            (Process { name, at: host(url), ready, why }, url, metrics)
        });
        let mut seen = Seen::default();
        for (process, url, metrics) in futures_util::future::join_all(asked).await {
            seen.processes.push(process);
            if let Some(metrics) = metrics {
                let counted = metrics.ok().filter(|(is_well, _)| *is_well).map(|(_, text)| processed(&text));
                seen.processed.insert(url.clone(), counted);
            }
        }
        seen
    }

    /// Whether the answer was a good one, and its text.
    async fn ask(&self, url: &str, what: &str) -> Result<(bool, String), String> {
        let silent = |_| "does not answer".to_owned();
        let answer = self.client.get(format!("{url}/{what}")).send().await.map_err(silent)?;
        Ok((answer.status().is_success(), answer.text().await.map_err(silent)?))
    }
}

/// What a worker's metrics say it has processed, by source.
fn processed(text: &str) -> BTreeMap<String, f64> {
    let mut by_source = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(PROCESSED)) {
        let Some((labels, value)) = line.rsplit_once("} ") else { continue };
        // names of sources have no character that would be escaped
        let source = labels.split(',').find_map(|label| label.strip_prefix("source=\"")?.strip_suffix('"'));
        if let (Some(source), Ok(value)) = (source, value.parse::<f64>()) {
            *by_source.entry(source.to_owned()).or_insert(0.0) += value;
        }
    }
    by_source
}

/// How much more the workers have processed by source, where each has said so both times. A worker that
/// was started anew counts from nothing.
pub(super) fn difference(before: &Seen, now: &Seen) -> Option<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for (url, counts) in &now.processed {
        let (counts, before) = (counts.as_ref()?, before.processed.get(url)?.as_ref()?);
        for (source, count) in counts {
            let earlier = before.get(source).copied().unwrap_or_default();
            let more = if *count >= earlier { count - earlier } else { *count };
            *all.entry(source.clone()).or_insert(0.0) += more;
        }
    }
    (!now.processed.is_empty()).then_some(all)
}

/// A URL's host and port: the rest may hold a password.
fn host(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    host.map_or_else(|| "no URL".to_owned(), |(host, port)| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: Option<&str>) -> Seen {
        let processed = BTreeMap::from([("a".to_owned(), text.map(processed))]);
        Seen { processed, ..Seen::default() }
    }

    #[test]
    fn what_workers_count_is_compared_by_source() {
        let first = seen(Some(
            "# TYPE waybill_messages_processed_total counter\n\
             waybill_messages_processed_total{source=\"tis\",kind=\"k\"} 5\n\
             waybill_messages_processed_total{source=\"tis\",kind=\"l\"} 1\nother 3\n",
        ));
        let then = seen(Some("waybill_messages_processed_total{source=\"tis\",kind=\"k\"} 9\n"));
        assert_eq!(difference(&first, &then).map(|by| by["tis"]), Some(3.0));
        let anew = seen(Some("waybill_messages_processed_total{source=\"tis\",kind=\"k\"} 2\n"));
        assert_eq!(difference(&then, &anew).map(|by| by["tis"]), Some(2.0), "started anew");
        assert_eq!(difference(&first, &seen(None)), None, "it did not say");
        assert_eq!(difference(&Seen::default(), &Seen::default()), None, "nobody was asked");
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(host("http://kim:pa55word@10.0.0.5:9081"), "10.0.0.5:9081");
        assert_eq!(host("nonsense"), "no URL");
    }
}
