//! Programs as processes: the product's own, and our naive ones. Each is killed when its [`Program`] is
//! dropped, so that a run that fails leaves none behind.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// For a program to become ready, and to end after SIGTERM.
const LIMIT: Duration = Duration::from_mins(1);

/// How a program is run.
#[derive(Clone)]
pub struct Spec {
    /// The file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All of Waybill's that it has in its environment.
    pub settings: Vec<(String, String)>,
    /// Where its output goes.
    pub log: PathBuf,
    /// Where it says at `/readyz` that it can do its job.
    pub admin: SocketAddr,
}

/// A program that runs.
pub struct Program {
    child: Child,
    spec: Spec,
}

impl Spec {
    /// The command, with none of Waybill's variables but the settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WAYBILL_") {
                command.env_remove(name);
            }
        }
        command.args(&self.arguments).envs(self.settings.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Starts the program; does not wait until it is ready.
    pub fn start(self) -> anyhow::Result<Program> {
        let log = File::create(&self.log).with_context(|| self.log.display().to_string())?;
        let mut command = self.command();
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        Ok(Program { child, spec: self })
    }
}

impl Program {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready in time: its log says why.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let url = format!("http://{}/readyz", self.spec.admin);
        loop {
            let answer = reqwest::get(&url).await;
            if answer.is_ok_and(|response| response.status().is_success()) {
                return Ok(());
            }
            let (program, log) = (self.spec.program.display(), self.spec.log.display());
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{program} ended ({status}); see {log}");
            }
            anyhow::ensure!(began.elapsed() < LIMIT, "{program} is not ready after {LIMIT:?}; see {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The most memory it ever had resident, in MiB; `None` where the system does not say.
    pub fn resident_mib_max(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Asks it to stop, and waits.
    ///
    /// # Errors
    /// When it does not end, or ends badly.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        let signalled = Command::new("kill").args(["-s", "TERM", &pid]).status()?;
        let program = self.spec.program.display();
        anyhow::ensure!(signalled.success(), "{program} had ended before; see {}", self.spec.log.display());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = self.spec.log.display();
                anyhow::ensure!(status.success(), "{program} stopped badly ({status}); see {log}");
                return Ok(());
            }
            anyhow::ensure!(began.elapsed() < LIMIT, "{program} does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // both fail only when it has ended
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on loopback that is free at the moment.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
