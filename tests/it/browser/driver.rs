//! A browser: Chromium in a window that nobody sees, driven over `WebDriver` (W3C) by chromedriver.
//!
//! Our own client of the dozen commands that the tests need, over the HTTP client they have anyway. What
//! it starts ends with it, also when a test fails; it never touches a browser that somebody else runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::services::variable;
use crate::support::{PAUSE, until};

/// For one answer of chromedriver: a page that loads slowly on a busy machine is one.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);
/// How often a live page may move what is to be clicked on, and how `WebDriver` says that it did.
const TRIES: u32 = 20;
const MOVED: [&str; 3] = ["stale element reference", "element click intercepted", "element not interactable"];
/// How `WebDriver` names an element in JSON (`WebDriver`, 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The browser.
#[derive(Debug)]
pub(super) struct Chromium {
    driver: Child,
    port: u16,
    session: String,
    http: reqwest::Client,
}

impl Chromium {
    /// Starts chromedriver, and by it a browser with a profile of its own.
    pub(super) async fn start() -> Self {
        let mut driver = Command::new(variable("WAYBILL_TEST_CHROMEDRIVER"))
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let said = BufReader::new(driver.stdout.take().expect("its output is ours"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let after = line.split(" started successfully on port ").nth(1)?;
            after.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver says its port");
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_LIMIT).build().unwrap();
        let mut browser = Self { driver, port, session: String::new(), http };
        let opened = browser.must(Method::POST, "/session", Some(capabilities())).await;
        browser.session = format!("/session/{}", opened["sessionId"].as_str().expect("a session"));
        browser
    }

    /// One command: its value, or what was wrong: the error's code, and what chromedriver says of it.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, (String, String)> {
        let url = format!("http://127.0.0.1:{}{}{path}", self.port, self.session);
        let request = self.http.request(method, url);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer: Value = request.send().await.expect("chromedriver answers").json().await.unwrap();
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err((error.to_owned(), value["message"].as_str().unwrap_or_default().to_owned())),
            None => Ok(value),
        }
    }

    /// A command that cannot fail here.
    async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let done = self.ask(method, path, body).await;
        done.unwrap_or_else(|(error, message)| panic!("{path}: {error}: {message}"))
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.must(Method::POST, path, Some(body)).await
    }

    /// Opens an address, and waits until it is loaded.
    pub(super) async fn go(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// The address that is open.
    pub(super) async fn url(&self) -> String {
        self.must(Method::GET, "/url", None).await.as_str().unwrap_or_default().to_owned()
    }

    /// What the body of a JavaScript function returns, run by the driver: the page's policy does not bind it.
    pub(super) async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// A command of Chromium's own protocol (`DevTools`), for what `WebDriver` does not have.
    pub(super) async fn devtools(&self, command: &str, params: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// Clicks on the element, and waits for the page that may follow.
    pub(super) async fn click(&self, css: &str) {
        self.on(css, "click", json!({})).await;
    }

    /// Types into the field, as a keyboard does; what stood there goes.
    pub(super) async fn fill(&self, css: &str, text: &str) {
        self.on(css, "clear", json!({})).await;
        self.on(css, "value", json!({ "text": text })).await;
    }

    /// What the element shows, once it is there.
    pub(super) async fn text(&self, css: &str) -> String {
        self.until_there(css).await;
        let shown = "return document.querySelector(arguments[0])?.innerText ?? null";
        let text = self.run(shown, json!([css])).await;
        text.as_str().unwrap_or_else(|| panic!("there is no {css}")).to_owned()
    }

    /// Whether there is such an element, and it shows this.
    pub(super) async fn says(&self, css: &str, words: &str) -> bool {
        let script = "return !!document.querySelector(arguments[0])?.innerText.includes(arguments[1])";
        self.run(script, json!([css, words])).await == json!(true)
    }

    /// Whether there is such an element.
    pub(super) async fn has(&self, css: &str) -> bool {
        self.run("return document.querySelector(arguments[0]) !== null", json!([css])).await == json!(true)
    }

    /// A page that follows a click need not be there yet.
    async fn until_there(&self, css: &str) {
        until(&format!("there to be {css}"), || self.has(css)).await;
    }

    /// Does something to the element; again if the page has taken a fresh one in its place, or has moved it.
    async fn on(&self, css: &str, verb: &str, body: Value) {
        self.until_there(css).await;
        for left in (0..TRIES).rev() {
            let found = self.post("/element", json!({ "using": "css selector", "value": css })).await;
            let path = format!("/element/{}/{verb}", found[ELEMENT].as_str().expect("an element"));
            match self.ask(Method::POST, &path, Some(body.clone())).await {
                Ok(_) => return,
                Err((error, _)) if left > 0 && MOVED.contains(&error.as_str()) => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err((error, message)) => panic!("{verb} {css}: {error}: {message}"),
            }
        }
    }

    /// Presses keys one after another, on whatever has the focus.
    pub(super) async fn press(&self, keys: &str) {
        let each = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|way| json!({ "type": way, "value": key.to_string() })));
        let keyboard = json!({ "type": "key", "id": "keys", "actions": each.collect::<Vec<_>>() });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// What an open dialog of a script (`alert` and its like) says.
    pub(super) async fn dialog(&self) -> Option<String> {
        match self.ask(Method::GET, "/alert/text", None).await {
            Ok(said) => Some(said.as_str().unwrap_or_default().to_owned()),
            Err((error, _)) if error == "no such alert" => None,
            Err((error, message)) => panic!("{error}: {message}"),
        }
    }

    /// What one of the browser's logs has got since it was last asked for.
    pub(super) async fn log(&self, name: &str) -> Vec<Value> {
        let lines = self.post("/se/log", json!({ "type": name })).await;
        lines.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Chromium {
    /// Ends the session by hand, since a test that fails has no runtime left to ask with; else the
    /// browser would stay. Then its driver.
    fn drop(&mut self) {
        let request =
            format!("DELETE {} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", self.session);
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port))
            && stream.set_read_timeout(Some(Duration::from_secs(20))).is_ok()
            && stream.write_all(request.as_bytes()).is_ok()
        {
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Which browser, and how: nothing of anybody's profile, no traffic of its own, all of its logs.
fn capabilities() -> Value {
    let arguments = [
        "--headless",
        // the browser ends with its driver, however that ends
        "--remote-debugging-pipe",
        // in a container there may be no namespaces for a sandbox; the pages are ours
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--force-prefers-reduced-motion",
        "--force-color-profile=srgb",
        "--window-size=1280,900",
    ];
    let options = json!({ "binary": variable("WAYBILL_TEST_CHROMIUM"), "args": arguments });
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "unhandledPromptBehavior": "ignore",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    }}})
}
