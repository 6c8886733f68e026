//! What long work says while it lasts: one line on standard error that replaces itself, and nothing at all
//! where that is no terminal. Gone when the work is done; standard output is never touched.

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::{table, terminal};

/// Where the terminal does not say how wide it is.
const COLUMNS: usize = 80;
/// Between two lines.
const EVERY: Duration = Duration::from_millis(250);
/// Work that ends sooner says nothing.
const QUIET: Duration = Duration::from_millis(500);
/// Characters of a bar.
const BAR: usize = 24;

/// Does `work`, and meanwhile says `what` is being done, and for how long.
pub(super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    saying(async || what.to_owned(), work).await
}

/// As [`during`], where what is being done is asked anew each time.
pub(super) async fn saying<T>(say: impl AsyncFnMut() -> String, work: impl Future<Output = T>) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let done = tokio::select! {
        biased;
        done = work => done,
        never = tell(say) => match never {},
    };
    show("");
    done
}

/// Says how far the work is, for as long as it is asked to.
async fn tell(mut say: impl AsyncFnMut() -> String) -> Infallible {
    let began = Instant::now();
    tokio::time::sleep(QUIET).await;
    loop {
        let said = say().await;
        show(&format!("{said}, {} s", began.elapsed().as_secs()));
        tokio::time::sleep(EVERY).await;
    }
}

/// Says that `done` of `all` are done; nothing once all are.
pub(super) fn step(what: &str, done: usize, all: usize) {
    if !io::stderr().is_terminal() {
        return;
    }
    if done >= all {
        show("");
    } else {
        show(&format!("{} {what}: {done} of {all}", bar(done, all)));
    }
}

/// Replaces the line. Standard error that takes nothing is no reason to end the work.
fn show(line: &str) {
    let columns = terminal::size().map_or(COLUMNS, |(columns, _)| columns.into());
    let mut out = io::stderr().lock();
    // a line that wraps could not be replaced
    let _ = write!(out, "\r\x1b[2K{}", terminal::cut(&table::plain(line), columns));
    let _ = out.flush();
}

fn bar(done: usize, all: usize) -> String {
    let full = (BAR * done / all.max(1)).min(BAR);
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(bar(0, 4), format!("[{}]", ".".repeat(24)));
        assert_eq!(bar(1, 4), format!("[{}{}]", "#".repeat(6), ".".repeat(18)));
        assert_eq!(bar(9, 4), format!("[{}]", "#".repeat(24)));
        assert_eq!(bar(0, 0), format!("[{}]", ".".repeat(24)));
    }
}
