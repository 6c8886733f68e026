//! The overview is true: what waits, since when, an hour of it, and what needs somebody.

use waybill_console::Role;
use waybill_core::plan::{Policy, Verb};
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Wanted};

use super::logged_in;
use crate::plans::{dead, good};
use crate::support::partner::{id, signature};
use crate::support::{World, until, until_at_last};

/// What a plot says of itself.
fn summary<'a>(page: &'a str, plot: &str) -> &'a str {
    let figure = page.split(&format!("id=\"{plot}\"")).nth(1).unwrap_or_default();
    figure.split("<title>").nth(1).unwrap_or_default().split("</title>").next().unwrap_or_default()
}

/// The number of a stage of the flow.
fn stage<'a>(page: &'a str, stage: &str) -> &'a str {
    let stage = page.split(&format!("id=\"flow-{stage}\"")).nth(1).unwrap_or_default();
    stage.split("class=\"value\">").nth(1).unwrap_or_default().split('<').next().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hour_the_flow_and_what_is_oldest_are_true() {
    World::run(async |mut world| {
        // nobody publishes, so that what is due stays
        let relay_off = ("WAYBILL_RELAY__ENABLED", "false");
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500"), relay_off]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        until("a first look", || async { browser.get("/").await.text.contains("id=\"flow-due\"") }).await;
        let ingest = world.ingest(&[relay_off]).await;
        let tis = world.partner("tis", &ingest);
        let mut sent = Vec::new();
        for member in ["m-1", "m-2", "m-3"] {
            let version = if member == "m-3" { "GG99" } else { "GG10" };
            let body = signature(member, "2026-01-31T12:00:00Z", version);
            sent.push(id(tis.insist(|| tis.json(member, body.clone())).await).await);
        }
        until("the overview to show what is due", || async {
            let page = browser.get("/").await.text;
            stage(&page, "due") == "3"
                && page.contains(&format!("The oldest due message is <a href=\"/messages/{}\">", sent[0]))
                && summary(&page, "plot-unfinished").starts_with("unfinished: 3 now, 0 to 3")
                && summary(&page, "plot-due").starts_with("oldest due: ")
                && !summary(&page, "plot-due").contains("0 to 0")
        })
        .await;
        until("the source's traffic", || async {
            browser.get("/sources").await.text.contains("\">3 accepted</a>")
        })
        .await;
        world.ingest(&[]).await;
        world.worker(&[]).await;
        world.until_settled().await;
        until("the overview to show what became of it", || async {
            let page = browser.get("/").await.text;
            stage(&page, "due") == "0"
                && stage(&page, "dead") == "1"
                && summary(&page, "plot-unfinished").starts_with("unfinished: 0 now, 0 to 3")
                && summary(&page, "plot-dead") == "dead: 1 now, 0 to 1"
                && page.contains("1 dead letter waits for a decision.")
        })
        .await;
        let page = browser.get("/sources").await.text;
        let error = format!("<a href=\"/messages/{}\">", sent[2]);
        assert!(page.contains("Last errors") && page.contains(&error), "{page}");
        assert!(
            page.contains("waybill_messages_refused_total{source=&quot;tis&quot;}")
                || page.contains("waybill_messages_refused_total{source=\"tis\"}"),
            "{page}"
        );
        until("an estimate of each lane", || async {
            let page = browser.get("/").await.text;
            page.contains("<dt>Lane default</dt><dd><a href=\"/queues#lane-default\">")
        })
        .await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_person_is_said_with_its_section() {
    World::run(async |mut world| {
        dead(&world, &[good(1)]).await;
        let by = By { actor: "a test", via: waybill_store::audit::Via::Cli, reason: "as agreed" };
        let policy = Policy { canary: 0, confirm: false, rate_per_s: Some(0.01), stop_share: 1.0 };
        let filter = Filter::source("tis");
        let wanted =
            Wanted { filter: &filter, asked: "source tis", policy: &policy, by, items_max: 10, once: None };
        let Made::Plan(plan, _) = world.store.make_plan(wanted).await.unwrap() else { panic!("no plan") };
        for verb in [Verb::Start, Verb::Pause] {
            world.store.move_plan(plan.id, verb, by, 4).await.unwrap();
        }
        world
            .store
            .pause("archive", waybill_store::audit::By::cli("a test").because("a test"))
            .await
            .unwrap();
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500")]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        for (what, section) in [
            ("<a href=\"/plans?state=paused\">1 replay plan is paused: a person said so.</a>", "replayplans"),
            ("<strong>archive</strong>: <a href=\"/sources#archive\">It is paused", "waybilldoctor"),
        ] {
            until(what, || async {
                let page = browser.get("/").await.text;
                page.split("<li class=\"")
                    .any(|item| item.contains(what) && item.contains(&format!("href=\"/runbook#{section}\"")))
            })
            .await;
            assert!(browser.get("/runbook").await.text.contains(&format!("<section id=\"{section}\"")));
        }
        let page = browser.get("/plans?state=paused").await.text;
        assert!(page.contains("1 that are paused") && page.contains(&format!("href=\"/plans/{}\"", plan.id)));
        assert!(
            !browser.get("/plans?state=running").await.text.contains(&format!("href=\"/plans/{}\"", plan.id))
        );
        world.store.move_plan(plan.id, Verb::Cancel, by, 4).await.unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_doctor_says_is_on_the_overview() {
    World::run(async |mut world| {
        // a dead letter that holds another: no metric says which
        let ingest = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &ingest);
        let body = signature("m-1", "2026-01-31T12:00:00Z", "GG99");
        let head = id(tis.insist(|| tis.json("k-1", body.clone())).await).await;
        tis.until(&head, "dead").await;
        let later = tis.sign("k-2", "m-1", "2026-01-31T12:00:00Z").await;
        tis.until(&later, "held").await;
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500")]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        until_at_last("the doctor's word", || async {
            let page = browser.get("/").await.text;
            page.contains("held: 1 held; 1 dead letter holds those that were looked at.")
        })
        .await;
        world
    })
    .await;
}
