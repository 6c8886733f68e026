//! Our programs as processes, for what only a process can show: signals and exit codes.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use super::services::variable;

/// A started program; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
}

/// The command `name` of the build under test, with nothing of Waybill in its environment but
/// `settings`.
pub fn command(name: &str, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(format!("{}/{name}", variable("WAYBILL_TEST_BIN_DIR")));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("WAYBILL_")) {
        command.env_remove(variable);
    }
    command.envs(settings.iter().cloned());
    command
}

/// Runs a program to its end.
pub fn run(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Output {
    command(name, settings).args(arguments).output().expect("the program runs")
}

/// Runs a program to its end, with `typed` on standard input: its exit code, and all that it printed.
pub fn typed(
    name: &str,
    arguments: &[&str],
    settings: &[(String, String)],
    typed: &str,
) -> (Option<i32>, String) {
    let mut child = command(name, settings)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // one that was wrong may have ended without reading
    let _ = child.stdin.take().expect("a pipe").write_all(typed.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

impl Program {
    /// Starts a program; its log is not looked at.
    pub fn start(name: &str, arguments: &[&str], settings: &[(String, String)]) -> Self {
        let child = command(name, settings)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Self { child }
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "SIG{name} is sent");
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; the exit code, or none when a signal ended it.
    pub async fn exit(mut self) -> Option<i32> {
        tokio::task::spawn_blocking(move || self.child.wait().expect("it ends").code()).await.unwrap()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port on loopback. Somebody else may take it first; then the program says so and ends.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
