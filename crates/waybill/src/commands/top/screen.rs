//! The terminal while `waybill top` has it: raw, on its other screen, without a cursor; and as it was once
//! this is dropped, on a panic and on a signal too. Keys are read as bytes; the terminal is asked nothing.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::draw;
use super::frame::Frame;
use crate::terminal::{self, Terminal, cut};

/// The keys that end it: q, Q, and what raw mode makes of Ctrl-C and Ctrl-D.
const ENDS: [u8; 4] = [b'q', b'Q', 3, 4];
/// Where the terminal does not say how large it is.
const SIZE: (u16, u16) = (80, 24);

/// The terminal, taken.
pub(super) struct Screen {
    keys: mpsc::Receiver<()>,
    resized: Signal,
    ends: [Signal; 3],
    /// What is shown, and how often it is renewed.
    shown: Option<(Frame, Duration)>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> anyhow::Result<Self> {
        // first, for a terminal that is taken must be given back whatever ends the process
        let ends = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        let [terminate, hangup, interrupt] = ends;
        let (ends, resized) = ([terminate?, hangup?, interrupt?], signal(SignalKind::window_change())?);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        let keys = keys()?;
        enable_raw_mode().context("the terminal cannot be taken: use --once")?;
        let screen = Self { keys, resized, ends, shown: None };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        put(&["looking ...".to_owned()], terminal::size().unwrap_or(SIZE))?;
        Ok(screen)
    }

    /// Does `work`, and meanwhile draws anew when the terminal changes its size; none: it is to end.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
        tokio::pin!(work);
        loop {
            let [terminate, hangup, interrupt] = &mut self.ends;
            tokio::select! {
                done = &mut work => return Ok(Some(done)),
                Some(()) = self.keys.recv() => return Ok(None),
                _ = terminate.recv() => return Ok(None),
                _ = hangup.recv() => return Ok(None),
                _ = interrupt.recv() => return Ok(None),
                _ = self.resized.recv() => self.draw()?,
            }
        }
    }

    /// Shows a frame, until the next.
    pub(super) fn show(&mut self, frame: Frame, every: Duration) -> anyhow::Result<()> {
        self.shown = Some((frame, every));
        self.draw()
    }

    fn draw(&self) -> anyhow::Result<()> {
        let Some((frame, every)) = &self.shown else { return Ok(()) };
        let size = terminal::size().unwrap_or(SIZE);
        let terminal = Terminal { columns: Some(size.0), colour: Terminal::here().colour };
        let head =
            format!("waybill top: rates over {:.0} s, every {} s; q ends it", frame.over_s, every.as_secs());
        let lines: Vec<String> =
            [head].into_iter().chain(draw::frame(frame, terminal).lines().map(str::to_owned)).collect();
        put(&lines, size)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. Nothing can be done where it takes nothing any more.
fn restore() {
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

/// Writes the lines over what was there, as many as fit. A raw terminal does not return by itself.
fn put(lines: &[String], (columns, rows): (u16, u16)) -> anyhow::Result<()> {
    let (columns, rows) = (usize::from(columns), usize::from(rows));
    let mut text = "\u{1b}[H".to_owned();
    let is_cut = lines.len() > rows;
    let kept = if is_cut { rows.saturating_sub(1) } else { lines.len() };
    for (at, line) in lines.iter().take(kept).enumerate() {
        if at > 0 {
            text.push_str("\r\n");
        }
        text.push_str(&cut(line, columns));
        text.push_str("\u{1b}[K");
    }
    if is_cut {
        let more = lines.len() - kept;
        text.push_str("\r\n");
        text.push_str(&cut(&format!("{more} more lines: a taller terminal shows them"), columns));
        text.push_str("\u{1b}[K");
    }
    text.push_str("\u{1b}[J");
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Hears the keys that end it, on a thread of its own, which ends with the process: reading a terminal
/// cannot be given up.
fn keys() -> anyhow::Result<mpsc::Receiver<()>> {
    let (heard, keys) = mpsc::channel(1);
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        let mut bytes = [0; 64];
        while let Ok(read) = input.read(&mut bytes) {
            let pressed = bytes.get(..read).unwrap_or_default();
            if read == 0
                || (pressed.iter().any(|byte| ENDS.contains(byte)) && heard.blocking_send(()).is_err())
            {
                break;
            }
        }
    })?;
    Ok(keys)
}
