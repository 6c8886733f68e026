//! What a page cannot do, in words for the person who asked, with a status for their browser.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{Html, IntoResponse, Response};
use waybill_store::StoreError;
use waybill_store::console::login::WINDOW_S;

use crate::assets;
use crate::role::{Need, Role};

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such thing.
    Missing(String),
    /// What was asked for cannot be.
    Wrong(String),
    /// Nobody is logged in.
    Unknown,
    /// Somebody is, who may not.
    Forbidden { role: Role, need: Need },
    /// The request was meant for another host.
    Host,
    /// Another site sent the form.
    Elsewhere,
    /// The form's token is not ours.
    Form,
    /// The form is too large.
    TooLarge,
    /// Too many logins failed.
    Throttled,
    /// Too many pages are kept live.
    Busy,
    /// It took too long.
    Slow,
    /// The ledger did not answer.
    Ledger(StoreError),
    /// A fault of ours.
    Fault(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(format!("{error:#}"))
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page {
    status: u16,
    title: &'static str,
    what: String,
    css: &'static str,
}

impl Failure {
    fn row(&self) -> (StatusCode, &'static str, String) {
        use StatusCode as S;
        match self {
            Self::Missing(what) => (S::NOT_FOUND, "Not found", what.clone()),
            Self::Wrong(what) => (S::BAD_REQUEST, "That cannot be", what.clone()),
            Self::Unknown => (S::UNAUTHORIZED, "Log in", "Log in first: nothing was done.".into()),
            Self::Forbidden { role, need } => {
                let least = match need {
                    Need::Role(least) => least.as_str(),
                    Need::Nobody => "nobody",
                };
                let what = format!("Your role is {}; this takes {least}. Nothing was done.", role.as_str());
                (S::FORBIDDEN, "Not for your role", what)
            }
            Self::Host => {
                let what = "This address is none of the console's: see console.url.".to_owned();
                (S::MISDIRECTED_REQUEST, "Another address", what)
            }
            Self::Elsewhere => {
                (S::FORBIDDEN, "Refused", "Another site sent this form; nothing was done.".into())
            }
            Self::Form => {
                let what = "This form is out of date (you may have logged in or out since). Nothing was done: \
                            go back, load the page again, and send it again.";
                (S::FORBIDDEN, "Out of date", what.to_owned())
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "Too much", "The form is too large.".into()),
            Self::Throttled => {
                let what = format!("Too many logins failed. Try again in {} minutes.", WINDOW_S / 60);
                (S::TOO_MANY_REQUESTS, "Wait a little", what)
            }
            Self::Busy => (S::SERVICE_UNAVAILABLE, "Busy", "Too many pages are kept live.".into()),
            Self::Slow => {
                (S::GATEWAY_TIMEOUT, "Too slow", "The answer took too long; narrow the search.".into())
            }
            Self::Ledger(error @ (StoreError::Refused(_) | StoreError::Bug(_))) => {
                (S::INTERNAL_SERVER_ERROR, "The ledger does not take this", format!("{error}."))
            }
            Self::Ledger(error) => {
                (S::SERVICE_UNAVAILABLE, "The ledger does not answer", format!("{error}."))
            }
            Self::Fault(what) => (S::INTERNAL_SERVER_ERROR, "A fault", what.clone()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, what) = self.row();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(what, "a page of the console failed");
        }
        let page = Page { status: status.as_u16(), title, what, css: &assets::get().css };
        let html = page.render().unwrap_or_else(|_| title.to_owned());
        let mut answer = (status, Html(html)).into_response();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let after = if matches!(self, Self::Throttled) { WINDOW_S } else { 5 };
            answer.headers_mut().insert(RETRY_AFTER, after.into());
        }
        answer
    }
}
