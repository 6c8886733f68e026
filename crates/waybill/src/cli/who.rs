//! Who runs a command, for the audit trail. A claim, not a proof: whoever may run `waybill` with the
//! ledger's credentials may say any name.

use clap::Args;

/// Who acts.
#[derive(Debug, Clone, Default, Args)]
pub struct Who {
    /// Who acts, for the audit trail; without it `WAYBILL_ACTOR`, else USER. For `audit list`: whose acts.
    #[arg(long, global = true, value_name = "NAME")]
    pub actor: Option<String>,
    /// The name that the environment gives.
    #[arg(long = "named-actor", global = true, hide = true, env = "WAYBILL_ACTOR", hide_env_values = true)]
    named: Option<String>,
    /// The user that the shell names.
    #[arg(long = "shell-user", global = true, hide = true, env = "USER", hide_env_values = true)]
    user: Option<String>,
}

impl Who {
    /// Who says so of themselves; a name that is given and blank is none.
    pub fn stated(&self) -> Option<&str> {
        let says = |name: &&str| !name.is_empty();
        if let Some(actor) = &self.actor {
            return Some(actor.trim()).filter(says);
        }
        let environment = [self.named.as_deref(), self.user.as_deref()];
        environment.into_iter().flatten().map(str::trim).find(says)
    }

    /// The same without `--actor`, where that says something else.
    #[must_use]
    pub fn unsaid(&self) -> Self {
        Self { actor: None, ..self.clone() }
    }

    /// As [`Who::stated`]; where nothing is said at all, as in many containers, the number of the
    /// process's user.
    pub fn acting(&self) -> Option<String> {
        match (self.stated(), &self.actor) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(_)) => None,
            (None, None) => uid().map(|uid| format!("uid {uid}")),
        }
    }
}

/// The user of this process, where the system shows it.
#[cfg(unix)]
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").ok().map(|of_this_process| of_this_process.uid())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(actor: Option<&str>, named: Option<&str>, user: Option<&str>, stated: Option<&str>) {
        let own = |name: Option<&str>| name.map(str::to_owned);
        let who = Who { actor: own(actor), named: own(named), user: own(user) };
        assert_eq!(who.stated(), stated);
        if let Some(name) = stated {
            assert_eq!(who.acting().as_deref(), Some(name));
        }
    }

    #[test]
    fn who_is_named_counts_before_who_is_logged_in() {
        check(Some(" kim "), Some("sam"), Some("root"), Some("kim"));
        check(None, Some("sam"), Some("root"), Some("sam"));
        check(None, Some(" "), Some("root"), Some("root"));
        check(Some(" "), Some("sam"), Some("root"), None);
        check(None, None, Some(""), None);
        check(None, None, None, None);
        let blank = Who { actor: Some(String::new()), ..Who::default() };
        assert_eq!(blank.acting(), None, "blank is a mistake");
    }
}
