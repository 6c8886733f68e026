//! The console without a mouse.

use serde_json::{Value, json};
use waybill_console::Role;

use super::Scene;
use crate::console::{PASSWORD, user};
use crate::support::{World, until};

// How WebDriver writes keys (WebDriver, 15.4.2).
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// What has the focus: its place among all that can have it, its name, and whether that can be seen.
const FOCUSED: &str = "
const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select')];
const can = all.filter((element) => element.checkVisibility());
const at = document.activeElement, style = getComputedStyle(at);
const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
return [can.indexOf(at), can.length, `${at.localName}#${at.id}`, seen];";

impl Scene {
    async fn focused(&self) -> Value {
        self.browser.run(FOCUSED, json!([])).await
    }

    async fn has_focus(&self, css: &str) -> bool {
        self.browser.run("return document.activeElement.matches(arguments[0])", json!([css])).await
            == json!(true)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_reached_and_done_by_keyboard() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        user(&world, "kim", Role::Operator).await;
        scene.go("/login?next=/dead").await;
        until("the first field to have the focus", || scene.has_focus("#name")).await;
        browser.press(&format!("kim{TAB}{PASSWORD}{ENTER}")).await;
        scene.arrives("/dead").await;

        // one stop after the other, in the order of the page, each to be seen
        browser.press(TAB).await;
        assert!(scene.has_focus(".skip").await, "the first stop leads past the navigation");
        let all = scene.focused().await[1].as_u64().expect("a number");
        assert!(all > 30, "{all} stops");
        for stop in 0..all {
            let focused = scene.focused().await;
            assert_eq!(focused[0], json!(stop), "stop {stop}: {focused}");
            assert_eq!(focused[3], json!(true), "stop {stop} cannot be seen: {focused}");
            browser.press(TAB).await;
        }

        scene.go("/dead").await;
        browser.press(&format!("{TAB}{ENTER}")).await;
        assert!(scene.has_focus("main").await, "past the navigation");

        // the keys that the help names
        browser.press("?").await;
        assert!(browser.has("dialog[open]").await && browser.text("#help").await.contains("find a message"));
        assert!(scene.has_focus("dialog *").await, "the help has the focus");
        browser.press(ESCAPE).await;
        assert!(!browser.has("dialog[open]").await, "it is closed");
        browser.press("/").await;
        assert!(scene.has_focus("#q").await);
        browser.press(&format!("{}{ENTER}", scene.dead)).await;
        scene.arrives(&format!("/messages/{}", scene.dead)).await;
        browser.press("ga").await;
        scene.arrives("/audit").await;

        // a decision
        scene.go(&format!("/messages/{}", scene.dead)).await;
        for _ in 0..all {
            if scene.has_focus("#decide-reason").await {
                break;
            }
            browser.press(TAB).await;
        }
        browser.press(&format!("the cause is mended{TAB}{ENTER}")).await;
        until("the decision to be made", || async { browser.says("#done", "1 due again").await }).await;
        scene.tis.until(&scene.dead, "processed").await;
        world
    })
    .await;
}
