//! Every number links to what it counts, and there one counts as many.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use waybill_console::Role;
use waybill_core::plan::{Policy, State, Verb};
use waybill_store::dead::Filter;
use waybill_store::plan::{By, Made, Wanted};

use super::{Browser, logged_in};
use crate::plans::{bad, dead, good};
use crate::support::by_hand::message;
use crate::support::partner::{acknowledged, arrival, id, signature};
use crate::support::{World, until, until_at_last};

/// A link whose words begin with a number.
#[derive(Debug, PartialEq)]
struct Figure {
    count: i64,
    href: String,
}

/// What stands between `open` and `close`, each time.
fn parts<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).map(|part| part.split(close).next().unwrap_or_default()).collect()
}

/// The text of a piece of HTML; numbers without their gaps.
fn words(html: &str) -> String {
    let mut words = String::new();
    let mut is_tag = false;
    for c in html.chars().filter(|c| *c != '\u{202f}') {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => words.push(c),
            _ => {}
        }
    }
    words.trim().to_owned()
}

/// The number that a text begins with, where it is a count: no time, no span, no rate.
fn counted(text: &str) -> Option<i64> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
    let after = text.strip_prefix(digits)?;
    let is_other = [".", ":", "-", "/s", " s", " min", " h", " d", " ago"].iter().any(|unit| {
        after.strip_prefix(unit).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    });
    digits.parse().ok().filter(|_| !is_other)
}

/// The counts of a page that are links.
fn figures(page: &str) -> Vec<Figure> {
    let main = page.split("<main").nth(1).unwrap_or_default();
    let links = parts(main, "<a ", "</a>").into_iter().filter_map(|link| {
        let (tag, text) = link.split_once('>')?;
        let href = parts(tag, "href=\"", "\"").first()?.replace("&amp;", "&");
        // of the flow, the number stands after the name
        let text = parts(text, "class=\"value\">", "</span>").first().copied().unwrap_or(text);
        Some(Figure { count: counted(&words(text))?, href })
    });
    links.collect()
}

/// The cells of a page that hold a number and no link.
fn unlinked(page: &str) -> Vec<String> {
    let cells = parts(page, " class=\"num\"", "</t");
    let bodies = cells.into_iter().filter_map(|cell| cell.split_once('>').map(|(_, body)| body));
    bodies
        .filter(|body| words(body).contains(|c: char| c.is_ascii_digit()) && !body.contains("href="))
        .map(ToOwned::to_owned)
        .collect()
}

/// How many the page at `href` says there are; none: it lists nothing.
async fn listed(browser: &Browser, href: &str) -> Option<i64> {
    let page = browser.get(href).await;
    assert_eq!(page.status, 200, "{href}: {}", page.text);
    let counts: Vec<(&str, i64)> = parts(&page.text, "<", ">")
        .into_iter()
        .filter_map(|tag| {
            let count = parts(tag, "data-count=\"", "\"").first()?.parse().ok()?;
            Some((parts(tag, " id=\"", "\"").first().copied().unwrap_or_default(), count))
        })
        .collect();
    let fragment = href.split_once('#').map(|(_, fragment)| fragment);
    let named = fragment.and_then(|fragment| counts.iter().find(|(id, _)| *id == fragment));
    if let Some(fragment) = fragment {
        assert!(page.text.contains(&format!("id=\"{fragment}\"")), "{href} leads to nothing on its page");
    }
    named.or(counts.first()).map(|(_, count)| *count)
}

/// Follows every number of the page at `path`; what was followed. Those whose links lead to no list must
/// lead to one of `ends`.
async fn walk(browser: &Browser, path: &str, ends: &[&str]) -> BTreeMap<String, i64> {
    let page = browser.get(path).await.text;
    assert_eq!(unlinked(&page), Vec::<String>::new(), "{path} has numbers that lead nowhere");
    let mut followed = BTreeMap::new();
    for Figure { count, href } in figures(&page) {
        match listed(browser, &href).await {
            Some(there) => assert_eq!(there, count, "{path}: {href} lists another number"),
            None => assert!(ends.iter().any(|end| href.starts_with(end)), "{path}: {href} lists nothing"),
        }
        followed.insert(href, count);
    }
    followed
}

/// A plan of all dead letters of `tis`, run to its end.
async fn planned(world: &World) -> i64 {
    let filter = Filter::source("tis");
    let policy = Policy { canary: 0, confirm: false, rate_per_s: None, stop_share: 1.0 };
    let by = By { actor: "a test", via: waybill_store::audit::Via::Cli, reason: "the cause is mended" };
    let wanted =
        Wanted { filter: &filter, asked: "source tis", policy: &policy, by, items_max: 100, once: None };
    let Made::Plan(plan, _) = world.store.make_plan(wanted).await.unwrap() else { panic!("no plan") };
    world.store.move_plan(plan.id, Verb::Start, by, 4).await.unwrap();
    until("the plan to end", || async {
        world.store.plan(plan.id).await.unwrap().unwrap().state == State::Finished
    })
    .await;
    plan.id
}

/// A ledger with something of everything; the plan that ran in it.
async fn full(world: &mut World) -> i64 {
    // two that recover, one that fails again; one more waits for the first
    let letters = dead(world, &[good(1), good(2), bad(3)]).await;
    let mut waiting = message("tis", &[1]);
    waiting.body = signature("membership 1", "2026-02-01T12:00:00Z", "GG10").into();
    world.store.accept(&[waiting]).await.unwrap();
    let partners = world.everything().await;
    let (docutap, tis) = (&partners["docutap"], &partners["tis"]);
    for (control, patient) in [("C-1", "MRN-1"), ("C-2", "MRN-2"), ("C-1", "MRN-1")] {
        let sent = docutap.insist(|| docutap.hl7(arrival(control, patient, "V-1"))).await;
        acknowledged(&sent);
    }
    let wrong = |member: &str| signature(member, "2026-01-31T12:00:00Z", "GG99");
    let stays = id(tis.insist(|| tis.json("k-1", wrong("m-1"))).await).await;
    let goes = id(tis.insist(|| tis.json("k-2", wrong("m-2"))).await).await;
    tis.until(&stays, "dead").await;
    tis.until(&goes, "dead").await;
    for key in ["k-3", "k-4"] {
        let held = tis.sign(key, "m-1", "2026-01-31T12:00:00Z").await;
        tis.until(&held, "held").await;
    }
    until("the plan's first wait to be held", || async {
        world.count("select count(*) from progress where state = 'held'").await == 3
    })
    .await;
    let by = waybill_store::audit::By::cli("a test").because("sent in error");
    let goes: Uuid = goes.parse().unwrap();
    assert_eq!(world.store.discard(&[goes], by).await.unwrap().discarded.len(), 1);
    assert_eq!(letters.len(), 3);
    let plan = planned(world).await;
    world.until_settled().await;
    plan
}

/// Numbers of the overview that lead somewhere, and one.
const OVERVIEW: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn every_number_leads_to_as_many() {
    World::run(async |mut world| {
        let plan = full(&mut world).await;
        // a quarter of the connections is the console's: enough for the balance beside the pages
        let settings = [("WAYBILL_CONSOLE__SAMPLE_MS", "500"), ("WAYBILL_DATABASE__CONNECTIONS_MAX", "20")];
        let url = world.console(&settings).await;
        let browser = logged_in(&world, &url, Role::Operator).await;
        until_at_last("all of the overview, part by part", || async {
            let page = browser.get("/").await.text;
            let leads: BTreeSet<String> = figures(&page).into_iter().map(|figure| figure.href).collect();
            page.contains("id=\"flow-due\"")
                && page.contains("<a href=\"/sources#tis\">")
                && leads.len() + 1 >= OVERVIEW
        })
        .await;
        let mut all = BTreeSet::new();
        let plan_page = format!("/plans/{plan}");
        for (path, ends, least) in [
            // the broker's own numbers are explained where they are
            ("/", &["/queues"][..], OVERVIEW),
            ("/dead", &[], 4),
            ("/dead?source=tis&class=validation", &[], 4),
            ("/plans", &["/plans/"], 8),
            (&plan_page, &[], 12),
            ("/sources", &[], 9),
            ("/reconciliation", &[], 32),
        ] {
            let followed = walk(&browser, path, ends).await;
            assert!(followed.len() + 1 >= least, "{path} has {} numbers: {followed:?}", followed.len());
            all.extend(followed);
        }
        let found = |href: &str, count: i64| {
            let of = all.iter().find(|(known, _)| known == href);
            assert_eq!(of.map(|(_, count)| *count), Some(count), "{href} in {all:?}");
        };
        found("/messages?source=docutap&state=processed&since=all", 2);
        found("/sources#repeats-docutap", 1);
        found("/messages?source=tis&state=discarded&since=all", 1);
        found("/messages?state=held&since=all", 2);
        found("/dead?source=tis", 2);
        found(&format!("/plans/{plan}/items"), 4);
        found(&format!("/plans/{plan}/items?state=recovered"), 2);
        found(&format!("/plans/{plan}/items?state=failed&why=validation"), 2);
        found(&format!("/plans/{plan}/waits"), 3);
        found(&format!("/plans/{plan}/waits?released=yes"), 1);
        assert!(all.iter().any(|(href, count)| href.starts_with("/dead/waits?heads=") && *count == 2));
        assert!(all.iter().any(|(href, count)| href.starts_with("/dead/waits?letter=") && *count == 2));
        // the broker's numbers come later than the ledger's: that they lead somewhere is all
        until("the queues", || async { browser.get("/queues").await.text.contains("waybill.work.default") })
            .await;
        assert_eq!(unlinked(&browser.get("/queues").await.text), Vec::<String>::new());
        world
    })
    .await;
}

#[test]
fn a_walk_sees_what_is_a_count_and_what_leads_nowhere() {
    let page = "<main><td class=\"num\">4</td><td class=\"num alarm\"><a href=\"/a?b=1&amp;c=2\">1\u{202f}204 (!)</a>\
        <a href=\"/x\">2026-03-10 09:15</a> <a href=\"/x\">12/s</a> <a href=\"/x\">3 min</a> <a href=\"/x\">4.5/s</a>\
        <a id=\"f\" href=\"/y\"><span class=\"name\">Due</span> <span class=\"value\">7</span></a> <a href=\"/z\">3 dead letters</a>";
    let figure = |count, href: &str| Figure { count, href: href.to_owned() };
    assert_eq!(figures(page), [figure(1204, "/a?b=1&c=2"), figure(7, "/y"), figure(3, "/z")]);
    assert_eq!(unlinked("<td class=\"num\">4</td><td class=\"num\"><a href=\"/\">4</a></td>"), ["4"]);
    assert_eq!(unlinked("<th scope=\"col\" class=\"num\">Items</th>"), Vec::<String>::new());
}
