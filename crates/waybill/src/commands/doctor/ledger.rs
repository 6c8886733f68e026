//! Whether the ledger balances, and whether anything waits for too long.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use waybill_core::words::either;
use waybill_store::conservation::first_id_at;
use waybill_store::dead::HELD_MAX;
use waybill_store::{Store, StoreError};

use super::verdict::{Check, Checks, Verdict};

/// Messages accepted this recently are balanced, besides the unfinished: the whole ledger is
/// `waybill reconcile`'s business.
const RECENT: Duration = Duration::from_hours(1);
/// Messages of each kind that are looked at.
const PAGE: u32 = 5_000;
/// Something due for longer than this waits for too long, in seconds.
const DUE_S_MAX: f64 = 60.0;

pub(super) async fn look(store: &Store) -> Vec<Check> {
    let mut checks = Checks::of("ledger");
    if let Err(error) = inspect(store, &mut checks).await {
        let remedy = "mend PostgreSQL first, or run `waybill migrate`";
        checks.note("readable", Verdict::Unknown, error.to_string(), remedy);
    }
    checks.finish()
}

/// How many messages are not where their rows say: of the oldest unfinished, and of the first since
/// `since`. How long a claim may last is not the doctor's question.
async fn misfits(store: &Store, since: DateTime<Utc>) -> Result<usize, StoreError> {
    let any_claim = f64::from(u32::MAX);
    let mut look = store.look_at_unfinished(PAGE, Uuid::nil(), any_claim).await?;
    look.merge(store.look_at_page(first_id_at(since), PAGE, any_claim).await?.0);
    let named: BTreeSet<Uuid> = look.misfits.iter().map(|misfit| misfit.id).collect();
    Ok(named.len() + usize::try_from(look.unnamed).unwrap_or_default())
}

async fn inspect(store: &Store, checks: &mut Checks) -> Result<(), StoreError> {
    #[expect(clippy::disallowed_methods, reason = "how far back to look, not what to believe")]
    let since = chrono::Utc::now() - RECENT;
    let misfits = misfits(store, since).await?;
    let reason = format!("{misfits} do not fit, among the unfinished and the messages since an hour ago");
    let remedy = "`waybill reconcile` looks at all, names them and says what mends them";
    checks.judge("balance", misfits == 0, Verdict::Fail, reason, remedy);

    let due = store.due().await?;
    let reason = format!("{} due, the oldest for {:.0} s", due.messages, due.oldest_s.max(0.0));
    let remedy = "runbook, WaybillDueMessagesOld";
    checks.judge("due", due.oldest_s <= DUE_S_MAX, Verdict::Warn, reason, remedy);

    let held = store.held_behind_dead().await?;
    let more = if held.messages >= HELD_MAX { " or more" } else { "" };
    let reason = format!(
        "{}{more} held; {} {} those that were looked at",
        held.messages,
        held.letters,
        either(held.letters, "dead letter holds", "dead letters hold")
    );
    checks.judge("held", held.letters == 0, Verdict::Warn, reason, "look at them: `waybill dead list`");

    let dead: i64 = store.dead_counts().await?.iter().map(|(.., count)| count).sum();
    let remedy = "look at them: `waybill dead list`";
    checks.judge(
        "dead",
        dead == 0,
        Verdict::Warn,
        format!("{dead} {}", either(dead, "dead letter", "dead letters")),
        remedy,
    );

    let sources = store.source_figures().await?;
    let remedy = "run `waybill apply -f FILE`";
    checks.judge("sources", !sources.is_empty(), Verdict::Warn, format!("{} of them", sources.len()), remedy);
    let overdue: i64 = sources.iter().map(|source| source.overdue).sum();
    let reason = format!("{overdue} not final after their source's deadline");
    checks.judge("overdue", overdue == 0, Verdict::Warn, reason, "runbook, WaybillMessagesOverdue");
    let paused: Vec<&str> =
        sources.iter().filter(|source| source.paused).map(|source| source.source.as_str()).collect();
    let reason = if paused.is_empty() { "none".to_owned() } else { format!("paused: {}", paused.join(", ")) };
    checks.judge(
        "paused",
        paused.is_empty(),
        Verdict::Warn,
        reason,
        "when its time is over: `waybill source resume NAME`",
    );
    let silent: Vec<&str> = sources
        .iter()
        .filter(|source| source.silence_s_max > 0.0)
        .filter(|source| source.silent_s.is_some_and(|silent| silent > source.silence_s_max))
        .map(|source| source.source.as_str())
        .collect();
    let reason = if silent.is_empty() { "none".to_owned() } else { format!("silent: {}", silent.join(", ")) };
    checks.judge("silence", silent.is_empty(), Verdict::Warn, reason, "runbook, WaybillSourceSilent");
    Ok(())
}
