//! `POST /messages/find`: messages by id, idempotency key, control id, patient, visit or key.
//!
//! What is looked for may be about a person. So it is posted, never part of an address, a log or the
//! browser's history, and no copy is kept of the page (every page is `no-store`). A value out of a body
//! becomes its digest here, and the search is on the audit trail before it is made (ADR 19).

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;
use waybill_core::accept::dedupe_prefix;
use waybill_core::find::{Facet, Named, Sought};
use waybill_store::console::browse::Listed;
use waybill_store::find::{Hit, Search};
use waybill_store::find_index::Progress;
use waybill_store::seek::{SeekError, Values};

use super::choices::Choices;
use super::moment::moment;
use super::{Viewer, reason};
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// The states, one of which may be asked for.
pub(crate) const STATES: [&str; 8] =
    ["accepted", "published", "held", "processing", "retrying", "processed", "dead", "discarded"];
/// Messages on one page.
const LISTED_MAX: u32 = 50;
/// Bytes of a value: longer than any that stands in an index.
const VALUE_BYTES_MAX: usize = 4096;

/// What is asked for. Has no `Debug`: it holds what identifies people.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// An id, or an idempotency key.
    pub(crate) q: String,
    pub(crate) control_id: String,
    pub(crate) patient: String,
    /// Who assigned the patient's number.
    pub(crate) authority: String,
    pub(crate) visit: String,
    pub(crate) key: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    /// Older than this message: the next page.
    after: String,
}

#[derive(Template)]
#[template(path = "found.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    choices: Choices,
    messages: Vec<Listed>,
    /// The button for the next page.
    next: Option<Uuid>,
    indexed: Option<Progress>,
}

impl Asked {
    /// The values that the blind index is asked for.
    fn named(&self) -> Result<Vec<Named>, Failure> {
        let authority = Some(self.authority.clone()).filter(|authority| !authority.trim().is_empty());
        if authority.is_some() && self.patient.trim().is_empty() {
            return Err(wrong("Who assigned it goes with a patient's number"));
        }
        let given = [
            (Facet::ControlId, &self.control_id, None),
            (Facet::Patient, &self.patient, authority),
            (Facet::Visit, &self.visit, None),
            (Facet::Key, &self.key, None),
        ];
        let given = given.into_iter().filter(|(_, value, _)| !value.trim().is_empty());
        let named: Vec<Named> =
            given.map(|(facet, value, authority)| Named { facet, value: value.clone(), authority }).collect();
        let is_long = |named: &Named| named.value.len() > VALUE_BYTES_MAX;
        if named.iter().any(is_long) || self.q.len() > VALUE_BYTES_MAX {
            return Err(wrong("A value is longer than any that is known"));
        }
        Ok(named)
    }

    fn search(&self) -> Result<Search, Failure> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = some(&self.state);
        if !state.as_deref().is_none_or(|state| STATES.contains(&state)) {
            return Err(wrong("There is no such state"));
        }
        let id = self.q.trim().parse().ok();
        let key = some(&self.q).filter(|_| id.is_none());
        Ok(Search {
            id,
            dedupe_prefix: key.as_deref().map(dedupe_prefix),
            entries: Vec::new(),
            source: some(&self.source),
            kind: some(&self.kind),
            state,
            from: moment(&self.from)?,
            to: moment(&self.to)?,
            after: self.after.parse().ok(),
            limit: LISTED_MAX,
        })
    }
}

fn wrong(what: &str) -> Failure {
    Failure::Wrong(format!("{what}. Nothing was looked for."))
}

/// `GET /messages/find`: what was found is never under an address; the form is.
pub(crate) async fn form() -> Redirect {
    Redirect::to("/messages#find")
}

pub(crate) async fn find(
    State(console): State<Console>,
    viewer: Viewer,
    Form(asked): Form<Asked>,
) -> Result<Response, Failure> {
    let (named, search) = (asked.named()?, asked.search()?);
    if let (true, Some(id)) = (named.is_empty(), search.id) {
        return Ok(Redirect::to(&format!("/messages/{id}")).into_response());
    }
    if named.is_empty() && search.dedupe_prefix.is_none() {
        return Err(wrong("Say what to look for: an id, a key, a number"));
    }
    let (sought, check) = sought(&console, &named)?;
    let by = viewer.by();
    let by = if asked.reason.trim().is_empty() { by } else { by.because(reason(&asked.reason)?) };
    let found = console.store().seek(&search, Values { check, sought: &sought }, by).await;
    let found = found.map_err(refused)?;
    let next = found.hits.last().filter(|_| found.more).map(|hit| hit.id);
    let page = Page {
        frame: viewer.frame("/messages", "Found messages"),
        asked,
        choices: Choices::of(&console),
        messages: found.hits.into_iter().map(listed).collect(),
        next,
        indexed: found.indexed,
    };
    Ok(view::html(&page)?.into_response())
}

/// The digests of the values, and what tells their key.
fn sought(console: &Console, named: &[Named]) -> Result<(Vec<Sought>, i64), Failure> {
    if named.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let Some(index) = console.index() else {
        return Err(wrong("auth.pepper is not set for waybill serve, so no value can be looked for"));
    };
    let sought: Option<Vec<Sought>> = named.iter().map(|named| index.sought(named)).collect();
    Ok((sought.ok_or_else(|| wrong("A value to look for is empty"))?, index.check()))
}

fn refused(error: SeekError) -> Failure {
    match error {
        SeekError::Slow => Failure::Slow,
        SeekError::Ledger(error) => Failure::Ledger(error),
        SeekError::Trail(why) => {
            Failure::Fault(format!("Nothing is looked for: the audit trail cannot be written ({why})."))
        }
        SeekError::OtherKey => Failure::Fault(format!("{error}.")),
    }
}

fn listed(hit: Hit) -> Listed {
    Listed {
        id: hit.id,
        source: hit.source,
        kind: hit.kind,
        state: hit.state.unwrap_or_else(|| "no place".to_owned()),
        attempts: hit.attempts.unwrap_or_default(),
        received_at: hit.received_at,
        idempotency_key: hit.idempotency_key,
        note: hit.error_class,
    }
}
