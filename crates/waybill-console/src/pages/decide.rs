//! `POST /dead/replay`, `/dead/discard` and `/dead/undo`: an operator's decision, with its reason. The ledger's own
//! verbs carry it out, and put it on the audit trail in the same transaction.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;
use waybill_core::words::either;
use waybill_store::audit::By;
use waybill_store::decide::DECIDED_MAX;
use waybill_store::undo::How;

use super::{Viewer, reason};
use crate::Console;
use crate::failure::Failure;

type Pairs = Vec<(String, String)>;

/// What a form of decisions says.
struct Decision {
    ids: Vec<Uuid>,
    reason: String,
    /// The page to go back to: one message, or the list.
    back: String,
}

impl Decision {
    fn read(pairs: Pairs) -> Result<Self, Failure> {
        let mut decision = Self { ids: Vec::new(), reason: String::new(), back: "/dead".to_owned() };
        for (name, value) in pairs {
            match name.as_str() {
                "id" => {
                    let id = value.parse();
                    decision.ids.push(id.map_err(|_| Failure::Wrong("That is no message's id.".to_owned()))?);
                }
                "reason" => reason(&value)?.clone_into(&mut decision.reason),
                "back" if value == "message" => decision.back.clear(),
                _ => {}
            }
        }
        if decision.ids.is_empty() || decision.ids.len() > DECIDED_MAX {
            let what = format!("Choose 1 to {DECIDED_MAX} dead letters. Nothing was done.");
            return Err(Failure::Wrong(what));
        }
        reason(&decision.reason)?;
        Ok(decision)
    }

    /// Who decides, and why.
    fn by<'a>(&'a self, viewer: &'a Viewer) -> By<'a> {
        viewer.by().because(&self.reason)
    }

    /// Back to where the form was; the page says what was done.
    fn answer(&self, verb: &str, done: usize, released: usize) -> Response {
        let page = match self.ids.first() {
            Some(id) if self.back.is_empty() => format!("/messages/{id}"),
            _ => self.back.clone(),
        };
        let asked = self.ids.len();
        Redirect::to(&format!("{page}?done={verb}-{done}-{asked}-{released}")).into_response()
    }
}

pub(crate) async fn replay(
    State(console): State<Console>,
    viewer: Viewer,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failure> {
    let decision = Decision::read(pairs)?;
    let replayed = console.store().replay(&decision.ids, decision.by(&viewer)).await?;
    Ok(decision.answer("replay", replayed.len(), 0))
}

pub(crate) async fn discard(
    State(console): State<Console>,
    viewer: Viewer,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Failure> {
    let decision = Decision::read(pairs)?;
    let done = console.store().discard(&decision.ids, decision.by(&viewer)).await?;
    Ok(decision.answer("discard", done.discarded.len(), done.released.len()))
}

/// One discard that is to be taken back.
#[derive(Debug, Deserialize)]
pub(crate) struct TakenBack {
    id: Uuid,
    reason: String,
    /// Whether its effects may come after those of later messages.
    out_of_order: Option<String>,
}

/// `POST /dead/undo`
pub(crate) async fn undo(
    State(console): State<Console>,
    viewer: Viewer,
    Form(asked): Form<TakenBack>,
) -> Result<Redirect, Failure> {
    let by = viewer.by().because(reason(&asked.reason)?);
    let how = How { grace: console.bounds().undo, out_of_order: asked.out_of_order.is_some(), by };
    let done = console.store().undo(&[asked.id], how).await?;
    match done.refused.first() {
        Some((_, why)) => Err(Failure::Wrong(format!("It stays discarded: {why}. Nothing was done."))),
        None if done.undone.is_empty() => {
            Err(Failure::Missing(format!("There is no message {} in this ledger.", asked.id)))
        }
        None => Ok(Redirect::to(&format!("/messages/{}?done=undo-1-1-0", asked.id))),
    }
}

/// What was done, in words, from the code in the address; numbers alone are taken from there, so that
/// nobody can make the page say something else.
pub(crate) fn said(code: Option<&str>) -> String {
    let mut parts = code.unwrap_or_default().split('-');
    let verb = match parts.next() {
        Some("replay") => "due again",
        Some("discard") => "discarded",
        Some("undo") => "discard taken back: a dead letter again",
        _ => return String::new(),
    };
    let numbers: Vec<u32> = parts.map_while(|part| part.parse().ok()).collect();
    let [done, asked, released] = numbers[..] else { return String::new() };
    let others = match asked.saturating_sub(done) {
        0 => String::new(),
        1 => " 1 was no dead letter (any more) and stays as it is.".to_owned(),
        others => format!(" {others} were no dead letters (any more) and stay as they are."),
    };
    let released = match released {
        0 => String::new(),
        released => {
            format!(" {released} that waited for them {} due.", either(released.into(), "is", "are"))
        }
    };
    format!("{done} {verb}.{others}{released}")
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn an_address_cannot_put_words_on_the_page() {
        assert_eq!(said(Some("replay-2-2-0")), "2 due again.");
        assert_eq!(
            said(Some("discard-1-2-3")),
            "1 discarded. 1 was no dead letter (any more) and stays as it is. 3 that waited for them are due."
        );
        for odd in [
            None,
            Some(""),
            Some("call this number"),
            Some("replay-x-1-1"),
            Some("replay-1"),
            Some("replay-1-2-3-4"),
        ] {
            assert_eq!(said(odd), "", "{odd:?}");
        }
    }
}
