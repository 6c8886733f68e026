//! A browser as these tests need one: keeps cookies, fills the form's token in, runs no script.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};

/// What the console answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// A header; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The token of the page's forms; empty when it has none.
    pub(crate) fn form_token(&self) -> String {
        let after = self.text.split("name=\"form_token\" value=\"").nth(1).unwrap_or_default();
        after.split('"').next().unwrap_or_default().to_owned()
    }
}

/// The browser.
#[derive(Debug)]
pub(crate) struct Browser {
    pub url: String,
    pub http: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    pub(crate) fn new(url: &str) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { url: url.to_owned(), http, cookies: Mutex::default() }
    }

    /// A request with the cookies.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.url));
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    /// Sends it, and keeps the cookies that come back. As a person does: after a 503, which a busy
    /// machine may give, the same again.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Page {
        let mut tries = 0;
        let response = loop {
            let again = request.try_clone().expect("a form is in memory");
            let response = again.send().await.expect("the console answers");
            tries += 1;
            if response.status() != 503 || tries == 20 {
                break response;
            }
        };
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            cookies.remove(name);
            if !value.is_empty() {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts a form with the token of the page at `from`.
    pub(crate) async fn post_from(&self, from: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.get(from).await.form_token();
        self.post(path, &[&[("form_token", token.as_str())], fields].concat()).await
    }

    /// Posts a form as it is given.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(form(self.request(Method::POST, path), fields)).await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Page {
        self.post_from("/login", "/login", &[("name", name), ("password", password)]).await
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

/// A posted form.
pub(crate) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect::<String>()
    };
    let pairs: Vec<String> = fields.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"))
}
