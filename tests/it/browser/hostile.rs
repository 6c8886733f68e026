//! What a partner may send, and what another site may try with a browser in which somebody is logged in.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;
use waybill_console::Role;

use super::{Scene, page};
use crate::support::partner::{acknowledged, arrival, id};
use crate::support::{World, until};

/// Everything that a browser might take for more than text. Whatever runs says so.
const HOSTILE: &str = concat!(
    "<script>alert(1);window.taken=1</script>",
    "<img src=x onerror=\"alert(2);window.taken=2\">",
    "<svg/onload=alert(3)>",
    "\"><iframe srcdoc='<script>parent.taken=4</script>'></iframe>",
    "<a href=\"javascript:alert(5)\">x</a>",
    "</pre></main><style>body{display:none}</style>",
    "<meta http-equiv=refresh content=\"0;url=https://evil.example/\">",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "{{7*7}}${7*7}&lt;script&gt;\u{202e}\u{1b}[31m",
);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_partner_sends_stays_text() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        let request = scene
            .archive
            .request(reqwest::Method::POST, "/v1/messages")
            .header("content-type", "application/octet-stream")
            .header("idempotency-key", "<script>alert(6)</script><b onmouseover=alert(7)>");
        let opaque = id(request.body(HOSTILE).send().await.unwrap()).await;
        let visit = arrival("<script>alert(8)</script>", "<img src=x onerror=alert(9)>", "<b>V</b>");
        let visit = acknowledged(&scene.docutap.hl7(visit).send().await.unwrap());
        let signature = scene.hopeless("\"'><script>alert(10)</script>", "<script>alert(11)</script>").await;
        world.until_settled().await;
        scene.log_in(&world, Role::Admin).await;
        for message in [&opaque, &visit, &signature] {
            scene.go(&format!("/messages/{message}")).await;
            browser
                .fill("#reveal-reason", "<script>alert(12)</script>'\"><img src=x onerror=alert(13)>")
                .await;
            browser.click("#show-body").await;
            let shown = browser.text("#body.clear").await;
            assert!(shown.contains("<script>alert("), "shown as it is: {shown}");
            inert(&scene).await;
        }
        let asked = "%3Cscript%3Ealert(14)%3C/script%3E%22%3E%3Cimg%20src=x%20onerror=alert(15)%3E";
        for path in [
            "/messages?since=all".to_owned(),
            format!("/messages?since=all&q={asked}&class={asked}&source={asked}"),
            format!("/dead?text={asked}&source={asked}&group={asked}"),
            format!("/plans/new?text={asked}&group={asked}"),
            "/audit".to_owned(),
            "/sources".to_owned(),
            "/".to_owned(),
            format!("/{asked}"),
            format!("/login?next={asked}"),
        ] {
            scene.go(&path).await;
            inert(&scene).await;
        }
        scene.go("/audit").await;
        assert!(
            browser.text("#audit").await.contains("<script>alert(12)</script>"),
            "a reason is text as well"
        );
        world
    })
    .await;
}

/// What has run, how many mains there are, and how many elements that no page of ours has in one.
const RAN: &str = "
const count = (css) => document.querySelectorAll(css).length;
return [window.taken ?? null, count('main'), count('iframe, main img, main script, main style')];";

/// Nothing has run, nothing was asked for elsewhere, and the page's policy had nothing to forbid.
async fn inert(scene: &Scene) {
    let at = scene.at().await;
    assert_eq!(scene.browser.dialog().await, None, "{at}");
    let ran = scene.browser.run(RAN, json!([])).await;
    assert_eq!(ran, json!([null, 1, 0]), "{at}");
    let noise = page::noise(&scene.browser, &scene.url).await;
    // that a page is refused, or does not exist, is what the browser mentions
    let noise: Vec<_> = noise.into_iter().filter(|line| !line.contains("with a status of 4")).collect();
    assert!(noise.is_empty(), "{at}: {noise:?}");
}

/// What a page sees of the page in its frame.
const SEEN: &str = "
try { return document.getElementById('frame').contentDocument?.body.innerText ?? ''; } catch { return ''; }";

/// A page of another site, on this machine under two names: the browser takes `127.0.0.1` for the same
/// site as the console (only the port differs) and `localhost` for another.
struct Elsewhere {
    port: u16,
}

impl Elsewhere {
    /// Serves `page` to whoever comes.
    fn serve(page: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n";
                let _ = write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len());
            }
        });
        Self { port }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_decides_nothing_and_frames_nothing() {
    World::run(async |mut world| {
        let scene = Scene::new(&mut world).await;
        let browser = &scene.browser;
        scene.log_in(&world, Role::Operator).await;
        scene.go("/dead").await;
        let token = browser.run("return document.querySelector('[name=form_token]').value", json!([])).await;
        let token = token.as_str().expect("a token");
        // even with the token of a page of this very person
        let form = format!(
            "<title>elsewhere</title><form id=f method=post action=\"{url}/dead/discard\">\
             <input name=id value={dead}><input name=reason value=no><input name=form_token value={token}>\
             <button id=go>go</button></form><iframe id=frame src=\"{url}/dead\"></iframe>",
            url = scene.url,
            dead = scene.dead,
        );
        let elsewhere = Elsewhere::serve(form);
        for host in ["127.0.0.1", "localhost"] {
            browser.go(&format!("http://{host}:{}/", elsewhere.port)).await;
            assert_eq!(
                browser.run(SEEN, json!([])).await,
                json!(""),
                "{host}: nothing is seen through a frame"
            );
            let refused = browser.log("browser").await;
            let refused = refused.iter().any(|line| line.to_string().contains("frame-ancestors"));
            assert!(refused, "{host}: the browser keeps the page out of the frame");
            browser.click("#go").await;
            until("the form to be sent", || async { scene.at().await == "/dead/discard" }).await;
            until("its answer", || async { browser.has("#failure").await }).await;
            assert_eq!(scene.tis.state(&scene.dead).await, "dead", "{host}");
        }
        assert_eq!(world.count("select count(*) from audit where action = 'discard'").await, 0);
        scene.go("/dead").await;
        assert_eq!(scene.at().await, "/dead", "still logged in");
        world
    })
    .await;
}
