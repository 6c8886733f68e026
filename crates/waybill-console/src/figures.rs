//! This process's metrics as the pages read them: the console shows the numbers that Prometheus
//! scrapes, not others of its own. What is unknown (NaN, or no such series) is none, never zero.

use std::collections::BTreeMap;

/// One series' labels and value.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The metrics at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures(BTreeMap<String, Vec<Series>>);

impl Figures {
    /// Reads the text format (Prometheus exposition format 0.0.4).
    pub(crate) fn read(text: &str) -> Self {
        let mut figures: BTreeMap<String, Vec<Series>> = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("waybill_")) {
            if let Some((name, series)) = read_line(line) {
                figures.entry(name).or_default().push(series);
            }
        }
        Self(figures)
    }

    /// The value of the one series of `name` that has these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |series: &&Series| {
            labels.iter().all(|(label, of)| series.labels.get(*label).is_some_and(|value| value == of))
        };
        self.0.get(name)?.iter().find(fits).map(|series| series.value).filter(|value| value.is_finite())
    }

    /// Every known value of `name`, by one of its labels; those of several series are added up.
    pub(crate) fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        self.by_with(name, &[], label)
    }

    /// The same of those series alone that have `labels`.
    pub(crate) fn by_with(&self, name: &str, labels: &[(&str, &str)], by: &str) -> BTreeMap<String, f64> {
        let fits = |series: &&Series| {
            labels.iter().all(|(label, of)| series.labels.get(*label).is_some_and(|value| value == of))
        };
        let mut values = BTreeMap::new();
        let all = self.0.get(name).into_iter().flatten();
        for series in all.filter(fits).filter(|series| series.value.is_finite()) {
            if let Some(of) = series.labels.get(by) {
                *values.entry(of.clone()).or_insert(0.0) += series.value;
            }
        }
        values
    }

    /// Whether there is such a series, its value known or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names that label has, whether their values are known or not; always in the same order.
    pub(crate) fn names(&self, name: &str, label: &str) -> Vec<String> {
        let all = self.0.get(name).into_iter().flatten();
        let mut names: Vec<String> = all.filter_map(|series| series.labels.get(label).cloned()).collect();
        names.sort();
        names
    }
}

fn read_line(line: &str) -> Option<(String, Series)> {
    let (head, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, inside) = match head.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (head, ""),
    };
    let mut labels = BTreeMap::new();
    let mut rest = inside;
    while let Some((label, after)) = rest.split_once("=\"") {
        let (value, after) = quoted(after)?;
        labels.insert(label.trim_start_matches(',').to_owned(), value);
        rest = after;
    }
    Some((name.to_owned(), Series { labels, value }))
}

/// A label's value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_back_and_the_unknown_stays_unknown() {
        let figures = Figures::read(
            "# TYPE waybill_due_messages gauge\nwaybill_due_messages 3\n\
             waybill_dead_letters{source=\"a\",kind=\"k\",reason=\"x\"} 2\n\
             waybill_dead_letters{source=\"a\",kind=\"k\",reason=\"y, \\\"z\\\"\"} 1\n\
             waybill_queue_ready{queue=\"waybill.dead\"} NaN\n\
             waybill_queue_ready{queue=\"waybill.a\"} 1\nother 1\n",
        );
        assert_eq!(figures.get("waybill_due_messages", &[]), Some(3.0));
        assert!((figures.by("waybill_dead_letters", "source")["a"] - 3.0).abs() < f64::EPSILON);
        assert_eq!(figures.get("waybill_dead_letters", &[("reason", "y, \"z\"")]), Some(1.0));
        assert_eq!(figures.get("waybill_queue_ready", &[("queue", "waybill.dead")]), None);
        assert_eq!(figures.names("waybill_queue_ready", "queue"), ["waybill.a", "waybill.dead"]);
        assert_eq!(figures.get("other", &[]), None);
    }
}
