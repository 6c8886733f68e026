//! What is asked of any page: that it is quiet, that all it loads is ours, that each thing on it has a name,
//! and what `page.js` measures.

use reqwest::Method;
use serde_json::{Value, json};
use waybill_console::routes;

use super::{Chromium, Scene};

/// Roles of the accessibility tree whose bearers must have a name (WAI-ARIA 1.2, 5.2.8).
const NAMED: [&str; 15] = [
    "button",
    "checkbox",
    "columnheader",
    "combobox",
    "dialog",
    "heading",
    "image",
    "link",
    "navigation",
    "option",
    "progressbar",
    "radio",
    "region",
    "searchbox",
    "textbox",
];

/// What a page is looked at with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Device {
    /// A desk, by day.
    Light,
    /// A desk, at night.
    Dark,
    /// A telephone, 390 pixels wide.
    Phone,
}

impl Device {
    pub(super) const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::Phone];

    /// Makes the browser this one.
    pub(super) async fn hold(self, browser: &Chromium) {
        let scheme = if self == Self::Dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.devtools("Emulation.setEmulatedMedia", media).await;
        let (width, height) = if self == Self::Phone { (390, 844) } else { (1280, 900) };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": self == Self::Phone });
        browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }
}

/// Every page there is: its name and its path, the ones about one thing with a thing of the scene.
pub(super) fn all(scene: &Scene, plan: &str) -> Vec<(String, String)> {
    let pages = routes::all().into_iter().filter(|route| route.method == Method::GET);
    let pages = pages.filter(|route| !matches!(route.path, "/live" | "/assets/{name}" | "/login"));
    pages
        .map(|route| {
            let path = route.path.replace("/messages/{id}", &format!("/messages/{}", scene.dead));
            let path = path.replace("/plans/{id}", plan);
            assert!(!path.contains('{'), "say which one of {path} is to be looked at");
            let name = match route.path {
                "/" => "overview".to_owned(),
                "/messages/{id}" => "message".to_owned(),
                "/plans/{id}" => "plan".to_owned(),
                path => path.trim_start_matches('/').replace("{id}/", "").replace('/', "-"),
            };
            (name, path)
        })
        .collect()
}

/// Everything that is wrong with the page that is open.
pub(super) async fn faults(browser: &Chromium, url: &str) -> Vec<String> {
    let mut faults = noise(browser, url).await;
    faults.extend(nameless(browser).await);
    let measured = browser.run(include_str!("page.js"), json!([])).await;
    faults
        .extend(measured.as_array().expect("sentences").iter().filter_map(Value::as_str).map(str::to_owned));
    faults
}

/// What was said on the console of the browser (breaches of the page's policy too), and what was loaded
/// from elsewhere than `url`, since the last time.
pub(super) async fn noise(browser: &Chromium, url: &str) -> Vec<String> {
    let said = browser.log("browser").await;
    let mut noise: Vec<String> =
        said.iter().map(|line| format!("the browser says {}", line["message"])).collect();
    for line in browser.log("performance").await {
        let line: Value =
            serde_json::from_str(line["message"].as_str().unwrap_or_default()).unwrap_or_default();
        let message = &line["message"];
        if message["method"] == "Network.requestWillBeSent" {
            let asked = message["params"]["request"]["url"].as_str().unwrap_or_default();
            if !asked.starts_with(&format!("{url}/")) && asked != "data:," {
                noise.push(format!("it asks for {asked}"));
            }
        }
    }
    noise
}

/// What a screen reader would come to and could not name.
async fn nameless(browser: &Chromium) -> Vec<String> {
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().expect("a tree");
    assert!(nodes.len() > 10, "the tree is there");
    let named = |node: &&Value| {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        let name = node["name"]["value"].as_str().unwrap_or_default();
        node["ignored"] == json!(false) && NAMED.contains(&role) && name.trim().is_empty()
    };
    nodes.iter().filter(named).map(|node| format!("a {} has no name", node["role"]["value"])).collect()
}
