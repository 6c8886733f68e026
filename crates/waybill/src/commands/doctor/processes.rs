//! Whether the processes say that they are ready.

use std::time::Duration;

use super::verdict::{Check, Checks, Verdict};
use crate::cli::Processes;

/// A process may be so far from this machine's clock: its answers tell whole seconds.
const CLOCK_S_MAX: i64 = 3;

pub(super) async fn look(processes: &Processes) -> Vec<Check> {
    let mut checks = Checks::of("process");
    let ingest = processes.ingest_admin_url.iter().map(|url| ("ingest-api", url));
    let workers = processes.worker_admin_urls.iter().map(|url| ("worker", url));
    let serve = processes.serve_admin_url.iter().map(|url| ("waybill-serve", url));
    let Ok(client) = reqwest::Client::builder().timeout(Duration::from_secs(5)).build() else {
        checks.note("readyz", Verdict::Unknown, "no HTTP client can be made", "");
        return checks.finish();
    };
    let asked = ingest.chain(workers).chain(serve).filter(|(_, url)| !url.is_empty());
    let answers = asked.map(async |(name, url)| (name, url, readyz(&client, url).await));
    for (name, url, answer) in futures_util::future::join_all(answers).await {
        if let Ok(Answer { apart_s, .. }) = &answer {
            clock(&mut checks, name, *apart_s);
        }
        match answer.map(|answer| (answer.is_ready, answer.text)) {
            Ok((true, text)) if text.lines().count() > 1 => {
                let reason = text.lines().skip(1).collect::<Vec<_>>().join("; ");
                checks.note(name, Verdict::Warn, reason, "mend what it goes on without");
            }
            Ok((true, _)) => checks.ok(name, "is ready"),
            Ok((false, text)) => {
                let reason = text.trim().replace('\n', "; ");
                checks.note(name, Verdict::Fail, reason, "give it what it lacks");
            }
            Err(()) => {
                let reason = format!("{} does not answer", host(url));
                checks.note(name, Verdict::Fail, reason, "start it, or correct the URL of its admin port");
            }
        }
    }
    let mut made = checks.finish();
    if made.is_empty() {
        let mut none = Checks::of("process");
        let remedy = "name the admin ports: --ingest-admin-url, --worker-admin-urls, --serve-admin-url";
        none.note("readyz", Verdict::Unknown, "no process was named", remedy);
        made = none.finish();
    }
    made
}

/// What a process says of itself.
struct Answer {
    is_ready: bool,
    text: String,
    /// Seconds between its clock and this machine's, by the answer's `date` (RFC 9110, section 6.6.1).
    apart_s: Option<i64>,
}

/// An error: it does not answer.
async fn readyz(client: &reqwest::Client, url: &str) -> Result<Answer, ()> {
    let url = format!("{}/readyz", url.trim_end_matches('/'));
    let response = client.get(url).send().await.map_err(|_| ())?;
    let is_ready = response.status().is_success();
    let date = response.headers().get("date").and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
    #[expect(clippy::disallowed_methods, reason = "the two clocks are what is compared")]
    let apart_s = date.map(|date| (chrono::Utc::now() - date.to_utc()).num_seconds());
    Ok(Answer { is_ready, text: response.text().await.map_err(|_| ())?, apart_s })
}

/// Receipts and ids carry the clock of `ingest-api`; the balance compares that of `waybill serve` with it.
fn clock(checks: &mut Checks, name: &str, apart_s: Option<i64>) {
    let remedy = "run a time service on both machines";
    let Some(apart) = apart_s else {
        let reason = format!("{name}: its answer says no time");
        checks.note("clock", Verdict::Unknown, reason, "compare its machine's clock by hand");
        return;
    };
    let reason = format!("{name}: {} s between its clock and this machine's", apart.abs());
    checks.judge("clock", apart.abs() <= CLOCK_S_MAX, Verdict::Warn, reason, remedy);
}

/// A URL's host and port: the rest may hold a password.
fn host(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let host = parsed.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    host.unwrap_or_else(|| "an address that is no URL".to_owned())
}
