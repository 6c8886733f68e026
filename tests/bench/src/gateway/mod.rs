//! A gateway under load: Waybill, or the naive one it is compared with. Both take the same traffic on the
//! same services and are asked the same questions.

pub mod naive;
pub mod waybill;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::AssertSqlSafe;

use crate::load::Traffic;
use crate::programs::{Program, Spec, free_address};
use crate::services::{Services, Space};

/// Without a message finished for this long, a gateway has stopped.
const STALL_LIMIT: Duration = Duration::from_mins(2);

/// What a gateway's database is asked.
#[derive(Debug)]
pub struct Questions {
    /// Whether a message is not finished yet.
    pub unfinished: &'static str,
    /// How many messages were stored.
    pub accepted: &'static str,
    /// How many were processed.
    pub processed: &'static str,
    /// How many effects there are.
    pub effects: &'static str,
    /// Each processed message's key (like `$1`) and when that was committed, in microseconds since 1970.
    pub commits: &'static str,
    /// When the last one was committed, likewise.
    pub last_commit: &'static str,
}

/// A gateway, running.
pub struct Gateway {
    /// Where it keeps what it has.
    pub space: Space,
    /// What is asked of that.
    pub questions: &'static Questions,
    /// How it is posted to.
    pub traffic: Traffic,
    /// The queue whose memory is to be looked at, if any.
    pub queue: Option<&'static str>,
    /// The program that accepts.
    pub ingest: Program,
    /// What else runs with it.
    pub others: Vec<Program>,
    /// The workers that run.
    pub workers: Vec<Program>,
    worker: Spec,
    /// Messages that were answered with "safe".
    pub accepted: u64,
    /// Messages that may be stored or not: without an answer, or with a 5xx.
    pub unknown: u64,
}

impl Gateway {
    /// Starts `count` workers more, and waits until they are ready.
    pub async fn start_workers(&mut self, count: usize) -> anyhow::Result<()> {
        let begin = self.workers.len();
        for n in begin..begin + count {
            let mut spec = self.worker.clone();
            spec.admin = free_address()?;
            spec.settings.push((worker_listen(&spec).to_owned(), spec.admin.to_string()));
            spec.log.set_file_name(format!("{}-worker-{}.log", self.space.name, n + 1));
            self.workers.push(spec.start()?);
        }
        for worker in self.workers.iter_mut().skip(begin) {
            worker.until_ready().await?;
        }
        Ok(())
    }

    /// Stops all workers; each finishes what it has in hand.
    pub async fn stop_workers(&mut self) -> anyhow::Result<()> {
        for worker in std::mem::take(&mut self.workers) {
            worker.stop().await?;
        }
        Ok(())
    }

    /// Waits until everything accepted is finished.
    ///
    /// # Errors
    /// When nothing is finished any more and something is still waiting: lost, or stuck.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let (mut processed, mut since, mut told) = (-1, Instant::now(), Instant::now());
        while self.ask::<bool>(self.questions.unfinished).await? {
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                let now: i64 = self.ask(self.questions.processed).await?;
                let accepted: i64 = self.ask(self.questions.accepted).await?;
                crate::say(&format!("    {now} of {accepted} processed"));
                if now != processed {
                    (processed, since) = (now, Instant::now());
                }
                let limit = STALL_LIMIT;
                anyhow::ensure!(since.elapsed() < limit, "{} messages wait for ever", accepted - now);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Compares what was answered with what was stored, processed and done.
    ///
    /// # Errors
    /// When a message was lost, or an effect happened twice or not at all.
    pub async fn check(&self) -> anyhow::Result<()> {
        let stored: i64 = self.ask(self.questions.accepted).await?;
        let processed: i64 = self.ask(self.questions.processed).await?;
        let effects: i64 = self.ask(self.questions.effects).await?;
        let stored = stored.unsigned_abs();
        let answered = self.accepted..=self.accepted + self.unknown;
        let name = &self.space.name;
        anyhow::ensure!(
            answered.contains(&stored) && processed.unsigned_abs() == stored && effects == processed,
            "{name} loses messages: {answered:?} answered, {stored} stored, {processed} processed, {effects} effects"
        );
        crate::say(&format!(
            "    accounted for: {} accepted, {processed} processed, none lost",
            self.accepted
        ));
        Ok(())
    }

    /// When each processed message of the load `tag` was committed: its number, and the time in
    /// microseconds since 1970.
    pub async fn commits(&self, tag: &str) -> anyhow::Result<Vec<(u64, i64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(self.questions.commits))
            .bind(format!("%{tag}-%"))
            .fetch_all(&self.space.db)
            .await?;
        let number = |key: &str| key.rsplit('-').next().and_then(|n| n.parse().ok());
        rows.iter().map(|(key, at)| Ok((number(key).with_context(|| format!("key {key}"))?, *at))).collect()
    }

    /// The answer to one of the questions.
    pub async fn ask<T>(&self, question: &'static str) -> anyhow::Result<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        Ok(sqlx::query_scalar(question).fetch_one(&self.space.db).await?)
    }

    /// Stops everything and takes the space back.
    pub async fn close(mut self, services: &Services) -> anyhow::Result<()> {
        self.stop_workers().await?;
        for other in self.others {
            other.stop().await?;
        }
        self.ingest.stop().await?;
        services.close(self.space).await
    }
}

/// The variable that tells a worker where its admin port is.
fn worker_listen(spec: &Spec) -> &'static str {
    let is_ours = spec.program.file_name().is_some_and(|name| name == "bench");
    if is_ours { naive::LISTEN } else { "WAYBILL_WORKER__ADMIN_LISTEN" }
}
