//! `GET /users`: who has access, and who is logged in; sessions can be ended here. Users are added
//! and changed on the command line, `waybill user`.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use waybill_store::console::session::Listed;
use waybill_store::console::user::User;

use super::Viewer;
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// Sessions that are listed.
const LISTED_MAX: u32 = 200;

#[derive(Template)]
#[template(path = "users.html")]
struct Page {
    frame: Frame,
    users: Vec<User>,
    sessions: Vec<Listed>,
}

pub(crate) async fn list(State(console): State<Console>, viewer: Viewer) -> Result<Html<String>, Failure> {
    let page = Page {
        frame: viewer.frame("/users", "Users"),
        users: console.store().console_users().await?,
        sessions: console.store().console_sessions(LISTED_MAX).await?,
    };
    view::html(&page)
}

pub(crate) async fn log_out(
    State(console): State<Console>,
    viewer: Viewer,
    Path(name): Path<String>,
) -> Result<Redirect, Failure> {
    console.store().close_console_sessions(&name, viewer.by()).await?;
    Ok(Redirect::to("/users"))
}
