//! A run: one thing after another, each in a space of its own, each thing's leftovers gone before the next.

use std::path::Path;

use anyhow::Context as _;

use crate::bodies::Bodies;
use crate::gateway::waybill::Feed;
use crate::gateway::{naive, waybill};
use crate::measure::{Measured, measure};
use crate::plan::Plan;
use crate::report::{Figures, Machine, Ordering, Ratios, Report};
use crate::scaling::Scaled;
use crate::services::Services;
use crate::{floors, hl7, hot, replays, say, scaling, table};

/// Measures everything, prints the table and writes the report.
///
/// # Errors
/// When a message is lost, or something does not run.
pub async fn run(services: &Services, plan: &Plan, report: &Path) -> anyhow::Result<()> {
    let (postgresql, rabbitmq) = services.versions().await.context("asking the services who they are")?;
    let machine = Machine::here(postgresql, rabbitmq);
    say(&format!("{} run on {} cores", plan.mode, machine.cores));
    let figures = Figures {
        mode: plan.mode,
        machine,
        hl7: {
            say("reading HL7");
            let lasts = plan.hl7;
            tokio::task::spawn_blocking(move || hl7::measure(lasts)).await??
        },
        http_floor: {
            say("the floor of HTTP");
            floors::http::measure(services, plan).await.context("the floor of HTTP")?
        },
        postgres_floor: {
            say("the floor of PostgreSQL");
            floors::postgres::measure(services, plan).await.context("the floor of PostgreSQL")?
        },
        broker_floor: {
            say("the floor of RabbitMQ");
            floors::broker::measure(services, plan).await.context("the floor of RabbitMQ")?
        },
        naive: measure_naive(services, plan).await.context("the naive gateway")?,
        waybill: measure_waybill(services, plan).await.context("Waybill")?,
        ordering: measure_order(services, plan).await.context("the cost of order")?,
        scaling: measure_scaling(services, plan).await.context("more workers")?,
        replays: replays::measure(services, plan).await.context("the replay plan")?,
    };
    Report::of(&figures).write(report)?;
    let beside = report.with_extension("md");
    let markdown = format!("{}\n", table::markdown(&figures));
    std::fs::write(&beside, markdown).with_context(|| beside.display().to_string())?;
    say("done");
    println!("\n{}", table::text(&figures));
    Ok(())
}

async fn measure_naive(services: &Services, plan: &Plan) -> anyhow::Result<Measured> {
    say("the naive gateway");
    let mut gateway = naive::start(services).await?;
    let measured = measure(services, plan, &mut gateway).await?;
    gateway.close(services).await?;
    Ok(measured)
}

async fn measure_waybill(services: &Services, plan: &Plan) -> anyhow::Result<Measured> {
    say("Waybill");
    let feed = Feed { name: "forms", bodies: Bodies::Json, order_by: "none" };
    let mut gateway = waybill::start(services, feed).await?;
    let measured = measure(services, plan, &mut gateway).await?;
    gateway.close(services).await?;
    Ok(measured)
}

async fn measure_order(services: &Services, plan: &Plan) -> anyhow::Result<Ordering> {
    let bodies = Bodies::Hl7 { hot_every: 0 };
    say("Waybill with HL7, no order");
    let mut gateway = waybill::start(services, Feed { name: "unordered", bodies, order_by: "none" }).await?;
    let none = measure(services, plan, &mut gateway).await?;
    gateway.close(services).await?;
    say("Waybill with HL7, ordered by patient");
    let mut gateway = waybill::start(services, Feed { name: "ordered", bodies, order_by: "patient" }).await?;
    let patient = measure(services, plan, &mut gateway).await?;
    say("  one hot patient");
    let hot_key = hot::measure(services, plan, &mut gateway, patient.end_to_end.per_s).await?;
    gateway.close(services).await?;
    Ok(Ordering { vs_none: Ratios::of(&patient, &none), none, patient, hot_key })
}

async fn measure_scaling(services: &Services, plan: &Plan) -> anyhow::Result<Vec<Scaled>> {
    say("more workers");
    let feed = Feed { name: "scaling", bodies: Bodies::Json, order_by: "none" };
    let mut gateway = waybill::start(services, feed).await?;
    let scaled = scaling::measure(plan, &mut gateway).await?;
    gateway.close(services).await?;
    Ok(scaled)
}
