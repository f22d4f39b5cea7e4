//! Request + code -> the words that a person reads.
//!
//! Rules that hold for every text here: what the user typed stands in a text
//! only where the occasion needs it (a user name, the place of a suspicious
//! sign-in), and then cut to plain words; HTML is escaped; no
//! character touches a temporary password; a subject holds no code, since
//! locked screens show it.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::code::Secret;
use crate::config::TextsConfig;
use crate::event::{Channel, Notice, Occasion, Request, TakeOverAction};

/// A text message.
#[derive(Debug, Clone)]
pub struct SmsMessage {
    /// Holds the code.
    pub text: Secret,
}

/// A mail, complete in both bodies.
#[derive(Debug, Clone)]
pub struct EmailMessage {
    /// One line, without the code.
    pub subject: String,
    /// Holds the code.
    pub text: Secret,
    /// Holds the code.
    pub html: Secret,
}

/// The texts of one deployment: built-in English, with the app's name.
pub struct Texts {
    app: Option<String>,
    domain: Option<String>,
}

/// What an occasion says, around the code.
struct Wording {
    /// A mail's subject, without the app's name.
    subject: &'static str,
    /// A mail's first sentence.
    purpose: &'static str,
    /// `sign-up code`, say.
    noun: &'static str,
    /// How long Cognito takes the code, in words; `None` if not known.
    life: Option<&'static str>,
}

fn wording(occasion: Occasion, channel: Channel) -> Wording {
    let (subject, purpose, noun, life) = match (occasion, channel) {
        (Occasion::SignUp | Occasion::ResendCode, _) => (
            "Confirm your account",
            "Enter this code to confirm your account.",
            "sign-up code",
            Some("24 hours"),
        ),
        (Occasion::ForgotPassword, _) => (
            "Reset your password",
            "Enter this code to choose a new password.",
            "password reset code",
            Some("1 hour"),
        ),
        (Occasion::UpdateUserAttribute | Occasion::VerifyUserAttribute, Channel::Sms) => (
            "Confirm your phone number",
            "Enter this code to confirm your phone number.",
            "code to confirm your phone number",
            Some("24 hours"),
        ),
        (Occasion::UpdateUserAttribute | Occasion::VerifyUserAttribute, Channel::Email) => (
            "Confirm your email address",
            "Enter this code to confirm your email address.",
            "code to confirm your email address",
            Some("24 hours"),
        ),
        (Occasion::AdminCreateUser, _) => (
            "Your new account",
            "An account was made for you. Sign in with this temporary password, then choose your \
             own.",
            "temporary password",
            None,
        ),
        // 3 to 15, as set on the pool.
        (Occasion::Authentication, _) => (
            "Your sign-in code",
            "Enter this code to sign in.",
            "sign-in code",
            Some("a few minutes"),
        ),
        (Occasion::AccountTakeOverNotification | Occasion::Other, _) => {
            ("Your code", "Here is your code.", "code", None)
        }
    };
    Wording {
        subject,
        purpose,
        noun,
        life,
    }
}

impl Texts {
    /// The texts with the app's name and domain.
    pub fn new(config: &TextsConfig) -> Self {
        Self {
            app: config.app.clone(),
            domain: config.domain.clone(),
        }
    }

    /// The text message of a request.
    pub fn sms(&self, request: &Request, code: &Secret) -> SmsMessage {
        let words = wording(request.occasion, Channel::Sms);
        let mut text = self
            .app
            .as_ref()
            .map_or_else(String::new, |app| format!("{app}: "));
        if request.occasion == Occasion::AdminCreateUser {
            // Each on a line of its own, so that what is copied is exact.
            let (name, password) = (user_name(request), unescaped(code.expose()));
            let _ = write!(
                text,
                "an account was made for you. User name:\n{name}\nTemporary password:\n{password}"
            );
        } else {
            let (code, noun) = (code.expose(), words.noun);
            let _ = write!(text, "{code} is your {noun}.");
            if let Some(life) = words.life {
                let _ = write!(text, " It expires in {life}.");
            }
            text.push_str(" Do not share it.");
            // The browser fills the code in on this domain only (WebOTP,
            // "origin-bound one-time codes"): always the last line.
            if let Some(domain) = &self.domain {
                let _ = write!(text, "\n\n@{domain} #{code}");
            }
        }
        SmsMessage {
            text: Secret::from(text),
        }
    }

    /// The mail of a request that carries a code.
    pub fn email(&self, request: &Request, code: &Secret) -> EmailMessage {
        let words = wording(request.occasion, Channel::Email);
        let invitation = request.occasion == Occasion::AdminCreateUser;
        let shown = if invitation {
            Secret::from(unescaped(code.expose()))
        } else {
            code.clone()
        };
        let mut rows = Vec::new();
        if invitation {
            rows.push(Row::Fact("User name", user_name(request)));
        }
        rows.push(Row::Code(shown));
        if let Some(life) = words.life {
            rows.push(Row::Line(format!("It expires in {life}.")));
        }
        rows.push(Row::Line(if invitation {
            "If you do not expect this account, ignore this message.".to_owned()
        } else {
            "Do not share it. If you did not ask for it, ignore this message.".to_owned()
        }));
        self.mail(words.subject, words.purpose, &rows)
    }

    /// Threat protection's notice: what happened, and the two links where
    /// Cognito made them.
    pub fn notice(&self, notice: &Notice) -> EmailMessage {
        let (subject, purpose) = match notice.action {
            TakeOverAction::Block => (
                "A sign-in was blocked",
                "Somebody tried to sign in to your account. The attempt was blocked.",
            ),
            TakeOverAction::Mfa => (
                "An unusual sign-in was checked",
                "There was an unusual attempt to sign in to your account. A second step was asked \
                 for.",
            ),
            TakeOverAction::NoAction => (
                "An unusual sign-in",
                "There was an unusual sign-in to your account.",
            ),
        };
        let facts = [
            ("Time", "LOGIN_TIME"),
            ("Device", "DEVICE_NAME"),
            ("City", "CITY"),
            ("Country", "COUNTRY"),
            ("IP address", "IP_ADDRESS"),
        ];
        let mut rows: Vec<Row> = facts
            .into_iter()
            .filter_map(|(label, name)| {
                let value = notice.details.get(name)?;
                let value = match value.parse::<IpAddr>() {
                    Ok(address) => address.to_string(),
                    Err(_) => plain(value, 80),
                };
                (!value.is_empty()).then_some(Row::Fact(label, value))
            })
            .collect();
        let mut link = |label, link: &Option<Secret>| {
            rows.extend(
                link.clone()
                    .filter(is_link)
                    .map(|link| Row::Link(label, link)),
            );
        };
        link("It was me", &notice.link_valid);
        link("It was not me", &notice.link_invalid);
        rows.push(Row::Line(
            "If it was not you, change your password.".to_owned(),
        ));
        self.mail(subject, purpose, &rows)
    }

    fn mail(&self, subject: &str, purpose: &str, rows: &[Row]) -> EmailMessage {
        let app = self.app.as_deref();
        EmailMessage {
            subject: app.map_or_else(|| subject.to_owned(), |app| format!("{subject} - {app}")),
            text: Secret::from(text_body(app, purpose, rows)),
            html: Secret::from(html_body(app, subject, purpose, rows)),
        }
    }
}

/// A part of a mail, below its first sentence.
enum Row {
    /// The code or password: big, alone, easy to select.
    Code(Secret),
    /// A name and its value.
    Fact(&'static str, String),
    /// A link to press.
    Link(&'static str, Secret),
    /// A sentence.
    Line(String),
}

fn text_body(app: Option<&str>, purpose: &str, rows: &[Row]) -> String {
    let mut body = format!("{purpose}\n");
    for row in rows {
        let _ = match row {
            Row::Code(code) => write!(body, "\n{}\n\n", code.expose()),
            Row::Fact(label, value) => writeln!(body, "{label}: {value}"),
            Row::Link(label, link) => write!(body, "\n{label}:\n{}\n\n", link.expose()),
            Row::Line(line) => writeln!(body, "{line}"),
        };
    }
    if let Some(app) = app {
        let _ = write!(body, "\n-- \n{app}\n");
    }
    body
}

fn html_body(app: Option<&str>, title: &str, purpose: &str, rows: &[Row]) -> String {
    let mut inner = format!("<p>{}</p>\n", escaped(purpose));
    for row in rows {
        let _ = match row {
            Row::Code(code) => writeln!(
                inner,
                "<p style=\"font:600 28px/1.4 ui-monospace,Menlo,Consolas,monospace;\
                 letter-spacing:2px;margin:24px 0;word-break:break-all;user-select:all\">{}</p>",
                escaped(code.expose())
            ),
            Row::Fact(label, value) => writeln!(
                inner,
                "<p style=\"margin:4px 0\"><b>{label}</b> {}</p>",
                escaped(value)
            ),
            Row::Link(label, link) => writeln!(
                inner,
                "<p style=\"margin:16px 0\"><a href=\"{}\" rel=\"noreferrer\">{label}</a></p>",
                escaped(link.expose())
            ),
            Row::Line(line) => writeln!(inner, "<p style=\"margin:4px 0\">{}</p>", escaped(line)),
        };
    }
    let app = app.map_or_else(String::new, |app| {
        format!(
            "<p style=\"opacity:.7;margin-top:32px\">{}</p>\n",
            escaped(app)
        )
    });
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n</head>\n\
         <body style=\"margin:0;padding:32px 16px;font:16px/1.5 system-ui,sans-serif\">\n\
         <div style=\"max-width:480px;margin:0 auto\">\n\
         <h1 style=\"font-size:20px;margin:0 0 16px\">{title}</h1>\n{inner}{app}</div>\n</body>\n\
         </html>\n"
    )
}

/// What the user signs in with. `userName` may be a UUID of Cognito's, which
/// nobody knows by heart: then the e-mail address or the phone number. Whole,
/// but for what cannot be seen, since it must be typed as it is.
fn user_name(request: &Request) -> String {
    let alias = || {
        let attributes = &request.attributes;
        attributes
            .get("email")
            .or_else(|| attributes.get("phone_number"))
    };
    let name = &request.user_name;
    let shown = if is_uuid(name) { alias() } else { None };
    let shown = shown.unwrap_or(name).chars();
    shown
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .take(128)
        .collect()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, b)| match index {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Undoes, once, the HTML escaping that Cognito puts on temporary passwords
/// (Cognito guide, "Custom email sender": `&lt;` for `<`, and so on). In one
/// pass, so that `&amp;lt;` becomes `&lt;`.
fn unescaped(text: &str) -> String {
    const ENTITIES: [(&str, char); 5] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
        ("&#39;", '\''),
    ];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, meant) = ENTITIES
            .into_iter()
            .find(|(entity, _)| rest.starts_with(entity))
            .map_or((character.len_utf8(), character), |(entity, meant)| {
                (entity.len(), meant)
            });
        plain.push(meant);
        rest = &rest[taken..];
    }
    plain
}

/// Escapes text for HTML, in bodies and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

/// What is left of a hostile text: words on one line, at most `longest`
/// characters, without control and direction characters, and nothing that a
/// mail program or a phone would make a link of: no address, no domain, no
/// telephone number.
fn plain(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut after_dot = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let separates = c.is_whitespace() || c.is_control() || "/\\@".contains(c);
        if separates || after_dot && c.is_alphabetic() {
            line.push(' ');
        }
        if !separates {
            line.push(c);
        }
        after_dot = matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    }
    let words = line.split_whitespace();
    let words = words.filter(|word| word.chars().filter(char::is_ascii_digit).count() < 7);
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(longest).collect()
}

/// Characters that change how others are read: marks and overrides of
/// direction, zero-width ones, tags, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Cognito's own links only: `https`, nothing that could leave the attribute.
fn is_link(link: &Secret) -> bool {
    let link = link.expose();
    link.len() <= 4096
        && link.starts_with("https://")
        && link
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"<>'`\\".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_password_is_unescaped_once() {
        assert_eq!(unescaped("a&lt;b&gt;&amp;&quot;&#39;"), "a<b>&\"'");
        assert_eq!(unescaped("&amp;lt;"), "&lt;");
        assert_eq!(
            unescaped("&amp;amp;&notanentity; é&"),
            "&amp;&notanentity; é&"
        );
    }

    #[test]
    fn hostile_text_becomes_plain_words() {
        assert_eq!(plain("New\r\nYork\u{202e}", 80), "New York");
        assert_eq!(
            plain("see http://evil.example/x", 80),
            "see http: evil. example x"
        );
        assert_eq!(plain("www.evil。com a@b.c", 80), "www. evil。 com a b. c");
        assert_eq!(plain("call +18885550199 now", 80), "call now");
        assert_eq!(
            plain("Chrome 126.0.1, Windows 10", 80),
            "Chrome 126.0.1, Windows 10"
        );
        assert_eq!(plain(&"x".repeat(2048), 80).len(), 80);
    }

    #[test]
    fn a_uuid_is_nobodys_name() {
        assert!(is_uuid("7d8ca528-4931-4254-9273-ea5ee853f271"));
        assert!(!is_uuid("alice"));
    }
}
