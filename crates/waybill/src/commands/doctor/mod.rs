//! `waybill doctor`: every check with its verdict, its reason and what to do. Exit code 1 when any
//! fails. Reads and asks; changes nothing, and waits for nobody without a limit.

mod ledger;
mod postgres;
mod processes;
mod rabbitmq;
mod upkeep;
mod verdict;

use std::time::Duration;

use waybill_console::Complaint;
use waybill_store::Store;

use super::Ended;
use crate::cli::{Output, Processes};
use crate::config::Config;
use crate::table;
use verdict::{Check, Checks, Verdict};

/// For all checks of one area.
const AREA_LIMIT: Duration = Duration::from_secs(30);

pub(super) async fn run(
    store: &Store,
    config: &Config,
    processes: &Processes,
    output: Output,
) -> anyhow::Result<Ended> {
    let mut configuration = Checks::of("configuration");
    // whoever got here has had it read: a mistake ends the program with 78
    configuration.ok("settings", "every key is known and of its type");
    let (postgres, rabbitmq, ledger, processes) = tokio::join!(
        limited("postgresql", postgres::look(store)),
        limited("rabbitmq", rabbitmq::look(store, config)),
        limited("ledger", ledger::look(store)),
        limited("process", processes::look(processes)),
    );
    let checks: Vec<Check> =
        [configuration.finish(), postgres, rabbitmq, ledger, processes].into_iter().flatten().collect();
    let count = |verdict: Verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let failed = count(Verdict::Fail);
    if output.json {
        let healthy = failed == 0;
        println!("{}", table::json(&serde_json::json!({"healthy": healthy, "checks": checks}))?);
    } else {
        let rows = checks.iter().map(|check| {
            let what = format!("{} {}", check.area, check.name);
            vec![check.verdict.as_str().into(), what, check.reason.clone(), check.remedy.into()]
        });
        println!("{}", table::table(&["verdict", "check", "reason", "remedy"], rows));
        println!(
            "{} ok, {} to look at, {failed} failed, {} unknown",
            count(Verdict::Ok),
            count(Verdict::Warn),
            count(Verdict::Unknown)
        );
    }
    Ok(if failed == 0 { Ended::Done } else { Ended::Wrong })
}

/// Checks that the console's figures say by themselves, and at once.
const SEEN_ANYWAY: [&str; 12] = [
    "reachable",
    "topology",
    "alarms",
    "quorum",
    "blocked",
    "consumers",
    "balance",
    "due",
    "dead",
    "overdue",
    "paused",
    "silence",
];

/// What is wrong and no metric says, for the console's overview.
pub(crate) async fn complaints(store: &Store, config: &Config) -> Vec<Complaint> {
    let (postgres, rabbitmq, ledger) = tokio::join!(
        limited("postgresql", postgres::look(store)),
        limited("rabbitmq", rabbitmq::look(store, config)),
        limited("ledger", ledger::look(store)),
    );
    let checks = [postgres, rabbitmq, ledger].into_iter().flatten();
    let odd = checks.filter(|check| matches!(check.verdict, Verdict::Warn | Verdict::Fail));
    odd.filter(|check| !SEEN_ANYWAY.contains(&check.name))
        .map(|check| Complaint {
            area: check.area.to_owned(),
            check: check.name.to_owned(),
            is_failure: check.verdict == Verdict::Fail,
            reason: check.reason,
            remedy: check.remedy.to_owned(),
        })
        .collect()
}

async fn limited(area: &'static str, looking: impl Future<Output = Vec<Check>>) -> Vec<Check> {
    tokio::time::timeout(AREA_LIMIT, looking).await.unwrap_or_else(|_| {
        let mut checks = Checks::of(area);
        let reason = format!("gave no answer within {} s", AREA_LIMIT.as_secs());
        checks.note("answer", Verdict::Fail, reason, "see whether it hangs, and its log");
        checks.finish()
    })
}
