//! A tiny Lambda: the Runtime API that the function's process polls, and Invoke in front of it.
//!
//! One event is one attempt: an asynchronous invocation is not retried here. Source: "Using the Lambda runtime API for
//! custom runtimes" and the Invoke reference.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::outbox::{Content, Outbox, Outcome};
use super::state::{lock, now};
use super::wire::{self, Reply, request_id};

/// What the function answered to an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Its result.
    Response(Value),
    /// It failed on this event.
    Error {
        /// Lambda's `errorType`.
        error_type: String,
        /// Lambda's `errorMessage`.
        message: String,
    },
    /// It never came as far as asking for an event.
    InitError {
        /// Lambda's `errorType`.
        error_type: String,
        /// Lambda's `errorMessage`.
        message: String,
    },
}

pub(super) struct Runtime {
    function_arn: String,
    timeout: Duration,
    queue: Mutex<Queue>,
    arrival: Notify,
    /// A function asks for an event.
    asked: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Invocation>,
    /// Handed to the function and not answered yet.
    under_way: HashMap<String, Invocation>,
    /// Of the function's last start.
    init_error: Option<Answer>,
}

struct Invocation {
    id: String,
    event: Value,
    answer: oneshot::Sender<Answer>,
}

impl Runtime {
    pub(super) fn new(account: &str, timeout: Duration) -> Self {
        Self {
            function_arn: format!("arn:aws:lambda:us-east-1:{account}:function:cognito-sender"),
            timeout,
            queue: Mutex::default(),
            arrival: Notify::new(),
            asked: Notify::new(),
        }
    }

    /// Hands `event` to the function and waits for its answer, for an error of its init, or until the time is up.
    pub(super) async fn invoke(&self, event: Value) -> io::Result<Answer> {
        let answer = self.submit(event);
        let late = || {
            io::Error::new(
                io::ErrorKind::TimedOut,
                "the function did not answer in time: does it run with AWS_LAMBDA_RUNTIME_API set to this port?",
            )
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(late()),
        }
    }

    fn submit(&self, event: Value) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if let Some(error) = &queue.init_error {
            // The receiver lives in this function: the answer cannot be lost.
            let _ = answer.send(error.clone());
        } else {
            queue.waiting.push_back(Invocation {
                id: request_id(),
                event,
                answer,
            });
            self.arrival.notify_one();
        }
        receiver
    }

    /// `/2018-06-01/runtime/...`
    pub(super) async fn handle(
        &self,
        outbox: &Outbox,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Reply {
        match (
            method.as_str(),
            path.split('/').collect::<Vec<_>>().as_slice(),
        ) {
            ("GET", ["invocation", "next"]) => self.next().await,
            ("POST", ["invocation", id, "response"]) => {
                let value = serde_json::from_slice(body)
                    .unwrap_or_else(|_| String::from_utf8_lossy(body).into());
                self.answered(outbox, id, Answer::Response(value))
            }
            ("POST", ["invocation", id, "error"]) => {
                let (error_type, message) = error_of(headers, body);
                self.answered(
                    outbox,
                    id,
                    Answer::Error {
                        error_type,
                        message,
                    },
                )
            }
            ("POST", ["init", "error"]) => {
                let (error_type, message) = error_of(headers, body);
                self.init_failed(
                    outbox,
                    &Answer::InitError {
                        error_type,
                        message,
                    },
                )
            }
            _ => wire::json(
                404,
                &json!({ "errorType": "NotFound", "errorMessage": "no such path in the Runtime API" }),
            ),
        }
    }

    /// Resolves when a function asks for an event, from the moment of this call.
    pub(super) fn asked(&self) -> impl Future<Output = ()> + '_ {
        self.asked.notified()
    }

    /// Waits for the next event: as long as the function's connection lives.
    async fn next(&self) -> Reply {
        // Who asks for an event has started well.
        lock(&self.queue).init_error = None;
        self.asked.notify_waiters();
        loop {
            let arrival = self.arrival.notified();
            if let Some(reply) = self.hand_over() {
                return reply;
            }
            arrival.await;
        }
    }

    fn hand_over(&self) -> Option<Reply> {
        let mut queue = lock(&self.queue);
        let invocation = loop {
            let next = queue.waiting.pop_front()?;
            // Nobody waits for an event whose time ran out before the function came.
            if !next.answer.is_closed() {
                break next;
            }
        };
        if !queue.waiting.is_empty() {
            self.arrival.notify_one();
        }
        let mut reply = wire::json(200, &invocation.event);
        let deadline =
            now().saturating_add(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX));
        let trace = format!(
            "Root=1-{:08x}-{:024x};Sampled=0",
            now() / 1000,
            fastrand::u128(..) >> 32
        );
        for (name, value) in [
            ("lambda-runtime-aws-request-id", invocation.id.clone()),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                self.function_arn.clone(),
            ),
            ("lambda-runtime-trace-id", trace),
        ] {
            if let Ok(value) = value.parse() {
                reply.headers_mut().insert(name, value);
            }
        }
        queue
            .under_way
            .retain(|_, invocation| !invocation.answer.is_closed());
        queue.under_way.insert(invocation.id.clone(), invocation);
        Some(reply)
    }

    fn answered(&self, outbox: &Outbox, id: &str, answer: Answer) -> Reply {
        let Some(invocation) = lock(&self.queue).under_way.remove(id) else {
            return wire::json(
                400,
                &json!({ "errorType": "InvalidRequestID", "errorMessage": "no such invocation under way" }),
            );
        };
        record(outbox, Some(&invocation), &answer);
        // Its caller may have stopped waiting; the outcome is recorded all the same.
        let _ = invocation.answer.send(answer);
        wire::json(202, &json!({ "status": "OK" }))
    }

    fn init_failed(&self, outbox: &Outbox, error: &Answer) -> Reply {
        let mut queue = lock(&self.queue);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.init_error = Some(error.clone());
        drop(queue);
        record(outbox, waiting.front(), error);
        for invocation in waiting {
            let _ = invocation.answer.send(error.clone());
        }
        wire::json(202, &json!({ "status": "OK" }))
    }

    /// Lambda's Invoke: waits for the answer unless the invocation type is `Event`.
    pub(super) async fn serve_invoke(&self, headers: &HeaderMap, body: &Bytes) -> Reply {
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        let Ok(event) = serde_json::from_slice(body) else {
            return wire::json(
                400,
                &json!({ "Type": "User", "Message": "Could not parse request body into json" }),
            );
        };
        if headers
            .get("x-amz-invocation-type")
            .is_some_and(|kind| kind == "Event")
        {
            self.submit_unwatched(event);
            return wire::bytes(202, "application/json", "");
        }
        let (kind, message) = match self.invoke(event).await {
            Ok(Answer::Response(value)) => return wire::json(200, &value),
            Ok(
                Answer::Error {
                    error_type,
                    message,
                }
                | Answer::InitError {
                    error_type,
                    message,
                },
            ) => (error_type, message),
            Err(error) => ("Sandbox.Timedout".to_owned(), error.to_string()),
        };
        let mut reply = wire::json(200, &json!({ "errorType": kind, "errorMessage": message }));
        reply.headers_mut().insert(
            "x-amz-function-error",
            hyper::header::HeaderValue::from_static("Unhandled"),
        );
        reply
    }

    fn submit_unwatched(&self, event: Value) {
        let receiver = self.submit(event);
        let timeout = self.timeout;
        // Keeps the invocation alive until it is answered or out of time.
        tokio::spawn(async move { tokio::time::timeout(timeout, receiver).await });
    }
}

/// `{"errorType", "errorMessage"}`, with the header as the type of last resort.
fn error_of(headers: &HeaderMap, body: &Bytes) -> (String, String) {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name| {
        value
            .get(name)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let header = headers
        .get("lambda-runtime-function-error-type")
        .and_then(|value| value.to_str().ok());
    (
        member("errorType")
            .or(header.map(ToOwned::to_owned))
            .unwrap_or_else(|| "Unknown".to_owned()),
        member("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    )
}

fn record(outbox: &Outbox, invocation: Option<&Invocation>, answer: &Answer) {
    let nothing = Value::Null;
    let event = invocation.map_or(&nothing, |invocation| &invocation.event);
    let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
    let trigger_source = text("/triggerSource").map(ToOwned::to_owned);
    let channel = match trigger_source.as_deref() {
        Some(source) if source.starts_with("CustomEmail") => Some("email"),
        Some(source) if source.to_ascii_lowercase().starts_with("customsms") => Some("sms"),
        _ => None,
    };
    let destination = match channel {
        Some("email") => text("/request/userAttributes/email"),
        _ => text("/request/userAttributes/phone_number"),
    };
    let mut outcome = Outcome {
        request_id: invocation.map(|invocation| invocation.id.clone()),
        ..match answer {
            Answer::Response(value) => {
                let member = |name| {
                    value
                        .get(name)
                        .and_then(Value::as_str)
                        .map(ToOwned::to_owned)
                };
                Outcome {
                    outcome: member("outcome").unwrap_or_else(|| "answered".to_owned()),
                    channel: member("channel"),
                    reason: member("reason"),
                    message_id: member("messageId"),
                    ..Outcome::default()
                }
            }
            Answer::Error {
                error_type,
                message,
            }
            | Answer::InitError {
                error_type,
                message,
            } => Outcome {
                outcome: "error".to_owned(),
                error_type: Some(error_type.clone()),
                error_message: Some(message.clone()),
                ..Outcome::default()
            },
        }
    };
    outcome.channel = outcome.channel.or(channel.map(ToOwned::to_owned));
    outcome.trigger_source = trigger_source;
    let to = destination.or(text("/userName")).unwrap_or_default();
    outbox.record(
        text("/region").unwrap_or_default(),
        to,
        Content::Outcome(outcome),
    );
}
