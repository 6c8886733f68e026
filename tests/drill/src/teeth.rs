//! The drill's own test: defects are switched on, and each must make it fail.
//!
//! A drill that finds nothing is worth what it would have found. Some defects are mended by a
//! second net of the product's; there the net is cut too, and it says so.

use anyhow::Result;

use crate::plan::named;
use crate::run::{Order, run};
use crate::services::Services;

/// A defect, and the fault under which it shows.
struct Mutant {
    /// What is switched on (`waybill_drill::mutant`), with commas.
    switches: &'static str,
    /// What is wrong then.
    about: &'static str,
    /// The fault that shows it.
    fault: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        switches: "answer_before_commit",
        about: "partners are answered before the commit",
        fault: "accept.before_commit.kill",
    },
    Mutant {
        switches: "ack_before_commit,sweep_off_lost",
        about: "deliveries are acked before they are recorded, and no sweep looks for them",
        fault: "worker.after_delivery.kill",
    },
    Mutant {
        switches: "confirm_ignored,sweep_off_lost",
        about: "no answer counts as a confirm, and no sweep looks for them",
        fault: "rabbitmq.queue_full",
    },
    Mutant {
        switches: "returned_confirmed,sweep_off_lost",
        about: "a returned publish counts as confirmed, and no sweep looks for them",
        fault: "rabbitmq.unbound",
    },
    Mutant {
        switches: "transient,sweep_off_lost",
        about: "envelopes are not persistent, in a classic queue, and no sweep looks for them",
        fault: "rabbitmq.killed_full",
    },
    Mutant {
        switches: "sweep_off_abandoned",
        about: "no sweep looks for abandoned claims",
        fault: "worker.after_claim.kill",
    },
    Mutant {
        switches: "claim_without_fence",
        about: "a late worker's effects are written too",
        fault: "worker.after_process.stop_full",
    },
    Mutant {
        switches: "hold_without_release,sweep_off_forgotten,sweep_off_conservation",
        about: "held messages are not released, and no sweep looks for them or mends them",
        fault: "worker.frozen",
    },
    Mutant { switches: "no_order", about: "ordering keys are not kept", fault: "worker.after_claim.kill" },
    Mutant {
        switches: "plan_blind",
        about: "a plan replays letters that were replayed already, and processed since",
        fault: "plan.started_twice",
    },
];

/// Drills with each defect; whether each was noticed.
///
/// # Errors
/// When it could not go on.
pub async fn bite(services: &Services) -> Result<bool> {
    let mut sharp = true;
    for (number, mutant) in MUTANTS.iter().enumerate() {
        let faults = named(mutant.fault)?;
        let order = Order { faults: &faults, seed: 7, mutants: mutant.switches, number: 1000 + number };
        let outcome = run(services, order).await;
        // a run that could not be played out has shown nothing
        let noticed = outcome.ok == Some(false) && !outcome.violations.is_empty();
        sharp &= noticed;
        let reason = outcome.reason.unwrap_or_else(|| "nothing was wrong".into());
        let verdict = if noticed { "ok" } else { "FAIL" };
        println!("{verdict} mutant {}: {} ({}): {reason}", mutant.switches, mutant.about, mutant.fault);
    }
    Ok(sharp)
}
