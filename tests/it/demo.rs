//! The demo traffic, posted as `tests/fixtures/demo/posting.tsv` says, ends as written down beside it.

use std::collections::HashMap;
use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Row as _};

use crate::support::{Partner, World};

/// One line of posting.tsv.
struct Posting {
    path: String,
    content_type: String,
    key: Option<String>,
    status: u16,
    code: Option<String>,
    ends: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn postings(source: &str) -> Vec<Posting> {
    let some = |text: &str| (text != "-").then(|| text.to_owned());
    let posting = read("posting.tsv");
    let lines = posting.lines().filter(|line| line.starts_with(&format!("{source}/")));
    lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [path, content_type, key, status, code, ends] = columns[..] else {
                panic!("six columns: {line}")
            };
            Posting {
                path: path.to_owned(),
                content_type: content_type.to_owned(),
                key: some(key),
                status: status.parse().unwrap(),
                code: some(code),
                ends: ends.to_owned(),
            }
        })
        .collect()
}

/// Posts one source's files in order and checks each answer; the ids by file.
async fn post_all(partner: &Partner) -> HashMap<String, String> {
    let mut ids = HashMap::new();
    for posting in postings(&partner.name) {
        let body = std::fs::read(folder().join(&posting.path)).unwrap();
        let mut request = partner
            .request(reqwest::Method::POST, "/v1/messages")
            .header("content-type", &posting.content_type)
            .body(body);
        if let Some(key) = &posting.key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await.unwrap();
        let path = &posting.path;
        assert_eq!(response.status(), posting.status, "{path}");
        let location = response.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
        let answer = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        if let Some(code) = &posting.code {
            assert!(answer.contains(&format!("\rMSA{}{code}", &answer[3..4])), "{path}: {code}: {answer}");
        }
        if posting.ends != "refused" {
            let id = location.unwrap_or_else(|| panic!("{path}: no message")).replace("/v1/messages/", "");
            ids.insert(posting.path, id);
        }
    }
    ids
}

/// A table as text: a line per row, empty for null, the writer's id replaced by its file's name.
async fn table(world: &World, query: &str, files: &HashMap<String, String>) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&world.db).await.unwrap();
    rows.iter()
        .map(|row| {
            let mut cells: Vec<String> =
                (0..row.len()).map(|n| row.get::<Option<String>, _>(n).unwrap_or_default()).collect();
            let id = cells.pop().unwrap();
            cells.push(files[&id].clone());
            cells.join("\t")
        })
        .collect()
}

/// A time as the expected tables write it.
fn utc(column: &str) -> String {
    format!(
        "regexp_replace(to_char({column} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '\\.000000$', '') || 'Z'"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_as_written_down() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let (docutap, tis) = tokio::join!(post_all(&partners["docutap"]), post_all(&partners["tis"]));
        world.until_settled().await;
        let ids: HashMap<String, String> = docutap.into_iter().chain(tis).collect();
        for source in ["docutap", "tis"] {
            for posting in postings(source).into_iter().filter(|p| p.ends != "refused") {
                let message = partners[source].message(&ids[&posting.path]).await;
                let ended = if message["ignored"].is_string() { "ignored".into() } else { message["state"].clone() };
                // a duplicate is the same message as its original, wherever that ended
                if posting.ends != "duplicate" {
                    assert_eq!(ended, posting.ends.as_str(), "{}: {message}", posting.path);
                }
            }
        }
        // the first file of a message is its name; repeats have the same id
        let mut files = HashMap::new();
        let mut names: Vec<_> = ids.iter().collect();
        names.sort_unstable();
        for (file, id) in names {
            files.entry(id.clone()).or_insert_with(|| file.clone());
        }
        let (scheduled, arrived, closed) = (utc("scheduled_at"), utc("arrived_at"), utc("closed_at"));
        let visits = format!(
            "select source, visit_id, patient_id, patient_authority, family_name, given_name, birth_date::text,
                    status, location, {scheduled}, {arrived}, {closed}, updated_by::text
             from visit order by source collate \"C\", visit_id collate \"C\""
        );
        compare("visit", &table(&world, &visits, &files).await);
        let signatures = format!(
            "select source, programme_membership_id, {}, version, received_by::text
             from conditions_of_joining order by source collate \"C\", programme_membership_id collate \"C\"",
            utc("signed_at")
        );
        compare("conditions_of_joining", &table(&world, &signatures, &files).await);
        totals(&world).await;
        world
    })
    .await;
}

fn compare(name: &str, found: &[String]) {
    let expected = read(&format!("expected/{name}.tsv"));
    let expected: Vec<_> = expected.lines().skip(1).map(trim_fraction).collect();
    let found: Vec<_> = found.iter().map(|line| trim_fraction(line)).collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: rows");
}

/// Trailing zeros of a fraction of a second say nothing.
fn trim_fraction(line: &str) -> String {
    let trim = |cell: &str| match cell.strip_suffix('Z').and_then(|time| time.split_once('.')) {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { format!("{whole}Z") } else { format!("{whole}.{fraction}Z") }
        }
        None => cell.to_owned(),
    };
    line.split('\t').map(trim).collect::<Vec<_>>().join("\t")
}

async fn totals(world: &World) {
    let expected = read("expected/summary.tsv");
    let balances = world.store.balance().await.unwrap();
    for line in expected.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let balance = balances.iter().find(|b| b.source == columns[0]).unwrap();
        let found = [
            balance.accepted,
            balance.duplicate,
            balance.processed,
            balance.ignored,
            balance.dead,
            balance.held,
        ];
        let found: Vec<_> = found.iter().map(i64::to_string).collect();
        assert_eq!(found, columns[1..7], "{line}");
    }
}
