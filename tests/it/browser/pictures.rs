//! The pictures of docs/CONSOLE.md. Each run takes them all, so that they can be taken; only
//! `./dev screenshots` keeps them, since no two runs give the same.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use waybill_console::Role;

use super::page::{self, Device};
use super::{Chromium, Scene, pages, png};
use crate::support::{World, until, until_at_last};

/// What one picture may weigh. Each machine draws a little differently: the largest is at three quarters of it.
const BYTES_MAX: usize = 200_000;
/// Pixels: a picture is as high as its page, within reason.
const HEIGHT_MAX: f64 = 1400.0;

/// How wide and how high what is on the page is.
const SIZE: &str = "
const ends = [...document.body.children].map((element) => element.getBoundingClientRect().bottom);
return [document.documentElement.clientWidth, Math.ceil(Math.max(...ends)) + 16];";

/// Where the pictures go: where `./dev screenshots` says, else where nobody looks.
fn folder() -> PathBuf {
    let named = std::env::var_os("WAYBILL_SCREENSHOTS_DIR").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots"));
    std::fs::create_dir_all(&folder).expect("a folder for the pictures");
    folder
}

/// Takes a picture of the page that is open.
async fn take(browser: &Chromium, name: &str) {
    let size = browser.run(SIZE, json!([])).await;
    let (width, height) = (size[0].as_f64().expect("a width"), size[1].as_f64().expect("a height"));
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height.min(HEIGHT_MAX), "scale": 1 });
    let asked = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
    let picture = browser.devtools("Page.captureScreenshot", asked).await;
    let picture = STANDARD.decode(picture["data"].as_str().expect("a picture")).unwrap();
    let small = png::shrink(&picture);
    assert!(small.len() < BYTES_MAX, "{name}: {} bytes", small.len());
    std::fs::write(folder().join(format!("{name}.png")), small).expect("the picture is kept");
}

/// Takes the page by day and at night.
async fn take_both(browser: &Chromium, name: &str) {
    Device::Dark.hold(browser).await;
    take(browser, &format!("{name}-dark")).await;
    Device::Light.hold(browser).await;
    take(browser, name).await;
}

/// Lets the plan run to its end.
async fn finish(scene: &Scene, plan: &str) {
    scene.go(plan).await;
    scene.browser.fill("#order-reason", "as agreed with the partner").await;
    scene.browser.click("#start").await;
    until("the plan to end", || async { scene.browser.has("#report").await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_its_picture() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        Device::Light.hold(browser).await;
        scene.go("/login").await;
        take_both(browser, "login").await;
        scene.log_in(&world, Role::Admin).await;
        until_at_last("a plot, and a balance of them all", || async {
            browser.has("#plot-dead polyline").await && browser.says("#balance tbody", "15").await
        })
        .await;
        let plan = pages::plan(&scene).await;
        let pages = page::all(&scene, &plan);
        // what a plan leaves behind is shown once there is something
        let after = |name: &str| matches!(name, "plan" | "plans" | "audit");
        for (name, path) in pages.iter().filter(|(name, _)| !after(name)) {
            scene.go(path).await;
            if name == "plans-new" {
                scene.go("/plans/new?class=unknown_kind").await;
                browser.fill("#plan-reason", "the worker knows the kind again").await;
                browser.click("#dry-run-button").await;
                until("the dry run", || browser.has("#dry-run")).await;
            }
            take_both(browser, name).await;
        }
        Device::Phone.hold(browser).await;
        scene.go("/").await;
        take(browser, "phone").await;
        Device::Light.hold(browser).await;
        finish(&scene, &plan).await;
        for (name, path) in pages.iter().filter(|(name, _)| after(name)) {
            scene.go(path).await;
            take_both(browser, name).await;
        }
        world
    })
    .await;
}
