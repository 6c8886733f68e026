//! Logging in: by password, with sessions that end; nobody can try for ever, and nobody can lock a
//! person out for ever.

use waybill_console::{Role, secret};

use super::{Browser, PASSWORD, logged_in, user};
use crate::support::{BY, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_opened_by_the_password_and_ended_by_its_owner() {
    World::run(async |mut world| {
        let url = world.console(&[]).await;
        user(&world, "kim", Role::Viewer).await;
        let browser = Browser::new(&url);
        let page = browser.get("/messages?state=dead").await;
        assert_eq!((page.status, page.header("location")), (303, "/login?next=%2Fmessages%3Fstate%3Ddead"));
        for (name, password) in [("kim", "wrong password"), ("nobody", PASSWORD), ("kim", "")] {
            let page = browser.log_in(name, password).await;
            assert_eq!(page.status, 401, "{name}");
            assert!(page.text.contains("Name or password is wrong"), "the same for all");
        }
        let token = browser.get("/login?next=/messages").await.form_token();
        let fields =
            [("form_token", token.as_str()), ("name", " KIM "), ("password", PASSWORD), ("next", "/dead")];
        let page = browser.post("/login", &fields).await;
        assert_eq!((page.status, page.header("location")), (303, "/dead"));
        let cookie = page.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let cookie = cookie.into_iter().find(|cookie| cookie.starts_with("waybill-session=")).unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
        assert_eq!(browser.get("/").await.status, 200);

        let plain = "select count(*) from console_login where name = sha256(convert_to('kim', 'UTF8'))";
        assert_eq!(world.count(plain).await, 0, "what was typed cannot be found by trying");
        let other = Browser::new(&world.console(&[]).await);
        assert_eq!(other.log_in("kim", "a guess, from another replica").await.status, 401);
        let names = "select count(distinct name) from console_login where success or at = (select max(at) from console_login)";
        assert_eq!(world.count(names).await, 1, "replicas agree on who it is");

        let kept = browser.cookie("waybill-session").unwrap();
        let stored: Vec<Vec<u8>> =
            sqlx::query_scalar("select token from console_session").fetch_all(&world.db).await.unwrap();
        assert_eq!(stored.len(), 1);
        assert_ne!(stored[0], kept.as_bytes(), "the ledger cannot give the token away");

        assert_eq!(browser.post_from("/", "/logout", &[]).await.status, 303);
        assert_eq!(browser.cookie("waybill-session"), None);
        browser.set_cookie("waybill-session", &kept);
        assert_eq!(browser.get("/").await.status, 303, "a token of the past opens nothing");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_and_with_what_it_was_opened_by() {
    World::run(async |mut world| {
        let url = world.console(&[("WAYBILL_CONSOLE__SESSION_IDLE_S", "600")]).await;
        let browser = logged_in(&world, &url, Role::Operator).await;
        let age = |what: &'static str| sqlx::query(what).execute(&world.db);
        assert_eq!(browser.get("/").await.status, 200);
        age("update console_session set seen_at = now() - interval '11 minutes'").await.unwrap();
        assert_eq!(browser.get("/").await.status, 303, "nobody used it");
        age("update console_session set seen_at = now() - interval '9 minutes'").await.unwrap();
        let live = browser.request(reqwest::Method::GET, "/").header("x-waybill-live", "1");
        assert_eq!(browser.send(live).await.status, 200);
        let seen = "select count(*) from console_session where seen_at > now() - interval '1 minute'";
        assert_eq!(world.count(seen).await, 0, "a page that keeps itself fresh keeps nobody logged in");
        assert_eq!(browser.get("/").await.status, 200);
        assert_eq!(world.count(seen).await, 1, "a person does");
        age("update console_session set created_at = now() - interval '2 days', expires_at = now()")
            .await
            .unwrap();
        assert_eq!(browser.get("/").await.status, 303, "its time is over");

        let name = "kim-operator";
        let again = async || {
            assert_eq!(browser.log_in(name, PASSWORD).await.status, 303);
            assert_eq!(browser.get("/").await.status, 200);
        };
        again().await;
        world.store.set_console_password(name, &secret::hash(PASSWORD).unwrap(), BY).await.unwrap();
        assert_eq!(browser.get("/").await.status, 303, "another password");
        again().await;
        world.store.set_console_role(name, "viewer", BY).await.unwrap();
        assert_eq!(browser.get("/").await.status, 303, "another role");
        again().await;
        world.store.disable_console_user(name, BY).await.unwrap();
        assert_eq!(browser.get("/").await.status, 303, "disabled");
        assert_eq!(browser.log_in(name, PASSWORD).await.status, 401);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_stopped_and_who_knows_is_not() {
    World::run(async |mut world| {
        // addresses are told by a proxy, so that one test can have many
        let url = world.console(&[("WAYBILL_CONSOLE__PROXY_ADDRESSES", "127.0.0.0/8")]).await;
        user(&world, "kim", Role::Viewer).await;
        let from = async |address: &str, password: &str| {
            let browser = Browser::new(&url);
            let token = browser.get("/login").await.form_token();
            let fields = [("form_token", token.as_str()), ("name", "kim"), ("password", password)];
            let request = browser.request(reqwest::Method::POST, "/login").header("x-forwarded-for", address);
            browser.send(super::browser::form(request, &fields)).await
        };
        assert_eq!(from("192.0.2.1", PASSWORD).await.status, 303, "kim's own place");
        for _ in 0..5 {
            assert_eq!(from("198.51.100.66", "a guess").await.status, 401);
        }
        let page = from("198.51.100.66", PASSWORD).await;
        assert_eq!((page.status, page.header("retry-after")), (429, "300"), "not even the right one");
        assert_eq!(from("192.0.2.1", PASSWORD).await.status, 303, "from elsewhere as ever");
        // a guesser with many addresses: whoever is not known there waits, kim does not
        sqlx::query(
            "insert into console_login (name, address, success)
             select (select name from console_login limit 1), '203.0.113.' || n, false from generate_series(1, 60) n",
        )
        .execute(&world.db)
        .await
        .unwrap();
        assert_eq!(from("203.0.113.250", PASSWORD).await.status, 429);
        assert_eq!(from("192.0.2.1", PASSWORD).await.status, 303, "kim is known here");
        sqlx::query("update console_login set at = at - interval '6 minutes'").execute(&world.db).await.unwrap();
        assert_eq!(from("203.0.113.250", PASSWORD).await.status, 303, "nobody waits for long");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_authenticates_is_believed_where_it_is_known() {
    World::run(async |mut world| {
        let headers = [
            ("WAYBILL_CONSOLE__TRUST_PROXY_HEADER", "x-forwarded-user"),
            ("WAYBILL_CONSOLE__PROXY_ROLE_HEADER", "x-forwarded-role"),
        ];
        let trusted = world
            .console(&[&headers[..], &[("WAYBILL_CONSOLE__PROXY_ADDRESSES", "127.0.0.1")]].concat())
            .await;
        let other = world
            .console(&[&headers[..], &[("WAYBILL_CONSOLE__PROXY_ADDRESSES", "192.0.2.0/24")]].concat())
            .await;
        let ask = async |url: &str, headers: &[(&str, &str)]| {
            let browser = Browser::new(url);
            let request = browser.request(reqwest::Method::GET, "/users");
            browser.send(headers.iter().fold(request, |request, (k, v)| request.header(*k, *v))).await.status
        };
        let admin = [("x-forwarded-user", "sam"), ("x-forwarded-role", "admin")];
        assert_eq!(ask(&trusted, &admin).await, 200);
        assert_eq!(ask(&other, &admin).await, 303, "anybody can send a header");
        assert_eq!(ask(&trusted, &[("x-forwarded-user", "sam"), ("x-forwarded-role", "viewer")]).await, 403);
        for half in [&admin[..1], &admin[1..], &[("x-forwarded-user", "sam"), ("x-forwarded-role", "king")]] {
            assert_eq!(ask(&trusted, half).await, 303, "{half:?}");
        }
        let twice = [admin[0], ("x-forwarded-user", "eve"), admin[1]];
        assert_eq!(ask(&trusted, &twice).await, 303, "who, of the two?");
        user(&world, "kim", Role::Admin).await;
        assert_eq!(Browser::new(&trusted).log_in("kim", PASSWORD).await.status, 403, "there is no form");
        world
    })
    .await;
}
