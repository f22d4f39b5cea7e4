//! All integration tests, in one binary: each would link the Encryption SDK.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]
#![recursion_limit = "256"] // the SDK's futures nest deeply

mod countries;
