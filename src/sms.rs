//! Message -> SNS `Publish`, and what SNS's errors mean.

use aws_sdk_sns::error::SdkError;
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::clients::Lazy;
use crate::config::{OriginationIdentity, SmsConfig};
use crate::destination::PhoneNumber;
use crate::error::{Error, Fault};
use crate::message::SmsMessage;
use crate::outcome::{Outcome, Reason};
use crate::retry::{Deadline, SEND_PATIENCE, persist};

/// Sends through SNS.
pub struct Sms {
    sns: Lazy<aws_sdk_sns::Client>,
    config: SmsConfig,
}

impl Sms {
    /// A sender with the settings of `config`.
    pub fn new(sns: &Lazy<aws_sdk_sns::Client>, config: SmsConfig) -> Self {
        Self {
            sns: sns.clone(),
            config,
        }
    }

    /// Publishes one message, always as `Transactional` (SNS's default is
    /// `Promotional`), from one identity, or from SNS's choice (`None`); never
    /// from a sender ID and a number together. What passes is tried again until
    /// `deadline`; the second value is how many tries it took.
    ///
    /// # Errors
    /// [`Error::Sms`]: what an operator must mend, or what time did not cure.
    pub async fn send(
        &self,
        to: &PhoneNumber,
        from: Option<&OriginationIdentity>,
        message: &SmsMessage,
        deadline: Deadline,
    ) -> (Result<Outcome, Error>, u32) {
        const OPERATION: &str = "SNS Publish";
        let mut publish = self
            .sns
            .publish()
            .phone_number(to.expose())
            .message(message.text.expose())
            .message_attributes("AWS.SNS.SMS.SMSType", string("Transactional"));
        publish = match from {
            Some(OriginationIdentity::Number(number)) => {
                publish.message_attributes("AWS.MM.SMS.OriginationNumber", string(number))
            }
            Some(OriginationIdentity::SenderId(id)) => {
                publish.message_attributes("AWS.SNS.SMS.SenderID", string(id))
            }
            None => publish,
        };
        if let Some(price) = &self.config.max_price {
            publish = publish.message_attributes("AWS.SNS.SMS.MaxPrice", string(price));
        }
        let to_india = to.country().is_some_and(|country| country.as_str() == "IN");
        if let (true, Some(india)) = (to_india, &self.config.india) {
            publish = publish
                .message_attributes("AWS.MM.SMS.EntityId", string(&india.entity_id))
                .message_attributes("AWS.MM.SMS.TemplateId", string(&india.template_id));
        }
        let (result, tries) = persist(OPERATION, deadline, SEND_PATIENCE, || async {
            match publish.clone().send().await {
                Ok(published) => Ok(Outcome::Sent {
                    message_id: published.message_id.unwrap_or_default(),
                }),
                Err(error) => refusal(&error).map_or_else(
                    || Err(Fault::new(OPERATION, &error)),
                    |reason| Ok(Outcome::Withheld(reason)),
                ),
            }
        })
        .await;
        (result.map_err(Error::Sms), tries)
    }
}

/// The refusals that concern the destination alone, and that no retry and no
/// operator cures. SNS puts them all under `InvalidParameter`, told apart by
/// its text.
fn refusal(error: &SdkError<PublishError, Response>) -> Option<Reason> {
    let error = error.as_service_error()?;
    let text = error.message().unwrap_or_default();
    match error.code() {
        Some("OptedOut") => Some(Reason::OptedOut),
        Some("InvalidParameter" | "InvalidParameterException") => {
            if text.contains("opted out") {
                Some(Reason::OptedOut)
            } else {
                // "Invalid parameter: PhoneNumber Reason: +1… is not valid to
                // publish to" (aws-sdk-js#1217).
                text.contains("PhoneNumber Reason:")
                    .then_some(Reason::InvalidDestination)
            }
        }
        _ => None,
    }
}

fn string(value: &str) -> MessageAttributeValue {
    #[expect(clippy::expect_used, reason = "data_type is set, on this very line")]
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .expect("a typed attribute")
}
