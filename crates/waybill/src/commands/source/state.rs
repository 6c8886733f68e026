//! `waybill source pause`, `resume` and `silence`.

use chrono::SecondsFormat;
use serde_json::json;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::source_state::Moved;

use super::super::Ended;
use super::unknown;
use crate::cli::{Changed, Until};
use crate::table;

pub(super) async fn pause(store: &Store, changed: &Changed, actor: &str) -> anyhow::Result<Ended> {
    let moved = store.pause(&changed.name, by(actor, changed)).await?;
    let (now, already) = (
        "is paused: its messages are accepted and not published; what RabbitMQ has is still processed",
        "was paused already",
    );
    told(moved, changed, true, now, already)
}

pub(super) async fn resume(store: &Store, changed: &Changed, actor: &str) -> anyhow::Result<Ended> {
    let moved = store.resume(&changed.name, by(actor, changed)).await?;
    told(moved, changed, false, "is resumed: what was accepted meanwhile is due", "was not paused")
}

fn told(moved: Moved, changed: &Changed, paused: bool, now: &str, already: &str) -> anyhow::Result<Ended> {
    let name = &changed.name;
    if moved == Moved::NoSource {
        return Ok(unknown(name));
    }
    let is_new = moved == Moved::Changed;
    if changed.output.json {
        println!("{}", table::json(&json!({"name": name, "paused": paused, "changed": is_new}))?);
    } else {
        println!("{name} {}.", if is_new { now } else { already });
    }
    Ok(Ended::Done)
}

pub(super) async fn silence(
    store: &Store,
    until: &Until,
    changed: &Changed,
    actor: &str,
) -> anyhow::Result<Ended> {
    let name = &changed.name;
    #[expect(clippy::disallowed_methods, reason = "an operator's span begins now")]
    let now = chrono::Utc::now();
    let until = if until.off { None } else { until.until.or_else(|| until.span.map(|span| now + span)) };
    if until.is_some_and(|until| until <= now) {
        eprintln!("that is over already: give a time that is to come, or --off");
        return Ok(Ended::Usage);
    }
    if store.silence(name, until, by(actor, changed)).await? == Moved::NoSource {
        return Ok(unknown(name));
    }
    if changed.output.json {
        println!("{}", table::json(&json!({"name": name, "silenced_until": until}))?);
    } else {
        match until {
            Some(until) => {
                let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
                println!("{name} may be silent until {until}.");
            }
            None => println!("{name} is to be heard again."),
        }
    }
    Ok(Ended::Done)
}

fn by<'a>(actor: &'a str, changed: &'a Changed) -> By<'a> {
    By::cli(actor).because_of(changed.reason.as_deref())
}
