//! Our programs as real processes: started, signalled, watched, started again.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::run::{Patience, until};

/// For a process to stop in good order.
const STOP: Duration = Duration::from_secs(40);

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts, and publishes.
    Ingest,
    /// Processes.
    Worker,
    /// Sweeps, balances, and publishes.
    Serve,
}

/// One process, and how to start it again.
#[derive(Debug)]
pub struct Member {
    /// What it does.
    pub role: Role,
    /// Its name in the drill, such as `worker-1`.
    pub name: String,
    /// Where it listens for partners; ingest alone.
    pub port: u16,
    /// Where it says how it is.
    pub admin: u16,
    /// Where fail points are armed and hits are found.
    pub points: PathBuf,
    /// More settings than the fleet's, such as a skewed clock.
    pub more: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
    /// The signal that ended it last, since it was last forgotten.
    killed_by: Option<i32>,
}

/// All processes of one stage.
#[derive(Debug)]
pub struct Fleet {
    /// Where the programs are.
    pub programs: PathBuf,
    /// What every process is told.
    pub settings: Vec<(String, String)>,
    /// The processes.
    pub members: Vec<Member>,
    folder: PathBuf,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Worker => "worker",
            Self::Serve => "serve",
        }
    }
}

impl Fleet {
    /// A fleet without processes, whose logs go to `folder`.
    pub const fn new(programs: PathBuf, settings: Vec<(String, String)>, folder: PathBuf) -> Self {
        Self { programs, settings, members: Vec::new(), folder }
    }

    /// Adds a process and starts it; it need not be ready yet. Its place among the members.
    pub fn add(&mut self, role: Role) -> Result<usize> {
        let number = self.members.iter().filter(|member| member.role == role).count() + 1;
        let name = format!("{}-{number}", role.name());
        let points = self.folder.join(format!("{name}.points"));
        std::fs::create_dir_all(&points)?;
        let log = self.folder.join(format!("{name}.log"));
        self.members.push(Member {
            role,
            name,
            port: free_port()?,
            admin: free_port()?,
            points,
            more: Vec::new(),
            log,
            child: None,
            killed_by: None,
        });
        let at = self.members.len() - 1;
        self.start(at)?;
        Ok(at)
    }

    /// Starts a member that does not run.
    pub fn start(&mut self, at: usize) -> Result<()> {
        let (programs, settings, member) = (&self.programs, &self.settings, &mut self.members[at]);
        let log = File::options().create(true).append(true).open(&member.log)?;
        let (program, section, arguments): (_, _, &[&str]) = match member.role {
            Role::Ingest => ("ingest-api", "INGEST", &[]),
            Role::Worker => ("worker", "WORKER", &[]),
            Role::Serve => ("waybill", "SERVE", &["serve"]),
        };
        let mut command = clean(&programs.join(program), settings);
        command
            .args(arguments)
            .env(format!("WAYBILL_{section}__ADMIN_LISTEN"), format!("127.0.0.1:{}", member.admin))
            .env("WAYBILL_DRILL", &member.points)
            .envs(member.more.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if member.role == Role::Ingest {
            command.env("WAYBILL_INGEST__LISTEN", format!("127.0.0.1:{}", member.port));
        }
        member.ended_by();
        let child = command.spawn().with_context(|| format!("{program} does not start"))?;
        member.child = Some(child);
        Ok(())
    }

    /// Stops a process in good order, which must end with exit 0, and starts it again.
    pub async fn restart(&mut self, at: usize) -> Result<()> {
        let member = &mut self.members[at];
        member.signal("TERM")?;
        let code = member.ended(STOP).await?;
        ensure!(code == Some(0), "{} ended with {code:?} instead of 0 when it was told to stop", member.name);
        self.start(at)
    }

    /// Kills a process and starts it again.
    pub async fn kill(&mut self, at: usize) -> Result<()> {
        self.members[at].signal("KILL")?;
        self.members[at].ended(STOP).await?;
        self.start(at)
    }

    /// The places of the members with a role.
    pub fn of(&self, role: Role) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.members[at].role == role).collect()
    }

    /// Starts what has ended, as whatever watches over processes does.
    pub fn revive(&mut self) -> Result<()> {
        for at in 0..self.members.len() {
            if self.members[at].wanted() && !self.members[at].runs() {
                self.start(at)?;
            }
        }
        Ok(())
    }

    /// Waits until the members that are to run are ready.
    pub async fn ready(&mut self) -> Result<()> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        for at in (0..self.members.len()).filter(|&at| self.members[at].wanted()).collect::<Vec<_>>() {
            let name = self.members[at].name.clone();
            let url = format!("http://127.0.0.1:{}/readyz", self.members[at].admin);
            until(&format!("{name} to be ready"), Patience::LONG, async || {
                let answer = http.get(&url).send().await;
                Ok(answer.is_ok_and(|response| response.status() == 200))
            })
            .await
            .with_context(|| format!("see {name}.log"))?;
        }
        Ok(())
    }
}

impl Member {
    /// Whether it is to run: it was started and not taken away.
    pub const fn wanted(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// The signal that ended it last, if one did since [`Member::forget`], even if it was started again.
    pub fn ended_by(&mut self) -> Option<i32> {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        self.killed_by = ended.and_then(|status| status.signal()).or(self.killed_by);
        self.killed_by
    }

    /// Forgets how it ended.
    pub const fn forget(&mut self) {
        self.killed_by = None;
    }

    /// Its process id, while it is wanted.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it stands still (SIGSTOP).
    pub fn is_stopped(&self) -> bool {
        let pid = self.child.as_ref().map_or(0, Child::id);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && line.contains("T (stopped)"))
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) -> Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status()?;
        ensure!(status.success(), "SIG{name} could not be sent to {}", self.name);
        Ok(())
    }

    /// Waits for its end, and lets it rest.
    pub async fn ended(&mut self, limit: Duration) -> Result<Option<i32>> {
        let began = std::time::Instant::now();
        loop {
            let Some(child) = &mut self.child else { return Ok(None) };
            if let Some(status) = child.try_wait()? {
                self.child = None;
                return Ok(status.code());
            }
            ensure!(began.elapsed() < limit, "{} does not end within {limit:?}", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Arms a fail point: the next one to pass it does `what`.
    pub fn arm(&self, point: &str, what: &str) -> Result<()> {
        let hit = self.points.join(format!("{point}.hit"));
        let _ = std::fs::remove_file(hit);
        let new = self.points.join("new");
        std::fs::write(&new, what)?;
        Ok(std::fs::rename(new, self.points.join(point))?)
    }

    /// Disarms a point that nobody has passed.
    pub fn disarm(&self, point: &str) {
        let _ = std::fs::remove_file(self.points.join(point));
    }

    /// Whether somebody has passed an armed point.
    pub fn was_hit(&self, point: &str) -> bool {
        self.points.join(format!("{point}.hit")).exists()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program with nothing of Waybill in its environment but `settings`.
pub fn clean(program: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYBILL_")) {
        command.env_remove(name);
    }
    command.envs(settings.iter().cloned());
    command
}

/// Ports for our processes: below those from which the system takes ports for outgoing connections, one of
/// which may be taken before a process has bound what was free a moment ago.
const PORTS: std::ops::Range<u16> = 10_000..20_000;

/// A port of loopback that is free, and was not given before.
pub fn free_port() -> Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    for _ in 0..count {
        // two drills at once begin elsewhere
        let place = GIVEN.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(97));
        let port = PORTS.start + u16::try_from(place % count)?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no port of {PORTS:?} is free on 127.0.0.1")
}
