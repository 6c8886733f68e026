//! Publishing a window of envelopes with confirms.
//!
//! The window settles as a whole: confirmed = acknowledged − returned. An unroutable message is
//! acknowledged too, and the client may attach its return to the wrong confirm when several are in
//! flight, so returns are collected by message id first. A publisher has one channel and one owner:
//! tasks that share a channel race for delivery tags.

use std::collections::HashSet;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;
use waybill_core::envelope::Envelope;
use waybill_drill as drill;

use crate::connection::Link;
use crate::error::BrokerError;
use crate::topology::EXCHANGE;

/// RabbitMQ's delivery mode for messages that survive a restart.
const PERSISTENT: u8 = 2;

/// A channel in confirm mode, owned by one task.
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
    limit: std::time::Duration,
}

/// An envelope on its way, with its trace context (W3C Trace Context, section 3.2).
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What travels.
    pub envelope: Envelope,
    /// The value of the header `traceparent`.
    pub traceparent: String,
}

/// How a window ended, message by message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// In a queue, on disk.
    pub confirmed: Vec<Uuid>,
    /// No queue took it.
    pub returned: Vec<Uuid>,
    /// The broker refused it.
    pub nacked: Vec<Uuid>,
    /// No answer in time: it may be in a queue or not.
    pub timed_out: Vec<Uuid>,
    /// The connection broke first: it may be in a queue or not.
    pub failed: Vec<Uuid>,
}

impl Settled {
    /// What must stay due.
    pub fn unconfirmed(&self) -> impl Iterator<Item = Uuid> {
        [&self.returned, &self.nacked, &self.timed_out, &self.failed].into_iter().flatten().copied()
    }

    /// Whether the connection is of no more use.
    pub fn is_broken(&self) -> bool {
        !self.timed_out.is_empty() || !self.failed.is_empty()
    }
}

/// What one publish came to, before the window is settled.
enum Ended {
    Acked(Option<Uuid>),
    Nacked(Option<Uuid>),
    TimedOut,
    Failed,
}

impl Publisher {
    /// A publisher on a channel of its own.
    pub async fn open(link: &Link) -> Result<Self, BrokerError> {
        let channel = link.channel().await?;
        timeout(link.limit, channel.confirm_select(ConfirmSelectOptions::default()))
            .await
            .map_err(|_| BrokerError::timeout("switching confirms on"))??;
        Ok(Self { channel, limit: link.limit })
    }

    /// Publishes all of `window` to the lane, then waits for all answers under one time limit.
    pub async fn publish(&self, lane: &str, window: &[Outgoing]) -> Settled {
        let deadline = Instant::now() + self.limit;
        let mut sent: Vec<(Uuid, Result<PublisherConfirm, Ended>)> = Vec::with_capacity(window.len());
        for outgoing in window {
            let id = outgoing.envelope.id;
            let broken = matches!(sent.last(), Some((_, Err(_))));
            let sending = async {
                match timeout_at(deadline, self.send(lane, outgoing)).await {
                    Ok(Ok(confirm)) => Ok(confirm),
                    Ok(Err(_)) => Err(Ended::Failed),
                    Err(_) => Err(Ended::TimedOut),
                }
            };
            let result = if broken { Err(Ended::Failed) } else { sending.await };
            sent.push((id, result));
        }
        drill::point("relay.after_publish");
        let mut ended = Vec::with_capacity(sent.len());
        for (id, result) in sent {
            ended.push((
                id,
                match result {
                    Ok(confirm) => answer(confirm, deadline).await,
                    Err(early) => early,
                },
            ));
        }
        settle(ended)
    }

    async fn send(&self, lane: &str, outgoing: &Outgoing) -> lapin::Result<PublisherConfirm> {
        let mut headers = FieldTable::default();
        let traceparent = LongString::from(outgoing.traceparent.as_str());
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent));
        let properties = BasicProperties::default()
            .with_message_id(outgoing.envelope.id.to_string().into())
            .with_delivery_mode(if drill::mutant("transient") { 1 } else { PERSISTENT })
            .with_content_type("application/json".into())
            .with_headers(headers);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let bytes = outgoing.envelope.encode();
        self.channel.basic_publish(EXCHANGE.into(), lane.into(), options, &bytes, properties).await
    }
}

/// Waits for the broker's answer to one publish.
async fn answer(confirm: PublisherConfirm, deadline: Instant) -> Ended {
    let id_of = |returned: Option<lapin::message::BasicReturnMessage>| {
        returned.map(|message| {
            let id = message.delivery.properties.message_id().as_ref();
            // a return without a readable id is one more reason to confirm nothing by it
            id.and_then(|id| id.as_str().parse().ok()).unwrap_or(Uuid::nil())
        })
    };
    match timeout_at(deadline, confirm).await {
        Err(_) => Ended::TimedOut,
        // without confirm mode nothing is known: never a success
        Ok(Err(_) | Ok(Confirmation::NotRequested)) => Ended::Failed,
        Ok(Ok(Confirmation::Ack(returned))) => Ended::Acked(id_of(returned)),
        Ok(Ok(Confirmation::Nack(returned))) => Ended::Nacked(id_of(returned)),
    }
}

/// Settles the window: returns count against the message they name, whichever confirm carried them.
fn settle(ended: Vec<(Uuid, Ended)>) -> Settled {
    let returned: HashSet<Uuid> = ended
        .iter()
        .filter_map(|(_, end)| match end {
            Ended::Acked(id) | Ended::Nacked(id) => *id,
            Ended::TimedOut | Ended::Failed => None,
        })
        .collect();
    let nameless = returned.contains(&Uuid::nil());
    let mut settled = Settled::default();
    for (id, end) in ended {
        let list = match end {
            _ if returned.contains(&id) && !drill::mutant("returned_confirmed") => &mut settled.returned,
            Ended::Acked(_) if nameless => &mut settled.failed,
            _ if drill::mutant("confirm_ignored") => &mut settled.confirmed,
            Ended::Acked(_) => &mut settled.confirmed,
            Ended::Nacked(_) => &mut settled.nacked,
            Ended::TimedOut => &mut settled.timed_out,
            Ended::Failed => &mut settled.failed,
        };
        list.push(id);
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn a_return_counts_against_the_message_it_names() {
        let settled = settle(vec![
            (id(1), Ended::Acked(Some(id(2)))),
            (id(2), Ended::Acked(None)),
            (id(3), Ended::Nacked(None)),
        ]);
        assert_eq!(settled.confirmed, [id(1)]);
        assert_eq!(settled.returned, [id(2)]);
        assert_eq!(settled.nacked, [id(3)]);
        assert_eq!(settled.unconfirmed().collect::<Vec<_>>(), [id(2), id(3)]);
    }

    #[test]
    fn a_return_without_a_name_confirms_nothing() {
        let settled = settle(vec![(id(1), Ended::Acked(Some(Uuid::nil()))), (id(2), Ended::Acked(None))]);
        assert!(settled.confirmed.is_empty());
        assert!(settled.is_broken());
    }

    #[test]
    fn no_answer_is_not_a_confirm() {
        let settled = settle(vec![(id(1), Ended::TimedOut), (id(2), Ended::Failed)]);
        assert!(settled.confirmed.is_empty());
        assert!(settled.is_broken());
    }
}
