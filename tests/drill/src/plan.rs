//! Which faults are injected, and in which order: each by itself, then pairs, by seed.

use anyhow::{Context as _, Result};

use crate::Arguments;
use crate::faults::{FAULTS, Fault};
use crate::random::Random;

/// Pairs of a whole drill, and of a short one.
const PAIRS: usize = 16;
const PAIRS_QUICK: usize = 1;

/// The runs of a drill, one or two faults each.
pub fn plan(arguments: &Arguments, seed: u64) -> Result<Vec<Vec<&'static Fault>>> {
    if arguments.only.as_deref() == Some("pairs") {
        return Ok(pairs(&FAULTS.iter().collect::<Vec<_>>(), PAIRS, seed));
    }
    if let Some(beginning) = arguments.only.as_ref().and_then(|name| name.strip_suffix('*')) {
        let found = FAULTS.iter().filter(|fault| fault.name.starts_with(beginning));
        return Ok(found.map(|fault| vec![fault]).collect());
    }
    if let Some(name) = &arguments.only {
        let mut faults = named(name)?;
        faults.sort_by_key(|fault| fault.order());
        return Ok(vec![faults]);
    }
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| !arguments.quick || fault.quick).collect();
    let count = if arguments.quick { PAIRS_QUICK } else { PAIRS };
    let mut runs: Vec<Vec<&Fault>> = faults.iter().map(|fault| vec![*fault]).collect();
    runs.extend(pairs(&faults, count, seed));
    Ok(runs)
}

/// The fault of that name, or the two whose names are joined by "+".
pub fn named(names: &str) -> Result<Vec<&'static Fault>> {
    let find = |name: &str| {
        let found = FAULTS.iter().find(|fault| fault.name == name);
        found.with_context(|| format!("there is no fault '{name}'; ./dev chaos --list names them all"))
    };
    names.split('+').map(find).collect()
}

/// Pairs that break two different things.
fn pairs<'a>(faults: &[&'a Fault], count: usize, seed: u64) -> Vec<Vec<&'a Fault>> {
    let mut random = Random::new(seed);
    let mut pairs: Vec<Vec<&Fault>> = Vec::new();
    for _ in 0..count * 50 {
        if pairs.len() == count {
            break;
        }
        let (one, other) = (faults[random.below(faults.len())], faults[random.below(faults.len())]);
        let names = [one.name, other.name];
        let new = !pairs.iter().any(|pair| pair.iter().all(|fault| names.contains(&fault.name)));
        if new && one.goes_with(other) {
            // what needs everything else to be well for its injection comes first
            pairs.push(if one.order() <= other.order() { vec![one, other] } else { vec![other, one] });
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_there_are_enough() {
        let mut names: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAULTS.len());
        assert!(names.len() >= 45, "{} faults", names.len());
    }

    #[test]
    fn the_seed_decides_the_pairs() {
        let faults: Vec<&Fault> = FAULTS.iter().collect();
        let names = |seed| -> Vec<String> {
            let pairs = pairs(&faults, PAIRS, seed);
            pairs.iter().map(|pair| format!("{}+{}", pair[0].name, pair[1].name)).collect()
        };
        assert_eq!(names(1).len(), PAIRS);
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }

    #[test]
    fn a_letter_is_put_into_rabbitmq_before_that_is_broken() {
        let of = |name| named(name).unwrap()[0].order();
        for intake in ["intake.after_take.kill", "intake.before_ack.kill"] {
            assert!(of(intake) < of("rabbitmq.killed") && of("plan.interrupted") < of(intake));
        }
    }

    #[test]
    fn what_needs_workers_meets_nothing_that_takes_them_away() {
        let of = |name| named(name).unwrap()[0];
        for needs in ["worker.scaled", "worker.frozen", "worker.clock_ahead", "fleet.killed", "fleet.rolled"]
        {
            assert!(!of("rabbitmq.vhost_deleted").goes_with(of(needs)), "{needs}");
            assert!(!of(needs).goes_with(of("rabbitmq.queue_purged")), "{needs}");
            assert!(of(needs).goes_with(of("rabbitmq.unbound")), "{needs}");
        }
        assert!(of("rabbitmq.queue_deleted").goes_with(of("worker.after_commit.stop")));
        assert!(of("fleet.rolled").order() < of("rabbitmq.killed").order());
        assert!(of("clients.silent").order() < of("ingest.starved").order());
    }

    #[test]
    fn a_pair_is_found_by_its_names() {
        assert_eq!(named("postgres.killed+rabbitmq.killed").map(|pair| pair.len()).ok(), Some(2));
        assert!(named("postgres.happy").is_err());
    }
}
