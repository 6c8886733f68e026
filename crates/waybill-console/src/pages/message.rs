//! `GET /messages/{id}`: one message, what happened to it, its body masked; and for operators, with a
//! reason, the body in clear and the decisions on a dead letter.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;
use uuid::Uuid;
use waybill_store::message::Message;

use super::decide::said;
use super::{Viewer, reason};
use crate::Console;
use crate::body::{self, Look, Masked};
use crate::failure::Failure;
use crate::view::{self, Frame};

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    done: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Why {
    reason: String,
}

/// A body in clear, as far as it is shown.
struct Revealed {
    text: String,
    is_all: bool,
    reason: String,
}

#[derive(Template)]
#[template(path = "message.html")]
struct Page {
    frame: Frame,
    message: Message,
    masked: Masked,
    revealed: Option<Revealed>,
    done: String,
}

pub(crate) async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    page(&console, &viewer, read_id(&id)?, None, said(wanted.done.as_deref())).await
}

/// `POST /messages/{id}/body`
pub(crate) async fn reveal(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Result<Html<String>, Failure> {
    let (id, reason) = (read_id(&id)?, reason(&why.reason)?);
    let bytes = body::reveal(&console, look(&viewer, id, reason, "raw")).await?;
    let (text, is_all) = body::shown(&bytes);
    let revealed = Revealed { text, is_all, reason: reason.to_owned() };
    page(&console, &viewer, id, Some(revealed), String::new()).await
}

/// `POST /messages/{id}/download`
pub(crate) async fn download(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response, Failure> {
    let (id, reason) = (read_id(&id)?, reason(&why.reason)?);
    let bytes = body::reveal(&console, look(&viewer, id, reason, "download")).await?;
    // never shown by the browser, whatever it looks like
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.bin\"")),
    ];
    Ok((headers, bytes).into_response())
}

fn look<'a>(viewer: &'a Viewer, id: Uuid, reason: &'a str, form: &'static str) -> Look<'a> {
    Look { by: viewer.by().because(reason), id, form }
}

fn read_id(id: &str) -> Result<Uuid, Failure> {
    id.parse().map_err(|_| Failure::Missing("That is no message's id.".to_owned()))
}

async fn page(
    console: &Console,
    viewer: &Viewer,
    id: Uuid,
    revealed: Option<Revealed>,
    done: String,
) -> Result<Html<String>, Failure> {
    let Some(message) = console.store().message(id, None).await? else {
        return Err(Failure::Missing(format!("There is no message {id} in this ledger.")));
    };
    let masked = body::masked(console, id).await?;
    let page = Page { frame: viewer.frame("/messages", "Message"), message, masked, revealed, done };
    view::html(&page)
}
