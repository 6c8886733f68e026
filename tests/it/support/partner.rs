//! A partner: posts over HTTP with real credentials.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// One source's sender.
#[derive(Debug, Clone)]
pub struct Partner {
    pub name: String,
    pub key: String,
    pub url: String,
    pub http: reqwest::Client,
}

impl Partner {
    /// A request to `path`, with the key.
    pub fn request(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// A post of JSON, under an idempotency key.
    pub fn json(&self, key: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(reqwest::Method::POST, "/v1/messages")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body)
    }

    /// A post of HL7.
    pub fn hl7(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(reqwest::Method::POST, "/v1/messages")
            .header("content-type", "x-application/hl7-v2+er7")
            .body(body)
    }

    /// Posts a signed form; the message's id.
    pub async fn sign(&self, key: &str, membership: &str, signed_at: &str) -> String {
        let response = self.json(key, signature(membership, signed_at, "GG10")).send().await.unwrap();
        assert_eq!(response.status(), 202);
        id(response).await
    }

    /// Sends as a sender does: after a 503, which a busy machine may give, the same again.
    pub async fn insist(&self, request: impl Fn() -> RequestBuilder) -> Response {
        for _ in 0..100 {
            let response = request().send().await.unwrap();
            if response.status() != 503 {
                assert!(response.status().is_success(), "{}", response.status());
                return response;
            }
        }
        panic!("a hundred answers were 503");
    }

    /// The message `id`, as the API shows it.
    pub async fn message(&self, id: &str) -> Value {
        let path = format!("/v1/messages/{id}");
        let response = self.request(reqwest::Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The message's state.
    pub async fn state(&self, id: &str) -> String {
        self.message(id).await["state"].as_str().unwrap().to_owned()
    }

    /// Waits until the message is in `state`; says what it is instead when it stays so.
    pub async fn until(&self, id: &str, state: &str) {
        self.within(super::LIMIT, id, state).await;
    }

    /// As [`Self::until`], where the product's own timers are about a minute.
    pub async fn until_at_last(&self, id: &str, state: &str) {
        self.within(super::LIMIT * 3, id, state).await;
    }

    async fn within(&self, limit: Duration, id: &str, state: &str) {
        let began = Instant::now();
        loop {
            let message = self.message(id).await;
            if message["state"] == state {
                return;
            }
            assert!(began.elapsed() < limit, "waited for {id} to be {state}, and it is {message}");
            tokio::time::sleep(super::PAUSE).await;
        }
    }
}

/// The body of a signed form.
pub fn signature(membership: &str, signed_at: &str, version: &str) -> String {
    format!(
        r#"{{"programmeMembershipTisId":"{membership}","conditionsOfJoining":{{"signedAt":"{signed_at}","version":"{version}","syncedAt":null}}}}"#
    )
}

/// An HL7 arrival (ADT A04).
pub fn arrival(control_id: &str, patient: &str, visit: &str) -> String {
    hl7("ADT^A04", control_id, patient, visit)
}

/// An HL7 message about a visit.
pub fn hl7(trigger: &str, control_id: &str, patient: &str, visit: &str) -> String {
    format!(
        "MSH|^~\\&|APP|EAST|WAYBILL|HUB|20260310091500-0500||{trigger}|{control_id}|P|2.5.1\r\
         EVN||20260310091500-0500\r\
         PID|||{patient}^^^EAST^MR||TEST^PAT||19800101\r\
         PV1||O|ROOM1||||||||||||||||{visit}\r"
    )
}

/// The id in a receipt.
pub async fn id(response: Response) -> String {
    let receipt: Value = response.json().await.unwrap();
    receipt["id"].as_str().expect("a receipt").to_owned()
}

/// The id of a message that was acknowledged.
pub fn acknowledged(response: &Response) -> String {
    response.headers()["waybill-message-id"].to_str().unwrap().to_owned()
}
