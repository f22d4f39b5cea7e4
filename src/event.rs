//! Cognito's JSON -> [`Request`].
//!
//! The reading is lenient, since AWS warns that names and positions may change
//! and that strict validation breaks functions (Cognito guide, "Custom sender
//! Lambda triggers"): unknown fields are ignored, nulls are absences, and the
//! trigger source decides, never `request.type`. What cannot be missing is the
//! user pool, for the code is sealed for it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::code::{SealedCode, Secret};
use crate::error::Error;

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Text message, through SNS.
    Sms,
    /// E-mail, through SES.
    Email,
}

impl Channel {
    /// `sms` or `email`, as answers, logs and metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }

    /// The user attribute that holds the destination. Never one of the
    /// `cognito:*_alias` attributes, which hold the old value during a change.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Sms => "phone_number",
            Self::Email => "email",
        }
    }
}

/// What the code is for: the part of the trigger source after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A user signed up.
    SignUp,
    /// A user asked for the sign-up code again.
    ResendCode,
    /// A user forgot the password, or an administrator reset it.
    ForgotPassword,
    /// A phone number or e-mail address was changed.
    UpdateUserAttribute,
    /// A user asked to verify a phone number or e-mail address.
    VerifyUserAttribute,
    /// An administrator created the user: a temporary password, no code.
    AdminCreateUser,
    /// Multi-factor or passwordless sign-in.
    Authentication,
    /// Threat protection's notice: no code, and no destination in the event.
    AccountTakeOverNotification,
    /// An occasion that this version does not know.
    Other,
}

impl Occasion {
    /// Every occasion but [`Occasion::Other`].
    pub const ALL: [Self; 8] = [
        Self::SignUp,
        Self::ResendCode,
        Self::ForgotPassword,
        Self::UpdateUserAttribute,
        Self::VerifyUserAttribute,
        Self::AdminCreateUser,
        Self::Authentication,
        Self::AccountTakeOverNotification,
    ];

    /// Cognito's own word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignUp => "SignUp",
            Self::ResendCode => "ResendCode",
            Self::ForgotPassword => "ForgotPassword",
            Self::UpdateUserAttribute => "UpdateUserAttribute",
            Self::VerifyUserAttribute => "VerifyUserAttribute",
            Self::AdminCreateUser => "AdminCreateUser",
            Self::Authentication => "Authentication",
            Self::AccountTakeOverNotification => "AccountTakeOverNotification",
            Self::Other => "Other",
        }
    }

    fn parse(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|occasion| occasion.name() == name)
            .unwrap_or(Self::Other)
    }
}

/// A user pool's id, such as `us-east-1_AbCdEfGhI`. No secret, safe to log:
/// only what has the form that Cognito documents is one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserPoolId(String);

impl UserPoolId {
    /// Reads an id of the form `[\w-]+_[0-9a-zA-Z]+`, at most 55 characters
    /// (Cognito API reference, `UserPoolIdType`).
    pub fn parse(text: &str) -> Option<Self> {
        let (region, id) = text.rsplit_once('_')?;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let valid = text.len() <= 55
            && !region.is_empty()
            && region.bytes().all(word)
            && !id.is_empty()
            && id.bytes().all(|b| b.is_ascii_alphanumeric());
        valid.then(|| Self(text.to_owned()))
    }

    /// The id as Cognito writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserPoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message that Cognito asks for.
pub struct Request {
    /// From the trigger source.
    pub channel: Channel,
    /// From the trigger source.
    pub occasion: Occasion,
    /// The pool that asks. The sealed code must name the same.
    pub user_pool: UserPoolId,
    /// The app client, where there is one.
    pub client_id: Option<String>,
    /// Cognito's name of the user: what they sign in with, or a UUID.
    pub user_name: String,
    /// What is to be delivered.
    pub content: Content,
    /// What the user typed into the profile. Hostile.
    pub attributes: Attributes,
    /// What the app's client sent along. Hostile on public APIs: it may choose
    /// a language, and nothing else.
    pub client_metadata: Attributes,
}

/// What a request delivers.
pub enum Content {
    /// A sealed code or temporary password.
    Code(SealedCode),
    /// Threat protection's notice.
    Notice(Notice),
    /// An unknown occasion without a code: nothing that could be delivered.
    Nothing,
}

/// What threat protection saw and did. Texts are hostile, links are secrets.
pub struct Notice {
    /// What was done about the sign-in.
    pub action: TakeOverAction,
    /// Where the sign-in came from, as far as known: `CITY`, `COUNTRY`,
    /// `DEVICE_NAME`, `IP_ADDRESS`, `LOGIN_TIME`.
    pub details: Attributes,
    /// "It was me", where Cognito made a link.
    pub link_valid: Option<Secret>,
    /// "It was not me", where Cognito made a link.
    pub link_invalid: Option<Secret>,
}

/// `ACCOUNT_TAKE_OVER_ACTION`, in the three kinds that a reader can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOverAction {
    /// The sign-in was blocked.
    Block,
    /// A second factor was asked for (`MFA`, `MFA_IF_CONFIGURED`, `MFA_REQUIRED`).
    Mfa,
    /// Nothing was done but to tell the user. Also any action not known.
    NoAction,
}

/// Names and values from outside. `Debug` shows how many, never which.
#[derive(Clone, Default)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// The value under `name`, unless absent, null or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// All names and values that are not empty.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().filter(|(_, value)| !value.is_empty());
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn read(value: Option<&Value>) -> Self {
        let pairs = value.and_then(Value::as_object).into_iter().flatten();
        Self(
            pairs
                .filter_map(|(name, value)| Some((name.clone(), as_text(value)?)))
                .collect(),
        )
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attributes", self.0.len())
    }
}

/// Scalars as text: fixtures and tests carry booleans and numbers where
/// Cognito sends strings.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text<'a>(event: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    event
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

impl Request {
    /// Reads an event of either custom sender trigger.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] when it is no JSON object, comes from another
    /// trigger, or names no user pool. Never repeats what the event holds.
    pub fn parse(event: &Value) -> Result<Self, Error> {
        let event = event
            .as_object()
            .ok_or(Error::InvalidEvent("the event is not a JSON object"))?;
        let source = text(event, "triggerSource")
            .ok_or(Error::InvalidEvent("the event has no triggerSource"))?;
        let (channel, occasion) = trigger_source(source).ok_or(Error::InvalidEvent(
            "triggerSource is neither CustomSMSSender_… nor CustomEmailSender_…: attach this \
             function to the user pool's two custom sender triggers only",
        ))?;
        let user_pool = text(event, "userPoolId")
            .and_then(UserPoolId::parse)
            .ok_or(Error::InvalidEvent("the event has no valid userPoolId"))?;
        let request = event.get("request").and_then(Value::as_object);
        let field = |name| request.and_then(|request| request.get(name));
        let mut attributes = Attributes::read(field("userAttributes"));
        let code = field("code").and_then(Value::as_str).unwrap_or_default();
        let content = match occasion {
            Occasion::AccountTakeOverNotification => Content::Notice(Notice::read(&mut attributes)),
            Occasion::Other if code.is_empty() => Content::Nothing,
            _ => Content::Code(SealedCode::new(code)),
        };
        Ok(Self {
            channel,
            occasion,
            user_pool,
            client_id: event
                .get("callerContext")
                .and_then(|caller| caller.get("clientId"))
                .and_then(Value::as_str)
                .filter(|id| !id.is_empty() && *id != "CLIENT_ID_NOT_APPLICABLE")
                .map(str::to_owned),
            user_name: text(event, "userName").unwrap_or_default().to_owned(),
            content,
            attributes,
            client_metadata: Attributes::read(field("clientMetadata")),
        })
    }
}

/// Both spellings that the Cognito guide uses: `CustomSMSSender_` and
/// `CustomSmsSender_`.
fn trigger_source(source: &str) -> Option<(Channel, Occasion)> {
    let (trigger, occasion) = source.split_once('_')?;
    let channel = if trigger.eq_ignore_ascii_case("CustomSMSSender") {
        Channel::Sms
    } else if trigger.eq_ignore_ascii_case("CustomEmailSender") {
        Channel::Email
    } else {
        return None;
    };
    Some((channel, Occasion::parse(occasion)))
}

impl Notice {
    /// Takes the links and the token out of the attributes: they are secrets.
    fn read(attributes: &mut Attributes) -> Self {
        let mut secret = |name| {
            let value = attributes.0.remove(name).filter(|value| !value.is_empty());
            value.map(Secret::from)
        };
        let link_valid = secret("ONE_CLICK_LINK_VALID");
        let link_invalid = secret("ONE_CLICK_LINK_INVALID");
        secret("FEEDBACK_TOKEN");
        Self {
            action: match attributes.get("ACCOUNT_TAKE_OVER_ACTION") {
                Some("BLOCK") => TakeOverAction::Block,
                Some(action) if action.starts_with("MFA") => TakeOverAction::Mfa,
                _ => TakeOverAction::NoAction,
            },
            details: Attributes(
                ["CITY", "COUNTRY", "DEVICE_NAME", "IP_ADDRESS", "LOGIN_TIME"]
                    .into_iter()
                    .filter_map(|name| Some((name.to_owned(), attributes.get(name)?.to_owned())))
                    .collect(),
            ),
            link_valid,
            link_invalid,
        }
    }
}
