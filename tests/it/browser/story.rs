//! What a person on call does, in the order in which they do it, in a real browser.

use serde_json::json;
use waybill_console::Role;

use super::Scene;
use super::scene::{DEAD, HELD};
use crate::support::{World, until};

/// Follows the link beside the group of `class`.
async fn plan_the_group(scene: &Scene, class: &str) {
    let browser = &scene.browser;
    scene.go("/").await;
    until("the overview to say what is wrong", || async {
        browser.says("#verdicts", "tis: ").await && browser.says("#flow-dead", "13").await
    })
    .await;
    browser.click("#flow-dead").await;
    scene.arrives("/dead").await;
    let choose = "const choice = document.getElementById('filter-class'); choice.value = arguments[0];";
    browser.run(choose, json!([class])).await;
    browser.click("#filter button").await;
    until("the filter to hold", || async { scene.at().await.contains(class) }).await;
    let groups = browser.text("#groups tbody").await;
    assert!(groups.contains(class) && groups.lines().count() == 1, "one group: {groups}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_understood_replayed_and_accounted_for() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        scene.log_in(&world, Role::Operator).await;
        plan_the_group(&scene, "unknown_kind").await;

        // one of them, looked at in clear for a stated reason
        browser.click("#decide tbody tr:last-child th a").await;
        until("a message", || async { scene.at().await.starts_with("/messages/") }).await;
        assert!(browser.text("#failure").await.contains("unknown_kind"));
        assert!(!browser.text("#body").await.contains("membership-"), "masked");
        browser.fill("#reveal-reason", "ticket 4711: is it a signed form?").await;
        browser.click("#show-body").await;
        assert!(browser.text("#body.clear").await.contains("membership-"), "in clear");

        // a plan, seen before it is made, with a canary that a person judges
        browser.go(&format!("{}/dead?class=unknown_kind", scene.url)).await;
        browser.click("#groups a[aria-label^='Plan a replay']").await;
        browser.fill("#plan-canary", "2").await;
        browser.click("#plan-confirm").await;
        browser.fill("#plan-reason", "the worker knows the kind again").await;
        browser.click("#dry-run-button").await;
        let dry = browser.text("#dry-run").await;
        assert!(dry.contains(&format!("Dry run: {DEAD} dead letters")), "{dry}");
        assert!(dry.contains(&format!("{HELD} messages wait behind them")), "{dry}");
        browser.click("#make-plan").await;
        assert_eq!(browser.text("#state").await, "made");
        browser.fill("#order-reason", "as agreed with the partner").await;
        browser.click("#start").await;

        // the canary is judged; then all of them go
        until("the canary to be good", || async { browser.has("#resume").await }).await;
        assert_eq!(browser.text("#state").await, "ready");
        assert!(browser.says("#items", "recovered\t2").await, "{}", browser.text("#items").await);
        browser.fill("#order-reason", "the canary is good").await;
        browser.click("#resume").await;
        until("the plan to end", || async {
            browser.says("#state", "finished").await && browser.has("#report").await
        })
        .await;
        let report = browser.text("#report").await;
        assert!(report.contains(&format!("say the same of all {DEAD} items")), "{report}");
        assert!(report.contains(&format!("Recovered\n{DEAD}\n")), "{report}");
        assert!(report.contains(&format!("{HELD} of the {HELD} messages that waited")), "{report}");
        scene.tis.until(&scene.dead, "processed").await;

        // who did what, and why
        browser.click("nav a[href='/audit']").await;
        let trail = browser.text("#audit").await;
        for (action, why) in [
            ("view body", "ticket 4711: is it a signed form?"),
            ("plan make", "the worker knows the kind again"),
            ("plan start", "as agreed with the partner"),
            ("plan resume", "the canary is good"),
        ] {
            let is_it = |line: &str| {
                line.contains("kim\tconsole from 127.0.0.1, session ")
                    && line.contains(&format!("\t{action}\t{why}"))
            };
            assert!(trail.lines().any(is_it), "{action}: {trail}");
        }
        browser.click("#log-out").await;
        scene.arrives("/login").await;
        scene.go("/audit").await;
        assert_eq!(scene.at().await, "/login?next=%2Faudit", "nobody is logged in");
        world
    })
    .await;
}
