//! Every route with every role; forms that are not ours; the headers of every answer.

use reqwest::Method;
use waybill_console::role::Need;
use waybill_console::{Role, routes};

use super::browser::form;
use super::{Browser, logged_in};
use crate::support::World;

/// What a page may load and do.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A path of this route.
fn path(route: &routes::Route) -> String {
    route.path.replace("{id}", "01890000-0000-7000-8000-000000000000").replace("{name}", "nobody")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_the_role_it_needs() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        let mut visitors = vec![(None, Browser::new(&url))];
        for role in Role::ALL {
            visitors.push((Some(role), logged_in(&world, &url, role).await));
        }
        let routes = routes::all();
        assert!(routes.len() > 15);
        for (role, browser) in &visitors {
            let (mut token, mut walked) = (browser.get("/login").await.form_token(), 0);
            if role.is_some() {
                token = browser.get("/").await.form_token();
            }
            // a way out at the end, or nobody would be left to walk on
            let (last, first): (Vec<_>, Vec<_>) = routes.iter().partition(|route| route.path == "/logout");
            for route in first.into_iter().chain(last).filter(|route| route.path != "/live") {
                let request = browser.request(route.method.clone(), &path(route));
                let fields = [("form_token", token.as_str()), ("reason", "walking")];
                let request = if route.method == Method::POST { form(request, &fields) } else { request };
                let page = browser.send(request).await;
                let expected = match (route.need.allows(*role), role, &route.method) {
                    (true, ..) => {
                        !matches!(page.status, 401 | 403) && page.header("location") != "/login"
                            || route.path == "/logout"
                    }
                    (false, Some(_), _) => page.status == 403,
                    (false, None, &Method::GET) => {
                        page.status == 303 && page.header("location").starts_with("/login")
                    }
                    (false, None, _) => page.status == 401,
                };
                // a login without a name is a failed one
                let is_login = route.path == "/login" && route.method == Method::POST;
                assert!(expected || is_login, "{role:?} {} {}: {}", route.method, route.path, page.status);
                walked += 1;
            }
            assert_eq!(walked, routes.len() - 1);
        }
        assert_eq!(world.count("select count(*) from decision").await, 0);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_not_for_viewers() {
    let asks = |method: Method, path: &str| {
        let route = routes::all().into_iter().find(|route| route.method == method && route.path == path);
        route.unwrap_or_else(|| panic!("{method} {path} is gone")).need
    };
    for route in routes::all().into_iter().filter(|route| route.method == Method::POST) {
        // a search is posted so that no address has what is looked for; it changes nothing but the trail
        let free = matches!(route.path, "/login" | "/logout" | "/messages/find");
        assert!(free || !route.need.allows(Some(Role::Viewer)), "{} is for viewers", route.path);
    }
    for route in routes::all() {
        let free = matches!(route.path, "/login" | "/assets/{name}");
        assert_eq!(route.need == Need::Nobody, free, "{}", route.path);
    }
    assert_eq!(asks(Method::POST, "/users/{name}/logout"), Need::Role(Role::Admin));
    assert_eq!(asks(Method::POST, "/messages/{id}/body"), Need::Role(Role::Operator));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_not_ours_does_nothing() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        let (browser, other) =
            (logged_in(&world, &url, Role::Admin).await, logged_in(&world, &url, Role::Operator).await);
        let token = browser.get("/").await.form_token();
        let logout = "/users/kim-operator/logout";
        let send = async |token: &str, headers: &[(&str, &str)]| {
            let request = form(browser.request(Method::POST, logout), &[("form_token", token)]);
            browser.send(headers.iter().fold(request, |request, (k, v)| request.header(*k, *v))).await.status
        };
        assert_eq!(send("", &[]).await, 403, "no token");
        assert_eq!(send(&other.get("/").await.form_token(), &[]).await, 403, "another person's");
        assert_eq!(send(&token, &[("sec-fetch-site", "cross-site")]).await, 403);
        assert_eq!(send(&token, &[("origin", "https://evil.example")]).await, 403);
        assert_eq!(send(&token, &[("origin", "null")]).await, 403);
        assert_eq!(send(&token, &[("host", "evil.example")]).await, 421, "a name that points here");
        assert_eq!(other.get("/").await.status, 200, "nothing was done");
        let own = url.clone();
        assert_eq!(send(&token, &[("sec-fetch-site", "same-origin"), ("origin", &own)]).await, 303);
        assert_eq!(other.get("/").await.status, 303, "this one was ours");
        let large = "x".repeat(300 * 1024);
        assert_eq!(browser.post(logout, &[("form_token", &token), ("x", &large)]).await.status, 413);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_locked_down_and_no_page_needs_a_script() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Admin).await;
        let pages =
            routes::all().into_iter().filter(|route| route.method == Method::GET && route.path != "/live");
        let others = ["/nowhere", "/messages/not-an-id", "/login?next=//evil.example", "/assets/none.js"];
        for path in pages.map(|route| path(&route)).chain(others.map(str::to_owned)) {
            let page = browser.get(&path).await;
            assert_eq!(page.header("content-security-policy"), POLICY, "{path}");
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
            let cached = if path.starts_with("/assets/") { "" } else { "no-store" };
            assert_eq!(page.header("cache-control"), cached, "{path}");
            for banned in ["<style", " style=", " onclick=", " onload=", "<script>", "javascript:", "//evil"]
            {
                assert!(!page.text.contains(banned), "{path} has {banned}");
            }
            let loaded = [" src=\"", " href=\""].into_iter().flat_map(|mark| page.text.split(mark).skip(1));
            for part in loaded {
                let ours = part.starts_with('/') || part.starts_with('#');
                assert!(ours, "{path} reaches out: {}", part.chars().take(40).collect::<String>());
            }
        }
        let page = browser.get("/").await;
        for (kind, mark) in [
            ("text/css; charset=utf-8", "stylesheet\" href=\""),
            ("text/javascript; charset=utf-8", "script src=\""),
        ] {
            let asset = page.text.split(mark).nth(1).unwrap().split('"').next().unwrap();
            let asset = Browser::new(&url).get(asset).await;
            assert_eq!((asset.status, asset.header("content-type")), (200, kind));
            assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        }
        world
    })
    .await;
}
