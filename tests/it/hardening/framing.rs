//! Requests whose framing two readers might understand differently, and heads that are too large.

use futures_util::future::join_all;

use super::{Raw, head, status, stored};
use crate::support::World;

/// What follows the request line and the credential, and the status it gets.
fn attacks() -> Vec<(&'static str, String, u16)> {
    let long =
        |name: &str, count: usize| format!("{name}: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(count));
    let many = |count: usize| {
        let lines = (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<Vec<_>>().concat();
        format!("{lines}content-length: 0\r\n\r\n")
    };
    let fixed = |text: &str| text.to_owned();
    vec![
        ("both lengths", fixed("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (
            "both, the other way",
            fixed("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
            400,
        ),
        ("two lengths", fixed("content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef"), 400),
        ("a list of lengths", fixed("content-length: 5, 6\r\n\r\nabcdef"), 400),
        ("a signed length", fixed("content-length: +5\r\n\r\nabcde"), 400),
        ("a negative length", fixed("content-length: -1\r\n\r\n"), 400),
        ("a hexadecimal length", fixed("content-length: 0x5\r\n\r\nabcde"), 400),
        ("a huge length", fixed("content-length: 99999999999999999999999\r\n\r\n"), 400),
        ("an unknown coding", fixed("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"), 400),
        ("chunked is not last", fixed("transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), 400),
        ("a folded header", fixed("x: a\r\n b\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a blank before the colon", fixed("content-length : 5\r\n\r\nabcde"), 400),
        ("a header without a name", fixed(": x\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a NUL in a header", fixed("x: a\0b\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a bare CR in a header", fixed("x: a\rb\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a chunk too long", fixed("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), 400),
        ("a chunk without a size", fixed("transfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"), 400),
        ("a second host", fixed("host: other\r\ncontent-length: 0\r\n\r\n"), 400),
        ("long headers", long("x", 20_000), 431),
        ("a head without an end", long("x", 200_000), 431),
        ("65 headers and more", many(70), 431),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_readers_might_understand_differently_is_refused() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        join_all(attacks().into_iter().map(|(name, rest, expected)| async move {
            let mut raw = Raw::connect(archive).await;
            // a second request stands behind: it must never be answered
            let smuggled = head(archive, "content-length: 0\r\n\r\n");
            raw.send(head(archive, &rest) + &smuggled).await;
            let answer = raw.rest().await;
            assert_eq!(status(&answer), expected, "{name}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer:?}");
        }))
        .await;
        assert_eq!(stored(&world).await, 0, "nothing of it is stored");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_lines_are_judged() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        let query = "x".repeat(9_000);
        let huge = "x".repeat(70_000);
        for (line, more, expected) in [
            ("GET /nowhere HTTP/1.1", "host: a\r\n", 404),
            ("GET http://other/nowhere HTTP/1.1", "host: a\r\n", 404),
            ("GET /nowhere HTTP/1.1", "", 400),
            ("GET /nowhere HTTP/1.0", "", 404),
            ("GET /nowhere HTTP/0.9", "", 400),
            ("GET /nowhere", "", 400),
            ("PRI * HTTP/2.0", "", 400),
            ("TRACE /v1/messages HTTP/1.1", "host: a\r\n", 405),
            ("OPTIONS * HTTP/1.1", "host: a\r\n", 404),
            ("G<T /v1/messages HTTP/1.1", "host: a\r\n", 400),
            (&format!("GET /v1/messages?idempotency_key={query} HTTP/1.1"), "host: a\r\n", 414),
            (&format!("GET /{huge} HTTP/1.1"), "host: a\r\n", 414),
        ] {
            let mut raw = Raw::connect(archive).await;
            raw.send(format!("{line}\r\n{more}connection: close\r\n\r\n")).await;
            let answer = raw.rest().await;
            let shown: String = line.chars().take(60).collect();
            assert_eq!(status(&answer), expected, "{shown}: {answer:?}");
        }
        world
    })
    .await;
}
