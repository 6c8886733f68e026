//! `waybill top`: the flow, live. Looks at the ledger, RabbitMQ and the named processes every few
//! seconds, each with a time limit and a bounded question, and shows the difference between looks. Changes
//! nothing; ending it changes nothing.

mod broker;
mod draw;
mod frame;
mod ledger;
mod processes;
mod screen;

use std::collections::VecDeque;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use waybill_store::Store;

use super::{Ended, progress};
use crate::cli::Top;
use crate::config::Config;
use crate::table;
use crate::terminal::Terminal;
use frame::{Frame, Look};
use screen::Screen;

/// Rates are taken over this time, as far as there are looks.
const WINDOW: Duration = Duration::from_secs(10);
/// Between the two looks of one frame alone, at most.
const ONCE: Duration = Duration::from_secs(2);

/// What looks, and what it saw lately.
struct Watcher<'a> {
    ledger: ledger::Eye<'a>,
    broker: broker::Eye,
    processes: processes::Eye,
    looks: VecDeque<Look>,
}

pub(super) async fn run(store: &Store, config: &Config, arguments: &Top) -> anyhow::Result<Ended> {
    let mut watcher = Watcher {
        ledger: ledger::Eye::new(store),
        broker: broker::Eye::new(config)?,
        processes: processes::Eye::new(&arguments.processes)?,
        looks: VecDeque::new(),
    };
    let every = Duration::from_secs(arguments.every.into());
    let is_live = !arguments.once && !arguments.output.json && std::io::stdout().is_terminal();
    if is_live {
        return live(watcher, every).await;
    }
    let frame = progress::during("looking twice", watcher.twice(every.min(ONCE))).await;
    watcher.broker.close().await;
    if arguments.output.json {
        println!("{}", table::json(&frame)?);
    } else {
        println!("{}", draw::frame(&frame, Terminal::here()));
    }
    Ok(if frame.ledger.is_some() { Ended::Done } else { Ended::Wrong })
}

impl Watcher<'_> {
    /// Looks once more; what is known now.
    async fn look(&mut self) -> Frame {
        let at = Instant::now();
        let ledger = self.ledger.look().await;
        let (broker, processes) = tokio::join!(self.broker.look(self.ledger.lanes()), self.processes.look());
        self.looks.push_back(Look { at, ledger, broker, processes });
        // the oldest that is not too old is what the newest is compared with
        while self.looks.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            self.looks.pop_front();
        }
        Frame::of(self.looks.make_contiguous())
    }

    async fn twice(&mut self, apart: Duration) -> Frame {
        self.look().await;
        tokio::time::sleep(apart).await;
        self.look().await
    }
}

/// Draws until told to stop.
async fn live(mut watcher: Watcher<'_>, every: Duration) -> anyhow::Result<Ended> {
    let mut screen = Screen::open()?;
    loop {
        let Some(frame) = screen.until(watcher.look()).await? else { break };
        screen.show(frame, every)?;
        if screen.until(tokio::time::sleep(every)).await?.is_none() {
            break;
        }
    }
    drop(screen);
    watcher.broker.close().await;
    Ok(Ended::Done)
}
