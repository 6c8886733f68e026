//! What PostgreSQL needs somebody to look after: disk, WAL, archiving, vacuum.

use waybill_store::Store;
use waybill_store::upkeep::Upkeep;

use super::verdict::{Checks, Verdict};

/// Times the dead rows at which autovacuum begins: it has not kept up.
const BEHIND: i64 = 10;
/// Fewer dead rows than this are no matter, however small the table is.
const DEAD_MIN: i64 = 100_000;
/// Times `max_wal_size`: something holds WAL back.
const WAL_SHARE_MAX: i64 = 2;

pub(super) async fn look(store: &Store, checks: &mut Checks) {
    match store.upkeep().await {
        Ok(upkeep) => {
            disk(checks, &upkeep);
            slots(checks, &upkeep);
            archive(checks, &upkeep);
            autovacuum(checks, &upkeep);
        }
        Err(error) => {
            let remedy = "ask again; else see PostgreSQL's log";
            checks.note("upkeep", Verdict::Unknown, error.to_string(), remedy);
        }
    }
}

/// SQL tells what is used, never what is free.
fn disk(checks: &mut Checks, upkeep: &Upkeep) {
    let reason = format!(
        "the database takes {} MiB; what its disk has left, SQL does not tell",
        upkeep.database_bytes >> 20
    );
    checks.note(
        "disk",
        Verdict::Unknown,
        reason,
        "watch the free space of PostgreSQL's disks on its machine",
    );
    let Some(bytes) = upkeep.wal_bytes else {
        let remedy = "grant pg_monitor to this role, or look at the size of pg_wal on its machine";
        checks.note("wal", Verdict::Unknown, "this role may not see the WAL's folder", remedy);
        return;
    };
    let reason =
        format!("the WAL takes {} MiB; max_wal_size is {} MiB", bytes >> 20, upkeep.wal_bytes_max >> 20);
    let remedy = "see what holds it: a replication slot, archiving that fails, or wal_keep_size";
    checks.judge("wal", bytes <= upkeep.wal_bytes_max * WAL_SHARE_MAX, Verdict::Warn, reason, remedy);
}

fn slots(checks: &mut Checks, upkeep: &Upkeep) {
    for slot in upkeep.slots.iter().filter(|slot| !slot.active) {
        let held =
            slot.bytes.map_or("an unknown amount of".to_owned(), |bytes| format!("{} MiB of", bytes >> 20));
        let reason = format!("nobody reads the replication slot {}, which holds {held} WAL", slot.name);
        let remedy = "start its reader, or drop it (pg_drop_replication_slot): it fills the disk";
        checks.note("replication slots", Verdict::Warn, reason, remedy);
    }
    if upkeep.slots.iter().all(|slot| slot.active) {
        checks.ok("replication slots", format!("{}, each with a reader", upkeep.slots.len()));
    }
}

fn archive(checks: &mut Checks, upkeep: &Upkeep) {
    if !upkeep.archives {
        let reason = "archive_mode is off: whether the WAL is backed up otherwise, SQL does not tell";
        let remedy = "see to backups with point-in-time recovery: docs/GUARANTEES.md";
        checks.note("archive", Verdict::Unknown, reason, remedy);
        return;
    }
    let reason = match upkeep.archive_failing_s {
        None => "the last attempt to archive WAL did not fail".to_owned(),
        Some(seconds) => format!("archiving WAL failed {seconds:.0} s ago, and has not succeeded since"),
    };
    let remedy = "mend archive_command (PostgreSQL's log has its words): unarchived WAL fills the disk";
    checks.judge("archive", upkeep.archive_failing_s.is_none(), Verdict::Fail, reason, remedy);
}

fn autovacuum(checks: &mut Checks, upkeep: &Upkeep) {
    let remedy = "switch it on: the hot tables grow without it, and transaction ids run out";
    let mut off: Vec<&str> =
        upkeep.tables.iter().filter(|table| table.is_off).map(|table| table.name.as_str()).collect();
    if !upkeep.autovacuum {
        off = vec!["all tables"];
    }
    if !off.is_empty() {
        let reason = format!("autovacuum is off for {}", off.join(", "));
        checks.note("autovacuum", Verdict::Warn, reason, remedy);
        return;
    }
    let behind: Vec<String> = upkeep
        .tables
        .iter()
        .filter(|table| table.dead > (table.dead_max * BEHIND).max(DEAD_MIN))
        .map(|table| format!("{}: {} dead rows", table.name, table.dead))
        .collect();
    let reason =
        if behind.is_empty() { "keeps up with the hot tables".to_owned() } else { behind.join(", ") };
    let remedy =
        "end what keeps it back (the oldest transaction), or give it more: autovacuum_vacuum_cost_limit";
    checks.judge("autovacuum", behind.is_empty(), Verdict::Warn, reason, remedy);
}

#[cfg(test)]
mod tests {
    use waybill_store::upkeep::{Hot, Slot};

    use super::*;

    fn well() -> Upkeep {
        let name = "progress".to_owned();
        Upkeep {
            database_bytes: 1 << 30,
            wal_bytes: Some(1 << 20),
            wal_bytes_max: 1 << 30,
            slots: vec![Slot { name: "standby".into(), active: true, bytes: Some(1) }],
            archives: true,
            archive_failing_s: None,
            autovacuum: true,
            tables: vec![Hot { name, dead: 50, dead_max: 100, is_off: false }],
        }
    }

    fn check(change: impl Fn(&mut Upkeep), expected: &[(&str, Verdict)]) {
        let (mut upkeep, mut checks) = (well(), Checks::of("postgresql"));
        change(&mut upkeep);
        disk(&mut checks, &upkeep);
        slots(&mut checks, &upkeep);
        archive(&mut checks, &upkeep);
        autovacuum(&mut checks, &upkeep);
        let made = checks.finish();
        let odd: Vec<(&str, Verdict)> = made
            .iter()
            .filter(|check| check.verdict != Verdict::Ok && check.name != "disk")
            .map(|check| (check.name, check.verdict))
            .collect();
        assert_eq!(odd, expected, "{made:?}");
        assert_eq!(made[0].verdict, Verdict::Unknown, "free disk space is never claimed to be known");
    }

    #[test]
    fn what_must_be_looked_after_is_named_and_what_is_not_known_is_not_well() {
        check(|_| {}, &[]);
        check(|upkeep| upkeep.wal_bytes = None, &[("wal", Verdict::Unknown)]);
        check(|upkeep| upkeep.wal_bytes = Some(3 << 30), &[("wal", Verdict::Warn)]);
        check(|upkeep| upkeep.slots[0].active = false, &[("replication slots", Verdict::Warn)]);
        check(|upkeep| upkeep.archives = false, &[("archive", Verdict::Unknown)]);
        check(|upkeep| upkeep.archive_failing_s = Some(9.0), &[("archive", Verdict::Fail)]);
        check(|upkeep| upkeep.autovacuum = false, &[("autovacuum", Verdict::Warn)]);
        check(|upkeep| upkeep.tables[0].is_off = true, &[("autovacuum", Verdict::Warn)]);
        check(|upkeep| upkeep.tables[0].dead = 100_001, &[("autovacuum", Verdict::Warn)]);
        check(|upkeep| upkeep.tables[0].dead = 99_999, &[]);
    }
}
