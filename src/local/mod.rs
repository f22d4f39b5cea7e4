//! The embedded AWS stand-in: the services this product talks to, on one loopback port, with an outbox to look at.
//!
//! It speaks the wire protocols of the real services, so the real SDK clients work against it by their own endpoint
//! variables and nothing in the product knows that it exists:
//!
//! ```text
//! AWS_ENDPOINT_URL=http://127.0.0.1:4599  AWS_LAMBDA_RUNTIME_API=127.0.0.1:4599
//! ```
//!
//! It answers **as the real services do**, also where that is unkind: SNS accepts a message to an unverified number
//! of a sandboxed account, answers a `MessageId` and delivers nothing. Such a message is in the outbox, with its fate.
//!
//! **Nothing here protects anything.** Keys are derived from their own names, codes are shown to whoever can open the
//! port, and signatures are not checked. It listens on 127.0.0.1 only and refuses requests of foreign web pages.
//!
//! # Layout
//!
//! * `server`: [`StandIn`], the port, who may ask, and the way of a request;
//! * `wire`: how each protocol writes an answer and a refusal;
//! * `state`: [`Options`] and the account they start: sandboxes, numbers, identities, users;
//! * `kms`, `sns`, `ses`, `cognito`, `dynamodb`: the operations, one file a service;
//! * `deployment`: the services around a deployed function, as the operator's commands ask them;
//! * `runtime`: a tiny Lambda (Runtime API and Invoke), so that the whole function process runs against it;
//! * `faults`: what goes wrong on request, and what was counted;
//! * `outbox`: everything sent, dropped or refused; `outbox.html` shows it.
//!
//! # HTTP beside the services
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the outbox page |
//! | `GET /outbox.json?to=…&kind=…&after=…&wait=…` | matching [`Record`]s, newest last; waits up to `wait` seconds (60 at most) for the first; `[]` when there is none |
//! | `DELETE /outbox.json` | forgets them |
//! | `POST /faults` | adds a [`FaultRule`]: `{"operation":"Publish","kind":"throttle","times":2}`; `DELETE /faults` removes all |
//! | `GET /calls.json` | [`Calls`] by operation, TCP connections by service |
//! | `GET /state.json` | whether each channel is in its sandbox, and the Regions seen |
//! | `POST /2015-03-31/functions/{name}/invocations` | Lambda's Invoke; `X-Amz-Invocation-Type: Event` does not wait |

mod cognito;
mod deployment;
mod dynamodb;
mod faults;
mod kms;
mod outbox;
mod runtime;
mod server;
mod ses;
mod sns;
mod state;
mod wire;

pub use deployment::FUNCTION;
pub use faults::{Calls, Fault, FaultRule};
pub use kms::{KEY_ARN, KeyState};
pub use outbox::{Content, Email, Fate, Outcome, Record, Sms};
pub use runtime::Answer;
pub use server::StandIn;
pub use state::{Identity, Options, OriginationNumber};
