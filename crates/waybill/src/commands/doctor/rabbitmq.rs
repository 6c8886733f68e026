//! Whether RabbitMQ is one that carries envelopes safely, and whether its queues move.

use std::collections::BTreeMap;

use waybill_broker::api::Api;
use waybill_broker::findings::{Seen, Weight};
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, BrokerError, Link};
use waybill_store::Store;

use super::verdict::{Check, Checks, Verdict};
use crate::config::Config;

const NO_API: &str = "set WAYBILL_RABBITMQ_API_URL to the management API";
const API_DOWN: &str = "see whether the management API answers, and its user has the tag `monitoring`";

pub(super) async fn look(store: &Store, config: &Config) -> Vec<Check> {
    let mut checks = Checks::of("rabbitmq");
    let lanes = match store.lanes().await {
        Ok(lanes) if !lanes.is_empty() => lanes,
        _ => vec!["default".to_owned()],
    };
    let (broker, api) = match configured(config) {
        Ok(configured) => configured,
        Err(error) => {
            checks.note("configured", Verdict::Fail, error.to_string(), "correct its URL");
            return checks.finish();
        }
    };
    let depths = over_amqp(&broker, &lanes, &mut checks).await;
    let seen = if let Some(api) = &api {
        permissions(api, broker.user(), &lanes, &mut checks).await;
        over_api(api, &lanes, &mut checks).await
    } else {
        for check in ["permissions", "version", "alarms", "quorum", "blocked", "policies"] {
            checks.note(check, Verdict::Unknown, "no management API is configured", NO_API);
        }
        let reason = "what consumers have in hand is not known: in a lane with consumers and without \
                      traffic, lost envelopes are not looked for";
        checks.note("lost", Verdict::Unknown, reason, NO_API);
        None
    };
    if let Some(depths) = depths {
        queues(store, &lanes, &depths, seen.as_ref(), &mut checks).await;
    }
    checks.finish()
}

fn configured(config: &Config) -> Result<(Broker, Option<Api>), BrokerError> {
    let broker = Broker::new(&config.amqp)?;
    let api = Api::configured(&config.rabbitmq_api, broker.vhost())?;
    Ok((broker, api))
}

/// Ready messages and consumers, by queue.
type Depths = BTreeMap<String, (u64, u64)>;

/// What AMQP alone shows; none where it does not answer.
async fn over_amqp(broker: &Broker, lanes: &[String], checks: &mut Checks) -> Option<Depths> {
    let link = match broker.connect("waybill doctor").await {
        Ok(link) => link,
        Err(error) => {
            let remedy = "start it, or correct WAYBILL_AMQP_URL; messages wait in the ledger meanwhile";
            checks.note("reachable", Verdict::Fail, error.to_string(), remedy);
            return None;
        }
    };
    checks.ok("reachable", "answers over AMQP");
    let asked = ask(&link, lanes).await;
    link.close().await;
    match asked {
        Ok((differences, depths)) => {
            for difference in &differences {
                checks.note("topology", Verdict::Fail, difference, "run `waybill topology check`");
            }
            if differences.is_empty() {
                checks.ok("topology", format!("the queues of {} lanes are as they must be", lanes.len()));
            }
            Some(depths)
        }
        Err(error) => {
            checks.note("topology", Verdict::Unknown, error.to_string(), "ask again");
            None
        }
    }
}

async fn ask(link: &Link, lanes: &[String]) -> Result<(Vec<String>, Depths), BrokerError> {
    let differences = topology::differences(link, lanes).await?;
    let mut depths = Depths::new();
    for queue in lanes.iter().map(|lane| work_queue(lane)).chain([DEAD.to_owned()]) {
        if let Some((ready, consumers)) = topology::depth(link, &queue).await? {
            depths.insert(queue, (ready.into(), consumers.into()));
        }
    }
    Ok((differences, depths))
}

/// What only the management API shows; the topology as it was seen.
async fn over_api(api: &Api, lanes: &[String], checks: &mut Checks) -> Option<Seen> {
    let (release, alarms, quorum, blocked, seen) = tokio::join!(
        api.version(),
        api.alarms(),
        api.quorum_critical(),
        api.connections_blocked(),
        Seen::read(api)
    );
    match release {
        Ok(release) => version(&release, checks),
        Err(error) => checks.note("version", Verdict::Unknown, error.to_string(), API_DOWN),
    }
    match alarms {
        Ok(alarms) => {
            let reason = if alarms.is_empty() { "none".to_owned() } else { alarms.join(", ") };
            let remedy = "runbook, WaybillBrokerAlarm: it takes no publishes";
            checks.judge("alarms", alarms.is_empty(), Verdict::Fail, reason, remedy);
        }
        Err(error) => checks.note("alarms", Verdict::Unknown, error.to_string(), API_DOWN),
    }
    match quorum {
        Ok(critical) => {
            let reason = if critical {
                "a queue has lost its majority, or would with one more node"
            } else {
                "none at risk (of a single node RabbitMQ always says so)"
            };
            let remedy = "bring the missing nodes back before anything else is restarted";
            checks.judge("quorum", !critical, Verdict::Warn, reason, remedy);
        }
        Err(error) => checks.note("quorum", Verdict::Unknown, error.to_string(), API_DOWN),
    }
    match blocked {
        Ok(count) => {
            let reason = format!("{count} connections are blocked");
            checks.judge("blocked", count == 0, Verdict::Warn, reason, "runbook, WaybillBrokerBlocked");
        }
        Err(error) => checks.note("blocked", Verdict::Unknown, error.to_string(), API_DOWN),
    }
    match seen {
        Ok(seen) => {
            policies(&seen, lanes, checks);
            Some(seen)
        }
        Err(error) => {
            checks.note("policies", Verdict::Unknown, error.to_string(), API_DOWN);
            None
        }
    }
}

/// What the user of `amqp.url` may do. Each program may have a user of its own, so that what one lacks
/// may be what another has.
async fn permissions(api: &Api, user: &str, lanes: &[String], checks: &mut Checks) {
    let given = match api.permissions(user).await {
        Ok(Some(given)) => given,
        Ok(None) => {
            let reason = format!("user {user} has no permissions in this virtual host");
            checks.note("permissions", Verdict::Fail, reason, "rabbitmqctl set_permissions");
            return;
        }
        Err(error) => {
            let remedy = "compare by hand (rabbitmqctl list_permissions): the API shows it to the tag \
                          `administrator` alone";
            checks.note("permissions", Verdict::Unknown, error.to_string(), remedy);
            return;
        }
    };
    let needs = given.needs(lanes);
    let named = |is_given: Option<bool>| {
        let such = needs.iter().filter(|need| need.is_given == is_given);
        let such: Vec<String> = such.map(|need| format!("{} {}", need.right, need.name)).collect();
        such.join(", ")
    };
    let (lacking, unread) = (named(Some(false)), named(None));
    if !lacking.is_empty() {
        let reason = format!("user {user} may not {lacking}");
        let remedy = "rabbitmqctl set_permissions, unless another program's user has it; without \
                      configure, nothing that is missing is declared again";
        checks.note("permissions", Verdict::Warn, reason, remedy);
    }
    if !unread.is_empty() {
        let reason = format!("user {user} has patterns that are not plain text: {unread}");
        checks.note("permissions", Verdict::Unknown, reason, "compare by hand: rabbitmqctl list_permissions");
    }
    if lacking.is_empty() && unread.is_empty() {
        checks.ok("permissions", format!("user {user} may publish, consume and declare"));
    }
}

fn version(release: &str, checks: &mut Checks) {
    let numbers: Vec<u32> =
        release.split(['.', '-', '+']).map_while(|number| number.parse().ok()).take(3).collect();
    let (verdict, remedy) = match *numbers.as_slice() {
        [major, minor, ..] if (major, minor) < (3, 10) => (Verdict::Fail, "upgrade to 3.10 or later"),
        // dead letters went to the wrong member, or got stuck
        [4, 0, patch] if patch < 8 => (Verdict::Warn, "upgrade to 4.0.8 or later: dead letters can get lost"),
        [4, 1, patch] if patch < 5 => (Verdict::Warn, "upgrade to 4.1.5 or later: dead letters can get lost"),
        [4, 2, patch] if patch < 7 => (Verdict::Warn, "upgrade to 4.2.7 or later: dead letters can get lost"),
        [4, 3, patch] if patch < 3 => {
            (Verdict::Warn, "upgrade to 4.3.3 or later: dead letters can get stuck")
        }
        [3 | 4, _, ..] => (Verdict::Ok, ""),
        _ => (Verdict::Unknown, "this version of Waybill was not tried with it"),
    };
    checks.note("version", verdict, format!("version {release}"), remedy);
}

fn policies(seen: &Seen, lanes: &[String], checks: &mut Checks) {
    let findings = seen.findings(lanes);
    for finding in &findings {
        let verdict = if finding.weight == Weight::Unsafe { Verdict::Fail } else { Verdict::Warn };
        checks.note("policies", verdict, finding.what.clone(), "do as the reason says");
    }
    if findings.is_empty() {
        checks.ok("policies", "no policy or binding weakens a queue");
    }
}

/// Whether each queue moves, and holds what the ledger has published into it.
async fn queues(store: &Store, lanes: &[String], depths: &Depths, seen: Option<&Seen>, checks: &mut Checks) {
    for lane in lanes {
        let queue = work_queue(lane);
        let Some((ready, consumers)) = depths.get(&queue) else { continue };
        let reason = format!("{queue}: {ready} ready, {consumers} consumers");
        let verdict = if *ready > 0 { Verdict::Fail } else { Verdict::Warn };
        checks.judge("consumers", *consumers > 0, verdict, reason, "start a worker for this lane");
    }
    if let Some((ready, _)) = depths.get(DEAD) {
        let reason = format!("{ready} dead-lettered deliveries wait to be filed");
        let remedy = "see that `waybill serve` runs: it files them within seconds";
        checks.judge("dead-letter queue", *ready == 0, Verdict::Warn, reason, remedy);
    }
    let published = match store.published_for_long().await {
        Ok(published) => published,
        Err(error) => {
            checks.note("depth", Verdict::Unknown, error.to_string(), "mend PostgreSQL first");
            return;
        }
    };
    let mut missing = 0;
    for lane in &published {
        let queue = work_queue(&lane.lane);
        let figures = seen.and_then(|seen| seen.queues.iter().find(|figures| figures.name == queue));
        let Some(in_hand) = figures.and_then(|figures| figures.messages_unacknowledged) else {
            checks.note("depth", Verdict::Unknown, format!("{queue}: what is in hand is not known"), NO_API);
            continue;
        };
        let there = depths.get(&queue).map_or(0, |(ready, _)| *ready) + in_hand;
        missing += lane.messages.unsigned_abs().saturating_sub(there);
    }
    let reason = format!("{missing} published messages are in no queue and in nobody's hand");
    let remedy = "their references were lost, the messages are safe: runbook, WaybillMessagesOverdue";
    checks.judge("depth", missing == 0, Verdict::Warn, reason, remedy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged() {
        for (release, expected) in [
            ("3.9.29", Verdict::Fail),
            ("3.10.8", Verdict::Ok),
            ("3.13.7", Verdict::Ok),
            ("4.0.5", Verdict::Warn),
            ("4.1.5", Verdict::Ok),
            ("4.2.9-rc.1", Verdict::Ok),
            ("4.3.5", Verdict::Ok),
            ("5.0.0", Verdict::Unknown),
            ("unknown", Verdict::Unknown),
        ] {
            let mut checks = Checks::of("rabbitmq");
            version(release, &mut checks);
            assert_eq!(checks.finish()[0].verdict, expected, "{release}");
        }
    }
}
