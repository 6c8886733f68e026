//! The projection `visit`: one row per visit or appointment, changed by each of its events.

use sqlx::{Postgres, Row as _, Transaction};
use waybill_core::hl7::Value;
use waybill_core::kinds::visit::{StatusChange, VisitChange};

use super::Written;
use super::patient::{REDIRECTED, Survivors};
use crate::StoreError;

/// For each changeable column: the value (null when there is none), and whether it is to be kept.
const CHANGE: &str = "
insert into visit as known
    (source, visit_id, patient_id, patient_authority, status, family_name, given_name, birth_date,
     location, scheduled_at, arrived_at, closed_at, updated_by, recorded_at)
values ($1, $2, $3, $4, $5, $6, $8, $10, $12, $14, $16, $18, $20, $22)
on conflict (source, visit_id) do update
set patient_id = excluded.patient_id,
    patient_authority = excluded.patient_authority,
    status = case when not $21 then excluded.status
                  when known.status = 'arrived' then 'in_progress'
                  else known.status end,
    family_name = case when $7 then known.family_name else excluded.family_name end,
    given_name = case when $9 then known.given_name else excluded.given_name end,
    birth_date = case when $11 then known.birth_date else excluded.birth_date end,
    location = case when $13 then known.location else excluded.location end,
    scheduled_at = case when $15 then known.scheduled_at else excluded.scheduled_at end,
    arrived_at = case when $17 then known.arrived_at else excluded.arrived_at end,
    closed_at = case when $19 then known.closed_at else excluded.closed_at end,
    updated_by = excluded.updated_by,
    -- greatest passes over nulls
    recorded_at = greatest(known.recorded_at, excluded.recorded_at)
returning coalesce(recorded_at > $22, false)";

const OUT_OF_DATE: &str = "EVN-2 is older than that of a message applied to this visit before: \
                           applied all the same, in the order of acceptance";

/// Applies one event to its visit; a visit not seen before begins with it. The order is that of
/// acceptance, whatever the sender's clocks say: an older event is applied, and said to be older.
pub(super) async fn change<'a>(
    transaction: &mut Transaction<'static, Postgres>,
    survivors: &Survivors<'a>,
    message: &Written<'a>,
    change: &VisitChange,
) -> Result<Vec<&'static str>, StoreError> {
    let survivor = survivors.of(message.source, &change.patient);
    let patient = survivor.unwrap_or(&change.patient);
    let (status, progress) = match change.status {
        StatusChange::To(status) => (status.as_str(), false),
        StatusChange::Progress => ("in_progress", true),
    };
    let mut query = sqlx::query(CHANGE)
        .bind(message.source)
        .bind(&change.visit_id)
        .bind(&patient.id)
        .bind(&patient.authority)
        .bind(status);
    for text in [&change.family_name, &change.given_name] {
        query = query.bind(given(text)).bind(is_kept(text));
    }
    query = query.bind(given(&change.birth_date)).bind(is_kept(&change.birth_date));
    query = query.bind(given(&change.location)).bind(is_kept(&change.location));
    for time in [&change.scheduled_at, &change.arrived_at, &change.closed_at] {
        query = query.bind(given(time)).bind(is_kept(time));
    }
    query = query.bind(message.id).bind(progress).bind(change.recorded_at);
    let is_older: bool = query.fetch_one(&mut **transaction).await?.try_get(0)?;
    let said = [(survivor.is_some(), REDIRECTED), (is_older, OUT_OF_DATE)];
    Ok(said.into_iter().filter_map(|(is, warning)| is.then_some(warning)).collect())
}

fn given<T>(value: &Value<T>) -> Option<&T> {
    match value {
        Value::Present(value) => Some(value),
        Value::Null | Value::Absent => None,
    }
}

const fn is_kept<T>(value: &Value<T>) -> bool {
    matches!(value, Value::Absent)
}
