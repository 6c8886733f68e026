//! Where PostgreSQL and RabbitMQ are. Set by `./dev test`; fault tests have a pair of their own,
//! which they may stop and kill.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;

/// A pair of services.
#[derive(Debug, Clone)]
pub struct Services {
    /// A maintenance database, as a role that may create others.
    pub database_url: String,
    /// RabbitMQ, without a virtual host.
    pub amqp_url: String,
    /// RabbitMQ's management API, with credentials.
    pub api_url: String,
    /// The script that stops and starts them, where that is allowed.
    ctl: Option<String>,
    /// Locked for as long as this test has them: whatever runs the tests, one at a time breaks them.
    _turn: Option<Arc<File>>,
}

impl Services {
    /// The pair that most tests share.
    pub fn shared() -> Self {
        Self::of("TEST")
    }

    /// The pair that fault tests may break, one test at a time: waits for its turn.
    pub fn breakable() -> Self {
        let ctl = variable("WAYBILL_FAULT_CTL");
        let turn = File::create(format!("{ctl}.turn")).expect("a file beside the control script");
        turn.lock().expect("its turn comes");
        Self { ctl: Some(ctl), _turn: Some(Arc::new(turn)), ..Self::of("FAULT") }
    }

    fn of(which: &str) -> Self {
        Self {
            database_url: variable(&format!("WAYBILL_{which}_DATABASE_URL")),
            amqp_url: variable(&format!("WAYBILL_{which}_AMQP_URL")),
            api_url: variable(&format!("WAYBILL_{which}_RABBITMQ_API_URL")),
            ctl: None,
            _turn: None,
        }
    }

    /// Does `verb` to `service`, and returns when it is done.
    pub async fn control(&self, service: &'static str, verb: &'static str) {
        let ctl = self.ctl.clone().expect("only breakable services are broken");
        let done = tokio::task::spawn_blocking(move || Command::new(ctl).args([service, verb]).status());
        let status = done.await.unwrap().expect("the control script runs");
        assert!(status.success(), "{service} {verb} failed");
    }
}

/// A variable that `./dev test` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with ./dev test"))
}
