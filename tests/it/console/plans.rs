//! Replay plans in the console: looked at before they are made, made before they are started, and
//! proved by the ledger when they have ended.

use waybill_console::Role;

use super::browser::Page;
use super::{Browser, logged_in};
use crate::plans::{bad, dead, good};
use crate::support::partner::{id, signature};
use crate::support::{World, until};

/// What a form of the builder says when nobody has changed much in it.
const ASKED: [(&str, &str); 6] = [
    ("source", "tis"),
    ("canary", "0"),
    ("rate", ""),
    ("stop", "100"),
    ("reason", "release 41"),
    ("seen", "3"),
];

/// The usual form with other values.
fn asked<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_other = |name: &str| others.iter().any(|(other, _)| *other == name);
    ASKED.into_iter().filter(|(name, _)| !is_other(name)).chain(others.iter().copied()).collect()
}

/// Gives the plan at `page` an order.
async fn order(browser: &Browser, page: &str, verb: &str) -> Page {
    browser.post_from(page, page, &[("verb", verb), ("reason", "as agreed")]).await
}

/// The address of a plan without what the dry run counted.
fn address(made: &Page) -> String {
    assert_eq!(made.status, 303, "{}", made.text);
    made.header("location").split('?').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_looked_at_made_started_and_proved() {
    World::run(async |mut world| {
        dead(&world, &[good(1), good(2), bad(3)]).await;
        let url = world.console(&[]).await;
        let viewer = logged_in(&world, &url, Role::Viewer).await;
        let operator = logged_in(&world, &url, Role::Operator).await;
        assert!(viewer.get("/plans").await.text.contains("There is no plan."));
        assert_eq!(viewer.get("/plans/new").await.status, 403);
        let list = operator.get("/dead?source=tis").await.text;
        assert!(list.contains("href=\"/plans/new?source=tis\""), "{list}");
        let form = operator.get("/plans/new?source=tis").await.text;
        assert!(form.contains("<option value=\"tis\" selected>"), "{form}");

        let dry = operator.post_from("/plans/new", "/plans/preview", &asked(&[])).await;
        assert!(dry.text.contains("Dry run: 3 dead letters") && dry.text.contains("id=\"make-plan\""));
        assert!(dry.text.contains("They have 3 ordering keys"), "{}", dry.text);
        assert_eq!(world.count("select count(*) from plan").await, 0, "a dry run makes none");

        let page = address(&operator.post_from("/plans/new", "/plans", &asked(&[])).await);
        let text = viewer.get(&format!("{page}?seen=3")).await.text;
        assert!(text.contains("class=\"tag made\">made<") && text.contains("0 of 3"), "{text}");
        assert!(!text.contains("id=\"order\"") && !text.contains("id=\"seen\""), "{text}");
        assert!(viewer.get(&format!("{page}?seen=2")).await.text.contains("The dry run showed 2"));
        assert_eq!(world.count("select count(*) from decision").await, 0, "nothing is started");

        world.worker(&[]).await;
        assert_eq!(order(&operator, &page, "start").await.header("location"), page);
        until("the plan to end", || async { viewer.get(&page).await.text.contains("tag finished") }).await;
        let text = viewer.get(&page).await.text;
        assert!(text.contains("say the same of all 3 items"), "{text}");
        let failed = format!("<a href=\"{page}/items?state=failed&amp;why=validation\">1</a> validation");
        assert!(text.contains(&failed), "{text}");
        let list = viewer.get("/plans").await.text;
        assert!(list.contains(&format!("href=\"{page}\"")) && list.contains("release 41"), "{list}");
        let by = "select count(*) from audit where actor = 'kim-operator'
                  and (action, reason) in (('plan make', 'release 41'), ('plan start', 'as agreed'))";
        assert_eq!(world.count(by).await, 2);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_makes_one_plan() {
    World::run(async |mut world| {
        dead(&world, &[good(1), good(2)]).await;
        let url = world.console(&[]).await;
        let operator = logged_in(&world, &url, Role::Operator).await;
        let once = |page: &Page| {
            let after = page.text.split("name=\"once\" value=\"").nth(1).unwrap_or_default();
            after.split('"').next().unwrap_or_default().to_owned()
        };
        let dry = operator.post_from("/plans/new", "/plans/preview", &asked(&[])).await;
        let name = once(&dry);
        assert_eq!(name.len(), 64, "{}", dry.text);
        let token = dry.form_token();
        let form = asked(&[("once", name.as_str()), ("form_token", token.as_str())]);
        let clicks =
            futures_util::future::join(operator.post("/plans", &form), operator.post("/plans", &form));
        let (first, second) = clicks.await;
        assert_eq!(address(&first), address(&second));
        assert_eq!(world.count("select count(*) from plan").await, 1);
        let other = asked(&[("once", name.as_str()), ("stop", "50"), ("form_token", token.as_str())]);
        let page = operator.post("/plans", &other).await;
        assert!(page.status == 400 && page.text.contains("was made already"), "{}", page.text);
        let again = operator.post_from("/plans/new", "/plans/preview", &asked(&[])).await;
        assert_ne!(once(&again), name, "each form has its own");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_takes_the_orders_of_its_state_and_no_others() {
    World::run(async |mut world| {
        dead(&world, &[good(1), good(2), good(3)]).await;
        let url = world.console(&[]).await;
        let viewer = logged_in(&world, &url, Role::Viewer).await;
        let operator = logged_in(&world, &url, Role::Operator).await;
        let slow = asked(&[("rate", "0.01")]);
        let page = address(&operator.post_from("/plans/new", "/plans", &slow).await);
        let token = viewer.get("/plans").await.form_token();
        let fields = [("form_token", token.as_str()), ("verb", "start"), ("reason", "no")];
        assert_eq!(viewer.post(&page, &fields).await.status, 403);
        for (verb, status, state) in [
            ("pause", 400, "made"),
            ("dance", 400, "made"),
            ("start", 303, "running"),
            ("start", 400, "running"),
            ("pause", 303, "paused"),
            ("resume", 303, "running"),
            ("cancel", 303, "cancelled"),
            ("resume", 400, "cancelled"),
        ] {
            assert_eq!(order(&operator, &page, verb).await.status, status, "{verb}");
            let text = viewer.get(&page).await.text;
            assert!(text.contains(&format!("tag {state}\">")), "{verb}: {text}");
        }
        let unreasoned = [("verb", "resume"), ("reason", " ")];
        assert_eq!(operator.post_from("/plans", &page, &unreasoned).await.status, 400);
        assert_eq!(order(&operator, "/plans/999999", "start").await.status, 403, "its page has no form");
        assert_eq!(operator.get("/plans/999999").await.status, 404);
        assert_eq!(operator.get("/plans/nothing").await.status, 404);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_makes_no_plan() {
    World::run(async |mut world| {
        dead(&world, &[good(1)]).await;
        let url = world.console(&[]).await;
        let operator = logged_in(&world, &url, Role::Operator).await;
        for (wrong, says) in [
            (("seen", ""), "run it first"),
            (("source", ""), "Say which dead letters"),
            (("source", "docutap"), "No dead letter fits"),
            (("group", "none"), "no such group"),
            (("class", "<script>"), "no such class"),
            (("canary", "many"), "whole number"),
            (("canary", "-1"), "whole number"),
            (("confirm", "yes"), "without a canary"),
            (("rate", "0"), "a rate is from"),
            (("rate", "NaN"), "a rate is from"),
            (("stop", "101"), "a share is from"),
            (("stop", ""), "from 0 to 100"),
            (("reason", " "), "Say why"),
        ] {
            let page = operator.post_from("/plans/new", "/plans", &asked(&[wrong])).await;
            assert_eq!(page.status, 400, "{wrong:?}");
            assert!(page.text.contains(says), "{wrong:?}: {}", page.text);
        }
        assert_eq!(world.count("select count(*) from plan").await, 0);
        let hostile = asked(&[("source", ""), ("all", "yes"), ("reason", "<script>\u{202e}")]);
        let dry = operator.post_from("/plans/new", "/plans/preview", &hostile).await;
        assert_eq!(dry.status, 200, "{}", dry.text);
        assert!(!dry.text.contains("<script>") && !dry.text.contains('\u{202e}'));
        let page = address(&operator.post_from("/plans/new", "/plans", &hostile).await);
        let text = operator.get(&page).await.text;
        assert!(
            !text.contains("<script>") && !text.contains('\u{202e}') && text.contains("all dead letters")
        );
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_narrowed_by_kind_time_and_key() {
    World::run(async |mut world| {
        let ingest = world.ingest(&[]).await;
        world.worker(&[]).await;
        let tis = world.partner("tis", &ingest);
        for (key, member) in [("k-1", "member-4711"), ("k-2", "member-4712")] {
            let body = signature(member, "2026-01-31T12:00:00Z", "GG99");
            let sent = id(tis.insist(|| tis.json(key, body.clone())).await).await;
            tis.until(&sent, "dead").await;
        }
        let url = world.console(&[]).await;
        let operator = logged_in(&world, &url, Role::Operator).await;
        let dry = async |others: &[(&str, &str)]| {
            let page = operator.post_from("/plans/new", "/plans/preview", &asked(others)).await;
            let counted = page.text.split("Dry run: ").nth(1).and_then(|text| text.split(' ').next());
            (page.status, counted.map(ToOwned::to_owned), page.text.clone())
        };
        let mut of_key = String::new();
        for (others, expected) in [
            (&[("kind", "conditions-of-joining")][..], Some("2")),
            (&[("kind", "visit")], None),
            (&[("since", "2020-01-01 00:00")], Some("2")),
            (&[("until", "2020-01-01")], None),
            (&[("class", "validation"), ("text", "version")], Some("2")),
            (&[("class", "timeout")], None),
            (&[("key", "member-4711")], Some("1")),
            (&[("key", "member-4711"), ("kind", "visit")], None),
            (&[("key", "nobody")], None),
        ] {
            let (status, counted, text) = dry(others).await;
            assert_eq!(counted.as_deref(), expected, "{others:?}: {text}");
            assert_eq!(status, if expected.is_some() { 200 } else { 400 }, "{others:?}");
            if others == [("key", "member-4711")] {
                of_key = text;
            }
        }
        for (others, says) in [
            (&[("key", "member-4711"), ("source", "")][..], "choose the source"),
            (&[("key", "member-4711"), ("source", "archive")], "have no ordering key"),
            (&[("since", "yesterday")], "A time is written like"),
        ] {
            let (status, _, text) = dry(others).await;
            assert!(status == 400 && text.contains(says), "{others:?}: {text}");
        }
        // the key goes on by the form, and stands in no address, no plan and on no trail
        let hrefs = of_key.split("href=\"").skip(1).map(|part| part.split('"').next().unwrap_or_default());
        assert!(hrefs.into_iter().all(|href| !href.contains("4711")), "{of_key}");
        assert_eq!(world.count("select count(*) from plan").await, 0, "a dry run makes none");
        let fields = asked(&[("key", "member-4711"), ("seen", "1")]);
        let page = address(&operator.post_from("/plans/new", "/plans", &fields).await);
        let text = operator.get(&page).await.text;
        assert!(text.contains("0 of 1") && text.contains("one ordering key (not kept)"), "{text}");
        for table in ["plan", "plan_item", "audit"] {
            let rows =
                sqlx::AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from {table} t"));
            let rows: String = sqlx::query_scalar(rows).fetch_one(&world.db).await.unwrap();
            assert!(!rows.contains("4711") && !text.contains("4711"), "{table}: {rows}");
        }
        assert_eq!(operator.get("/plans/new?key=member-4711").await.text.matches("4711").count(), 0);
        world
    })
    .await;
}
