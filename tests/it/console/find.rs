//! Finding messages in the console by what identifies people: posted, on the trail, and standing nowhere.

use serde_json::Value;
use sqlx::Executor as _;
use waybill_console::Role;

use super::browser::Page;
use super::{Browser, logged_in};
use crate::support::World;
use crate::support::partner::{acknowledged, arrival, id, signature};

/// The ids of the messages that a page lists, in its order.
fn listed(page: &Page) -> Vec<String> {
    let rows = page.text.split("<th scope=\"row\"><a href=\"/messages/").skip(1);
    rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
}

async fn find(browser: &Browser, fields: &[(&str, &str)]) -> Page {
    browser.post_from("/messages", "/messages/find", fields).await
}

/// Finds exactly these, the newest first.
async fn check(browser: &Browser, fields: &[(&str, &str)], expected: &[&str]) {
    let page = find(browser, fields).await;
    assert_eq!(page.status, 200, "{fields:?}: {}", page.text);
    assert_eq!(page.header("cache-control"), "no-store", "no copy is kept");
    assert_eq!(listed(&page), expected, "{fields:?}");
    assert_eq!(page.text.contains("class=\"empty\">Nothing fits"), expected.is_empty(), "{fields:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_by_every_value_and_filter() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let (docutap, tis) = (&partners["docutap"], &partners["tis"]);
        let first = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-1", "MRN-7", "V-1"))).await);
        let second = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-2", "MRN-8", "V-2"))).await);
        let (first, second) = (first.as_str(), second.as_str());
        let body = signature("member-1", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.insist(|| tis.json("k-1", body.clone())).await).await;
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        world.until_settled().await;
        world.until_indexed().await;
        check(&browser, &[("control_id", "C-2")], &[second]).await;
        check(&browser, &[("patient", " MRN-7 ")], &[first]).await;
        check(&browser, &[("patient", "MRN-7"), ("authority", "EAST")], &[first]).await;
        check(&browser, &[("patient", "MRN-7"), ("authority", "WEST")], &[]).await;
        check(&browser, &[("patient", "MRN-7"), ("visit", "V-2")], &[]).await;
        check(&browser, &[("visit", "V-2")], &[second]).await;
        check(&browser, &[("key", "member-1")], &[&dead]).await;
        check(&browser, &[("q", "k-1")], &[&dead]).await;
        check(&browser, &[("q", "APP|EAST|C-1")], &[first]).await;
        check(&browser, &[("q", first), ("patient", "MRN-7")], &[first]).await;
        check(&browser, &[("q", second), ("patient", "MRN-7")], &[]).await;
        check(&browser, &[("key", "member-1"), ("state", "dead"), ("source", "tis")], &[&dead]).await;
        check(&browser, &[("key", "member-1"), ("kind", "visit")], &[]).await;
        check(&browser, &[("key", "member-1"), ("state", "processed")], &[]).await;
        check(&browser, &[("patient", "MRN-7"), ("from", "2020-01-01 00:00")], &[first]).await;
        check(&browser, &[("patient", "MRN-7"), ("to", "2020-01-01")], &[]).await;
        let page = find(&browser, &[("q", first)]).await;
        assert_eq!(page.header("location"), format!("/messages/{first}"), "an id alone is a page");
        for (wrong, says) in [
            (&[][..], "Say what to look for"),
            (&[("patient", " ")], "Say what to look for"),
            (&[("authority", "EAST"), ("q", "k-1")], "goes with a patient"),
            (&[("visit", "V-1"), ("state", "lost")], "no such state"),
            (&[("visit", "V-1"), ("from", "soon")], "A time is written like"),
        ] {
            let page = find(&browser, wrong).await;
            assert!(page.status == 400 && page.text.contains(says), "{wrong:?}: {}", page.text);
        }
        assert_eq!(browser.get("/messages/find").await.header("location"), "/messages#find");
        // what an address can ask is no value: the filters
        for (query, expected) in [
            ("state=dead", &[dead.as_str()][..]),
            ("kind=visit", &[second, first]),
            ("source=docutap&lane=default", &[second, first]),
            ("kind=visit&state=dead", &[]),
            ("from=2020-01-01&to=2020-01-02", &[]),
            ("from=2020-01-01&state=final", &[second, first]),
        ] {
            let page = browser.get(&format!("/messages?since=all&{query}")).await;
            assert_eq!(listed(&page), expected, "{query}");
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_accounted_for_and_its_value_stands_nowhere() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let (docutap, secret) = (&partners["docutap"], "MRN-SECRET-4711");
        let sent = acknowledged(&docutap.insist(|| docutap.hl7(arrival("C-1", secret, "V-1"))).await);
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        world.until_settled().await;
        world.until_indexed().await;
        let page = find(&browser, &[("patient", secret), ("reason", "call 7 of the partner")]).await;
        assert_eq!(listed(&page), [sent.as_str()]);
        // the form keeps it for the next page; no address has it
        assert_eq!(page.text.matches(secret).count(), 1, "in its own field alone: {}", page.text);
        assert!(page.text.contains(&format!("name=\"patient\" value=\"{secret}\"")));
        assert!(!page.text.contains("data-live"), "it is never asked for again by itself");
        let mut places = vec![("the audit page", browser.get("/audit").await.text)];
        for table in ["find_index", "find_cursor", "audit", "receipt", "progress", "attempt", "ordering"] {
            let rows =
                sqlx::AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from {table} t"));
            places.push((table, sqlx::query_scalar(rows).fetch_one(&world.db).await.unwrap()));
        }
        for (place, text) in &places {
            assert!(!text.contains(secret), "a value stands in {place}");
        }
        let act: Value =
            sqlx::query_scalar("select to_jsonb(audit) from audit where action = 'find message'")
                .fetch_one(&world.db)
                .await
                .unwrap();
        assert_eq!((&act["actor"], &act["reason"]), (&"kim-viewer".into(), &"call 7 of the partner".into()));
        assert_eq!(act["detail"]["by"][0]["what"], "patient");
        assert_eq!(act["detail"]["by"][0]["digest"].as_str().unwrap().len(), 16);

        // where it cannot be accounted for, nothing is looked for
        let shut = "alter table audit add constraint shut check (actor <> 'kim-viewer') not valid";
        world.db.execute(shut).await.unwrap();
        let page = find(&browser, &[("patient", secret)]).await;
        assert_eq!(page.status, 500);
        assert!(page.text.contains("Nothing is looked for") && !page.text.contains(&sent), "{}", page.text);
        assert!(!page.text.contains(secret));
        // a sender's key is a value too; an id alone is none, and leads to its page
        assert_eq!(find(&browser, &[("q", "APP|EAST|C-1")]).await.status, 500);
        assert_eq!(find(&browser, &[("q", &sent)]).await.header("location"), format!("/messages/{sent}"));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_comes_page_by_page() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let lines: Vec<String> = (0..60)
            .map(|day| signature("member-1", &format!("2026-01-31T12:00:{day:02}Z"), "GG10"))
            .collect();
        let send = || {
            tis.request(reqwest::Method::POST, "/v1/messages/batch")
                .header("content-type", "application/x-ndjson")
                .header("idempotency-key", "batch-1")
                .body(lines.join("\n"))
        };
        assert_eq!(tis.insist(send).await.status(), 202);
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        world.until_settled().await;
        world.until_indexed().await;
        let first = find(&browser, &[("key", "member-1")]).await;
        let seen = listed(&first);
        assert_eq!(seen.len(), 50);
        let older = format!("<button id=\"older\" form=\"find\" name=\"after\" value=\"{}\">", seen[49]);
        assert!(first.text.contains(&older), "{}", first.text);
        let second = find(&browser, &[("key", "member-1"), ("after", &seen[49])]).await;
        let rest = listed(&second);
        assert_eq!(rest.len(), 10);
        assert!(seen.iter().chain(&rest).is_sorted_by(|a, b| a > b), "each once, the newest first");
        assert!(!second.text.contains("id=\"older\""));
        // the same by the filters, whose next page is an address
        let page = browser.get("/messages?source=tis&since=all").await.text;
        assert!(page.contains("id=\"total\" class=\"quiet\" data-count=\"60\""), "{page}");
        let next =
            page.split("<a id=\"older\" rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(listed(&browser.get(&next.replace("&amp;", "&")).await).len(), 10);
        world
    })
    .await;
}
