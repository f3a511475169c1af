//! The service's own API, called in process: the same routes, handlers and JSON as over HTTP.
//!
//! ```text
//! task ─► ApiCaller ── 16 calls ──► ApiCalls, answered by the HTTP server ─► handler of the route
//! ```
//!
//! A caller has the rights of an operator and a name of its own, which the audit list shows for every change. Messages
//! carry the API's own JSON, and the API's own handler carries out an act from outside.

use bytes::Bytes;
use serde_json::Value;
use tallycam_base::Fault;
use tokio::sync::{mpsc, oneshot};

/// Calls that may wait; a further caller waits for its turn.
const WAITING: usize = 16;

/// One call, for the HTTP server to answer.
#[derive(Debug)]
pub struct ApiCall {
    /// The caller's name in the audit list.
    pub name: &'static str,
    pub method: &'static str,
    /// The address with its query: `/api/v1/crossings?since=7`.
    pub address: String,
    /// JSON; empty if there is none.
    pub body: Bytes,
    reply: oneshot::Sender<ApiReply>,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReply {
    pub status: u16,
    pub body: Bytes,
}

/// The HTTP server has ended, or could not complete the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service is stopping, or broke off its answer")]
pub struct NoAnswer;

/// Calls the API. Clones share the queue.
#[derive(Debug, Clone)]
pub struct ApiCaller {
    name: &'static str,
    calls: mpsc::Sender<ApiCall>,
}

/// The queue's other end, for the HTTP server.
pub type ApiCalls = mpsc::Receiver<ApiCall>;

/// A new queue of calls.
pub fn channel() -> (ApiCaller, ApiCalls) {
    let (calls, waiting) = mpsc::channel(WAITING);
    (ApiCaller { name: "tallycam", calls }, waiting)
}

impl ApiCaller {
    /// The same API for a caller that the audit list calls `name`.
    #[must_use]
    pub fn named(&self, name: &'static str) -> ApiCaller {
        ApiCaller { name, calls: self.calls.clone() }
    }

    /// Calls `method` of `address`, which has its query, with `json` as body.
    ///
    /// # Errors
    /// [`NoAnswer`]. A refusal is a reply, with the status of the refusal.
    pub async fn call(
        &self,
        method: &'static str,
        address: impl Into<String>,
        json: Option<&Value>,
    ) -> Result<ApiReply, NoAnswer> {
        let (reply, answered) = oneshot::channel();
        let body = json.map(|json| Bytes::from(json.to_string())).unwrap_or_default();
        let call = ApiCall { name: self.name, method, address: address.into(), body, reply };
        self.calls.send(call).await.map_err(|_| NoAnswer)?;
        answered.await.map_err(|_| NoAnswer)
    }

    /// `GET address`.
    ///
    /// # Errors
    /// Like [`ApiCaller::call`].
    pub async fn get(&self, address: impl Into<String>) -> Result<ApiReply, NoAnswer> {
        self.call("GET", address, None).await
    }

    /// The JSON at `address`.
    ///
    /// # Errors
    /// There is no answer, or a refusal.
    pub async fn read(&self, address: impl Into<String>) -> Result<Value, Fault> {
        let reply = self.get(address).await.map_err(|error| Fault::passing(error.to_string()))?;
        if reply.is_success() { Ok(reply.json()) } else { Err(Fault::passing(reply.refusal())) }
    }
}

impl ApiCall {
    /// Answers the call. A caller that is gone gets nothing.
    pub fn answer(self, status: u16, body: Bytes) {
        let _ = self.reply.send(ApiReply { status, body });
    }
}

impl ApiReply {
    /// True for the statuses 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Why the call was refused, in the API's words.
    pub fn refusal(&self) -> String {
        let told = self.json();
        let text = |key: &str| told[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        match (text("detail"), text("hint")) {
            (Some(detail), Some(hint)) => format!("{detail}: {hint}"),
            (Some(detail), None) => detail,
            (None, _) => format!("the service answered {}", self.status),
        }
    }
}
