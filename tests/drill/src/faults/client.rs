//! Clients that misbehave beside the well-behaved ones.

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fleet::Role;
use crate::run::{Patience, until};
use crate::stage::Stage;

/// What they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Many connect and say nothing, or next to nothing.
    Silent,
}

/// Connections to each ingest.
const MANY: usize = 500;
/// What some of them say before they fall silent.
const BEGINNINGS: [&str; 3] =
    ["", "POST /v1/messages HTTP/1.1\r\nhost: x\r\n", "GET /livez HTTP/1.1\r\nx-slow: "];

impl Client {
    pub(super) async fn inject(&self, stage: &mut Stage) -> Result<()> {
        let Self::Silent = self;
        let ports: Vec<u16> =
            stage.fleet.of(Role::Ingest).into_iter().map(|at| stage.fleet.members[at].port).collect();
        let folder = stage.folder.clone();
        let mut open = Vec::new();
        let began = std::time::Instant::now();
        for n in 0..MANY {
            for &port in &ports {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.write_all(BEGINNINGS[n % BEGINNINGS.len()].as_bytes()).await?;
                open.push(stream);
            }
        }
        stage.hold("client", async move {
            let closed = open.into_iter().map(|mut stream| async move {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            });
            futures_util::future::join_all(closed).await;
            let _ = std::fs::write(folder.join("closed"), began.elapsed().as_secs().to_string());
        });
        Ok(())
    }

    /// All of them are shown the door within 15 s. That others are answered meanwhile is checked as
    /// always.
    pub(super) async fn bitten(&self, stage: &Stage) -> Result<String> {
        let closed = stage.folder.join("closed");
        until("silent clients to be shown the door", Patience::BITE, async || Ok(closed.exists())).await?;
        let took: u64 = std::fs::read_to_string(closed)?.parse()?;
        ensure!(took <= 16, "silent clients were shown the door only after {took} s");
        Ok(format!("{} silent connections were closed within {took} s", MANY * 2))
    }

    pub(super) fn heal(stage: &mut Stage) {
        stage.let_go("client");
    }
}
