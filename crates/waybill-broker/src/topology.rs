//! The topology: every exchange, queue and binding, in one place.
//!
//! What keeps messages safe (quorum queues, `reject-publish`, at-least-once dead-lettering, a
//! delivery limit) stands in the queues' own arguments, which nobody can change behind our back. A
//! policy can still loosen some of them: [`crate::findings`] sees to that. There is no alternate exchange: an unroutable publish must come
//! back, so that its message stays due. `waybill.dead` ends every dead-letter route: a cycle would
//! make RabbitMQ drop messages silently.

use std::collections::BTreeMap;

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::connection::Link;
use crate::error::{BrokerError, reply_code};

/// Where envelopes are published; the routing key is the lane.
pub const EXCHANGE: &str = "waybill.in";
/// The dead-letter exchange, and the queue it feeds.
pub const DEAD: &str = "waybill.dead";
/// Deliveries of one envelope before the broker gives up on it: a breaker for crash loops. Attempts
/// are counted in the ledger.
pub const DELIVERY_LIMIT: i64 = 50;
/// Envelopes a work queue takes; far above `relay.lane_published_max`, which is the real limit.
pub const LENGTH_MAX: i64 = 1_000_000;

/// The work queue of a lane.
pub fn work_queue(lane: &str) -> String {
    format!("{WORK}{lane}")
}

/// The lane of a work queue; none for another queue.
pub fn lane_of(queue: &str) -> Option<&str> {
    queue.strip_prefix(WORK)
}

const WORK: &str = "waybill.work.";

/// A queue as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: BTreeMap<&'static str, Argument>,
    /// The exchange and routing key it is bound by.
    pub binding: (&'static str, String),
}

/// An argument's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A number.
    Number(i64),
    /// A word.
    Word(&'static str),
}

impl From<&Argument> for AMQPValue {
    fn from(argument: &Argument) -> Self {
        match argument {
            Argument::Number(number) => Self::LongLongInt(*number),
            Argument::Word(word) => Self::LongString((*word).into()),
        }
    }
}

impl From<&Argument> for Value {
    fn from(argument: &Argument) -> Self {
        match argument {
            Argument::Number(number) => Self::from(*number),
            Argument::Word(word) => Self::from(*word),
        }
    }
}

/// The exchanges, and their kinds.
pub const EXCHANGES: [(&str, ExchangeKind); 2] =
    [(EXCHANGE, ExchangeKind::Direct), (DEAD, ExchangeKind::Fanout)];

/// The queues that these lanes need.
pub fn queues(lanes: &[String]) -> Vec<Queue> {
    use Argument::{Number, Word};
    let work = |lane: &String| Queue {
        name: work_queue(lane),
        arguments: BTreeMap::from([
            ("x-queue-type", Word("quorum")),
            ("x-overflow", Word("reject-publish")),
            ("x-dead-letter-exchange", Word(DEAD)),
            ("x-dead-letter-strategy", Word("at-least-once")),
            ("x-delivery-limit", Number(DELIVERY_LIMIT)),
            ("x-max-length", Number(LENGTH_MAX)),
        ]),
        binding: (EXCHANGE, lane.clone()),
    };
    let dead = Queue {
        name: DEAD.to_owned(),
        arguments: BTreeMap::from([
            ("x-queue-type", Word("quorum")),
            ("x-overflow", Word("reject-publish")),
            // terminal: no dead-letter exchange; RabbitMQ 4 would drop after 20 deliveries
            ("x-delivery-limit", Number(1_000_000)),
        ]),
        binding: (DEAD, String::new()),
    };
    let mut queues: Vec<Queue> = lanes.iter().map(work).chain([dead]).collect();
    if waybill_drill::mutant("transient") {
        for queue in &mut queues {
            queue.arguments = BTreeMap::from([("x-queue-type", Word("classic"))]);
        }
    }
    queues
}

/// What these lanes need, in the form that RabbitMQ exports and imports (definitions), for one virtual
/// host.
pub fn definitions(lanes: &[String], vhost: &str) -> Value {
    let exchanges: Vec<Value> = EXCHANGES
        .iter()
        .map(|(name, kind)| {
            json!({"name": name, "vhost": vhost, "type": format!("{kind:?}").to_lowercase(), "durable": true,
                   "auto_delete": false, "internal": false, "arguments": {}})
        })
        .collect();
    let queues = queues(lanes);
    let declared: Vec<Value> = queues
        .iter()
        .map(|queue| {
            let arguments: Map<String, Value> = queue
                .arguments
                .iter()
                .map(|(name, argument)| ((*name).to_owned(), Value::from(argument)))
                .collect();
            json!({"name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
                   "arguments": arguments})
        })
        .collect();
    let bindings: Vec<Value> = queues
        .iter()
        .map(|queue| {
            json!({"source": queue.binding.0, "vhost": vhost, "destination": queue.name,
                   "destination_type": "queue", "routing_key": queue.binding.1, "arguments": {}})
        })
        .collect();
    json!({"exchanges": exchanges, "queues": declared, "bindings": bindings})
}

/// Declares everything these lanes need; does nothing to what is there and right.
///
/// # Errors
/// [`BrokerError::Unsafe`] names what is there and different: it must be removed by hand first.
pub async fn declare(link: &Link, lanes: &[String]) -> Result<(), BrokerError> {
    let mut different = Vec::new();
    for (name, kind) in EXCHANGES {
        different.extend(declare_exchange(link, name, kind, false).await?.problem(name));
    }
    for queue in queues(lanes) {
        match declare_queue(link, &queue, false).await? {
            Answer::Right(_) | Answer::Unknown => bind(link, &queue).await?,
            other => different.extend(other.problem(&queue.name)),
        }
    }
    if different.is_empty() { Ok(()) } else { Err(BrokerError::Unsafe(different)) }
}

/// Compares what is there with what must be, and changes nothing: each difference in words.
/// Bindings and policies cannot be seen over AMQP: [`crate::api`] compares those.
pub async fn differences(link: &Link, lanes: &[String]) -> Result<Vec<String>, BrokerError> {
    let mut found = Vec::new();
    for (name, kind) in EXCHANGES {
        let there = declare_exchange(link, name, kind.clone(), true).await?;
        let same = match there {
            Answer::Right(_) => declare_exchange(link, name, kind, false).await?,
            missing => missing,
        };
        found.extend(same.problem(name));
    }
    for queue in queues(lanes) {
        let there = declare_queue(link, &queue, true).await?;
        let same = match there {
            Answer::Right(_) => declare_queue(link, &queue, false).await?,
            missing => missing,
        };
        found.extend(same.problem(&queue.name));
    }
    Ok(found)
}

/// Which exchanges and queues are not there at all: their names. Looks, and declares nothing.
pub async fn missing(link: &Link, lanes: &[String]) -> Result<Vec<String>, BrokerError> {
    let mut missing = Vec::new();
    for (name, kind) in EXCHANGES {
        if matches!(declare_exchange(link, name, kind, true).await?, Answer::Missing) {
            missing.push(name.to_owned());
        }
    }
    for queue in queues(lanes) {
        if matches!(declare_queue(link, &queue, true).await?, Answer::Missing) {
            missing.push(queue.name);
        }
    }
    Ok(missing)
}

/// The gate before publishing or consuming.
///
/// # Errors
/// [`BrokerError::Unsafe`] when the topology can lose messages or is not there.
pub async fn verify(link: &Link, lanes: &[String]) -> Result<(), BrokerError> {
    let found = differences(link, lanes).await?;
    if found.is_empty() { Ok(()) } else { Err(BrokerError::Unsafe(found)) }
}

/// Ready messages and consumers of a queue; `None` when it is not there.
pub async fn depth(link: &Link, queue: &str) -> Result<Option<(u32, u32)>, BrokerError> {
    let queue =
        Queue { name: queue.to_owned(), arguments: BTreeMap::new(), binding: (EXCHANGE, String::new()) };
    Ok(match declare_queue(link, &queue, true).await? {
        Answer::Right(depth) => Some(depth),
        Answer::Missing | Answer::Different(_) | Answer::Unknown => None,
    })
}

/// What the broker said to a declaration.
enum Answer {
    /// As declared; ready messages and consumers of a queue.
    Right((u32, u32)),
    Missing,
    Different(String),
    /// Nobody may ask.
    Unknown,
}

impl Answer {
    fn problem(self, name: &str) -> Option<String> {
        match self {
            Self::Right(_) | Self::Unknown => None,
            Self::Missing => Some(format!("{name} is missing: run `waybill topology apply`")),
            Self::Different(how) => {
                Some(format!("{name} differs: {how}; remove it by hand, then run `waybill topology apply`"))
            }
        }
    }

    /// Sorts a refusal: 404 missing, 406 different, 403 no right to declare (so not known to be
    /// different); anything else is the broker's trouble.
    fn of(error: lapin::Error) -> Result<Self, BrokerError> {
        match reply_code(&error) {
            Some(404) => Ok(Self::Missing),
            Some(406 | 405) => Ok(Self::Different(BrokerError::from(error).to_string())),
            Some(403) => Ok(Self::Unknown),
            _ => Err(error.into()),
        }
    }
}

async fn declare_exchange(
    link: &Link,
    name: &str,
    kind: ExchangeKind,
    passive: bool,
) -> Result<Answer, BrokerError> {
    let options = ExchangeDeclareOptions { passive, durable: true, ..Default::default() };
    // a refusal closes the channel: each question gets its own
    let channel = link.channel().await?;
    let asked = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
    match timeout(link.limit, asked).await {
        Err(_) => Err(BrokerError::timeout("declaring an exchange")),
        Ok(Ok(())) => {
            close(&channel).await;
            Ok(Answer::Right((0, 0)))
        }
        Ok(Err(error)) => Answer::of(error),
    }
}

async fn declare_queue(link: &Link, queue: &Queue, passive: bool) -> Result<Answer, BrokerError> {
    let options = QueueDeclareOptions { passive, durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    for (name, value) in &queue.arguments {
        arguments.insert((*name).into(), value.into());
    }
    let channel = link.channel().await?;
    let asked = channel.queue_declare(queue.name.as_str().into(), options, arguments);
    match timeout(link.limit, asked).await {
        Err(_) => Err(BrokerError::timeout("declaring a queue")),
        Ok(Ok(there)) => {
            close(&channel).await;
            Ok(Answer::Right((there.message_count(), there.consumer_count())))
        }
        Ok(Err(error)) => Answer::of(error),
    }
}

async fn bind(link: &Link, queue: &Queue) -> Result<(), BrokerError> {
    let channel = link.channel().await?;
    let bound = channel.queue_bind(
        queue.name.as_str().into(),
        queue.binding.0.into(),
        queue.binding.1.as_str().into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    timeout(link.limit, bound).await.map_err(|_| BrokerError::timeout("binding a queue"))??;
    close(&channel).await;
    Ok(())
}

async fn close(channel: &lapin::Channel) {
    let _ = timeout(std::time::Duration::from_secs(1), channel.close(200, "done".into())).await;
}
