//! What a user of RabbitMQ may do in the virtual host, and what Waybill's programs must be able to.
//!
//! Rights are given as regular expressions over names. This reads the plain ones (text, `.`, `.*`,
//! anchors, alternatives); of any other it says that it does not know, and never guesses.

use serde::Deserialize;

use crate::topology::{DEAD, EXCHANGE, work_queue};

/// A user's rights in one virtual host, as the management API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Permissions {
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to, and bind.
    pub write: String,
    /// What it may consume from.
    pub read: String,
}

/// A right that some program needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// `configure`, `write` or `read`.
    pub right: &'static str,
    /// On which exchange or queue.
    pub name: String,
    /// Whether it is given; none: its pattern cannot be read here.
    pub is_given: Option<bool>,
}

impl Permissions {
    /// What the programs need for these lanes, and whether it is given: publishing (`ingest-api`,
    /// `waybill serve`), consuming (`worker`, and `waybill serve` from the dead letters), and
    /// declaring again what is missing (`waybill serve`, `waybill topology apply`).
    pub fn needs(&self, lanes: &[String]) -> Vec<Need> {
        let queues: Vec<String> =
            lanes.iter().map(|lane| work_queue(lane)).chain([DEAD.to_owned()]).collect();
        let need = |right, pattern: &str, name: &str| Need {
            right,
            is_given: allows(pattern, name),
            name: name.into(),
        };
        let mut needs = vec![need("write", &self.write, EXCHANGE)];
        needs.extend(queues.iter().map(|queue| need("read", &self.read, queue)));
        needs.push(need("configure", &self.configure, EXCHANGE));
        needs.extend(queues.iter().map(|queue| need("configure", &self.configure, queue)));
        needs
    }
}

/// Whether a pattern matches `name`; none: it has more in it than this reads. An empty pattern matches
/// nothing ("Access Control" of RabbitMQ's documentation).
fn allows(pattern: &str, name: &str) -> Option<bool> {
    if pattern.is_empty() {
        return Some(false);
    }
    let alternatives: Option<Vec<bool>> =
        pattern.split('|').map(|alternative| matches(alternative, name)).collect();
    Some(alternatives?.contains(&true))
}

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Is(char),
    Any,
    Rest,
}

fn matches(alternative: &str, name: &str) -> Option<bool> {
    let (begins, rest) = alternative.strip_prefix('^').map_or((false, alternative), |rest| (true, rest));
    let (ends, rest) = match rest.strip_suffix('$') {
        Some(cut) if !cut.ends_with('\\') => (true, cut),
        _ => (false, rest),
    };
    let mut pieces = if begins { Vec::new() } else { vec![Piece::Rest] };
    let mut left = rest.chars().peekable();
    while let Some(next) = left.next() {
        pieces.push(match next {
            '.' if left.next_if_eq(&'*').is_some() => Piece::Rest,
            '.' => Piece::Any,
            '\\' => Piece::Is(left.next().filter(|escaped| !escaped.is_alphanumeric())?),
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            other => Piece::Is(other),
        });
        if left.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
            return None;
        }
    }
    if !ends {
        pieces.push(Piece::Rest);
    }
    let name: Vec<char> = name.chars().collect();
    Some(fits(&pieces, &name))
}

/// Short names and short patterns: trying is cheap.
fn fits(pieces: &[Piece], name: &[char]) -> bool {
    match pieces.split_first() {
        None => name.is_empty(),
        Some((Piece::Rest, more)) => (0..=name.len()).any(|from| fits(more, &name[from..])),
        Some((Piece::Any, more)) => !name.is_empty() && fits(more, &name[1..]),
        Some((Piece::Is(wanted), more)) => name.first() == Some(wanted) && fits(more, &name[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_patterns_are_read_and_no_other_is_guessed() {
        for (pattern, name, expected) in [
            (".*", "waybill.in", Some(true)),
            ("", "waybill.in", Some(false)),
            ("^$", "waybill.in", Some(false)),
            ("^waybill\\.in$", "waybill.in", Some(true)),
            ("^waybill\\.in$", "waybill.inn", Some(false)),
            ("^waybill\\.", "waybill.work.default", Some(true)),
            ("work", "waybill.work.default", Some(true)),
            ("^work", "waybill.work.default", Some(false)),
            ("^waybill.work..*$", "waybill.work.default", Some(true)),
            ("^a$|^waybill\\.dead$", "waybill.dead", Some(true)),
            ("^a$|^b$", "waybill.dead", Some(false)),
            ("^waybill\\.(in|dead)$", "waybill.in", None),
            ("^waybill\\.[a-z]+$", "waybill.in", None),
            ("^x*waybill", "waybill.in", None),
            ("\\w", "waybill.in", None),
        ] {
            assert_eq!(allows(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn each_program_has_what_it_needs_or_it_is_named() {
        let lanes = ["default".to_owned()];
        let worker =
            Permissions { configure: "^$".into(), write: "^$".into(), read: "^waybill\\.work\\.".into() };
        let missing: Vec<(&str, String)> = worker
            .needs(&lanes)
            .into_iter()
            .filter(|need| need.is_given == Some(false))
            .map(|need| (need.right, need.name))
            .collect();
        let expected = [
            ("write", "waybill.in"),
            ("read", "waybill.dead"),
            ("configure", "waybill.in"),
            ("configure", "waybill.work.default"),
            ("configure", "waybill.dead"),
        ];
        assert_eq!(missing, expected.map(|(right, name)| (right, name.to_owned())));
    }
}
