//! Style, script and icon: in the binary, under names that say their content, so that a browser may
//! keep them for ever. Nothing comes from elsewhere.

use std::sync::OnceLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::failure::Failure;
use crate::secret;

const CSS: &str = include_str!("../assets/console.css");
const JS: &str = include_str!("../assets/console.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// The paths of this build's assets.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) css: String,
    pub(crate) js: String,
    pub(crate) icon: String,
}

/// The assets.
pub(crate) fn get() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| Assets {
        css: path("console", "css", CSS),
        js: path("console", "js", JS),
        icon: path("icon", "svg", ICON),
    })
}

fn path(name: &str, extension: &str, content: &str) -> String {
    let hash = secret::hex(&secret::digest(content));
    format!("/assets/{name}-{}.{extension}", hash.get(..16).unwrap_or_default())
}

/// `GET /assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>) -> Result<Response, Failure> {
    let (assets, path) = (get(), format!("/assets/{name}"));
    let (kind, content) = if path == assets.css {
        ("text/css; charset=utf-8", CSS)
    } else if path == assets.js {
        ("text/javascript; charset=utf-8", JS)
    } else if path == assets.icon {
        ("image/svg+xml", ICON)
    } else {
        return Err(Failure::Missing("There is no such file; load the page again.".to_owned()));
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, content).into_response())
}
