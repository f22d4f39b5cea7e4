//! Message -> SES `SendEmail`, and what SES's errors mean.

use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message, MessageHeader, MessageTag,
};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::clients::Lazy;
use crate::config::{EmailConfig, Sender};
use crate::destination::EmailAddress;
use crate::error::{Error, Fault};
use crate::event::Occasion;
use crate::message::EmailMessage;
use crate::outcome::{Outcome, Reason};
use crate::retry::{Deadline, SEND_PATIENCE, persist};

/// Sends through SES.
#[derive(Debug)]
pub struct Email {
    ses: Lazy<aws_sdk_sesv2::Client>,
    config: EmailConfig,
    from: String,
}

impl Email {
    /// A sender with the settings of `config`.
    pub fn new(ses: &Lazy<aws_sdk_sesv2::Client>, config: EmailConfig) -> Self {
        Self {
            ses: ses.clone(),
            from: header_value(&config.from),
            config,
        }
    }

    /// Sends one mail with both bodies. What passes is tried again until
    /// `deadline`; the second value is how many tries it took.
    ///
    /// # Errors
    /// [`Error::Email`]: what an operator must mend, or what time did not cure.
    pub async fn send(
        &self,
        to: &EmailAddress,
        occasion: Occasion,
        message: &EmailMessage,
        deadline: Deadline,
    ) -> (Result<Outcome, Error>, u32) {
        const OPERATION: &str = "SES SendEmail";
        let mail = Message::builder()
            .subject(utf8(&message.subject))
            .body(
                Body::builder()
                    .text(utf8(message.text.expose()))
                    .html(utf8(message.html.expose()))
                    .build(),
            )
            // RFC 3834: no answers by machines, and so no mail loops.
            .headers(header("Auto-Submitted", "auto-generated"))
            .headers(header("X-Auto-Response-Suppress", "All"))
            .build();
        let send = self
            .ses
            .send_email()
            .from_email_address(&self.from)
            .set_from_email_address_identity_arn(self.config.identity_arn.clone())
            .destination(Destination::builder().to_addresses(to.expose()).build())
            .set_reply_to_addresses(
                self.config
                    .reply_to
                    .as_ref()
                    .map(|address| vec![address.expose().to_owned()]),
            )
            .set_configuration_set_name(self.config.configuration_set.clone())
            .email_tags(tag("channel", "email"))
            .email_tags(tag("occasion", occasion.name()))
            .email_tags(tag("locale", &message.locale))
            .content(EmailContent::builder().simple(mail).build());
        let (result, tries) = persist(OPERATION, deadline, SEND_PATIENCE, || async {
            match send.clone().send().await {
                Ok(sent) => Ok(Outcome::Sent {
                    message_id: sent.message_id.unwrap_or_default(),
                }),
                Err(error) => refusal(&error, to, &self.config.from.address).map_or_else(
                    || Err(Fault::new(OPERATION, &error)),
                    |reason| Ok(Outcome::Withheld(reason)),
                ),
            }
        })
        .await;
        (result.map_err(Error::Email), tries)
    }
}

/// The refusals that concern the recipient alone.
fn refusal(
    error: &SdkError<SendEmailError, Response>,
    to: &EmailAddress,
    from: &EmailAddress,
) -> Option<Reason> {
    let error = error.as_service_error()?;
    let text = error.message().unwrap_or_default().to_ascii_lowercase();
    if error.is_message_rejected() {
        // In the sandbox: "Email address is not verified. The following
        // identities failed the check in region US-EAST-1: a@b.c, d@e.f". The
        // sender's identity is the operator's to mend, whoever else is there.
        let (_, failed) = text.split_once("failed the check in region")?;
        let (_, failed) = failed.split_once(':')?;
        let names = |address: &EmailAddress| {
            // An address, or a whole From header: `Acme <a@b.c>`.
            let mut failed = failed.split(',').map(|identity| {
                let bare = identity.rsplit_once('<').map_or(identity, |(_, bare)| bare);
                bare.trim().trim_end_matches('>')
            });
            failed.any(|identity| identity.eq_ignore_ascii_case(address.expose()))
        };
        return (names(to) && !names(from)).then_some(Reason::UnverifiedDestination);
    }
    let bad_address = text.contains("illegal address")
        || text.contains("missing final '@domain'")
        || text.contains("local address contains")
        || text.contains("domain contains");
    (error.is_bad_request_exception() && bad_address).then_some(Reason::InvalidDestination)
}

/// The `From` header's value: the display name quoted, or as an encoded word
/// (RFC 2047) where it is not ASCII.
fn header_value(from: &Sender) -> String {
    let address = from.address.expose();
    match &from.name {
        None => address.to_owned(),
        Some(name) if name.is_ascii() => format!("\"{name}\" <{address}>"),
        Some(name) => format!("{} <{address}>", encoded_words(name)),
    }
}

/// RFC 2047: at most 75 characters a word, no character split between two.
fn encoded_words(text: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for character in text.chars() {
        if let Some(word) = words.last_mut()
            && word.len() + character.len_utf8() <= 45
        {
            word.push(character);
        } else {
            words.push(character.to_string());
        }
    }
    let encoded = words
        .iter()
        .map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join(" ")
}

#[expect(clippy::expect_used, reason = "data is set, on this very line")]
fn utf8(text: &str) -> Content {
    Content::builder()
        .data(text)
        .charset("UTF-8")
        .build()
        .expect("content with data")
}

#[expect(clippy::expect_used, reason = "name and value are set")]
fn header(name: &str, value: &str) -> MessageHeader {
    MessageHeader::builder()
        .name(name)
        .value(value)
        .build()
        .expect("a header with both")
}

#[expect(clippy::expect_used, reason = "name and value are set")]
fn tag(name: &str, value: &str) -> MessageTag {
    MessageTag::builder()
        .name(name)
        .value(value)
        .build()
        .expect("a tag with both")
}
