//! Who is who after a merge: the prior patient is never to be heard of again, and when it is (a
//! message that was late, a system that was not told), its visits are the survivor's.
//!
//! The memory is the table `patient_merge`, kept flat: one step leads from any prior patient to the
//! one that lives. A merge into a patient who was merged away goes to the one that lives; a merge of
//! the living one back into such a patient reverses the earlier merge, for the newest word counts.
//! All of a source's visit messages share a lock while they are recorded, and a merge has it alone:
//! no visit is written for a patient that is being merged away.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Postgres, Row as _, Transaction};
use waybill_core::hl7::PatientId;
use waybill_core::kinds::Effect;
use waybill_core::kinds::visit::Merge;

use super::Written;
use crate::StoreError;

/// Tells the merge locks from all other advisory locks that have two numbers.
const LOCKS: i32 = 0x4D52;

pub(super) const REDIRECTED: &str =
    "PID-3 names a patient that was merged into another: the visit was given to that one";
const SURVIVOR_REDIRECTED: &str =
    "PID-3 names a patient that was merged into another: the prior patient was merged into that one";
const REVERSED: &str = "MRG-1 names the patient that PID-3 had been merged into: that merge was reversed";
const MERGED_BEFORE: &str =
    "MRG-1 names a patient that had been merged into another: visits moved there then stay there";

/// Of the patients that a batch of messages names, those that were merged, each with who lives.
pub(super) struct Survivors<'a> {
    by_prior: HashMap<(&'a str, PatientId), PatientId>,
}

impl<'a> Survivors<'a> {
    /// Takes the locks and looks all patients up at once; costs nothing without effects on visits.
    pub(super) async fn load(
        transaction: &mut Transaction<'static, Postgres>,
        messages: &[Written<'a>],
    ) -> Result<Self, StoreError> {
        let mut by_prior = HashMap::new();
        let (mut merging, mut named) = (BTreeMap::new(), Vec::new());
        for message in messages {
            for effect in &message.done.effects {
                let patients = match effect {
                    Effect::Visit(change) => [Some(&change.patient), None],
                    Effect::Merge(merge) => [Some(&merge.prior), Some(&merge.survivor)],
                    Effect::Signature(_) => continue,
                };
                *merging.entry(message.source).or_insert(false) |= matches!(effect, Effect::Merge(_));
                named.extend(patients.into_iter().flatten().map(|patient| (message.source, patient)));
            }
        }
        if named.is_empty() {
            return Ok(Self { by_prior });
        }
        lock(transaction, &merging).await?;
        let rows = sqlx::query(
            "select g.at, m.survivor_id, m.survivor_authority
             from unnest($1::text[], $2::text[], $3::text[]) with ordinality as g (source, id, authority, at)
             join patient_merge m
               on m.source = g.source and m.prior_id = g.id and m.prior_authority = g.authority",
        )
        .bind(named.iter().map(|(source, _)| *source).collect::<Vec<_>>())
        .bind(named.iter().map(|(_, patient)| patient.id.as_str()).collect::<Vec<_>>())
        .bind(named.iter().map(|(_, patient)| patient.authority.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut **transaction)
        .await?;
        for row in rows {
            let at = usize::try_from(row.try_get::<i64, _>("at")?).unwrap_or_default();
            let survivor =
                PatientId { id: row.try_get("survivor_id")?, authority: row.try_get("survivor_authority")? };
            if let Some(&(source, prior)) = named.get(at.wrapping_sub(1)) {
                by_prior.insert((source, prior.clone()), survivor);
            }
        }
        Ok(Self { by_prior })
    }

    /// Who `patient` is now, if it was merged into another.
    pub(super) fn of(&self, source: &'a str, patient: &PatientId) -> Option<&PatientId> {
        self.by_prior.get(&(source, patient.clone()))
    }

    /// Moves the prior patient's visits to the survivor, and remembers it.
    pub(super) async fn merge(
        &mut self,
        transaction: &mut Transaction<'static, Postgres>,
        message: &Written<'a>,
        merge: &Merge,
    ) -> Result<Vec<&'static str>, StoreError> {
        let (source, prior) = (message.source, &merge.prior);
        let mut said = Vec::new();
        let living = self.of(source, &merge.survivor).cloned();
        let survivor = match living {
            None => merge.survivor.clone(),
            Some(living) if living == *prior => {
                said.push(REVERSED);
                merge.survivor.clone()
            }
            Some(living) => {
                said.push(SURVIVOR_REDIRECTED);
                living
            }
        };
        if self.of(source, prior).is_some_and(|before| *before != survivor) {
            said.push(MERGED_BEFORE);
        }
        write(transaction, message, prior, &survivor).await?;
        self.by_prior.remove(&(source, survivor.clone()));
        for ((of, _), into) in &mut self.by_prior {
            if *of == source && into == prior {
                *into = survivor.clone();
            }
        }
        self.by_prior.insert((source, prior.clone()), survivor);
        Ok(said)
    }
}

/// Takes each source's lock: alone where there is a merge, else shared. In the order of their names.
async fn lock(
    transaction: &mut Transaction<'static, Postgres>,
    merging: &BTreeMap<&str, bool>,
) -> Result<(), StoreError> {
    sqlx::query(
        "select case when s.alone then pg_advisory_xact_lock($1, hashtext(s.source))
                     else pg_advisory_xact_lock_shared($1, hashtext(s.source)) end
         from (select * from unnest($2::text[], $3::boolean[]) as g (source, alone)
               order by hashtext(g.source), g.alone desc) s",
    )
    .bind(LOCKS)
    .bind(merging.keys().copied().collect::<Vec<_>>())
    .bind(merging.values().copied().collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Moves the visits, and keeps the memory flat: the survivor lives, whoever was merged into the
/// prior patient is the survivor now, and so is the prior patient.
async fn write(
    transaction: &mut Transaction<'static, Postgres>,
    message: &Written<'_>,
    prior: &PatientId,
    survivor: &PatientId,
) -> Result<(), StoreError> {
    const STATEMENTS: [&str; 3] = [
        "update visit set patient_id = $4, patient_authority = $5, updated_by = $6
         where source = $1 and patient_id = $2 and patient_authority = $3",
        "update patient_merge set survivor_id = $4, survivor_authority = $5, merged_by = $6
         where source = $1 and survivor_id = $2 and survivor_authority = $3",
        "insert into patient_merge
             (source, prior_id, prior_authority, survivor_id, survivor_authority, merged_by)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (source, prior_id, prior_authority) do update
         set survivor_id = excluded.survivor_id, survivor_authority = excluded.survivor_authority,
             merged_by = excluded.merged_by",
    ];
    sqlx::query("delete from patient_merge where source = $1 and prior_id = $2 and prior_authority = $3")
        .bind(message.source)
        .bind(&survivor.id)
        .bind(&survivor.authority)
        .execute(&mut **transaction)
        .await?;
    for statement in STATEMENTS {
        sqlx::query(statement)
            .bind(message.source)
            .bind(&prior.id)
            .bind(&prior.authority)
            .bind(&survivor.id)
            .bind(&survivor.authority)
            .bind(message.id)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
