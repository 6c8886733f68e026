//! The incident pack: its figures are those of the ledger, in every form.

use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::support::World;
use crate::support::partner::{arrival, id, signature};
use crate::support::programs::run;

const ALWAYS: [&str; 4] = ["--from", "2020-01-01", "--to", "2100-01-01"];
/// A window of a sensible length around now.
const NOW: &str = "select to_char(now() at time zone 'utc' + $1::interval, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

async fn moment(world: &World, shift: &str) -> String {
    sqlx::query_scalar(NOW).bind(shift).fetch_one(&world.db).await.unwrap()
}

fn pack(world: &World, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut settings = world.settings();
    settings.push(("USER".to_owned(), "kim".to_owned()));
    let output = run("waybill", &[&["report"], arguments].concat(), &settings);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What happened: three visits, one of them late; a form discarded, one that had waited for it, and one
/// that is dead. The ids of the first and the last.
async fn incident(world: &mut World) -> (String, String) {
    let partners = world.everything().await;
    let (docutap, tis) = (&partners["docutap"], &partners["tis"]);
    for n in 0..3 {
        docutap
            .insist(|| docutap.hl7(arrival(&format!("C-{n}"), &format!("MRN-SECRET-{n}"), &format!("V-{n}"))))
            .await;
    }
    let body = |version| signature("member-secret", "2026-01-31T12:00:00Z", version);
    let discarded = id(tis.insist(|| tis.json("k1", body("GG11"))).await).await;
    tis.until(&discarded, "dead").await;
    let waited = id(tis.insist(|| tis.json("=cmd()", body("GG10"))).await).await;
    tis.until(&waited, "held").await;
    let discard = run("waybill", &["dead", "discard", &discarded, "--reason", "a test"], &world.settings());
    assert_eq!(discard.status.code(), Some(0));
    let dead =
        id(tis.insist(|| tis.json("k3", signature("other", "2026-01-31T12:00:00Z", "GG12"))).await).await;
    world.until_settled().await;
    // one that took longer than its source's deadline
    world
        .db
        .execute(
            "update progress set finished_at = finished_at + interval '1 hour' where source = 'docutap'
         and id = (select min(id::text)::uuid from progress where source = 'docutap')",
        )
        .await
        .unwrap();

    (discarded, dead)
}

/// The pack as JSON, which must tell just that.
fn figures(world: &World, window: &[&str], (discarded, dead): &(String, String)) -> String {
    let (code, text, said) = pack(world, &[window, &["--format", "json"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let json: Value = serde_json::from_str(&text).unwrap();
    let partner = |name: &str| {
        json["partners"].as_array().unwrap().iter().find(|p| p["source"] == name).cloned().unwrap()
    };
    let (hl7, forms) = (partner("docutap"), partner("tis"));
    assert_eq!(
        (&hl7["accepted"], &hl7["processed"], &hl7["delayed"]),
        (&json!(3), &json!(3), &json!(1)),
        "{hl7}"
    );
    assert!(hl7["max_s"].as_f64().unwrap() > 3_000.0 && hl7["p50_s"].as_f64().unwrap() < 300.0, "{hl7}");
    for (column, expected) in [
        ("accepted", 3),
        ("processed", 1),
        ("dead", 1),
        ("discarded", 1),
        ("ever_dead", 2),
        ("held", 0),
        ("replayed", 0),
    ] {
        assert_eq!(forms[column], json!(expected), "{column}: {forms}");
    }
    let deaths: i64 = json["deaths"].as_array().unwrap().iter().map(|d| d["deaths"].as_i64().unwrap()).sum();
    assert_eq!(deaths, 2, "{json}");
    let slices = json["slices"].as_array().unwrap();
    let sum = |column: &str| slices.iter().map(|slice| slice[column].as_i64().unwrap()).sum::<i64>();
    assert_eq!((sum("accepted"), sum("died")), (6, 2), "{slices:?}");
    assert_eq!(sum("finished"), 4, "one finished after the window: {slices:?}");
    assert_eq!(slices.last().unwrap()["open"], 1, "the one that finished after the window");
    let affected: Vec<&str> =
        json["messages"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(affected.len(), 3, "{affected:?}");
    assert!(affected.contains(&discarded.as_str()) && affected.contains(&dead.as_str()));

    text
}

/// Each partner's counts are the same as JSON, as a table of Markdown and as CSV.
fn same_in_every_form(json: &Value, markdown: &str, csv: &str) {
    const COLUMNS: [&str; 14] = [
        "accepted",
        "processed",
        "ignored",
        "discarded",
        "dead",
        "held",
        "in_progress",
        "unaccounted",
        "delayed",
        "ever_dead",
        "replayed",
        "repaired",
        "found",
        "retried",
    ];
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    for partner in json["partners"].as_array().unwrap() {
        let source = partner["source"].as_str().unwrap();
        let counts: Vec<String> = COLUMNS.iter().map(|column| partner[column].to_string()).collect();
        let row = format!("| {source} | {} |", counts.join(" | "));
        assert!(markdown.contains(&row), "{row} is not in {markdown}");
        let line: Vec<&str> =
            csv.lines().find(|line| line.starts_with(&format!("{source},"))).unwrap().split(',').collect();
        for (column, cell) in header.iter().zip(line) {
            match &partner[column] {
                Value::Null => assert_eq!(cell, "", "{column}"),
                Value::String(text) => assert_eq!(cell, text, "{column}"),
                number => {
                    let apart = number.as_f64().unwrap() - cell.parse::<f64>().unwrap();
                    assert!(apart.abs() < 0.001, "{column}: {number} and {cell}");
                }
            }
        }
    }
}

/// All that happened so far, two hours earlier.
async fn age(world: &World) {
    let age = "update receipt set received_at = received_at - interval '2 hours'";
    world.db.execute(age).await.unwrap();
    let age = "with aged as (update progress set finished_at = finished_at - interval '2 hours'
                             where finished_at is not null returning id, finished_at)
               update dead_list l set dead_at = a.finished_at from aged a where a.id = l.id";
    world.db.execute(age).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_and_affected_in_the_window_is_told_apart() {
    World::run(async |world| {
        use crate::plans::{dead, good};
        use crate::support::BY;
        // dead before the window and left so; dead before and replayed in it; dead in it; late in it; done
        let before = dead(&world, &[good(1), good(2)]).await;
        let others = crate::plans::stored(&world, &[good(3), good(4), good(5)]).await;
        assert_eq!(crate::plans::complete(&world, &others[2..]).await, 1);
        age(&world).await;
        let (from, to) = (moment(&world, "-1 hour").await, moment(&world, "1 hour").await);
        let window = ["--from", from.as_str(), "--to", to.as_str(), "--format", "json"];
        world.store.replay(&before[1..], BY.because("mended")).await.unwrap();
        assert_eq!(crate::plans::complete(&world, &before[1..]).await, 1);
        assert_eq!(crate::plans::die(&world, &others[..1]).await, 1);
        let inside = dead(&world, &[good(6)]).await;

        let (code, text, said) = pack(&world, &window);
        assert_eq!(code, Some(0), "{said}");
        let json: Value = serde_json::from_str(&text).unwrap();
        let tis = &json["partners"][0];
        for (column, expected) in [
            ("accepted", 1),
            ("dead", 1),
            ("ever_dead", 1),
            ("repaired", 0),
            ("earlier", 3),
            ("earlier_dead", 2),
            ("earlier_repaired", 1),
            // the one that waits, and the one that was mended two hours late
            ("earlier_delayed", 2),
        ] {
            assert_eq!(tis[column], json!(expected), "{column}: {tis}");
        }
        let messages = json["messages"].as_array().unwrap();
        let told = |id: &uuid::Uuid| messages.iter().find(|m| m["id"] == id.to_string());
        assert!(told(&before[0]).is_none(), "it was dead all the time, and nothing happened to it");
        assert!(told(&others[2]).is_none(), "it was done before");
        let mended = told(&before[1]).unwrap();
        assert_eq!(
            (&mended["earlier"], &mended["repaired"], &mended["replays"]),
            (&json!(true), &json!(true), &json!(1))
        );
        assert!(mended["dead_s"].as_f64().unwrap() > 3_600.0, "{mended}");
        let died = told(&others[0]).unwrap();
        assert_eq!(
            (&died["earlier"], &died["deaths"], &died["late_s"]),
            (&json!(true), &json!(1), &Value::Null)
        );
        let late = told(&others[1]).unwrap();
        assert_eq!((&late["earlier"], &late["delayed"]), (&json!(true), &json!(true)));
        assert!(late["late_s"].as_f64().unwrap() > 3_600.0, "{late}");
        assert_eq!(told(&inside[0]).unwrap()["earlier"], false);
        assert_eq!(messages.len(), 4);
        let group = &json["deaths"][0];
        assert_eq!(
            (&group["deaths"], &group["earlier"], &group["still_dead"]),
            (&json!(2), &json!(1), &json!(2))
        );
        let listed = run("waybill", &["dead", "groups", "--json"], &world.settings());
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed[0]["fingerprint"], group["group"], "as the list of the dead names it");
        let (_, markdown, _) = pack(&world, &window[..4]);
        assert!(markdown.contains("| tis | 3 | 2 | 2 | 1 |"), "{markdown}");
        assert_eq!(crate::plans::complete(&world, &others[1..2]).await, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_that_was_undone_is_one_death() {
    World::run(async |world| {
        use crate::plans::{dead, good};
        use crate::support::BY;
        let ids = dead(&world, &[good(1)]).await;
        let (from, to) = (moment(&world, "-1 hour").await, moment(&world, "1 hour").await);
        world.store.discard(&ids, BY.because("the wrong one")).await.unwrap();
        let grace = std::time::Duration::from_mins(5);
        let how = waybill_store::undo::How { grace, out_of_order: false, by: BY };
        assert_eq!(world.store.undo(&ids, how).await.unwrap().undone, ids);
        let (_, text, _) = pack(&world, &["--from", &from, "--to", &to, "--format", "json"]);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["deaths"][0]["deaths"], &json["messages"][0]["deaths"]), (&json!(1), &json!(1)));
        assert_eq!(json["affected"], 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pack_counts_what_the_ledger_holds_in_every_form() {
    World::run(async |mut world| {
        let ids = incident(&mut world).await;
        let (from, to) = (moment(&world, "-1 hour").await, moment(&world, "5 minutes").await);
        let window = ["--from", from.as_str(), "--to", to.as_str()];
        let text = figures(&world, &window, &ids);
        let json: Value = serde_json::from_str(&text).unwrap();

        let (code, csv, _) = pack(&world, &[&window[..], &["--format", "csv", "--source", "tis"]].concat());
        assert_eq!((code, csv.lines().count()), (Some(0), 3), "{csv}");
        assert!(csv.contains(",#") && !csv.contains(",k3,"), "a sender's key is masked: {csv}");
        let clear = ["--format", "csv", "--source", "tis", "--keys"];
        assert_eq!(pack(&world, &[&window[..], &clear].concat()).0, Some(2), "in clear for a reason");
        let (_, clear, said) = pack(&world, &[&window[..], &clear, &["--reason", "for TIS"]].concat());
        assert!(clear.contains(",k3,"), "{clear}{said}");
        let (code, markdown, _) = pack(&world, &window);
        assert_eq!(code, Some(0));
        assert!(
            markdown.contains("| tis | 3 | 1 | 0 | 1 | 1 | 0 | 0 | 0 | 0 | 2 | 0 | 0 | 0 | 0 |"),
            "{markdown}"
        );
        for text in [&text, &csv, &markdown] {
            assert!(!text.contains("SECRET") && !text.contains("member-secret"), "no body: {text}");
        }

        let folder = std::env::temp_dir().join(&world.name);
        let (code, _, said) =
            pack(&world, &[&window[..], &["--out", &format!("{}/", folder.display())]].concat());
        assert_eq!(code, Some(0), "{said}");
        for file in ["report.md", "report.json", "messages.csv", "partners.csv", "deaths.csv", "timeline.csv"]
        {
            assert!(std::fs::metadata(folder.join(file)).unwrap().len() > 20, "{file}");
        }
        let whole: Value =
            serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        same_in_every_form(&whole, &read("report.md"), &read("partners.csv"));
        // how long it has been dead is told as of each pack
        let counts = |pack: &Value| {
            let partners = pack["partners"].as_array().unwrap().iter();
            partners
                .map(|p| (p["accepted"].clone(), p["ever_dead"].clone(), p["max_s"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(&whole), counts(&json), "the same figures");
        let messages = read("messages.csv");
        let of_tis = read("by-partner/tis.csv");
        assert_eq!(of_tis.lines().count(), 3, "the header and two: {of_tis}");
        assert!(
            of_tis.lines().all(|line| messages.contains(line)) && !of_tis.contains("docutap"),
            "{of_tis}"
        );
        let groups = read("deaths.csv");
        let group = json["deaths"][0]["group"].as_str().unwrap();
        assert!(group.len() == 16 && groups.contains(group) && markdown.contains(group), "{groups}");
        let (code, _, said) = pack(&world, &[&window[..], &["--out", folder.to_str().unwrap()]].concat());
        assert_eq!(code, Some(1), "nothing is overwritten: {said}");
        std::fs::remove_dir_all(&folder).unwrap();
        let exports =
            world.count("select count(*) from audit where action = 'export report' and actor = 'kim'").await;
        assert_eq!(exports, 6);
        let counted = "select count(*) from audit where action = 'export report'
                       and detail->>'count' in ('2', '3') and detail->'filter' ? 'from'";
        assert_eq!(world.count(counted).await, 6, "each with how many there were");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_refused_without_a_window_a_source_or_a_trail() {
    World::run(async |world| {
        assert_eq!(pack(&world, &["--from", "2026-01-01"]).0, Some(2));
        assert_eq!(pack(&world, &["--from", "2026-01-02", "--to", "2026-01-01"]).0, Some(2));
        assert_eq!(pack(&world, &["--format", "csv"]).0, Some(2));
        assert_eq!(pack(&world, &ALWAYS).0, Some(2), "longer than seven years");
        let day = ["--from", "2026-01-01", "--to", "2026-01-02"];
        assert_eq!(pack(&world, &[&day[..], &["--source", "nobody"]].concat()).0, Some(3));
        assert_eq!(pack(&world, &day).0, Some(3), "nothing was accepted then");
        assert_eq!(pack(&world, &[]).0, Some(0), "the balance is as it was");
        world.db.execute("alter table audit rename to gone").await.unwrap();
        let (code, shown, said) = pack(&world, &day);
        assert_eq!((code, shown.as_str()), (Some(1), ""), "{said}");
        assert!(said.contains("nothing is written"), "{said}");
        world.db.execute("alter table gone rename to audit").await.unwrap();
        world
    })
    .await;
}
