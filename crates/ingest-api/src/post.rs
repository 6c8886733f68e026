//! `POST /v1/messages`: authenticate, read, judge, store, answer — in this order.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use uuid::Uuid;
use waybill_core::accept::{self, Acceptable, Refusal, Submission};
use waybill_core::credential::hex;
use waybill_core::hl7;
use waybill_core::source::{Format, Source};
use waybill_store::accept::{Accepted, NewMessage};

use crate::answer::{self, Receipt};
use crate::app;
use crate::budget::Share;
use crate::problem::{Kind, Problem};
use crate::{body, request};

/// Accepts one message.
pub async fn message(State(state): State<Arc<app::State>>, request: Request) -> Response {
    let taking = Arc::clone(&state);
    answer_post(&state, request, |source, parts, body| async move {
        let limits = taking.body_limits(&parts, source.body_bytes_max as usize);
        let (body, share) = body::read(&parts.headers, body, limits).await?;
        take(&taking, &source, &parts.headers, body, share).await
    })
    .await
}

/// What every post has in common: who it is, whether it may be taken now, what is counted.
pub(crate) async fn answer_post<F>(
    state: &app::State,
    request: Request,
    take: impl FnOnce(Arc<Source>, Parts, Body) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Problem>>,
{
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let source = match state.authenticate(&parts.headers) {
        Ok(source) => source,
        Err(problem) => {
            request::count_refused("-", problem.kind.slug());
            return problem.into_response();
        }
    };
    let answered = match may_post(state, &source) {
        Ok(()) => take(Arc::clone(&source), parts, body).await,
        Err(problem) => Err(problem),
    };
    let response = answered.unwrap_or_else(|problem| {
        request::count_refused(&source.name, problem.kind.slug());
        problem.into_response()
    });
    metrics::histogram!("waybill_accept_seconds").record(began.elapsed().as_secs_f64());
    response
}

fn may_post(state: &app::State, source: &Source) -> Result<(), Problem> {
    state.check_durable()?;
    state
        .rates
        .count(source)
        .map_err(|wait_s| Problem { retry_after_s: Some(wait_s), ..Problem::from(Kind::RateLimited) })
}

async fn take(
    state: &app::State,
    source: &Source,
    headers: &HeaderMap,
    body: Bytes,
    share: Share,
) -> Result<Response, Problem> {
    let submission = Submission {
        content_type: text(headers, CONTENT_TYPE.as_str())?.unwrap_or("application/octet-stream"),
        idempotency_key: text(headers, "idempotency-key")?,
        cloud_event: text(headers, "ce-source")?.zip(text(headers, "ce-id")?),
        body: &body,
    };
    let acceptable = match accept::accept(source, &submission) {
        Ok(acceptable) => acceptable,
        Err(Refusal::Hl7(refusal)) => return refuse_in_hl7(source, &submission, refusal),
        Err(Refusal::MediaType(what)) => return Err(Problem::new(Kind::UnsupportedMediaType, what)),
        Err(Refusal::Key(what)) => return Err(Problem::new(Kind::InvalidKey, what)),
        Err(Refusal::Malformed(what)) => return Err(Problem::new(Kind::MalformedBody, what)),
    };
    let message = new_message(source, headers, &submission, acceptable, body.clone());
    let receipt = store(state, message, share).await?;
    waybill_drill::point("accept.before_answer");
    request::count_accepted(&source.name, receipt.duplicate);
    if source.format != Format::Hl7v2 {
        return Ok(answer::receipt(&receipt));
    }
    let header = accept::read_hl7(source, submission.content_type, &body).map_err(|_| Kind::MalformedBody)?;
    Ok(answer::acknowledged(&header, submission.content_type, &receipt))
}

/// Stores the message; the receipt is the first one's when it is a repeat.
async fn store(state: &app::State, message: NewMessage, share: Share) -> Result<Receipt, Problem> {
    let mut receipt = Receipt {
        id: message.id,
        source: message.source.clone(),
        kind: message.kind.clone(),
        state: "accepted",
        received_at: message.received_at,
        sha256: hex(&message.sha256),
        bytes: message.body.len(),
        idempotency_key: message.idempotency_key.clone(),
        duplicate: false,
        control_id_conflict: false,
    };
    let sha256 = message.sha256;
    match state.writer.store(message, share).await? {
        Accepted::Stored { control_id_conflict } => receipt.control_id_conflict = control_id_conflict,
        Accepted::Known(first) if first.sha256 != sha256 => return Err(Kind::KeyReused.into()),
        Accepted::Known(first) => receipt = receipt.of_first(first),
    }
    Ok(receipt)
}

fn new_message(
    source: &Source,
    headers: &HeaderMap,
    submission: &Submission<'_>,
    acceptable: Acceptable,
    body: Bytes,
) -> NewMessage {
    NewMessage {
        id: Uuid::now_v7(),
        source: source.name.clone(),
        kind: source.kind_label().to_owned(),
        lane: source.lane.clone(),
        received_at: answer::now(),
        sha256: acceptable.sha256,
        content_type: submission.content_type.to_owned(),
        idempotency_key: acceptable.idempotency_key,
        dedupe_key: acceptable.dedupe_key,
        traceparent: request::traceparent(headers),
        ordering: acceptable.ordering,
        body,
    }
}

/// A fault in an HL7 message is answered in HL7, with status 200: the message was understood.
fn refuse_in_hl7(
    source: &Source,
    submission: &Submission<'_>,
    refusal: hl7::Refusal,
) -> Result<Response, Problem> {
    let header = accept::read_hl7(source, submission.content_type, submission.body)
        .map_err(|_| Kind::MalformedBody)?;
    let problem = match refusal {
        hl7::Refusal::Reject(_) => "hl7-reject",
        hl7::Refusal::Error(_) => "hl7-error",
    };
    request::count_refused(&source.name, problem);
    Ok(answer::refused(&header, submission.content_type, refusal))
}

/// A header's text; twice the same header, or bytes that are no text, are refused.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let (first, more) = (values.next(), values.next());
    let unclear = || {
        let kind = if name == "content-type" { Kind::UnsupportedMediaType } else { Kind::InvalidKey };
        Problem::new(kind, format!("The header {name} must stand once, in ASCII"))
    };
    match (first, more) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| unclear()),
        (Some(_), Some(_)) => Err(unclear()),
    }
}
