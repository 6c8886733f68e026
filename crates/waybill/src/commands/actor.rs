//! Who acts, for the audit trail: as they say, else as the operating system knows the process.

use std::os::unix::fs::MetadataExt as _;

/// The actor's name; none: nothing says who it is.
pub(super) fn actor(said: Option<&str>) -> Option<String> {
    let said = said.map(str::trim).filter(|said| !said.is_empty());
    said.map(str::to_owned).or_else(|| {
        // Linux says whose process this is; elsewhere --actor or USER must
        std::fs::metadata("/proc/self").ok().map(|process| format!("uid {}", process.uid()))
    })
}

#[cfg(test)]
mod tests {
    use super::actor;

    #[test]
    fn a_name_that_says_nothing_is_none() {
        assert_eq!(actor(Some(" kim ")).as_deref(), Some("kim"));
        for nothing in [Some("  "), Some(""), None] {
            assert!(actor(nothing).is_none_or(|actor| actor.starts_with("uid ")), "{nothing:?}");
        }
    }
}
