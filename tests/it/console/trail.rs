//! Every route, with the act that it puts on the audit trail; one that is not in this table fails. And each act
//! says from where it came.

use serde_json::{Value, json};
use waybill_console::{Role, routes};

use super::{Browser, logged_in};
use crate::plans::{dead, good};
use crate::support::World;

/// The act of each route; without one: a page that reads, and shows no body in clear.
const ROUTES: [(&str, &str); 32] = [
    ("GET /assets/{name}", ""),
    ("GET /login", ""),
    ("POST /login", "log in"),
    ("POST /logout", "log out"),
    ("GET /", ""),
    ("GET /live", ""),
    ("GET /dead", ""),
    ("POST /dead/replay", "replay"),
    ("POST /dead/discard", "discard"),
    ("POST /dead/undo", "undo"),
    ("GET /dead/waits", ""),
    ("GET /plans", ""),
    ("GET /plans/new", ""),
    // made, looked at, and undone
    ("POST /plans/preview", ""),
    ("POST /plans", "plan make"),
    ("GET /plans/{id}", ""),
    ("GET /plans/{id}/items", ""),
    ("GET /plans/{id}/waits", ""),
    ("POST /plans/{id}", "plan start"),
    ("GET /messages", ""),
    ("GET /messages/find", ""),
    // by a key or a value; by an id it leads to the message
    ("POST /messages/find", "find message"),
    ("GET /messages/{id}", ""),
    ("POST /messages/{id}/body", "view body"),
    ("POST /messages/{id}/download", "view body"),
    ("GET /sources", ""),
    ("GET /queues", ""),
    ("GET /reconciliation", ""),
    ("GET /audit", ""),
    ("GET /runbook", ""),
    ("GET /users", ""),
    ("POST /users/{name}/logout", "end sessions"),
];

#[test]
fn every_route_is_in_the_table() {
    let known: Vec<String> =
        routes::all().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    for route in &known {
        let named = ROUTES.iter().any(|(name, _)| name == route);
        assert!(named, "which act does {route} leave on the audit trail?");
    }
    for (name, act) in ROUTES {
        assert!(known.iter().any(|route| route == name), "{name} is gone");
        let changes = name.starts_with("POST") && name != "POST /plans/preview";
        assert!(!changes || !act.is_empty(), "{name} changes something");
    }
}

/// What a request leaves on the trail.
async fn acts_since(world: &World, position: i64) -> Vec<Value> {
    sqlx::query_scalar("select to_jsonb(audit) from audit where position > $1 order by position")
        .bind(position)
        .fetch_all(&world.db)
        .await
        .unwrap()
}

/// Sends a form to a route of the table, which must leave its act, by way of this browser's session.
async fn check(
    world: &World,
    browser: &Browser,
    route: &str,
    at: (&str, &str),
    fields: &[(&str, &str)],
) -> String {
    let (_, act) = ROUTES.into_iter().find(|(name, _)| *name == route).unwrap();
    let before = world.store.audit_head().await.unwrap().position;
    let (from, path) = at;
    let fields = [fields, &[("reason", "why")]].concat();
    let page = match route.split_once(' ') {
        Some(("POST", _)) => browser.post_from(from, path, &fields).await,
        _ => browser.get(path).await,
    };
    assert!(page.status < 400, "{route}: {} {}", page.status, page.text);
    let acts = acts_since(world, before).await;
    let names: Vec<&str> = acts.iter().map(|act| act["action"].as_str().unwrap()).collect();
    let expected: Vec<&str> = Some(act).filter(|act| !act.is_empty()).into_iter().collect();
    assert_eq!(names, expected, "{route}");
    for act in acts {
        assert_eq!((&act["via"], &act["address"]), (&json!("console"), &json!("127.0.0.1")), "{act}");
        assert_eq!(act["session"].as_str().map(str::len), Some(12), "{act}");
    }
    page.header("location").split('?').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_says_that_it_came_through_the_console_and_from_where() {
    World::run(async |mut world| {
        let ids = dead(&world, &[good(1), good(2), good(3)]).await;
        let (one, two) = (ids[0].to_string(), ids[1].to_string());
        let url = world.console(&[]).await;
        let before = world.store.audit_head().await.unwrap().position;
        let operator = logged_in(&world, &url, Role::Operator).await;
        let admin = logged_in(&world, &url, Role::Admin).await;
        let opened = acts_since(&world, before).await;
        let opened: Vec<&Value> = opened.iter().filter(|act| act["action"] == "log in").collect();
        assert_eq!(opened.len(), 2);
        let session = opened[0]["session"].as_str().unwrap();
        assert_ne!(session, opened[1]["session"]);
        let listed = world.store.console_sessions(10).await.unwrap();
        assert!(listed.iter().any(|open| open.session == session && open.name == "kim-operator"));

        let message = format!("/messages/{one}");
        for (route, path, fields) in [
            ("POST /messages/find", "/messages/find", &[("q", "key-1")][..]),
            ("GET /messages", "/messages?state=dead", &[]),
            ("GET /messages/{id}", message.as_str(), &[]),
            ("POST /messages/{id}/body", &format!("{message}/body"), &[]),
            ("POST /messages/{id}/download", &format!("{message}/download"), &[]),
            ("POST /dead/replay", "/dead/replay", &[("id", one.as_str())]),
            ("POST /dead/discard", "/dead/discard", &[("id", two.as_str())]),
            ("POST /dead/undo", "/dead/undo", &[("id", two.as_str())]),
            ("POST /plans/preview", "/plans/preview", &[("source", "tis")]),
        ] {
            check(&world, &operator, route, ("/plans/new", path), fields).await;
        }
        let fields = [("source", "tis"), ("seen", "2"), ("canary", "0")];
        let plan = check(&world, &operator, "POST /plans", ("/plans/new", "/plans"), &fields).await;
        check(&world, &operator, "POST /plans/{id}", (&plan, &plan), &[("verb", "start")]).await;
        let end = "/users/kim-operator/logout";
        check(&world, &admin, "POST /users/{name}/logout", ("/users", end), &[]).await;
        check(&world, &admin, "POST /logout", ("/", "/logout"), &[]).await;

        assert_eq!(world.count("select count(*) from audit where via is null").await, 0);
        let viewer = logged_in(&world, &url, Role::Viewer).await;
        let page = viewer.get(&format!("/audit?session={session}")).await.text;
        assert!(page.contains("<td>plan make</td>") && !page.contains("<td>end sessions</td>"), "{page}");
        let page = viewer.get("/audit?via=cli").await.text;
        assert!(page.contains("<td>add user</td>") && !page.contains("<td>log in</td>"), "{page}");
        assert_eq!(viewer.get("/audit?via=post").await.status, 400);
        assert_eq!(world.store.prove_audit(None).await.unwrap().broken, None);
        world.worker(&[]).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_searches_or_logs_out_unseen() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        let viewer = logged_in(&world, &url, Role::Viewer).await;
        sqlx::query("alter table audit add constraint shut check (actor <> 'kim-viewer') not valid")
            .execute(&world.db)
            .await
            .unwrap();
        let search = async || viewer.post_from("/messages", "/messages/find", &[("q", "key-1")]).await.status;
        assert!(search().await >= 500);
        assert_eq!(viewer.get("/messages?state=dead").await.status, 200);
        assert!(viewer.post_from("/", "/logout", &[]).await.status >= 500);
        sqlx::query("alter table audit drop constraint shut").execute(&world.db).await.unwrap();
        assert_eq!(search().await, 200);
        assert_eq!(viewer.post_from("/", "/logout", &[]).await.status, 303);
        world
    })
    .await;
}
