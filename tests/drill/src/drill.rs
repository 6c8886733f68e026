//! The whole drill: every run of the plan, one after the other, with its progress on the terminal.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::faults::{FAULTS, Fault};
use crate::run::{Order, Outcome};
use crate::services::Services;
use crate::{Arguments, plan, publish, report, run as one_run, soak, teeth};

/// Every run of the plan; whether all is well.
async fn run_all(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(any_seed);
    let runs = plan::plan(arguments, seed)?;
    let services = Services::from_environment()?;
    println!("{} runs, seed {seed}", runs.len());
    let (mut outcomes, began) = (Vec::new(), Instant::now());
    for (at, faults) in runs.iter().enumerate() {
        let order =
            Order { faults, seed: seed.wrapping_add(at as u64), mutants: &arguments.mutant, number: at };
        let outcome = one_run::run(&services, order).await;
        println!("{}", report::line(at + 1, runs.len(), &outcome));
        outcomes.push(outcome);
    }
    report::print(&outcomes, began.elapsed(), seed);
    if arguments.only.is_none() && arguments.mutant.is_empty() {
        report::write(&outcomes, arguments.quick)?;
    }
    let fine = outcomes.iter().all(Outcome::is_fine);
    if arguments.quick && arguments.only.is_none() && arguments.mutant.is_empty() {
        return Ok(soak::soak(&services, 1, seed).await?.ok && fine);
    }
    Ok(fine)
}

/// What the arguments ask for.
///
/// # Errors
/// When it could not be done.
pub async fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.list {
        FAULTS.iter().for_each(list);
        return Ok(true);
    }
    if arguments.publish {
        return publish::publish().map(|()| true);
    }
    if arguments.teeth {
        return teeth::bite(&Services::from_environment()?).await;
    }
    if let Some(minutes) = arguments.soak {
        let seed = arguments.seed.unwrap_or_else(any_seed);
        let soaked = soak::soak(&Services::from_environment()?, minutes, seed).await?;
        return soak::write(&soaked).map(|()| soaked.ok);
    }
    run_all(arguments).await
}

fn list(fault: &Fault) {
    println!("{:<38} {}", fault.name, fault.about);
}

/// A seed from the clock: what matters is that it is printed.
fn any_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000)
}
