//! Who asks, and whether they may: the one place where that is decided, before any page is made.
//!
//! Every route passes here with what it needs ([`Need`]); one without a need cannot be written. In
//! this order: is the request meant for us, does another site send it, who is it, may they, is the
//! form ours. What fails is answered here. Every answer gets the same strict headers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use waybill_process::http::Peer;

use crate::failure::Failure;
use crate::role::{Need, Role};
use crate::{Console, cookie, secret};

/// Bytes of a posted form.
const FORM_BYTES_MAX: usize = 256 * 1024;
/// For one page, from the request to its answer's head.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Set by our script on requests that no person made: they do not keep a session alive.
const LIVE: &str = "x-waybill-live";

/// What a page may load and do: nothing but our own style, script and pictures.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A person, known.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// Their name.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// The session that they logged in to here, and can log out of, as the audit trail calls it; none: a
    /// proxy names them.
    pub(crate) session: Option<String>,
}

/// Of one request: from where it came, and what its forms must carry.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The client's address, behind a known proxy as the proxy says it.
    pub(crate) address: String,
    /// The token for forms on the page that is answered.
    pub(crate) form_token: String,
}

/// What the middleware knows: the console, and what the route needs.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) console: Console,
    pub(crate) need: Need,
}

/// The middleware of every route.
pub(crate) async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (console, is_asset) = (gate.console.clone(), request.uri().path().starts_with("/assets/"));
    let seed = cookie::read(request.headers(), &console.cookies().form);
    let fresh = if seed.is_none() && !is_asset { secret::token().ok() } else { None };
    let seed = seed.or_else(|| fresh.clone()).unwrap_or_default();
    let passed = tokio::time::timeout(ANSWER_LIMIT, pass(&gate, request, next, &seed)).await;
    let mut answer = match passed {
        Ok(Ok(answer)) => answer,
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => Failure::Slow.into_response(),
    };
    if let Some(fresh) = fresh {
        cookie::set(answer.headers_mut(), &console.cookies().form, &fresh, console.cookies().secure);
    }
    harden(answer.headers_mut(), is_asset, console.cookies().secure);
    answer
}

async fn pass(gate: &Gate, mut request: Request, next: Next, seed: &str) -> Result<Response, Failure> {
    let console = &gate.console;
    let is_form = request.method() == Method::POST;
    if !is_for_us(console, request.headers()) {
        return Err(Failure::Host);
    }
    if is_form && is_from_elsewhere(request.headers()) {
        return Err(Failure::Elsewhere);
    }
    let peer =
        request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let by_proxy = console.is_proxy(peer);
    let address = client(peer, by_proxy, request.headers());
    let visitor = match gate.need {
        // style and script are asked for often, and are no secret
        Need::Nobody if !is_form && request.uri().path().starts_with("/assets/") => None,
        _ => identify(console, by_proxy, request.headers()).await?,
    };
    if !gate.need.allows(visitor.as_ref().map(|visitor| visitor.role)) {
        return match visitor {
            Some(visitor) => Err(Failure::Forbidden { role: visitor.role, need: gate.need }),
            None => Ok(to_login(request.method(), request.uri())),
        };
    }
    let name = visitor.as_ref().map_or("", |visitor| visitor.name.as_str());
    let form_token = secret::form_token(seed, name);
    if is_form {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| Failure::TooLarge)?;
        if seed.is_empty() || !secret::same(&field(&bytes, "form_token").await, &form_token) {
            return Err(Failure::Form);
        }
        request = Request::from_parts(parts, Body::from(bytes));
    }
    request.extensions_mut().insert(Caller { address, form_token });
    if let Some(visitor) = visitor {
        request.extensions_mut().insert(visitor);
    }
    Ok(next.run(request).await)
}

/// Exactly one `Host`, and it is ours.
fn is_for_us(console: &Console, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => console.config().is_our_host(host),
        _ => false,
    }
}

/// Whether a browser says that another site sends this form (Fetch Metadata; RFC 6454, 7). One that
/// says neither has the form's token to show.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, from)| from != host),
        _ => false,
    }
}

/// The client's address: the last one that a known proxy names (it may have been told the others).
fn client(peer: IpAddr, by_proxy: bool, headers: &HeaderMap) -> String {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    forwarded.filter(|_| by_proxy).unwrap_or(peer).to_canonical().to_string()
}

/// Who asks: by a trusted proxy's word where that is configured, else by their session.
async fn identify(
    console: &Console,
    by_proxy: bool,
    headers: &HeaderMap,
) -> Result<Option<Visitor>, Failure> {
    let config = console.config();
    if !config.trust_proxy_header.is_empty() {
        if !by_proxy {
            return Ok(None);
        }
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let first = values.next().and_then(|value| value.to_str().ok()).map(str::trim);
            first.filter(|text| !text.is_empty() && text.len() <= 200 && values.next().is_none())
        };
        let named = one(&config.trust_proxy_header).zip(one(&config.proxy_role_header));
        return Ok(named.and_then(|(name, role)| {
            Some(Visitor { name: name.to_owned(), role: role.parse().ok()?, session: None })
        }));
    }
    let Some(token) = cookie::read(headers, &console.cookies().session) else { return Ok(None) };
    let by_hand = !headers.contains_key(LIVE);
    let digest = secret::digest(&token);
    let session = console.store().console_session(&digest, config.idle(), by_hand).await?;
    let named = Some(waybill_store::console::session::name(&digest));
    Ok(session.and_then(|session| {
        Some(Visitor { role: session.role.parse().ok()?, name: session.name, session: named })
    }))
}

/// A page sends to the login and back; whatever else is refused.
fn to_login(method: &Method, uri: &Uri) -> Response {
    if method != Method::GET || uri.path() == "/live" {
        return Failure::Unknown.into_response();
    }
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    if next == "/" {
        return Redirect::to("/login").into_response();
    }
    Redirect::to(&format!("/login?next={}", encode(next))).into_response()
}

/// Percent-encodes all but unreserved characters (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// A field of a posted form; empty when it is not there.
async fn field(bytes: &Bytes, name: &str) -> String {
    let request = Request::builder()
        .method(Method::POST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes.clone()))
        .unwrap_or_default();
    let form = Form::<Vec<(String, String)>>::from_request(request, &()).await;
    let pairs = form.map(|form| form.0).unwrap_or_default();
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
}

/// The headers of every answer.
fn harden(headers: &mut HeaderMap, is_asset: bool, secure: bool) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // not `no-referrer`: browsers then send `Origin: null` with our own forms
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_asset {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if secure {
        let lasts = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, lasts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn another_sites_form_is_known_by_what_the_browser_says() {
        for (pairs, elsewhere) in [
            (&[("sec-fetch-site", "same-origin")][..], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("host", "waybill.example"), ("origin", "https://waybill.example")], false),
            (&[("host", "waybill.example"), ("origin", "https://evil.example")], true),
            (&[("host", "waybill.example"), ("origin", "null")], true),
            (&[("host", "waybill.example")], false),
        ] {
            assert_eq!(is_from_elsewhere(&headers(pairs)), elsewhere, "{pairs:?}");
        }
    }

    #[test]
    fn a_proxy_is_believed_only_where_it_is_known() {
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let forged = headers(&[("x-forwarded-for", "198.51.100.7, 203.0.113.9")]);
        assert_eq!(client(peer, true, &forged), "203.0.113.9", "the one that the proxy itself saw");
        assert_eq!(client(peer, false, &forged), "192.0.2.1");
        assert_eq!(client(peer, true, &headers(&[("x-forwarded-for", "nonsense")])), "192.0.2.1");
    }

    #[tokio::test]
    async fn a_field_of_a_form_is_found() {
        let form = Bytes::from_static(b"a=1&form_token=x%2By+z&form_token=2");
        assert_eq!(field(&form, "form_token").await, "x+y z");
        assert_eq!(field(&form, "b").await, "");
        assert_eq!(encode("/a?b=c&d e"), "%2Fa%3Fb%3Dc%26d%20e");
    }
}
