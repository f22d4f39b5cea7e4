//! How an event ended, when it did not end in an error.

use serde_json::{Value, json};

use crate::event::Channel;

/// The end of an event: a value, which Lambda counts as success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// SNS or SES took the message, under this id.
    Sent {
        /// The id to search SNS delivery logs and SES events by.
        message_id: String,
    },
    /// This very code has been sent before.
    Duplicate,
    /// Nothing was sent, for a reason that no retry cures.
    Withheld(Reason),
}

/// Why a message was withheld. A closed list: answers, logs and metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The account is in the sandbox, and the destination is not verified.
    UnverifiedDestination,
    /// The country takes messages from registered numbers only, and the
    /// account has none there.
    NoOriginationNumber,
    /// The recipient answered STOP.
    OptedOut,
    /// The address is on SES's suppression list, after a bounce or complaint.
    Suppressed,
    /// The code's life was over before it could be sent.
    Expired,
    /// The destination is not one that the channel can reach.
    InvalidDestination,
    /// `EMAIL_FROM` is empty.
    ChannelOff,
    /// The event carries no destination, and none could be looked up.
    NoDestination,
    /// No code, on an occasion of which this version knows nothing else to
    /// deliver.
    NoCode,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::UnverifiedDestination,
        Self::NoOriginationNumber,
        Self::OptedOut,
        Self::Suppressed,
        Self::Expired,
        Self::InvalidDestination,
        Self::ChannelOff,
        Self::NoDestination,
        Self::NoCode,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnverifiedDestination => "unverified_destination",
            Self::NoOriginationNumber => "no_origination_number",
            Self::OptedOut => "opted_out",
            Self::Suppressed => "suppressed",
            Self::Expired => "expired",
            Self::InvalidDestination => "invalid_destination",
            Self::ChannelOff => "channel_off",
            Self::NoDestination => "no_destination",
            Self::NoCode => "no_code",
        }
    }

    /// What happened, and what to do about it: for the log and the terminal.
    pub fn advice(self, channel: Channel, region: &str) -> String {
        match (self, channel) {
            (Self::UnverifiedDestination, Channel::Sms) => format!(
                "This account's SMS in {region} are in the sandbox, and the number is not \
                 verified: SNS would accept the message and deliver nothing. Verify the number: \
                 `aws sns create-sms-sandbox-phone-number --region {region} --phone-number \
                 <number>`, then `aws sns verify-sms-sandbox-phone-number --region {region} \
                 --phone-number <number> --one-time-password <code>`. To reach everybody, ask AWS \
                 to move SMS in {region} out of the sandbox."
            ),
            (Self::UnverifiedDestination, Channel::Email) => format!(
                "This account's SES in {region} is in the sandbox, and neither the address nor \
                 its domain is verified. Verify it: `aws sesv2 create-email-identity --region \
                 {region} --email-identity <address>`. To reach everybody: `aws sesv2 \
                 put-account-details --region {region} --production-access-enabled --mail-type \
                 TRANSACTIONAL --website-url <url> --use-case-description <text>`."
            ),
            (Self::NoOriginationNumber, _) => format!(
                "US carriers drop messages that do not come from a number registered there, and \
                 none is set (SMS_ORIGINATION) or active in this account in {region}. Request a \
                 toll-free number, a 10DLC number or a short code in AWS End User Messaging SMS; \
                 `aws sns list-origination-numbers --region {region}` shows what the account has."
            ),
            (Self::OptedOut, _) => format!(
                "The recipient answered STOP. They can opt in again themselves (START); once in \
                 30 days you can: `aws sns opt-in-phone-number --region {region} --phone-number \
                 <number>`."
            ),
            (Self::Suppressed, _) => format!(
                "Mail to this address bounced, or its owner complained, so SES would accept the \
                 message and drop it. If the address is right: `aws sesv2 \
                 delete-suppressed-destination --region {region} --email-address <address>`."
            ),
            (Self::Expired, _) => {
                "The code's life was over when this delivery came: an earlier one failed, as its \
                 log line says, and Lambda tries again after one and three minutes. An old code \
                 only misleads. The user asks for another."
                    .to_owned()
            }
            (Self::InvalidDestination, Channel::Sms) => format!(
                "The user's phone_number is not one that SNS in {region} can reach (E.164, such as \
                 +12065550100). Correct the attribute; if it befalls every number, {region} may \
                 not send SMS: set SMS_REGION."
            ),
            (Self::InvalidDestination, Channel::Email) => {
                "The user's email is not an address that SES can take (ASCII, one recipient). \
                 Correct the attribute."
                    .to_owned()
            }
            (Self::ChannelOff, _) => {
                "EMAIL_FROM is empty, so this function sends no e-mail. Set it, or detach the \
                 CustomEmailSender trigger."
                    .to_owned()
            }
            (Self::NoDestination, Channel::Sms) => {
                "The user has no phone_number. Require it in the pool, or let Cognito choose \
                 e-mail."
                    .to_owned()
            }
            (Self::NoDestination, Channel::Email) => {
                "The user has no email. For AccountTakeOverNotification it is looked up: allow the \
                 function's role cognito-idp:AdminGetUser on the pool."
                    .to_owned()
            }
            (Self::NoCode, _) => {
                "The event carries no code, and this version knows of nothing else to deliver on \
                 this occasion and channel. Look for a newer version."
                    .to_owned()
            }
        }
    }
}

impl Outcome {
    /// `sent`, `duplicate` or `withheld`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Duplicate => "duplicate",
            Self::Withheld(_) => "withheld",
        }
    }

    /// The function's answer.
    pub fn to_json(&self, channel: Channel) -> Value {
        let (outcome, channel) = (self.name(), channel.name());
        match self {
            Self::Sent { message_id } => {
                json!({"outcome": outcome, "channel": channel, "messageId": message_id})
            }
            Self::Duplicate => json!({"outcome": outcome, "channel": channel}),
            Self::Withheld(reason) => {
                json!({"outcome": outcome, "channel": channel, "reason": reason.name()})
            }
        }
    }
}
