//! How many, how large, how fast.

use std::io::Write as _;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ARRAY, LINES, apply_more, check_problem, ids, items, post};
use crate::support::{World, until};

/// Ten thousand messages that nobody works off: what is tested is that they are stored, in order.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_items_are_taken_and_not_one_more() {
    World::run(async |mut world| {
        apply_more(&mut world).await;
        let patient = ("WAYBILL_INGEST__COMMIT_TIMEOUT_MS", "60000");
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false"), patient]).await;
        let tis = world.partner("tis", &url);
        let line = |n: usize| {
            format!("{{\"programmeMembershipTisId\":\"m{n}\",\"fill\":\"{}\"}}\n", "x".repeat(400))
        };
        let body: String = (0..10_000).map(line).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(body.as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let send = || {
            let post = post(&tis, LINES, gzip.clone()).header("content-encoding", "gzip");
            post.header("idempotency-key", "k").send()
        };
        let began = Instant::now();
        let receipts = items(send().await.unwrap(), 202).await;
        let (new, began) = (began.elapsed(), Instant::now());
        let again = items(send().await.unwrap(), 200).await;
        println!("10000 items, {} bytes: {new:?}; again: {:?}", body.len(), began.elapsed());
        assert_eq!(receipts.len(), 10_000);
        assert_eq!(ids(&again), ids(&receipts));
        let stored = "select array_agg(id::text order by seq) from receipt";
        let stored: Vec<String> = sqlx::query_scalar(stored).fetch_one(&world.db).await.unwrap();
        assert_eq!(stored, ids(&receipts), "numbered in the order of the items");
        let whole = "select count(*) from receipt join body using (id) join progress using (id)
                     join ordering using (id)";
        assert_eq!(world.count(whole).await, 10_000);

        let one_more = post(&tis, LINES, body + "1\n").send().await.unwrap();
        check_problem(one_more, 413, "body-too-large", None).await;
        assert_eq!(world.count("select count(*) from receipt").await, 10_000);
        sqlx::raw_sql("truncate receipt, body, progress, ordering").execute(&world.db).await.unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_body_has_a_limit_before_and_after_decompression() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_INGEST__POSTED_BATCH_BYTES_MAX", "1000")]).await;
        let tis = world.partner("tis", &url);
        let large = format!("[\"{}\"]", "x".repeat(1000));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(large.as_bytes()).unwrap();
        let gzip = post(&tis, ARRAY, gzip.finish().unwrap()).header("content-encoding", "gzip");
        check_problem(gzip.send().await.unwrap(), 413, "body-too-large", None).await;
        check_problem(post(&tis, ARRAY, large).send().await.unwrap(), 413, "body-too-large", None).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_counts_against_the_rate() {
    World::run(async |mut world| {
        apply_more(&mut world).await;
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let slow = world.partner("slow", &url);
        let send = |count: usize| post(&slow, ARRAY, format!("[{}]", vec!["1"; count].join(","))).send();
        let never = check_problem(send(21).await.unwrap(), 429, "rate-limited", None).await;
        assert!(never["detail"].as_str().unwrap().contains("may send 20 at once"), "{never}");
        assert_eq!(items(send(19).await.unwrap(), 202).await.len(), 19);
        let later = send(19).await.unwrap();
        assert!(later.headers().contains_key("retry-after"));
        check_problem(later, 429, "rate-limited", None).await;
        assert_eq!(world.count("select count(*) from receipt").await, 19);
        world.until_settled().await;
        world
    })
    .await;
}

/// A client whose batch does not come has the only room; when it leaves, the room is free again.
#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_batches_are_in_hand() {
    World::run(async |mut world| {
        let url = world.ingest(&[("WAYBILL_INGEST__POSTED_BATCHES_MAX", "1")]).await;
        let tis = world.partner("tis", &url);
        let send = || async { post(&tis, ARRAY, "[]").send().await.unwrap() };
        let address = url.trim_start_matches("http://");
        let mut waiting = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/messages/batch HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\nexpect: 100-continue\r\n\r\n",
            tis.key
        );
        waiting.write_all(head.as_bytes()).await.unwrap();
        // asked for when there was room for it, and before a byte of it was read
        let mut told = [0; 25];
        waiting.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        let refused = send().await;
        assert!(refused.headers().contains_key("retry-after"));
        check_problem(refused, 503, "overloaded", None).await;
        drop(waiting);
        until("the room to be free again", || async { send().await.status() == 202 }).await;
        world
    })
    .await;
}
