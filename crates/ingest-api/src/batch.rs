//! `POST /v1/messages/batch`: authenticate, read, judge every item, store all or none, answer.
//!
//! One problem refuses the whole batch, and nothing of it is stored. The items count against the
//! source's rate like single submissions: the first before the body is read, the others when it is
//! known how many they are.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::Response;
use waybill_core::accept;
use waybill_core::hl7;
use waybill_core::items::{Form, ITEMS_MAX};
use waybill_core::source::{Format, Source};
use waybill_store::accept::Accepted;
use waybill_store::accept_batch::{BatchAccepted, NewBatch};

use crate::answer::{self, Receipt};
use crate::items::{self, Post, Read};
use crate::post::{answer_post, text};
use crate::problem::{Kind, Problem};
use crate::rate::TooFast;
use crate::{app, body, request};

/// Accepts a batch.
pub async fn messages(State(state): State<Arc<app::State>>, request: Request) -> Response {
    let taking = Arc::clone(&state);
    answer_post(&state, request, |source, parts, body| async move {
        read_and_store(&taking, &source, &parts, body).await
    })
    .await
}

async fn read_and_store(
    state: &app::State,
    source: &Arc<Source>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let headers = &parts.headers;
    let content_type = text(headers, CONTENT_TYPE.as_str())?.unwrap_or("application/octet-stream").to_owned();
    let post = Post {
        source: Arc::clone(source),
        form: Form::of(source.format, &content_type).map_err(items::refused)?,
        content_type,
        idempotency_key: text(headers, "idempotency-key")?.map(str::to_owned),
        held: state.batches.hold()?,
    };
    let encoded = body::collect(headers, body, state.body_limits(parts, state.batches.bytes_max)).await?;
    let read = tokio::task::spawn_blocking(move || items::read(post, encoded)).await;
    let mut read = read.map_err(|_| Kind::StoreUnavailable)??;
    state.rates.count_rest(source, read.items.len()).map_err(|why| above_rate(source, why))?;
    let receipts = store(state, headers, &mut read).await?;
    let duplicates = receipts.iter().filter(|receipt| receipt.duplicate).count() as u64;
    request::count_batch(&source.name, receipts.len() as u64 - duplicates, duplicates);
    if source.format == Format::Hl7v2 {
        acknowledge(&read, &receipts)
    } else {
        Ok(answer::receipts(&receipts))
    }
}

fn above_rate(source: &Source, why: TooFast) -> Problem {
    let what = format!(
        "A batch counts as many as it has items, and this source may send {} at once: send smaller batches",
        source.burst
    );
    let problem = Problem::from(Kind::RateLimited);
    Problem { detail: why.never.then_some(what), retry_after_s: Some(why.wait_s), ..problem }
}

/// Stores what is not a repeat within the batch; a receipt for every item.
async fn store(state: &app::State, headers: &HeaderMap, read: &mut Read) -> Result<Vec<Receipt>, Problem> {
    if read.items.is_empty() {
        return Ok(Vec::new());
    }
    let source = &read.post.source;
    // the statement's share: what waits for it is not given back before it is answered
    let share = std::mem::replace(&mut read.share, state.budget.share());
    let (mut receipts, items): (Vec<_>, Vec<_>) = read.receipts().into_iter().unzip();
    let places: Vec<usize> = (0..items.len()).filter(|&at| items[at].is_some()).collect();
    let batch = NewBatch {
        source: source.name.clone(),
        kind: source.kind_label().to_owned(),
        lane: source.lane.clone(),
        received_at: receipts[0].received_at,
        content_type: read.content_type.clone(),
        traceparent: request::traceparent(headers),
        items: items.into_iter().flatten().collect(),
    };
    let repeats = receipts.len() - places.len();
    let held = Arc::clone(&read.post.held);
    let became = match state.batches.store(batch, repeats, held, share).await? {
        BatchAccepted::Stored(became) => became,
        BatchAccepted::KeyReused(at) => return Err(Problem::from(Kind::KeyReused).of_item(places[at])),
    };
    for (&place, became) in places.iter().zip(became) {
        match became {
            Accepted::Stored { control_id_conflict } => {
                receipts[place].control_id_conflict = control_id_conflict;
            }
            Accepted::Known(first) => receipts[place] = receipts[place].clone().of_first(first),
        }
    }
    for (place, (_, judged)) in read.items.iter().enumerate() {
        if let Some(first) = judged.repeats {
            receipts[place] = Receipt { duplicate: true, ..receipts[first].clone() };
        }
    }
    Ok(receipts)
}

/// One acknowledgement for each message, in a batch like the one that came.
fn acknowledge(read: &Read, receipts: &[Receipt]) -> Result<Response, Problem> {
    let (source, content_type) = (&read.post.source, read.post.content_type.as_str());
    // what was read once is read again: only positions are kept in between
    let batch = hl7::Batch::parse(&read.body, ITEMS_MAX).map_err(|_| Kind::MalformedBody)?;
    let mut acknowledgements = Vec::with_capacity(receipts.len());
    for ((body, _), receipt) in read.items.iter().zip(receipts) {
        let header = accept::read_hl7(source, content_type, body).map_err(|_| Kind::MalformedBody)?;
        acknowledgements.push(answer::acknowledgement(&header, receipt));
    }
    Ok(answer::acknowledged_batch(&batch, &acknowledgements, content_type, receipts))
}
