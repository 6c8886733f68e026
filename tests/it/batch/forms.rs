//! Each form: what is stored of it, and what is answered.

use super::{ARRAY, EVENTS, HL7, LINES, apply_more, check_problem, event, ids, items, lines, post};
use crate::support::World;
use crate::support::partner::{arrival, hl7, signature};

#[tokio::test(flavor = "multi_thread")]
async fn json_items_are_stored_as_they_stand_and_have_their_effects_in_their_order() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = lines("m-1", 30);
        let response = post(tis, LINES, body.clone()).header("idempotency-key", "\"a\"").send().await;
        let receipts = items(response.unwrap(), 202).await;
        let posted: Vec<&str> = body.lines().collect();
        assert_eq!(receipts.len(), posted.len());
        for (n, receipt) in receipts.iter().enumerate() {
            assert_eq!(receipt["idempotency_key"], format!("a/{n}"));
            assert_eq!(receipt["bytes"], posted[n].len());
            assert_eq!((&receipt["state"], &receipt["duplicate"]), (&"accepted".into(), &false.into()));
        }
        // ascending signatures: if one were overtaken, it would have no effect
        world.until_settled().await;
        let effects = "select by::text from witness where what = 'signature m-1' order by seq";
        let effects: Vec<String> = sqlx::query_scalar(effects).fetch_all(&world.db).await.unwrap();
        assert_eq!(effects, ids(&receipts));
        let stored =
            "select convert_from(b.body, 'utf8') from body b join receipt r using (id) order by r.seq";
        let stored: Vec<String> = sqlx::query_scalar(stored).fetch_all(&world.db).await.unwrap();
        assert_eq!(stored, posted);

        let one = signature("m-2", "2026-01-31T12:00:00Z", "GG10");
        let array = format!("[ {one} ,\n{one}]");
        let receipts = items(post(tis, ARRAY, array).send().await.unwrap(), 202).await;
        assert_eq!(receipts.len(), 2, "without a key every item is new");
        assert_ne!(receipts[0]["id"], receipts[1]["id"]);
        assert_eq!(receipts[0]["bytes"], one.len());
        for (content_type, empty) in [(ARRAY, "[]"), (LINES, "\n\n")] {
            assert!(items(post(tis, content_type, empty).send().await.unwrap(), 202).await.is_empty());
        }
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hl7_batch_gets_one_acknowledgement_for_each_message() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let control_ids = ["A-9", "A-3", "A-7", "A-1"];
        let messages: String = control_ids.iter().map(|id| hl7("ADT^A08", id, "P1", "V1")).collect();
        let header = |name, id| format!("{name}|^~\\&|APP|EAST|WAYBILL|HUB|20260310||n||{id}\r");
        let body = format!("{}{}{messages}BTS|4\rFTS|1\r", header("FHS", "F-1"), header("BHS", "B-1"));
        let response = post(docutap, HL7, body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], HL7);
        assert!(!response.headers().contains_key("idempotent-replayed"));
        let answer = response.text().await.unwrap();
        let segments: Vec<&str> = answer.split_terminator('\r').collect();
        for (at, (name, reference)) in [("FHS", "F-1"), ("BHS", "B-1")].into_iter().enumerate() {
            let fields: Vec<&str> = segments[at].split('|').collect();
            assert_eq!((fields[0], &fields[2..6]), (name, &["WAYBILL", "HUB", "APP", "EAST"][..]));
            assert!(!fields[10].is_empty() && fields[11] == reference, "{}", segments[at]);
        }
        let said = |answer: &str, start: &str| -> Vec<String> {
            answer.split('\r').filter(|line| line.starts_with(start)).map(str::to_owned).collect()
        };
        assert_eq!(said(&answer, "MSA"), control_ids.map(|id| format!("MSA|AA|{id}")));
        assert_eq!(segments[segments.len() - 2..], ["BTS|4", "FTS|1"]);

        world.until_settled().await;
        let effects = "select r.idempotency_key from witness w join receipt r on r.id = w.by order by w.seq";
        let effects: Vec<String> = sqlx::query_scalar(effects).fetch_all(&world.db).await.unwrap();
        assert_eq!(effects, control_ids.map(|id| format!("APP|EAST|{id}")));

        let again = post(docutap, HL7, body).send().await.unwrap();
        assert_eq!(again.headers()["idempotent-replayed"], "true");
        let again = again.text().await.unwrap();
        assert_eq!(said(&again, "MSH"), said(&answer, "MSH"), "the acknowledgements given before");
        assert_eq!(said(&again, "MSA"), said(&answer, "MSA"));
        let empty = post(docutap, HL7, "BHS|^~\\&|APP|EAST|||||||B-2\rBTS|0\r").send().await.unwrap();
        assert_eq!(empty.status(), 200);
        let empty = empty.text().await.unwrap();
        assert!(empty.starts_with("BHS|^~\\&|||APP|EAST|") && empty.ends_with("|B-2\rBTS|0\r"), "{empty}");
        // alone or in a batch: the same message
        let alone = docutap.hl7(hl7("ADT^A08", "A-3", "P1", "V1")).send().await.unwrap();
        assert_eq!(alone.headers()["idempotent-replayed"], "true");
        assert_eq!(world.count("select count(*) from receipt").await, 4);
        assert_eq!(world.count("select count from duplicate where source = 'docutap'").await, 5);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_item_is_refused_nothing_is_stored() {
    World::run(async |mut world| {
        apply_more(&mut world).await;
        let url = world.ingest(&[]).await;
        let good = signature("m", "2026-01-31T12:00:00Z", "GG10");
        let (adt, bhs) = (arrival("1", "P1", "V1"), "BHS|^~\\&|APP\r");
        let bad = |from: &str, to: &str| format!("{bhs}{adt}{}BTS|2\r", adt.replace(from, to));
        let large = format!("[1,\"{}\"]", "x".repeat(100));
        let cases = [
            ("tis", ARRAY, format!("[{good},{{\"SECRET\"}}]"), 400, "malformed-body", Some(1)),
            ("tis", ARRAY, format!("{{\"SECRET\":{good}}}"), 400, "malformed-body", None),
            ("tis", ARRAY, format!("[{good}] SECRET"), 400, "malformed-body", None),
            ("tis", LINES, format!("{good}\n\n{good}\nSECRET\n"), 400, "malformed-body", Some(2)),
            ("small", ARRAY, large, 413, "body-too-large", Some(1)),
            ("tis", "text/csv", good.clone(), 415, "unsupported-media-type", None),
            ("archive", ARRAY, "[1]".into(), 415, "unsupported-media-type", None),
            ("docutap", ARRAY, "[1]".into(), 415, "unsupported-media-type", None),
            (
                "events",
                EVENTS,
                format!("[{},{{\"id\":\"SECRET\"}}]", event(1, "a")),
                400,
                "malformed-body",
                Some(1),
            ),
            (
                "events",
                EVENTS,
                format!("[{},{}]", event(1, "a"), event(1, "b")),
                422,
                "idempotency-key-reused",
                Some(1),
            ),
            ("docutap", HL7, bad("|P|2.5.1", "|SECRET|2.5.1"), 400, "malformed-body", Some(1)),
            ("docutap", HL7, bad("|1|P|", "||P|"), 400, "malformed-body", Some(1)),
            ("docutap", HL7, bad("ADT^A04", "ACK^A04"), 400, "malformed-body", Some(1)),
            ("docutap", HL7, bad("|^~\\&|", "|^^|"), 400, "malformed-body", Some(1)),
            ("docutap", HL7, format!("{bhs}{adt}BTS|2\r"), 400, "malformed-body", None),
            ("docutap", HL7, format!("{bhs}{adt}BTS|1\rFTS|2\r"), 400, "malformed-body", None),
            ("docutap", HL7, "SECRET".into(), 400, "malformed-body", None),
        ];
        for (source, content_type, body, status, slug, item) in cases {
            let response =
                post(&world.partner(source, &url), content_type, body.clone()).send().await.unwrap();
            let problem = check_problem(response, status, slug, item).await;
            if body.contains("|SECRET|2.5.1") {
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.starts_with("AR 202: MSH-11 is not P, D or T"), "{detail}");
            }
        }
        let tis = world.partner("tis", &url);
        for key in ["", "\"\"", &"k".repeat(251)] {
            let response = post(&tis, ARRAY, "[1]").header("idempotency-key", key).send().await.unwrap();
            check_problem(response, 400, "idempotency-key-invalid", None).await;
        }
        let keyless = world.http.post(format!("{url}/v1/messages/batch")).body("[]").send().await.unwrap();
        check_problem(keyless, 401, "unauthorized", None).await;
        let read = tis.request(reqwest::Method::GET, "/v1/messages/batch").send().await.unwrap();
        check_problem(read, 405, "method-not-allowed", None).await;
        assert_eq!(world.count("select count(*) from receipt").await, 0, "nothing was stored");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_a_duplicate_and_a_reused_key_refuses_all() {
    World::run(async |mut world| {
        apply_more(&mut world).await;
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let send = |body: String| post(tis, LINES, body).header("idempotency-key", "k").send();
        let first = items(send(lines("m", 3)).await.unwrap(), 202).await;
        let again = send(lines("m", 3)).await.unwrap();
        assert_eq!(again.headers()["idempotent-replayed"], "true");
        let again = items(again, 200).await;
        assert_eq!(ids(&again), ids(&first));
        assert!(again.iter().all(|item| item["duplicate"] == true));
        assert_eq!(again[0]["received_at"], first[0]["received_at"]);
        // one more than before: three are known, one is new
        let more = items(send(lines("m", 4)).await.unwrap(), 202).await;
        assert_eq!(ids(&more)[..3], ids(&first)[..]);
        let known: Vec<bool> = more.iter().map(|item| item["duplicate"].as_bool().unwrap()).collect();
        assert_eq!(known, [true, true, true, false]);
        // a fifth item would be new, but the second was something else
        let other = lines("m", 5).replacen("12:00:01Z", "12:00:59Z", 1);
        check_problem(send(other).await.unwrap(), 422, "idempotency-key-reused", Some(1)).await;
        assert_eq!(world.count("select count(*) from receipt").await, 4);
        assert_eq!(world.count("select count from duplicate where source = 'tis'").await, 6);

        let events = &world.partner("events", &tis.url);
        let batch = |list: &[String]| format!("[{}]", list.join(","));
        let twice = batch(&[event(1, "a"), event(2, "b"), event(1, "a")]);
        let twice = items(post(events, EVENTS, twice).send().await.unwrap(), 202).await;
        assert_eq!((&twice[2]["id"], &twice[2]["duplicate"]), (&twice[0]["id"], &true.into()));
        assert_eq!(twice[1]["idempotency_key"], "/s#2");
        // the place of an item counts those that are repeats
        let reused = batch(&[event(3, "c"), event(3, "c"), event(2, "SECRET")]);
        check_problem(
            post(events, EVENTS, reused).send().await.unwrap(),
            422,
            "idempotency-key-reused",
            Some(2),
        )
        .await;
        let alone = events.request(reqwest::Method::POST, "/v1/messages");
        let alone = alone.header("content-type", "application/cloudevents+json").body(event(1, "a")).send();
        assert_eq!(alone.await.unwrap().status(), 200, "alone or in a batch: the same message");
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from receipt").await, 6);

        let docutap = &partners["docutap"];
        let reused =
            [arrival("77", "P1", "V1"), arrival("77", "P2", "V2"), arrival("77", "P1", "V1")].concat();
        let answer = post(docutap, HL7, reused).send().await.unwrap().text().await.unwrap();
        assert_eq!(answer.matches("MSA|AA|77").count(), 3, "{answer}");
        let flags =
            "select array_agg(control_id_conflict order by seq) from receipt where source = 'docutap'";
        let flags: Vec<bool> = sqlx::query_scalar(flags).fetch_one(&world.db).await.unwrap();
        assert_eq!(flags, [false, true]);
        world.until_settled().await;
        world
    })
    .await;
}
