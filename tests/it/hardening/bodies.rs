//! Bodies that are made to cost: bombs, deep and huge JSON, more bytes than there is memory for.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Raw, head, status, stored};
use crate::support::{Partner, World};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn post(partner: &Partner, content_type: &str, encoding: &str, body: Vec<u8>) -> u16 {
    let request = partner.request(reqwest::Method::POST, "/v1/messages");
    let request = request.header("content-type", content_type).header("content-encoding", encoding);
    request.body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_before_they_unfold() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        let bomb = gzip(&vec![0; 200_000_000]);
        let members: Vec<u8> = gzip(&vec![0; 50_000]).repeat(100);
        let text = "application/octet-stream";
        for (name, encoding, body, expected) in [
            ("a bomb", "gzip", bomb.clone(), 413),
            ("many members", "gzip", members, 413),
            ("gzip of gzip is undone once", "gzip", gzip(&gzip(&vec![0; 200_000])), 202),
            ("two codings", "gzip, gzip", gzip(&bomb), 415),
            ("deflate", "deflate", vec![0; 10], 415),
            ("broken gzip", "gzip", gzip(b"a body that is cut off")[..20].to_vec(), 400),
            ("rubbish", "gzip", vec![7; 100], 400),
        ] {
            assert_eq!(post(archive, text, encoding, body).await, expected, "{name}");
        }
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_huge_json_is_judged_in_bounded_memory() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let (deep, objects) = ("[".repeat(5_000_000), "{\"a\":".repeat(1_000_000));
        let wide = format!("[{}0]", "0,".repeat(4_000_000));
        let number = format!("{{\"n\":{}}}", "9".repeat(5_000_000));
        let keys = (0..500_000).map(|n| format!("\"k{n}\":0,")).collect::<Vec<_>>().concat();
        for (name, body, expected) in [
            ("deep arrays", deep.clone() + &"]".repeat(5_000_000), 400),
            ("deep arrays without an end", deep, 400),
            ("deep objects", objects, 400),
            ("a wide array", wide, 202),
            ("a number of five million digits", number, 202),
            ("half a million keys", format!("{{{keys}\"end\":0}}"), 202),
            ("an escape that is cut off", "\"\\u12".to_owned(), 400),
        ] {
            let status = post(tis, "application/json", "identity", body.into_bytes()).await;
            assert_eq!(status, expected, "{name}");
        }
        // stored as it came; that the kind cannot use it is the worker's finding
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_memory_for_is_answered_overloaded() {
    World::run(async |mut world| {
        let few = ["QUEUE_BYTES_MAX", "BATCH_BYTES_MAX", "POSTED_BATCH_BYTES_MAX"]
            .map(|limit| format!("WAYBILL_INGEST__{limit}"));
        let few = few.each_ref().map(|name| (name.as_str(), "60000"));
        let url = world.ingest(&few).await;
        world.worker(&[]).await;
        world.serve(&[]).await;
        let archive = world.partner("archive", &url);
        let mut first = Raw::connect(&archive).await;
        first.send(head(&archive, "content-length: 50000\r\n\r\n")).await;
        first.send(vec![b'x'; 40_000]).await;
        // announced lengths alone take nothing: only what has arrived counts
        let text = "application/octet-stream";
        crate::support::until("the first body to take its room", || async {
            post(&archive, text, "identity", vec![0; 30_000]).await == 503
        })
        .await;
        assert_eq!(post(&archive, text, "identity", vec![0; 10_000]).await, 202);
        first.send(vec![b'x'; 10_000]).await;
        assert_eq!(status(&first.until("\r\n\r\n").await), 202);
        assert_eq!(post(&archive, text, "identity", vec![0; 30_000]).await, 202);
        assert_eq!(post(&archive, text, "gzip", gzip(&vec![0; 59_990])).await, 503, "inflated bytes count");
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_checked_before_a_body_is_taken() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let archive = &partners["archive"];
        let stranger = Partner { key: format!("{}x", archive.key), ..archive.clone() };
        for (partner, length, expected) in
            [(&stranger, 60_000, "401"), (archive, 70_000_000, "413"), (archive, 5, "100 Continue")]
        {
            let mut raw = Raw::connect(partner).await;
            // not a byte of the body is sent
            let more = format!("expect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
            raw.send(head(partner, &more)).await;
            let answer = raw.until("\r\n\r\n").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer:?}");
            if expected.starts_with("100") {
                raw.send("abcde").await;
                assert_eq!(status(&raw.until("\r\n\r\n").await), 202);
            }
        }
        world.until_settled().await;
        assert_eq!(stored(&world).await, 1);
        world
    })
    .await;
}
