//! JSON as it goes over the wire, past the SDK's types.
//!
//! A type of the SDK drops the members that it does not know, and writes 0 or
//! false where a number or truth value was absent: a pool carried over by its
//! types alone would be told `TemporaryPasswordValidityDays: 0`.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cognitoidentityprovider::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_cognitoidentityprovider::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_cognitoidentityprovider::error::BoxError;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

/// Keeps JSON that passed.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Option<Value>>>);

impl Kept {
    fn keep(&self, body: &SdkBody) -> Result<(), BoxError> {
        let json = serde_json::from_slice(body.bytes().unwrap_or_default())?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(json);
        Ok(())
    }

    fn take(&self) -> Value {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take().unwrap_or_default()
    }
}

/// An operation's answer, whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer(Kept);

impl Answer {
    /// What came; null before anything did.
    pub(super) fn take(&self) -> Value {
        self.0.take()
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.output_or_error() {
            Ok(_) => self.0.keep(context.response().body()),
            Err(_) => Ok(()),
        }
    }
}

/// A request as the SDK would write it, which is then not sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Rehearsal(Kept);

impl Rehearsal {
    /// What would have been sent; null if it was not even written.
    pub(super) fn take(&self) -> Value {
        self.0.take()
    }
}

impl Intercept for Rehearsal {
    fn name(&self) -> &'static str {
        "Rehearsal"
    }

    fn read_after_serialization(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.keep(context.request().body())?;
        Err("only rehearsed".into())
    }
}

/// Sends this JSON, whatever the SDK wrote.
#[derive(Clone, Debug)]
pub(super) struct Exactly(pub(super) Value);

impl Intercept for Exactly {
    fn name(&self) -> &'static str {
        "Exactly"
    }

    /// Before signing, which covers the body.
    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = self.0.to_string();
        let request = context.request_mut();
        let length = body.len().to_string();
        request.headers_mut().insert("content-length", length);
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }
}
