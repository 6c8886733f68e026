//! Configuration: a default for every key, then a file, then the environment.
//!
//! The commented default file is compiled in and is the schema: it says which keys there are and
//! of what type. A key it does not know, or a value of another type, is a mistake, and all
//! mistakes are reported at once, before a port is bound. The environment counts where a name has
//! a double underscore (`WAYBILL_SECTION__KEY`) or is one of the three short names; other
//! `WAYBILL_` variables are none of our business. Values are never printed: they may be secret.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The default of every key.
pub const DEFAULT: &str = include_str!("../../../deploy/waybill.default.toml");

/// Names without a section, for what everybody sets.
const SHORT_NAMES: [(&str, &str, &str); 3] = [
    ("WAYBILL_DATABASE_URL", "database", "url"),
    ("WAYBILL_AMQP_URL", "amqp", "url"),
    ("WAYBILL_RABBITMQ_API_URL", "rabbitmq_api", "url"),
];

/// The exit code of a process whose configuration is wrong (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// The merged configuration, while its sections are read and mistakes are collected.
#[derive(Debug)]
pub struct Layers {
    table: Table,
    mistakes: Vec<String>,
    /// What set a key, by section and key; the others have their defaults.
    set_by: BTreeMap<(String, String), String>,
}

/// One key, as it is.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Its section.
    pub section: &'a str,
    /// Its name there.
    pub key: &'a str,
    /// Its value, which may be secret.
    pub value: &'a Value,
    /// The variable, or the file, that set it; none: its default holds.
    pub set_by: Option<&'a str>,
}

/// What is said to have set a key that stands in the configuration file.
const THE_FILE: &str = "the configuration file";

/// Settings that every process has.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Process {
    /// Seconds from SIGTERM to exit.
    pub shutdown_s_max: u64,
    /// How often changed sources are looked for, in milliseconds.
    pub sources_refresh_ms: u64,
    /// A tracing filter.
    pub log: String,
    /// `text` or `json`.
    pub log_format: String,
}

impl Layers {
    /// Merges the defaults, the file at `path` and the process's environment.
    pub fn load(path: Option<&Path>) -> Self {
        let file = path.map(|path| {
            std::fs::read_to_string(path)
                .map_err(|e| format!("{}: cannot be read: {}", path.display(), e.kind()))
        });
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::merge(file, environment)
    }

    /// Merges the defaults, a file's text and an environment.
    pub fn merge(
        file: Option<Result<String, String>>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Self {
        let mut layers = Self { table: Table::new(), mistakes: Vec::new(), set_by: BTreeMap::new() };
        match DEFAULT.parse() {
            Ok(table) => layers.table = table,
            Err(_) => layers.mistakes.push("the built-in defaults cannot be read".into()),
        }
        match file.map(|text| text.map(|text| text.parse::<Table>())) {
            None => {}
            Some(Err(unreadable)) => layers.mistakes.push(unreadable),
            Some(Ok(Err(e))) => {
                layers.mistakes.push(format!("the configuration file is not TOML: {}", e.message()));
            }
            Some(Ok(Ok(table))) => layers.put_file(table),
        }
        for (name, value) in environment {
            layers.put_variable(&name, &value);
        }
        layers
    }

    fn put_file(&mut self, file: Table) {
        for (section, keys) in file {
            let Value::Table(keys) = keys else {
                self.mistakes.push(format!("{section}: keys belong into sections"));
                continue;
            };
            for (key, value) in keys {
                self.put((&section, &key), value, &format!("{section}.{key}"), THE_FILE);
            }
        }
    }

    fn put_variable(&mut self, name: &str, text: &str) {
        let short = SHORT_NAMES.iter().find(|(short, ..)| *short == name);
        let (section, key) = match (short, name.strip_prefix("WAYBILL_")) {
            (Some((_, section, key)), _) => ((*section).to_owned(), (*key).to_owned()),
            (None, Some(rest)) => match rest.split_once("__") {
                Some((section, key)) => (section.to_lowercase(), key.to_lowercase()),
                None => return,
            },
            (None, None) => return,
        };
        // a variable is text: it takes the type of the key it overrides
        let value = match self.table.get(&section).and_then(|s| s.get(&key)) {
            Some(Value::String(_)) | None => Value::String(text.to_owned()),
            Some(Value::Array(_)) if !text.trim_start().starts_with('[') => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            Some(_) => format!("value = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| Value::String(text.to_owned())),
        };
        self.put((&section, &key), value, name, name);
    }

    fn put(&mut self, (section, key): (&str, &str), value: Value, said_as: &str, set_by: &str) {
        let known = self.table.get_mut(section).and_then(Value::as_table_mut);
        match known.and_then(|keys| keys.get_mut(key)) {
            None => self.mistakes.push(format!("{said_as}: there is no key {section}.{key}")),
            Some(there) if there.same_type(&value) => {
                *there = value;
                self.set_by.insert((section.to_owned(), key.to_owned()), set_by.to_owned());
            }
            Some(there) => self.mistakes.push(format!(
                "{said_as}: {section}.{key} takes a value of type {}, this is a {}",
                there.type_str(),
                value.type_str()
            )),
        }
    }

    /// Every key as it is, section by section.
    pub fn settings(&self) -> impl Iterator<Item = Setting<'_>> {
        let sections = self.table.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        sections.flat_map(move |(section, keys)| {
            keys.iter().map(move |(key, value)| {
                let set_by = self.set_by.get(&(section.clone(), key.clone())).map(String::as_str);
                Setting { section, key, value, set_by }
            })
        })
    }

    /// Reads one section into its type.
    pub fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let section = self.table.get(name).cloned().unwrap_or(Value::Table(Table::new()));
        match section.try_into() {
            Ok(section) => Some(section),
            Err(e) => {
                self.mistakes.push(format!("{name}: {}", e.message()));
                None
            }
        }
    }

    /// Notes a mistake when a key that has no useful default was left empty.
    pub fn needs(&mut self, section: &str, key: &str) {
        let given = self.table.get(section).and_then(|s| s.get(key)?.as_str());
        if given.is_none_or(str::is_empty) {
            let variable = format!("WAYBILL_{}__{}", section.to_uppercase(), key.to_uppercase());
            let variable = SHORT_NAMES
                .iter()
                .find(|(_, s, k)| (*s, *k) == (section, key))
                .map_or(variable, |(short, ..)| (*short).to_owned());
            self.mistakes.push(format!("{section}.{key} is empty: set it, or {variable}"));
        }
    }

    /// Notes a mistake unless `fine`.
    pub fn check(&mut self, fine: bool, mistake: &str) {
        if !fine {
            self.mistakes.push(mistake.to_owned());
        }
    }

    /// The whole configuration, if nothing was wrong with it.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Mistakes> {
        match read {
            Some(config) if self.mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes(self.mistakes)),
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl Mistakes {
    /// Prints them; the process's exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("The configuration has {} mistake(s); nothing was started.", self.0.len());
        for mistake in &self.0 {
            eprintln!("  {mistake}");
        }
        eprintln!("Every key, with its default: deploy/waybill.default.toml");
        ExitCode::from(EXIT_CONFIG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(file: &str, environment: &[(&str, &str)]) -> Layers {
        let pairs = environment.iter().map(|&(n, v)| (n.to_owned(), v.to_owned()));
        Layers::merge(Some(Ok(file.to_owned())), pairs)
    }

    fn mistakes(layers: Layers) -> String {
        match layers.finish(Some(())) {
            Ok(()) => String::new(),
            Err(Mistakes(list)) => list.join("\n"),
        }
    }

    #[test]
    fn the_default_file_is_good_and_each_key_is_explained() {
        assert_eq!(mistakes(merge("", &[])), "");
        for line in DEFAULT.lines().filter(|line| line.contains(" = ")) {
            assert!(line.contains('#'), "no comment: {line}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let mut layers = merge(
            "[process]\nshutdown_s_max = 7\nlog = \"debug\"",
            &[("WAYBILL_PROCESS__SHUTDOWN_S_MAX", "9"), ("WAYBILL_DATABASE_URL", "postgres://x")],
        );
        let process: Option<Process> = layers.section("process");
        assert_eq!(process.map(|p| (p.shutdown_s_max, p.log)), Some((9, "debug".into())));
        assert_eq!(layers.table["database"]["url"].as_str(), Some("postgres://x"));
    }

    #[test]
    fn every_setting_says_what_set_it() {
        let layers = merge(
            "[process]\nlog = \"debug\"\nlog_format = \"json\"",
            &[("WAYBILL_PROCESS__LOG", "warn"), ("WAYBILL_DATABASE_URL", "postgres://x")],
        );
        let by = |section: &str, key: &str| {
            let found = layers.settings().find(|setting| (setting.section, setting.key) == (section, key));
            found.map(|setting| setting.set_by)
        };
        assert_eq!(by("process", "log"), Some(Some("WAYBILL_PROCESS__LOG")));
        assert_eq!(by("process", "log_format"), Some(Some(THE_FILE)));
        assert_eq!(by("database", "url"), Some(Some("WAYBILL_DATABASE_URL")));
        assert_eq!(by("relay", "window_max"), Some(None));
        assert_eq!(by("relay", "colour"), None);
    }

    #[test]
    fn lists_come_separated_by_commas() {
        let layers = merge("", &[("WAYBILL_WORKER__LANES", "default, noisy")]);
        assert_eq!(layers.table["worker"]["lanes"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let layers = merge(
            "[ingest]\nlisten = 8080\ncolour = \"red\"\n[nowhere]\nx = 1",
            &[("WAYBILL_RELAY__WINDOW_MAX", "many"), ("WAYBILL_INGEST__COLOR", "red")],
        );
        let found = mistakes(layers);
        for needle in [
            "ingest.listen takes a value of type string",
            "there is no key ingest.colour",
            "there is no key nowhere.x",
            "WAYBILL_RELAY__WINDOW_MAX: relay.window_max takes a value of type integer",
            "WAYBILL_INGEST__COLOR: there is no key ingest.color",
        ] {
            assert!(found.contains(needle), "{needle:?} is missing from:\n{found}");
        }
    }

    #[test]
    fn other_variables_are_none_of_its_business() {
        assert_eq!(mistakes(merge("", &[("WAYBILL_DEMO_TIS_KEY", "x"), ("HOME", "/")])), "");
    }
}
