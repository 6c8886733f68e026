//! The projection `visit`, end to end: messages in, rows out.
//!
//! A message is written as one line: its trigger, then fields by name (`p` PID-3, `mrg` MRG-1, `v`
//! PV1-19, `sch` SCH-1, ...). `#` stands for the case, which has patients and visits of its own.

mod tables;

use reqwest::{RequestBuilder, Response};

use crate::support::partner::acknowledged;
use crate::support::world::SOURCES;
use crate::support::{Partner, World};
use tables::{Case, LIFE, MERGES};

/// An identifier alone is a medical record number of EAST.
fn identifier(text: &str) -> String {
    if text.contains('^') { text.to_owned() } else { format!("{text}^^^EAST^MR") }
}

/// The message that a line of a case says, under a control id.
fn message(line: &str, control_id: &str) -> String {
    let mut words = line.split(' ');
    let trigger = words.next().unwrap();
    let (mut people, mut fields) = (Vec::new(), Vec::new());
    for word in words {
        match word.split_once('=').unwrap() {
            ("p", id) => people.push(format!("PID|||{}", identifier(id))),
            ("mrg", id) => people.push(format!("MRG|{}", identifier(id))),
            field => fields.push(field),
        }
    }
    let field = |name: &str, absent: &'static str| {
        fields.iter().find(|(of, _)| *of == name).map_or(absent, |(_, value)| *value).to_owned()
    };
    let code = if trigger.starts_with('S') { "SIU" } else { "ADT" };
    let sent = format!(
        "{}||{code}^{trigger}|{control_id}|{}|2.5.1",
        field("sent", "20260310120000-0500"),
        field("msh11", "P")
    );
    let mut segments = vec![format!("MSH|^~\\&|APP|EAST|WAYBILL|HUB|{sent}||{}", field("msh14", "").trim())];
    if code == "SIU" {
        segments.push(format!("SCH|{}||||||||||^^^{}", field("sch", ""), field("start", "")));
    } else {
        segments.push(format!("EVN||{}", field("evn", "")));
    }
    if people.len() == 1 {
        people[0] = format!("{}||{}||{}", people[0], field("name", ""), field("born", ""));
    }
    segments.append(&mut people);
    let (blank, far) = ("|".repeat(15), "|".repeat(25));
    let (place, visit) = (field("loc", ""), field("v", ""));
    segments.push(format!("PV1||O|{place}|{blank}{visit}{far}{}|{}", field("pv44", ""), field("pv45", "")));
    segments.join("\r") + "\r"
}

/// Posts until it is accepted, as a sender must: on a busy machine the ledger may be late.
async fn accepted(request: impl Fn() -> RequestBuilder) -> Response {
    for _ in 0..20 {
        let response = request().send().await.unwrap();
        if response.status() != 503 {
            assert_eq!(response.status(), 200);
            return response;
        }
    }
    panic!("the ledger never had time")
}

/// Posts the messages of `case`, one after another; their ids.
async fn post(partner: &Partner, case: &str, messages: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for (number, line) in messages.iter().enumerate() {
        let body = message(&line.replace('#', case), &format!("{case}-{number}"));
        ids.push(acknowledged(&accepted(|| partner.hl7(body.clone())).await));
    }
    ids
}

/// The rows of `case` in `source`, what is null left out.
async fn rows(world: &World, source: &str, case: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select concat_ws(' ', replace(visit_id, $2, '#'),
                replace(patient_id, $2, '#') || '@' || patient_authority, status,
                'name=' || nullif(concat_ws(',', family_name, given_name), ''), 'born=' || birth_date, 'loc=' || location,
                'scheduled=' || to_char(scheduled_at at time zone 'UTC', 'DD HH24:MI'),
                'arrived=' || to_char(arrived_at at time zone 'UTC', 'DD HH24:MI'),
                'closed=' || to_char(closed_at at time zone 'UTC', 'DD HH24:MI'))
         from visit where source = $1 and starts_with(visit_id, $2) order by visit_id collate \"C\"",
    )
    .bind(source)
    .bind(case)
    .fetch_all(&world.db)
    .await
    .unwrap()
}

async fn check(cases: &'static [Case]) {
    World::run(async |mut world| {
        let partners = world.everything().await;
        for (number, case) in cases.iter().enumerate() {
            post(&partners["docutap"], &format!("c{number}."), case.messages).await;
        }
        world.until_settled().await;
        for (number, case) in cases.iter().enumerate() {
            assert_eq!(rows(&world, "docutap", &format!("c{number}.")).await, case.rows, "{}", case.what);
        }
        let circles = "select count(*) from patient_merge m join patient_merge n on n.source = m.source
            and n.prior_id = m.survivor_id and n.prior_authority = m.survivor_authority";
        assert_eq!(world.count(circles).await, 0, "no survivor is a prior patient");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_visit() {
    check(LIFE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_move_visits_and_are_remembered() {
    check(MERGES).await;
}

/// The warnings of a message's last attempt.
async fn warnings(partner: &Partner, id: &str) -> Vec<String> {
    let message = partner.message(id).await;
    let warnings = &message["attempt_log"].as_array().unwrap().last().unwrap()["warnings"];
    warnings.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_is_said_and_kept_with_the_attempt() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let cases: &[(&str, &[&str])] = &[
            ("A04 p=#A v=#1 pv44=202603101200", &[]),
            ("A04 p=#A v=#2 sent=20261101 evn=202611010130",
             &["EVN-2 is in an hour that occurs twice in America/New_York: arrived_at was not taken from it"]),
            ("A04 p=#A v=#1 pv44=SECRET", &["PV1-44 is not an HL7 timestamp: arrived_at was not taken from it"]),
            ("A08 p=#A v=#1 evn=202603101200 born=SECRET", &["PID-7 is not an HL7 timestamp: birth_date was not taken from it"]),
            ("A08 p=#A v=#1 evn=202603101200", &[]),
            ("A08 p=#A v=#1 evn=202603101159 loc=OLD",
             &["EVN-2 is older than that of a message applied to this visit before: applied all the same, in the order of acceptance"]),
            ("A40 p=#B mrg=#A", &[]),
            ("A08 p=#A v=#1", &["PID-3 names a patient that was merged into another: the visit was given to that one"]),
            ("A40 p=#A mrg=#C", &["PID-3 names a patient that was merged into another: the prior patient was merged into that one"]),
            ("A40 p=#D mrg=#A", &["MRG-1 names a patient that had been merged into another: visits moved there then stay there"]),
            ("A40 p=#A mrg=#D", &["MRG-1 names the patient that PID-3 had been merged into: that merge was reversed"]),
            ("A40 p=#B mrg=#B", &["PID-3 and MRG-1 name the same patient: nothing was merged for it"]),
        ];
        let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
        let ids = post(docutap, "w.", &lines).await;
        world.until_settled().await;
        for ((line, expected), id) in cases.iter().zip(&ids) {
            assert_eq!(warnings(docutap, id).await, *expected, "{line}");
        }
        assert_eq!(
            rows(&world, "docutap", "w.").await,
            ["#1 #B@EAST in_progress loc=OLD arrived=10 17:00", "#2 #B@EAST arrived"],
            "an unreadable time leaves the column as it was; a time in doubt is no time",
        );
        let message = docutap.message(&ids[1]).await;
        assert!(message["timeline"].to_string().contains("attempt 1 warned: EVN-2"), "{message}");
        let kept = world.count("select count(*) from attempt where array_to_string(warnings, '') like '%SECRET%'").await;
        assert_eq!(kept, 0, "no value is kept in a warning");
        world
    })
    .await;
}

/// A feed without an order: messages of one patient and its merge are recorded side by side. Those
/// before the merge are moved by it, those after it are redirected, and none falls in between.
#[tokio::test(flavor = "multi_thread")]
async fn no_visit_is_left_behind_by_a_merge_that_races_it() {
    World::run(async |mut world| {
        world.apply(&SOURCES.replace("order_by = \"patient\"", "order_by = \"none\"")).await;
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let post = async |line: String, control_id: String| {
            accepted(|| docutap.hl7(message(&line, &control_id))).await;
        };
        let arrivals = (0..60).map(|n| post(format!("A04 p=A v=r{n}"), format!("r{n}")));
        let merges = [post("A40 p=B mrg=A".into(), "m1".into()), post("A40 p=C mrg=B".into(), "m2".into())];
        futures_util::future::join_all(arrivals.chain(merges)).await;
        world.until_settled().await;
        // both merges are in force, whichever was recorded first
        assert_eq!(world.count("select count(*) from visit where patient_id = 'C'").await, 60);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_is_acknowledged_and_dead() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let docutap = &partners["docutap"];
        let ids =
            post(docutap, "f.", &["A04 p=#A v=#1 msh14=PART-2", "A04 p=#A v=#1", "A04 p=#B v=#2"]).await;
        docutap.until(&ids[0], "dead").await;
        let message = docutap.message(&ids[0]).await;
        assert_eq!(message["error_class"], "validation");
        assert!(message["error_reason"].as_str().unwrap().starts_with("MSH-14/DSC: a fragment"), "{message}");
        docutap.until(&ids[1], "held").await;
        docutap.until(&ids[2], "processed").await;
        assert_eq!(rows(&world, "docutap", "f.").await, ["#2 #B@EAST arrived"]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_processing_ids_have_effects_and_the_empty_one_may_be_listed() {
    World::run(async |mut world| {
        let open = SOURCES.replace("order_by =", "processing_ids = [\"T\", \"\"]\norder_by =");
        let open = open.split("[[source]]").nth(1).unwrap().replace("\"docutap\"", "\"open\"");
        world.apply(&format!("{SOURCES}\n[[source]]{open}")).await;
        let partners = world.everything().await;
        let (docutap, open) = (&partners["docutap"], &partners["open"]);
        let lines = ["A04 p=#A v=#1 msh11=T", "A04 p=#A v=#2 msh11=D", "A04 p=#A v=#3 msh11=P"];
        let ids = post(docutap, "t.", &lines).await;
        post(open, "t.", &lines).await;
        post(open, "t.", &["A03 p=#A v=#1 msh11=T pv45=202603101200"]).await;
        post(open, "e.", &["A04 p=#A v=#4 msh11=", "A04 p=#A v=#5 msh11=\"\""]).await;
        let refused =
            docutap.hl7(message("A04 p=A v=6 msh11=", "r")).send().await.unwrap().text().await.unwrap();
        assert!(refused.contains("\rMSA|AR|r\rERR||MSH^1^11|202^"), "{refused}");
        world.until_settled().await;
        assert_eq!(rows(&world, "docutap", "t.").await, ["#3 #A@EAST arrived"]);
        for id in &ids[..2] {
            assert_eq!(docutap.message(id).await["ignored"], "processing id without effects");
        }
        assert_eq!(rows(&world, "open", "t.").await, ["#1 #A@EAST closed closed=10 17:00"]);
        assert_eq!(rows(&world, "open", "e.").await, ["#4 #A@EAST arrived", "#5 #A@EAST arrived"]);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acknowledgement_is_in_the_requests_type_and_character_set() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        let docutap = world.partner("docutap", &url);
        let cases = [("; charset=ISO-8859-2", ""), ("", "8859/2"), ("", "")];
        for (number, (charset, msh_18)) in cases.into_iter().enumerate() {
            let content_type = format!("application/hl7-v2+er7{charset}");
            let line = format!("A04 p=A v=l.{number} name=\u{b3}");
            let text = message(&line, "L1").replace("|APP|", "|\u{f3}|");
            let text = text.replacen("|2.5.1||", &format!("|2.5.1||||||{msh_18}"), 1);
            let body: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            let response = accepted(|| {
                let request = docutap.request(reqwest::Method::POST, "/v1/messages");
                request.header("content-type", &content_type).body(body.clone())
            })
            .await;
            assert_eq!(response.headers()["content-type"], content_type.as_str());
            let answer = response.bytes().await.unwrap();
            let msh = answer.split(|byte| *byte == b'\r').next().unwrap();
            let fields: Vec<&[u8]> = msh.split(|byte| *byte == b'|').collect();
            assert_eq!(fields[4], b"\xf3", "MSH-5 is the request's MSH-3, byte for byte");
            assert_eq!(
                fields.get(17).copied().unwrap_or_default(),
                msh_18.as_bytes(),
                "MSH-18 is the request's"
            );
        }
        world.until_settled().await;
        let names = ["\u{142}", "\u{142}", "\u{b3}"].map(|name| format!("A@EAST arrived name={name}"));
        let expected: Vec<_> = (0..).zip(names).map(|(number, row)| format!("#{number} {row}")).collect();
        assert_eq!(rows(&world, "docutap", "l.").await, expected);
        world
    })
    .await;
}
