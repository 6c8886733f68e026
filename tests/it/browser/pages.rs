//! Every page, as it is seen by day, at night and on a telephone; and without a script.

use serde_json::{Value, json};
use waybill_console::Role;

use super::page::{self, Device};
use super::{Chromium, Scene};
use crate::support::{World, until};

/// Looks at a page with a script and without, of which one must show the same.
const LOOKS: usize = 8;

/// A plan of the unknown kind, made and not started; its page.
pub(super) async fn plan(scene: &Scene) -> String {
    scene.go("/plans/new?class=unknown_kind").await;
    scene.browser.fill("#plan-reason", "the worker knows the kind again").await;
    scene.browser.click("#dry-run-button").await;
    scene.browser.click("#make-plan").await;
    assert_eq!(scene.browser.text("#state").await, "made");
    let page = scene.at().await;
    page.split('?').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_quiet_readable_and_named() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let (browser, url) = (&scene.browser, scene.url.as_str());
        let mut wrong = Vec::new();
        for device in Device::ALL {
            device.hold(browser).await;
            scene.go("/login").await;
            wrong.extend(page::faults(browser, url).await.into_iter().map(|what| format!("/login: {what}")));
        }
        scene.log_in(&world, Role::Admin).await;
        until("a plot and a balance", || async {
            browser.has("#hour polyline").await && browser.has("#balance table").await
        })
        .await;
        let plan = plan(&scene).await;
        let pages = page::all(&scene, &plan);
        assert!(pages.len() > 10);
        for device in Device::ALL {
            device.hold(browser).await;
            for (_, path) in &pages {
                scene.go(path).await;
                let faults = page::faults(browser, url).await;
                wrong.extend(faults.into_iter().map(|what| format!("{path} ({device:?}): {what}")));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        world
    })
    .await;
}

/// What can be read on the page, times and figures aside, and their units: they move.
async fn words(browser: &Chromium) -> Vec<String> {
    let text = browser.text("main").await;
    let unit = |word: &str| matches!(word, "s" | "min" | "h" | "d");
    let is_word = |word: &&str| word.chars().all(char::is_alphabetic) && !unit(word);
    let words = text.split_whitespace().filter(is_word);
    words.map(str::to_owned).collect()
}

/// Whether the page does without what only a script can do.
async fn help_is_hidden(browser: &Chromium) -> Value {
    browser.run("return document.getElementById('help-button').hidden", json!([])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_read_without_a_script() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        scene.log_in(&world, Role::Admin).await;
        let plan = plan(&scene).await;
        let script = async |is_off: bool| {
            browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": is_off })).await;
        };
        for (_, path) in page::all(&scene, &plan).iter().filter(|(name, _)| name != "overview") {
            // what a page tells may change between two looks, but not at each of them
            for look in 1..=LOOKS {
                scene.go(path).await;
                assert_eq!(help_is_hidden(browser).await, json!(false), "{path}: the script has run");
                let with = words(browser).await;
                script(true).await;
                scene.go(path).await;
                assert_eq!(help_is_hidden(browser).await, json!(true), "{path}: no script has run");
                let without = words(browser).await;
                script(false).await;
                if without == with {
                    break;
                }
                assert!(look < LOOKS, "{path}\nwith a script: {with:?}\nwithout: {without:?}");
            }
        }
        script(true).await;
        scene.go("/dead").await;
        browser.click("#decide tbody th a").await;
        until("the message", || async { scene.at().await.starts_with("/messages/") }).await;
        world
    })
    .await;
}
