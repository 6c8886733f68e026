//! Logging in and out.
//!
//! A password is checked slowly, a few at a time, and as slowly for a name that is nobody's. Who
//! fails too often waits (`waybill_store::console::login`). A login and its throttling are the
//! ledger's, so that replicas agree: of what was typed for a name it gets a keyed hash.

use askama::Template;
use axum::Extension;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::failure::Failure;
use crate::guard::{Caller, Visitor};
use crate::pages::Viewer;
use crate::{Console, assets, cookie, secret, view};

/// Where to go after the login.
#[derive(Debug, Deserialize)]
pub(crate) struct Next {
    next: Option<String>,
}

/// What the form sends. Has no `Debug`: it holds a password.
#[derive(Deserialize)]
pub(crate) struct Login {
    name: String,
    password: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    css: &'static str,
    icon: &'static str,
    form_token: String,
    next: String,
    name: String,
    failed: bool,
    by_proxy: bool,
}

/// `GET /login`
pub(crate) async fn form(
    State(console): State<Console>,
    Query(next): Query<Next>,
    Extension(caller): Extension<Caller>,
    visitor: Option<Extension<Visitor>>,
) -> Result<Response, Failure> {
    let next = own_path(next.next.as_deref());
    if visitor.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    page(&console, &caller, next, String::new(), false)
}

fn page(
    console: &Console,
    caller: &Caller,
    next: String,
    name: String,
    failed: bool,
) -> Result<Response, Failure> {
    let assets = assets::get();
    let page = Page {
        css: &assets.css,
        icon: &assets.icon,
        form_token: caller.form_token.clone(),
        next,
        name,
        failed,
        by_proxy: !console.config().trust_proxy_header.is_empty(),
    };
    let status = if failed { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    Ok((status, view::html(&page)?).into_response())
}

/// `POST /login`
pub(crate) async fn log_in(
    State(console): State<Console>,
    Extension(caller): Extension<Caller>,
    Form(login): Form<Login>,
) -> Result<Response, Failure> {
    let (store, next) = (console.store(), own_path(login.next.as_deref()));
    if !console.config().trust_proxy_header.is_empty() {
        return Err(Failure::Wrong("A proxy says who you are; there are no passwords here.".to_owned()));
    }
    let name = login.name.trim().to_lowercase();
    let typed = console.typed(&name);
    if !store.may_try_console_login(&typed, &caller.address).await? {
        tracing::warn!(address = caller.address, "a login to the console was refused: too many have failed");
        return Err(Failure::Throttled);
    }
    let proof = store.console_proof(&name).await?;
    let (password, hash) = (login.password, proof.as_ref().map(|proof| proof.password.clone()));
    let proven = console.verify(password, hash.clone()).await?;
    let token = secret::token()?;
    let opened = match hash {
        Some(hash) if proven => {
            let lasts = console.config().session();
            let digest = secret::digest(&token);
            store.open_console_session(&digest, &name, &hash, &caller.address, lasts).await?
        }
        _ => false,
    };
    store.note_console_login(&typed, &caller.address, opened).await?;
    if !opened {
        tracing::warn!(address = caller.address, "a login to the console failed");
        return page(&console, &caller, next, String::new(), true);
    }
    tracing::info!(user = name, address = caller.address, "logged in to the console");
    let mut answer = Redirect::to(&next).into_response();
    cookie::set(answer.headers_mut(), &console.cookies().session, &token, console.cookies().secure);
    Ok(answer)
}

/// `POST /logout`
pub(crate) async fn log_out(
    State(console): State<Console>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Some(token) = cookie::read(&headers, &console.cookies().session) {
        console.store().close_console_session(&secret::digest(&token), viewer.by()).await?;
    }
    let mut answer = Redirect::to("/login").into_response();
    cookie::clear(answer.headers_mut(), &console.cookies().session, console.cookies().secure);
    Ok(answer)
}

/// A path of ours: nobody is sent to another site after the login.
fn own_path(next: Option<&str>) -> String {
    let next = next.unwrap_or("/");
    let ours = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.len() <= 2000
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if ours { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(own_path(Some("/messages?state=dead")), "/messages?state=dead");
        for bad in
            [None, Some("https://evil.example"), Some("//evil.example"), Some("/\\evil.example"), Some("/\n")]
        {
            assert_eq!(own_path(bad), "/", "{bad:?}");
        }
    }
}
