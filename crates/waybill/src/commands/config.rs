//! `waybill config check|print`. Reads the file and the environment, asks no service, and never shows
//! what is secret: a password in a URL, the pepper, and whatever cannot be told apart from one.

use std::path::Path;
use std::process::ExitCode;

use reqwest::Url;
use serde_json::json;
use toml::Value;
use waybill_process::config::{EXIT_CONFIG, Layers, Mistakes, Setting};

use crate::cli;
use crate::config::{Config, Need};
use crate::table;

/// In the place of a secret.
const HIDDEN: &str = "***";
/// Words in the names of settings that are secret as a whole.
const SECRET: [&str; 5] = ["pepper", "secret", "password", "token", "private"];
/// Parameters of URLs that are no secret; of any other the value is hidden.
const HARMLESS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "user",
    "dbname",
    "application_name",
    "heartbeat",
    "connection_timeout",
    "channel_max",
];

pub(super) fn run(path: Option<&Path>, command: &cli::Config) -> anyhow::Result<ExitCode> {
    let layers = Layers::load(path);
    match command {
        cli::Config::Check { output } => check(layers, output.json),
        cli::Config::Print { output } => print(layers, output.json),
    }
}

fn check(layers: Layers, for_machines: bool) -> anyhow::Result<ExitCode> {
    // ingest-api and two commands refuse to go on without it
    let lacks_pepper =
        layers.settings().any(|setting| is_pepper(&setting) && setting.value.as_str() == Some(""));
    let needs: &[Need] = if lacks_pepper {
        &[Need::Ledger, Need::Broker]
    } else {
        &[Need::Ledger, Need::Broker, Need::Pepper]
    };
    let note =
        "auth.pepper is empty (WAYBILL_AUTH__PEPPER): ingest-api, `waybill apply` and new keys need it";
    let notes: Vec<&str> = lacks_pepper.then_some(note).into_iter().collect();
    let found = Config::read(layers, needs);
    if for_machines {
        let mistakes = found.as_ref().err().map(|Mistakes(list)| list.clone()).unwrap_or_default();
        let said = json!({"ok": mistakes.is_empty(), "mistakes": mistakes, "notes": notes});
        println!("{}", table::json(&said)?);
        return Ok(if found.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) });
    }
    if let Err(mistakes) = found {
        return Ok(mistakes.report());
    }
    println!("The configuration is right.");
    for note in notes {
        println!("{note}.");
    }
    Ok(ExitCode::SUCCESS)
}

fn is_pepper(setting: &Setting<'_>) -> bool {
    (setting.section, setting.key) == ("auth", "pepper")
}

fn print(layers: Layers, for_machines: bool) -> anyhow::Result<ExitCode> {
    let settings: Vec<(String, String, Value, Option<String>)> = layers
        .settings()
        .map(|Setting { section, key, value, set_by }| {
            (section.to_owned(), key.to_owned(), shown(key, value), set_by.map(str::to_owned))
        })
        .collect();
    if let Err(mistakes) = Config::read(layers, &[]) {
        return Ok(mistakes.report());
    }
    if for_machines {
        let mut sections = serde_json::Map::new();
        for (section, key, value, _) in settings {
            let keys = sections.entry(section).or_insert_with(|| json!({}));
            keys[key] = serde_json::to_value(value)?;
        }
        println!("{}", table::json(&sections)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = String::new();
    for (section, key, value, set_by) in settings {
        if section != last {
            println!("{}[{section}]", if last.is_empty() { "" } else { "\n" });
            last = section;
        }
        let by = set_by.map(|by| format!("  # {by}")).unwrap_or_default();
        println!("{}", table::plain(&format!("{key} = {value}{by}")));
    }
    Ok(ExitCode::SUCCESS)
}

/// A value without what is secret in it.
fn shown(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(_) if SECRET.iter().any(|word| key.contains(word)) => HIDDEN.into(),
        Value::String(text) if key.contains("url") || text.contains("://") => url(text).into(),
        Value::Array(items) => Value::Array(items.iter().map(|item| shown(key, item)).collect()),
        _ => value.clone(),
    }
}

/// A URL without its password and unknown parameters. One in which a password may stand where none
/// belongs (it was not escaped) is hidden as a whole.
fn url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return HIDDEN.to_owned() };
    let misread = url.path().contains('@') || url.fragment().is_some() || !url.has_host();
    let stray = text.contains('@') && url.username().is_empty() && url.password().is_none();
    let odd_query = url.query().is_some_and(|query| query.contains('@'));
    if misread || stray || odd_query {
        return HIDDEN.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in &pairs {
            let value = if HARMLESS.contains(&name.as_str()) { value } else { HIDDEN };
            query.append_pair(name, value);
        }
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str, expected: &str) {
        assert_eq!(shown(key, &value.into()), Value::from(expected), "{value}");
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        check("url", "postgres://kim:pa55word@db:5432/waybill", "postgres://kim:***@db:5432/waybill");
        check("url", "amqp://kim:p%40ss@mq/v%2Fh?heartbeat=10", "amqp://kim:***@mq/v%2Fh?heartbeat=10");
        check(
            "url",
            "postgres://db/w?password=pa55word&sslmode=require",
            "postgres://db/w?password=***&sslmode=require",
        );
        check("url", "postgres://kim@db/w", "postgres://kim@db/w");
        check("metrics", "http://kim:pa55word@mq:15692", "http://kim:***@mq:15692/");
        check("pepper", "a pepper for tests", "***");
        check("webhook_secret", "x", "***");
        check("listen", "127.0.0.1:8080", "127.0.0.1:8080");
        check("url", "", "");
    }

    #[test]
    fn a_password_that_was_not_escaped_hides_the_whole_url() {
        for text in [
            "postgres://kim:12#34@db/w",
            "postgres://kim:12/34@db/w",
            "postgres://kim:12?34@db/w",
            "postgres://kim:pa#ss@db/w",
            "host=db password=pa55word",
            "kim:pa55word@db",
        ] {
            check("url", text, HIDDEN);
        }
    }
}
