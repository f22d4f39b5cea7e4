//! Messages as they will be: every occasion, with harmless, long and hostile
//! users.

use cognito_sender::config::{LastLine, TextsConfig};
use cognito_sender::event::{Channel, Content, Occasion};
use cognito_sender::{Request, Secret};
use serde_json::{Value, json};

/// What a sample's user has typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// A short name.
    Plain,
    /// Nothing but a destination.
    Bare,
    /// 2,048 characters, as long as Cognito's attributes get.
    Long,
    /// Markup, links, line breaks, characters that turn the reading direction.
    Hostile,
}

impl User {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Bare, Self::Long, Self::Hostile];

    fn typed(self) -> String {
        match self {
            Self::Plain => "Alex".to_owned(),
            Self::Bare => String::new(),
            Self::Long => "x".repeat(2048),
            Self::Hostile => "<b>A</b>\r\nBcc: a@evil.example\u{202e} \"https://evil.example/\" \
                              www.evil.example {{ code }}"
                .to_owned(),
        }
    }
}

/// The code of samples: as long as Cognito's get.
pub(crate) const CODE: &str = "12345678";
/// The temporary password of samples, as Cognito escapes it.
const PASSWORD: &str = "Tr&amp;9&lt;kQ&quot;x7";
/// The same, as a person types it.
pub(crate) const TYPED_PASSWORD: &str = "Tr&9<kQ\"x7";

/// The settings of samples: the longest app name that one segment is promised
/// for, and a last line.
pub(crate) fn settings(folder: Option<String>) -> TextsConfig {
    let domain = "app.example.com".to_owned();
    TextsConfig {
        app: Some("Twenty letters & Co.".to_owned()),
        domain: Some(domain.clone()),
        last_line: Some(LastLine::Domain(domain)),
        locale: "en".to_owned(),
        folder,
        mfa_minutes: 3,
        password_days: 7,
    }
}

/// What is sent on an occasion.
pub(crate) struct Sample {
    pub(crate) occasion: Occasion,
    /// For the notice: what was done about the sign-in.
    pub(crate) action: Option<&'static str>,
}

impl Sample {
    /// Every text that there is for a channel.
    pub(crate) fn all(channel: Channel) -> Vec<Self> {
        let code = [
            Occasion::SignUp,
            Occasion::ForgotPassword,
            Occasion::VerifyUserAttribute,
            Occasion::Authentication,
            Occasion::AdminCreateUser,
            Occasion::Other,
        ];
        let code = code.map(|occasion| Self {
            occasion,
            action: None,
        });
        let notices = ["BLOCK", "MFA", "NO_ACTION"].map(|action| Self {
            occasion: Occasion::AccountTakeOverNotification,
            action: Some(action),
        });
        match channel {
            Channel::Sms => code.into(),
            Channel::Email => code.into_iter().chain(notices).collect(),
        }
    }

    /// A name for people.
    pub(crate) fn name(&self) -> String {
        match self.action {
            Some(action) => format!("{} {action}", self.occasion.name()),
            None => self.occasion.name().to_owned(),
        }
    }

    /// The code, as it is opened.
    pub(crate) fn code(&self) -> Secret {
        Secret::from(match self.occasion {
            Occasion::AdminCreateUser => PASSWORD,
            _ => CODE,
        })
    }

    /// The code, as a person types it.
    pub(crate) fn typed_code(&self) -> &'static str {
        match self.occasion {
            Occasion::AdminCreateUser => TYPED_PASSWORD,
            _ => CODE,
        }
    }

    /// Cognito's event, read.
    pub(crate) fn request(
        &self,
        channel: Channel,
        client: Option<&str>,
        locale: &str,
        user: User,
    ) -> Option<Request> {
        let trigger = match channel {
            Channel::Sms => "CustomSMSSender",
            Channel::Email => "CustomEmailSender",
        };
        let typed = user.typed();
        let attributes = match self.action {
            Some(action) => json!({
                "ACCOUNT_TAKE_OVER_ACTION": action,
                "LOGIN_TIME": "2026-11-21T10:15:00Z",
                "DEVICE_NAME": if user == User::Plain { "Firefox 140, Linux".to_owned() } else { typed },
                "CITY": "Seattle", "COUNTRY": "United States", "IP_ADDRESS": "203.0.113.7",
                "ONE_CLICK_LINK_VALID": "https://example.com/it-was-me?token=1",
                "ONE_CLICK_LINK_INVALID": "https://example.com/not-me?token=2",
            }),
            None => json!({
                "name": typed, "given_name": typed, "family_name": typed,
                "email": "alex@example.com", "phone_number": "+12065550100",
            }),
        };
        let event: Value = json!({
            "triggerSource": format!("{trigger}_{}", self.occasion.name()),
            "userPoolId": "us-east-1_AbCdEfGhI",
            "userName": match (user, self.occasion) {
                // An administrator chose it, and it must be typed as it is.
                (_, Occasion::AdminCreateUser) => "+12065550100",
                (User::Hostile, _) => "https://evil.example/prize",
                _ => "alex",
            },
            "callerContext": {"clientId": client},
            "request": {
                "code": "sealed",
                "clientMetadata": {"locale": locale},
                "userAttributes": attributes,
            },
        });
        let request = Request::parse(&event).ok()?;
        (!matches!(request.content, Content::Nothing)).then_some(request)
    }
}
