//! The pages, a file each: ask the ledger, fill a template. Who may see them is not their question.

pub(crate) mod audit;
mod choices;
pub(crate) mod dead;
pub(crate) mod decide;
pub(crate) mod find;
pub(crate) mod items;
mod letters;
pub(crate) mod message;
pub(crate) mod messages;
mod moment;
pub(crate) mod overview;
pub(crate) mod plan;
pub(crate) mod plans;
pub(crate) mod queues;
pub(crate) mod reconciliation;
pub(crate) mod runbook;
pub(crate) mod sources;
pub(crate) mod users;
pub(crate) mod waits;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use waybill_store::audit::{By, Via};

use crate::failure::Failure;
use crate::guard::{Caller, Visitor};
use crate::view::Frame;

/// Who looks, as the guard has found out.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) visitor: Visitor,
    pub(crate) caller: Caller,
}

impl Viewer {
    /// The frame of a page for them.
    pub(crate) fn frame(&self, section: &'static str, title: &str) -> Frame {
        Frame::new(section, title, &self.visitor, &self.caller)
    }

    /// By which way they act, for the audit trail.
    pub(crate) fn via(&self) -> Via<'_> {
        Via::Console { address: &self.caller.address, session: self.visitor.session.as_deref() }
    }

    /// Who acts; why, is still to be said.
    pub(crate) fn by(&self) -> By<'_> {
        By::new(&self.visitor.name, self.via())
    }
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let visitor = parts.extensions.get::<Visitor>().cloned();
        let caller = parts.extensions.get::<Caller>().cloned();
        let known = visitor.zip(caller).map(|(visitor, caller)| Self { visitor, caller });
        known.ok_or(Failure::Unknown)
    }
}

/// A reason that says something, and fits the ledger.
pub(crate) fn reason(text: &str) -> Result<&str, Failure> {
    let text = text.trim();
    match text.chars().count() {
        1..=500 => Ok(text),
        0 => Err(Failure::Wrong("Say why: the reason is kept with the act. Nothing was done.".to_owned())),
        long => {
            Err(Failure::Wrong(format!("The reason has {long} characters; at most 500. Nothing was done.")))
        }
    }
}
