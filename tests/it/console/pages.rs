//! The pages: of an empty ledger, of one with messages; decisions; a body for a stated reason.

use serde_json::Value;
use waybill_console::Role;

use super::{Browser, logged_in};
use crate::support::partner::{acknowledged, arrival, id, signature};
use crate::support::{World, until, until_at_last};

/// What each page says when there is nothing.
const EMPTY: [(&str, &str); 9] = [
    ("/", "their balance appears here"),
    ("/dead", "There are no dead letters. A message that failed"),
    ("/dead/waits", "Later messages of the same ordering keys would appear here"),
    ("/plans", "There is no plan. One that is made of"),
    ("/messages", "appears here; a longer time finds more"),
    ("/sources", "There is no source yet"),
    ("/reconciliation", "Everything that was looked at is where its row says it is"),
    ("/audit", "Nobody has done anything that must be accounted for"),
    ("/users", "There is no user here"),
];
/// Pages that list nothing, and that are never empty.
const OTHERS: [&str; 6] = ["/login", "/live", "/plans/new", "/messages/find", "/runbook", "/queues"];

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_says_what_would_be_there() {
    World::run(async |mut world| {
        sqlx::query("truncate source cascade").execute(&world.db).await.unwrap();
        // applying the sources was an act; nobody but an owner of the schema can take it away
        let unmade =
            "alter table audit disable trigger user; truncate audit; alter table audit enable trigger user";
        sqlx::raw_sql(unmade).execute(&world.db).await.unwrap();
        let url = world
            .console(&[
                ("WAYBILL_CONSOLE__SAMPLE_MS", "500"),
                // a quarter of them is the console's: enough for the balance beside the pages
                ("WAYBILL_DATABASE__CONNECTIONS_MAX", "20"),
                // a login would be an act on the trail, and a user in the list
                ("WAYBILL_CONSOLE__TRUST_PROXY_HEADER", "x-forwarded-user"),
                ("WAYBILL_CONSOLE__PROXY_ROLE_HEADER", "x-forwarded-role"),
                ("WAYBILL_CONSOLE__PROXY_ADDRESSES", "127.0.0.1"),
            ])
            .await;
        let browser = Browser::new(&url);
        let get = async |path: &str| {
            let request = browser.request(reqwest::Method::GET, path);
            let known = request.header("x-forwarded-user", "sam").header("x-forwarded-role", "admin");
            browser.send(known).await
        };
        until_at_last("the balance of no source", || async { get("/").await.text.contains(EMPTY[0].1) })
            .await;
        for (path, says) in EMPTY {
            let page = get(path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            let said = page.text.split("class=\"empty\">").skip(1);
            assert!(
                said.into_iter().any(|text| text.contains(says)),
                "{path} does not say {says:?}: {}",
                page.text
            );
        }
        let lists = waybill_console::routes::all().into_iter().filter(|route| {
            route.method == reqwest::Method::GET && !route.path.contains('{') && !OTHERS.contains(&route.path)
        });
        let untold: Vec<&str> = lists
            .map(|route| route.path)
            .filter(|path| !EMPTY.iter().any(|(told, _)| told == path))
            .collect();
        assert!(untold.is_empty(), "nothing is said of {untold:?} when they are empty");
        until("the first look", || async { get("/").await.text.contains("id=\"flow-due\"") }).await;
        let page = get("/queues").await;
        assert!(page.status == 200 && page.text.contains("RabbitMQ over AMQP"));
        let page = get("/runbook").await;
        assert!(
            page.text.contains("id=\"waybillbrokerdown\"") && page.text.contains("id=\"thefirstminute\"")
        );
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_found_read_and_decided_upon() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500")]).await;
        let tis = &partners["tis"];
        let body = signature("m-1", "2026-01-31T12:00:00Z", "GG99");
        let dead = id(tis.json("key-1", body).send().await.unwrap()).await;
        tis.until(&dead, "dead").await;
        let held = tis.sign("key-2", "m-1", "2026-01-31T12:00:00Z").await;
        tis.until(&held, "held").await;

        let viewer = logged_in(&world, &url, Role::Viewer).await;
        let page = viewer.get("/dead").await.text;
        assert!(page.contains(&format!("href=\"/messages/{dead}\"")), "{page}");
        assert!(!page.contains("id=\"discard\""), "a viewer decides nothing");
        let link = format!("href=\"/messages/{held}\"");
        assert!(viewer.get("/messages?state=held&since=all").await.text.contains(&link));
        let found = viewer.post_from("/messages", "/messages/find", &[("q", "key-2")]).await;
        assert!(found.text.contains(&link), "{}", found.text);
        assert!(!viewer.get("/messages?state=dead&since=all").await.text.contains(&link));
        let page = viewer.post_from("/messages", "/messages/find", &[("q", &held)]).await;
        assert_eq!(page.header("location"), format!("/messages/{held}"));
        let page = viewer.get(&format!("/messages/{held}")).await.text;
        assert!(page.contains(&format!("<a href=\"/messages/{dead}\">{dead}</a>, an earlier message")));
        until("the overview to name it", || async {
            let page = viewer.get("/").await.text;
            page.contains("href=\"/dead?source=tis\"") && page.contains("Runbook: WaybillDeadLettersGrowing")
        })
        .await;

        let operator = logged_in(&world, &url, Role::Operator).await;
        let page = format!("/messages/{dead}");
        let chosen = ("id", dead.as_str());
        let without = operator.post_from(&page, "/dead/discard", &[chosen, ("reason", " ")]).await;
        assert_eq!(without.status, 400);
        assert_eq!(tis.state(&dead).await, "dead");
        let fields = [chosen, ("reason", "asked for by the ward"), ("back", "message")];
        let done = operator.post_from(&page, "/dead/discard", &fields).await;
        assert_eq!((done.status, done.header("location")), (303, &*format!("{page}?done=discard-1-1-1")));
        assert!(
            operator
                .get(done.header("location"))
                .await
                .text
                .contains("1 discarded. 1 that waited for them is due.")
        );
        tis.until(&held, "processed").await;
        let again = operator.post_from("/dead", "/dead/replay", &[chosen, ("reason", "too late")]).await;
        assert_eq!(again.header("location"), "/dead?done=replay-0-1-0");
        let trail: Vec<Value> =
            sqlx::query_scalar("select to_jsonb(audit) from audit where action in ('replay', 'discard')")
                .fetch_all(&world.db)
                .await
                .unwrap();
        assert_eq!(trail.len(), 1, "what decided nothing is not on it: {trail:?}");
        assert_eq!((&trail[0]["actor"], &trail[0]["action"]), (&"kim-operator".into(), &"discard".into()));
        assert_eq!(
            (&trail[0]["reason"], &trail[0]["subjects"][0]),
            (&"asked for by the ward".into(), &dead.as_str().into())
        );
        let page = viewer.get("/audit").await.text;
        assert!(page.contains("asked for by the ward") && page.contains("<td>log in</td>"));
        take_back(&operator, &dead).await;
        assert_eq!(tis.state(&dead).await, "dead");
        world
    })
    .await;
}

/// Takes a discard back, whose message was overtaken meanwhile.
async fn take_back(operator: &Browser, discarded: &str) {
    let page = format!("/messages/{discarded}");
    let late = [("id", discarded), ("reason", "the wrong one"), ("out_of_order", "yes")];
    let refused = operator.post_from(&page, "/dead/undo", &late[..2]).await;
    assert!(refused.status == 400 && refused.text.contains("has had effects since"), "{}", refused.text);
    let undone = operator.post_from(&page, "/dead/undo", &late).await;
    assert_eq!(undone.header("location"), format!("{page}?done=undo-1-1-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_masked_until_somebody_says_why() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let url = world.console(&[]).await;
        let response = partners["docutap"].hl7(arrival("C-1", "MRN-SECRET", "V-1")).send().await.unwrap();
        let id = acknowledged(&response);
        partners["docutap"].until(&id, "processed").await;
        let (viewer, operator) =
            (logged_in(&world, &url, Role::Viewer).await, logged_in(&world, &url, Role::Operator).await);
        let page = format!("/messages/{id}");
        for browser in [&viewer, &operator] {
            let text = browser.get(&page).await.text;
            assert!(text.contains("PID|||[10]^^^[4]^[2]") && !text.contains("MRN-SECRET"), "{text}");
        }
        let (show, download) = (format!("{page}/body"), format!("{page}/download"));
        let why = [("reason", "ticket 7")];
        assert_eq!(viewer.post_from("/dead", &show, &why).await.status, 403);
        assert_eq!(operator.post_from(&page, &show, &[("reason", "")]).await.status, 400);
        assert_eq!(
            world.count("select count(*) from audit where action = 'view body'").await,
            0,
            "nobody has seen it"
        );
        let text = operator.post_from(&page, &show, &why).await.text;
        assert!(text.contains("MRN-SECRET") && text.contains("ticket 7"), "{text}");
        let file = operator.post_from(&page, &download, &why).await;
        assert_eq!(file.text, arrival("C-1", "MRN-SECRET", "V-1"));
        assert_eq!(file.header("content-type"), "application/octet-stream");
        assert_eq!(file.header("content-disposition"), format!("attachment; filename=\"{id}.bin\""));
        assert_eq!(world.count("select count(*) from audit where action = 'view body'").await, 2);
        // where the trail cannot be written, nothing is shown
        sqlx::query("alter table audit add constraint shut check (actor <> 'kim-operator') not valid")
            .execute(&world.db)
            .await
            .unwrap();
        let page = operator.post_from(&page, &show, &why).await;
        assert!(page.status == 500 && !page.text.contains("MRN-SECRET"), "{}", page.text);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_full_ledger_is_there() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let url = world.console(&[("WAYBILL_CONSOLE__SAMPLE_MS", "500")]).await;
        partners["tis"].sign("key-1", "m-1", "2026-01-31T12:00:00Z").await;
        world.until_settled().await;
        let browser = logged_in(&world, &url, Role::Viewer).await;
        let page = browser.get("/sources").await.text;
        assert!(page.contains("id=\"tis\"") && page.contains("id=\"docutap\"") && page.contains("<code>wb_"));
        until("a plot of two looks", || async { browser.get("/").await.text.contains("<polyline") }).await;
        until("the balance", || async {
            browser.get("/reconciliation").await.text.contains("<th scope=\"row\"><a href=\"/sources#tis\">")
        })
        .await;
        until("the queues", || async { browser.get("/queues").await.text.contains("waybill.work.default") })
            .await;
        world
    })
    .await;
}
