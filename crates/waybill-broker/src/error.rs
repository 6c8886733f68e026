//! What can go wrong with the broker, sorted by what the caller does next.

use lapin::{ErrorKind, protocol::AMQPErrorKind};

/// Why the broker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Not reachable, gone, or silent: connect again.
    #[error("RabbitMQ is unavailable: {0}")]
    Unavailable(String),
    /// Reached, but nothing is to be published or consumed until an operator has mended this.
    #[error("the topology is not safe: {}; run `waybill topology check`", .0.join("; "))]
    Unsafe(Vec<String>),
    /// The configuration cannot be used.
    #[error("{0}")]
    Configuration(String),
}

impl BrokerError {
    /// Nothing came back in time.
    pub(crate) fn timeout(what: &str) -> Self {
        Self::Unavailable(format!("no answer in time while {what}"))
    }
}

impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        Self::Unavailable(match error.kind() {
            ErrorKind::ProtocolError(e) => format!("{} {}", e.get_id(), e.get_message()),
            ErrorKind::IOError(e) => format!("connection: {}", e.kind()),
            ErrorKind::MissingHeartbeatError => "no heartbeat".to_owned(),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                "the connection is closed".to_owned()
            }
            _ => "the connection broke".to_owned(),
        })
    }
}

/// The reply code of a broker's refusal (AMQP 0-9-1, section 1.2), when it was one.
pub(crate) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(e) => match e.kind() {
            AMQPErrorKind::Soft(soft) => Some(soft.get_id()),
            AMQPErrorKind::Hard(hard) => Some(hard.get_id()),
        },
        _ => None,
    }
}
