//! All integration tests, in one binary: each would link the Encryption SDK.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]
#![recursion_limit = "256"] // the SDK's futures nest deeply

mod attach;
#[path = "../fuzz/checks.rs"]
mod checks;
mod configuration;
mod corpus;
mod countries;
mod doctor;
mod emulator;
mod errors;
mod events;
mod faults;
mod flow;
mod ledger;
mod messages;
mod operator;
mod properties;
mod readme;
mod routing;
mod sandbox;
mod sealed_codes;
mod secrets;
mod soak;
mod support;
mod template;
