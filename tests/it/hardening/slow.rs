//! Clients that are slow, silent or half gone: dropped, while the others are served.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{FOREVER, Raw, head, status};
use crate::support::{Partner, World};

/// Sends `text` byte by byte until it is all sent or the connection is closed.
async fn dribble(raw: &mut Raw, text: &str) {
    for byte in text.as_bytes() {
        if !raw.send([*byte]).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// How one client behaves; returns when the server has ended the connection.
async fn behave(partner: &Partner, manner: &str) -> String {
    let mut raw = Raw::connect(partner).await;
    let long = "y".repeat(200);
    match manner {
        "says nothing" => {}
        "stops in the request line" => drop(raw.send("POST /v1/mess").await),
        "stops in the head" => drop(raw.send(head(partner, "x: y\r\n")).await),
        "dribbles its head" => {
            raw.send("POST /v1/messages HTTP/1.1\r\nx: ").await;
            dribble(&mut raw, &long).await;
        }
        "stops in the body" => drop(raw.send(head(partner, "content-length: 100\r\n\r\nabc")).await),
        "dribbles its body" => {
            raw.send(head(partner, "content-length: 200\r\n\r\n")).await;
            dribble(&mut raw, &long).await;
        }
        "dribbles chunks" => {
            raw.send(head(partner, "transfer-encoding: chunked\r\n\r\n")).await;
            dribble(&mut raw, &"1\r\ny\r\n".repeat(40)).await;
        }
        "dribbles head and body" => {
            raw.send(head(partner, "content-length: 200\r\nx: ")).await;
            dribble(&mut raw, "sixteen bytes...").await;
            raw.send("\r\n\r\n").await;
            dribble(&mut raw, &long).await;
        }
        "idles after an answer" => {
            raw.send(head(partner, "content-length: 3\r\n\r\nabc")).await;
            raw.until("\r\n\r\n").await;
        }
        _ => unreachable!("no such manner"),
    }
    raw.rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_dribbling_clients_are_dropped() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        let manners = [
            ("says nothing", 0),
            ("stops in the request line", 0),
            ("stops in the head", 0),
            ("dribbles its head", 0),
            ("stops in the body", 408),
            ("dribbles its body", 408),
            ("dribbles chunks", 408),
            ("dribbles head and body", 408),
        ];
        let dropped = join_all(manners.into_iter().map(|(manner, expected)| async move {
            let began = Instant::now();
            let answer = behave(archive, manner).await;
            println!("{manner}: dropped after {:.1} s", began.elapsed().as_secs_f64());
            let status = status(&answer);
            assert!(status == expected || status == 0 || status == 408, "{manner}: {answer:?}");
        }));
        let idle = behave(archive, "idles after an answer");
        // somebody honest is served all the while
        let honest = async {
            for n in 0..20 {
                let body = format!("honest {n}");
                let post = || archive.request(reqwest::Method::POST, "/v1/messages").body(body.clone());
                archive.insist(post).await;
            }
        };
        tokio::join!(dropped, idle, honest);
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answers_loses_its_place() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        let mut raw = Raw::connect(archive).await;
        // asks and asks, and never reads: in the end neither side can write any more
        let ask = "GET /problems/overloaded HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1_000);
        let asked = async { while raw.send(&ask).await {} };
        tokio::time::timeout(FOREVER * 2, asked).await.expect("the server ends the connection");
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_house_makes_room_again() {
    World::run(async |mut world| {
        let few = [("WAYBILL_INGEST__CONNECTIONS_MAX", "4"), ("WAYBILL_INGEST__HEADER_TIMEOUT_S", "3")];
        let url = world.ingest(&few).await;
        world.worker(&[]).await;
        world.serve(&[]).await;
        let archive = world.partner("archive", &url);
        let mut holding = Vec::new();
        for _ in 0..8 {
            holding.push(Raw::connect(&archive).await);
        }
        // answered once the silent ones were dropped
        archive.insist(|| archive.request(reqwest::Method::POST, "/v1/messages").body("x")).await;
        drop(holding);
        world.until_settled().await;
        world
    })
    .await;
}
