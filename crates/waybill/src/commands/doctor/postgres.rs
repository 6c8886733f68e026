//! Whether PostgreSQL is one that can hold the ledger.

use waybill_store::Store;
use waybill_store::health::Health;

use super::upkeep;
use super::verdict::{Check, Checks, Verdict};

/// The oldest that is supported.
const VERSION_MIN: i32 = 150_000;

pub(super) async fn look(store: &Store) -> Vec<Check> {
    let mut checks = Checks::of("postgresql");
    match store.health().await {
        Ok(health) => {
            checks.ok("reachable", "answers");
            settings(&mut checks, &health);
            state(&mut checks, &health);
        }
        Err(error) => {
            let remedy = "start it, or correct WAYBILL_DATABASE_URL";
            checks.note("reachable", Verdict::Fail, error.to_string(), remedy);
            return checks.finish();
        }
    }
    upkeep::look(store, &mut checks).await;
    match store.migrations().await {
        Ok(found) => {
            let reason = format!("{} of {} migrations are applied", found.before, found.now);
            let verdict = if found.before > found.now { Verdict::Warn } else { Verdict::Fail };
            let remedy = if found.before > found.now {
                "this program is older than the schema: use the newer one"
            } else {
                "run `waybill migrate`"
            };
            checks.judge("migrated", found.before == found.now, verdict, reason, remedy);
        }
        Err(error) => checks.note("migrated", Verdict::Unknown, error.to_string(), "see its log"),
    }
    checks.finish()
}

fn settings(checks: &mut Checks, health: &Health) {
    let version = format!("version {}.{}", health.version_num / 10_000, health.version_num % 10_000);
    let fine = health.version_num >= VERSION_MIN;
    checks.judge("version", fine, Verdict::Fail, version, "upgrade to PostgreSQL 15 or later");
    let lose = "set it to on and restart PostgreSQL: a crash loses what partners were told is safe";
    for (name, is_on) in [("fsync", health.fsync), ("full_page_writes", health.full_page_writes)] {
        checks.judge(name, is_on, Verdict::Fail, if is_on { "on" } else { "off" }, lose);
    }
    let is_on = !matches!(health.synchronous_commit.as_str(), "off" | "local");
    let reason = format!("{} on our connections", health.synchronous_commit);
    checks.judge("synchronous_commit", is_on, Verdict::Fail, reason, "do not override it for this role");
}

fn state(checks: &mut Checks, health: &Health) {
    let remedy = "point WAYBILL_DATABASE_URL at the primary";
    let reason = if health.in_recovery { "a standby: it takes no writes" } else { "a primary" };
    checks.judge("primary", !health.in_recovery, Verdict::Fail, reason, remedy);
    #[expect(clippy::disallowed_methods, reason = "the two clocks are what is compared")]
    let apart_s = (chrono::Utc::now() - health.now).num_milliseconds().abs();
    let reason = format!("{apart_s} ms between this machine's clock and its own, the question included");
    checks.judge("clock", apart_s < 2000, Verdict::Warn, reason, "run a time service on both machines");
    let left = health.connections_max - health.connections;
    let reason = format!("{left} of {} connections are free", health.connections_max);
    let verdict = if left <= 0 { Verdict::Fail } else { Verdict::Warn };
    let remedy = "lower database.connections_max or the replicas, or raise max_connections";
    checks.judge("connections", left * 10 > health.connections_max, verdict, reason, remedy);
    let reason = format!("the oldest transaction is {:.0} s old", health.oldest_transaction_s);
    let remedy = "end it: it keeps vacuum from cleaning up (pg_stat_activity names it)";
    checks.judge("transactions", health.oldest_transaction_s < 300.0, Verdict::Warn, reason, remedy);
    let reason = format!("{:.0} % of the age at which vacuum is forced", health.freeze_share * 100.0);
    let verdict = if health.freeze_share > 4.0 { Verdict::Fail } else { Verdict::Warn };
    let remedy = "see why autovacuum does not keep up; VACUUM (FREEZE) by hand";
    checks.judge("vacuum", health.freeze_share < 1.5, verdict, reason, remedy);
}
