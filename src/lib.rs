//! Delivers Amazon Cognito's codes: a Lambda function for the
//! `CustomSMSSender` and `CustomEmailSender` triggers.
//!
//! # The way of a message
//!
//! ```text
//! Value --parse--> Request --open--> Secret --compose--> Message --deliver--> Outcome
//! (JSON)  event.rs           code.rs          message.rs           sms.rs | email.rs
//! ```
//!
//! 1. [`event`] reads Cognito's JSON into a [`Request`]: channel, occasion,
//!    sealed code, and the user's attributes, which are hostile.
//! 2. [`destination`] parses the phone number or address, once; [`country`]
//!    tells a number's country.
//! 3. [`code`] opens the sealed code with the AWS Encryption SDK and KMS, and
//!    sees that it was sealed for the event's user pool.
//!    Beside that, `ledger` claims it, so that no code is sent twice, and
//!    [`suppression`] asks whether the recipient gets nothing at all.
//! 4. [`sandbox`] tells whether the account may reach the destination at all,
//!    [`routing`] from which number or sender ID. Both are asked of the
//!    account beside step 3, or before there is an event, and kept (`probe`).
//!    [`decision`] says what that means for the message.
//! 5. [`locale`] chooses the language, [`catalogue`] finds the texts (built in:
//!    `messages/*.toml`; one's own go first), and [`message`] makes the words of
//!    them: one segment for an SMS ([`sms_length`]), one layout for all mails.
//!    What users typed is made harmless first (`plain`).
//! 6. [`sms`] and [`email`] hand them to SNS and SES, and know what those
//!    services' errors mean. [`retry`] tries again what passes.
//!
//! [`sender`] is that pipeline. It ends in an [`Outcome`], a value: sent, sent
//! before, or withheld for a reason ([`outcome`]); or in an [`Error`], which an
//! operator should know of ([`error`]). [`report`] tells each event's story in
//! one log line.
//!
//! Around it: [`config`] reads the environment, once; [`clients`] makes the AWS
//! clients. `bin/lambda.rs` is all that knows of Lambda, `bin/cli` all that
//! knows of a terminal, and `local` is an AWS of one's own on loopback, for
//! tries and tests.

pub mod catalogue;
pub mod clients;
pub mod code;
pub mod config;
pub mod country;
pub mod decision;
pub mod destination;
pub mod email;
pub mod error;
pub mod event;
mod ledger;
#[cfg(feature = "cli")]
pub mod local;
pub mod locale;
pub mod message;
pub mod outcome;
mod plain;
mod probe;
pub mod report;
pub mod retry;
pub mod routing;
pub mod sandbox;
pub mod sender;
pub mod sms;
pub mod sms_length;
pub mod suppression;

pub use clients::Clients;
pub use code::Secret;
pub use config::Config;
pub use error::Error;
pub use event::Request;
pub use outcome::{Outcome, Reason};
pub use report::Report;
pub use retry::Deadline;
pub use sender::Sender;
