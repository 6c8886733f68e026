//! What partners send is shown as text, a bounded amount of it, whatever it is.

use waybill_console::Role;

use super::logged_in;
use crate::support::World;
use crate::support::partner::{acknowledged, id};
use crate::support::world::SOURCES;

/// What must not be on a page as it is: markup, and what steers the reader's eye.
const LIVE: [&str; 6] = ["<script", "<img", "onerror=\"", "\u{1b}", "\u{202e}", "\u{200b}"];
/// The most that any page may weigh.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// A page's text, which must be inert.
fn inert(text: &str) {
    // the page's own script is loaded, not written
    let text = text.replacen("<script src=\"/assets/", "", 1);
    for live in LIVE {
        assert!(!text.contains(live), "{live:?} is on the page");
    }
    assert!(text.len() < PAGE_BYTES_MAX, "{} bytes", text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_are_shown_as_text() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Operator).await;
        let evil =
            "<script>alert(1)</script><img src=x onerror=\"alert(2)\">\u{1b}[31mred\u{202e}gnitirw\u{200b}";
        let archive = &partners["archive"];
        let send = |body: String| {
            archive
                .request(reqwest::Method::POST, "/v1/messages")
                .header("content-type", "application/octet-stream")
                .header("idempotency-key", "<script>alert('key')</script>")
                .body(body)
        };
        let message = id(send(evil.to_owned()).send().await.unwrap()).await;
        archive.until(&message, "processed").await;
        let page = format!("/messages/{message}");
        for path in [page.as_str(), "/messages?since=all", "/messages?since=all&class=%3Cscript%3E%E2%80%AE"]
        {
            let text = browser.get(path).await.text;
            inert(&text);
            assert!(!text.contains("alert("), "{path}: a key is masked as a body is");
            assert_eq!(text.contains("&lt;script&gt;"), path.contains("script"), "{path}: what was asked");
        }
        let found = browser.post_from("/messages", "/messages/find", &[("q", evil), ("visit", evil)]).await;
        inert(&found.text);
        assert!(found.text.contains("&lt;script&gt;alert(1)"), "what was asked: {}", found.text);
        let shown = browser.post_from(&page, &format!("{page}/body"), &[("reason", evil)]).await.text;
        inert(&shown);
        assert!(
            shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;")
                && shown.contains("\u{241b}[31mred\u{27e8}U+202E\u{27e9}")
        );
        inert(&browser.get("/audit").await.text);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_ten_mebibytes_is_bounded() {
    World::run(async |mut world| {
        world.apply(&format!("{SOURCES}\n[[source]]\nname = \"bulk\"\nformat = \"hl7v2\"\n")).await;
        let (ingest, _) = (world.ingest(&[]).await, world.worker(&[]).await);
        let url = world.console(&[]).await;
        let browser = logged_in(&world, &url, Role::Operator).await;
        let head =
            "MSH|^~\\&|APP|EAST|WAYBILL|HUB|20260310091500-0500||ADT^A04|LONG-1|P|2.5.1\rPID|||1^^^EAST^MR||";
        let body =
            format!("{head}{}\rPV1||O|||||||||||||||||V-9\r", "<b>".repeat((10 * 1024 * 1024 - 200) / 3));
        let response = world.partner("bulk", &ingest).hl7(body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let message = acknowledged(&response);
        let page = format!("/messages/{message}");
        inert(&browser.get(&page).await.text);
        let shown =
            browser.post_from(&page, &format!("{page}/body"), &[("reason", "how long is it")]).await.text;
        inert(&shown);
        assert!(shown.contains("&lt;b&gt;&lt;b&gt;") && shown.contains("the download has all of it"));
        let file = browser.post_from(&page, &format!("{page}/download"), &[("reason", "all of it")]).await;
        assert_eq!(file.text.len(), body.len());
        world.until_settled().await;
        world
    })
    .await;
}
