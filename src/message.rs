//! Request + code -> the words that a person reads, from the texts.
//!
//! Rules that hold for every text here: what the user typed stands in a text
//! only where a template asks for it, and then cut to plain words; HTML is
//! escaped; no character touches a temporary password; a subject is one line;
//! an SMS is one segment if any of its variants is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use icu_locale::{Direction, LocaleDirectionality};
use minijinja::Value;

use crate::catalogue::{Broken, Catalogue, Own, Renderer};
use crate::code::Secret;
use crate::config::{LastLine, TextsConfig};
use crate::country::Country;
use crate::event::{Notice, Occasion, Request, TakeOverAction};
use crate::locale;
use crate::plain::{folded, is_invisible, one_line, plain, unescaped};
use crate::sms_length::SmsLength;

/// A text message.
#[derive(Debug, Clone)]
pub struct SmsMessage {
    /// Holds the code.
    pub text: Secret,
    /// The language that it is in.
    pub locale: String,
}

/// A mail, complete in both bodies.
#[derive(Debug, Clone)]
pub struct EmailMessage {
    /// One line.
    pub subject: String,
    /// Holds the code.
    pub text: Secret,
    /// Holds the code.
    pub html: Secret,
    /// The language that it is in.
    pub locale: String,
}

/// The one layout of all mails.
const LAYOUT: &str = include_str!("messages/layout.html");

/// The texts of one deployment.
pub struct Texts {
    config: TextsConfig,
    own: Own,
    renderer: Renderer,
}

/// The texts that one message is made from.
struct Voice<'a> {
    texts: &'a Texts,
    locale: &'a str,
    chain: Vec<&'a Catalogue>,
    values: BTreeMap<&'static str, Value>,
    broken: Vec<Broken>,
}

/// A mail's parts, as they stand below each other.
enum Row {
    /// The code or password: big, alone, easy to select.
    Code(Secret),
    /// A name and its value.
    Fact(String, String),
    /// A link to press.
    Link(String, Secret),
    /// A sentence.
    Line(String),
}

/// The key of an occasion's text message.
pub fn sms_key(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::SignUp | Occasion::ResendCode => "sms.sign_up",
        Occasion::ForgotPassword => "sms.forgot_password",
        Occasion::UpdateUserAttribute | Occasion::VerifyUserAttribute => "sms.confirm_phone",
        Occasion::AdminCreateUser => "sms.invitation",
        Occasion::Authentication => "sms.sign_in",
        Occasion::AccountTakeOverNotification | Occasion::Other => "sms.other",
    }
}

/// The table of an occasion's mail.
pub fn email_key(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::SignUp | Occasion::ResendCode => "email.sign_up",
        Occasion::ForgotPassword => "email.forgot_password",
        Occasion::UpdateUserAttribute | Occasion::VerifyUserAttribute => "email.confirm_email",
        Occasion::AdminCreateUser => "email.invitation",
        Occasion::Authentication => "email.sign_in",
        Occasion::AccountTakeOverNotification | Occasion::Other => "email.other",
    }
}

/// The table of a notice's mail.
pub fn notice_key(action: TakeOverAction) -> &'static str {
    match action {
        TakeOverAction::Block => "email.sign_in_blocked",
        TakeOverAction::Mfa => "email.sign_in_checked",
        TakeOverAction::NoAction => "email.sign_in_noticed",
    }
}

/// How many hours Cognito takes a code for (Cognito guide, "Quotas": code
/// validity).
fn hours(occasion: Occasion) -> u32 {
    match occasion {
        Occasion::ForgotPassword => 1,
        _ => 24,
    }
}

impl Texts {
    /// The texts as configured. Reads the folder of own texts, and tells what
    /// of it cannot be used.
    pub fn new(config: &TextsConfig) -> Self {
        let own = config.folder.as_deref().map(Path::new).map(Own::read);
        let own = own.unwrap_or_default();
        for broken in &own.broken {
            tracing::warn!(%broken, "a text of your own is not used");
        }
        Self {
            config: config.clone(),
            own,
            renderer: Renderer::new(),
        }
    }

    /// The deployment's own texts.
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// The text message of a request, and what of one's own texts was passed
    /// over for it.
    pub fn sms(
        &self,
        request: &Request,
        code: &Secret,
        country: Option<Country>,
    ) -> (SmsMessage, Vec<Broken>) {
        let mut voice = self.voice(request, country);
        let invitation = request.occasion == Occasion::AdminCreateUser;
        let code = shown(request.occasion, code);
        voice.values.insert("code", Value::from(code.expose()));
        let ending = match (&self.config.last_line, invitation) {
            (Some(last_line), false) => last_line.of(code.expose()),
            _ => String::new(),
        };
        let prefix = match &self.config.app {
            Some(_) => voice.line("sms.prefix"),
            None => String::new(),
        };
        let whole = |body: &str| alone(body, code.expose(), invitation);
        let bodies = voice.rendered(sms_key(request.occasion), false, whole);
        // The app's name before the text, unless the text says it itself, or a
        // password would be touched.
        let app = self.config.app.as_deref().map(folded).unwrap_or_default();
        let prefixed = bodies.iter().map(|body| match body.contains(&app) {
            true => format!("{body}{ending}"),
            false => format!("{prefix}{body}{ending}"),
        });
        let mut candidates: Vec<String> = prefixed.collect();
        candidates.retain(|text| whole(text).is_ok());
        candidates.extend(bodies.iter().map(|body| format!("{body}{ending}")));
        let longest = self
            .config
            .last_line
            .as_ref()
            .map_or(usize::MAX, LastLine::longest);
        let fits = |text: &&String| SmsLength::of(text).segments == 1 && text.len() <= longest;
        let text = candidates
            .iter()
            .find(fits)
            .or_else(|| {
                candidates
                    .iter()
                    .min_by_key(|text| SmsLength::of(text).segments)
            })
            .cloned()
            .unwrap_or_else(|| code.expose().to_owned());
        let message = SmsMessage {
            text: Secret::from(text),
            locale: voice.locale.to_owned(),
        };
        (message, voice.broken)
    }

    /// The mail of a request that carries a code, and what of one's own texts
    /// was passed over for it.
    pub fn email(&self, request: &Request, code: &Secret) -> (EmailMessage, Vec<Broken>) {
        let mut voice = self.voice(request, None);
        let invitation = request.occasion == Occasion::AdminCreateUser;
        let code = shown(request.occasion, code);
        voice.values.insert("code", Value::from(code.expose()));
        let key = email_key(request.occasion);
        let mut rows = Vec::new();
        if invitation {
            let label = voice.line("email.invitation.user_name");
            rows.push(Row::Fact(label, user_name(request)));
        }
        rows.push(Row::Code(code.clone()));
        rows.push(Row::Line(voice.line(&format!("{key}.note"))));
        if invitation {
            rows.push(Row::Line(voice.line("email.invitation.ignore")));
        } else {
            rows.push(Row::Line(voice.line("email.dont_share")));
            rows.push(Row::Line(voice.line("email.ignore")));
        }
        let mut mail = voice.mail(key, rows);
        // A whole body of one's own, as `messages import` makes them.
        let escaped = Secret::from(voice.texts.renderer.escaped(code.expose()));
        let whole = |body: &str| alone(body, escaped.expose(), invitation);
        if let Some(html) = voice.whole_body(key, "html", whole) {
            mail.html = Secret::from(html);
        }
        let whole = |body: &str| alone(body, code.expose(), invitation);
        if let Some(text) = voice.whole_body(key, "text", whole) {
            mail.text = Secret::from(text);
        }
        (mail, voice.broken)
    }

    /// Threat protection's notice: what happened, and the two links where
    /// Cognito made them.
    pub fn notice(&self, request: &Request, notice: &Notice) -> (EmailMessage, Vec<Broken>) {
        let mut voice = self.voice(request, None);
        let key = notice_key(notice.action);
        let mut rows = Vec::new();
        for (label, name) in [
            ("time", "LOGIN_TIME"),
            ("device", "DEVICE_NAME"),
            ("city", "CITY"),
            ("country", "COUNTRY"),
            ("ip_address", "IP_ADDRESS"),
        ] {
            let Some(value) = notice.details.get(name) else {
                continue;
            };
            let value = match value.parse::<IpAddr>() {
                Ok(address) => address.to_string(),
                Err(_) => plain(value, 80),
            };
            if !value.is_empty() {
                let label = voice.line(&format!("email.notice.{label}"));
                rows.push(Row::Fact(label, value));
            }
        }
        for (label, link) in [
            ("email.notice.it_was_me", &notice.link_valid),
            ("email.notice.it_was_not_me", &notice.link_invalid),
        ] {
            if let Some(link) = link.clone().filter(is_link) {
                rows.push(Row::Link(voice.line(label), link));
            }
        }
        rows.push(Row::Line(voice.line("email.notice.note")));
        let mail = voice.mail(key, rows);
        (mail, voice.broken)
    }

    /// How long what is sent on an occasion can be used.
    pub(crate) fn life(&self, occasion: Occasion) -> Duration {
        let minutes = match occasion {
            Occasion::Authentication => self.config.mfa_minutes,
            Occasion::AdminCreateUser => self.config.password_days * 24 * 60,
            _ => hours(occasion) * 60,
        };
        Duration::from_secs(u64::from(minutes) * 60)
    }

    /// Where the text under a key stands that a request is answered with: file
    /// and line.
    pub fn place(&self, request: &Request, key: &str) -> Option<(&str, usize)> {
        let mut chain = self.voice(request, None).chain.into_iter();
        chain.find_map(|catalogue| Some((catalogue.file(), catalogue.get(key)?.line)))
    }

    /// The language of a request's user, and what a template may say of them.
    fn voice<'a>(&'a self, request: &Request, country: Option<Country>) -> Voice<'a> {
        let client = request.client_id.as_deref();
        let wishes = locale::wishes(request, country, &self.config.locale);
        let available = self.own.locales(client);
        let locale = locale::best(&wishes, &available).unwrap_or("en");
        let mut values = BTreeMap::from([
            ("username", Value::from(safe_user_name(request))),
            ("locale", Value::from(locale)),
            ("hours", Value::from(hours(request.occasion))),
            ("minutes", Value::from(self.config.mfa_minutes)),
            ("days", Value::from(self.config.password_days)),
            ("user", safe_attributes(request)),
        ]);
        // Unset, they are unknown to templates, which then are passed over.
        let app = self.config.app.as_deref().map(folded);
        values.extend(app.map(|app| ("app", Value::from(app))));
        let domain = self.config.domain.as_deref();
        values.extend(domain.map(|domain| ("domain", Value::from(domain))));
        Voice {
            texts: self,
            locale,
            chain: self.own.chain(client, locale),
            values,
            broken: Vec::new(),
        }
    }
}

impl Voice<'_> {
    /// All variants of the first text under a key that is whole; empty if
    /// there is none.
    fn rendered(
        &mut self,
        key: &str,
        html: bool,
        whole: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Vec<String> {
        let chain = self.chain.clone();
        self.rendered_from(&chain, key, html, whole)
    }

    /// A mail's whole body of one's own, `html` or `text`. Only where it comes
    /// before the body that the layout makes: a body of another language, or
    /// one behind an app client's own words, is not this mail's.
    fn whole_body(
        &mut self,
        table: &str,
        part: &str,
        whole: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        let (key, lead) = (format!("{table}.{part}"), format!("{table}.lead"));
        let chain = self.chain.iter();
        let mut speaking = chain.filter(|file| file.get(&key).or(file.get(&lead)).is_some());
        let first = *speaking.next()?;
        let bodies = self.rendered_from(&[first], &key, part == "html", whole);
        bodies.into_iter().next()
    }

    fn rendered_from(
        &mut self,
        chain: &[&Catalogue],
        key: &str,
        html: bool,
        whole: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Vec<String> {
        let values = self.template_values();
        let renderer = &self.texts.renderer;
        for catalogue in chain {
            let Some(text) = catalogue.get(key) else {
                continue;
            };
            let mut rendered = Vec::new();
            for template in &text.variants {
                let result = if html {
                    renderer.html(template, &values)
                } else {
                    renderer.text(template, &values)
                };
                let checked = result.and_then(|text| match whole(&text) {
                    Ok(()) => Ok(text),
                    Err(what) => Err(what.to_owned()),
                });
                match checked {
                    Ok(text) => rendered.push(text),
                    Err(what) => self.broken.push(Broken {
                        file: catalogue.file().to_owned(),
                        line: text.line,
                        what: format!("{key}: {what}"),
                    }),
                }
            }
            if !rendered.is_empty() {
                return rendered;
            }
        }
        Vec::new()
    }

    fn template_values(&self) -> Value {
        Value::from_pairs(
            self.values
                .iter()
                .map(|(name, value)| (*name, value.clone())),
        )
    }

    /// A text of one variant, without the code.
    fn line(&mut self, key: &str) -> String {
        let first = self.rendered(key, false, |_| Ok(())).into_iter().next();
        first.unwrap_or_default()
    }

    fn mail(&mut self, key: &str, rows: Vec<Row>) -> EmailMessage {
        let not_empty = |text: &str| match one_line(text).is_empty() {
            true => Err("is empty"),
            false => Ok(()),
        };
        let mut subjects = self
            .rendered(&format!("{key}.subject"), false, not_empty)
            .into_iter();
        let title = one_line(&subjects.next().unwrap_or_default());
        let lead = self.line(&format!("{key}.lead"));
        let app = self.texts.config.app.as_deref();
        self.values.insert("subject", Value::from(title.as_str()));
        let subject = match app {
            Some(app) if !title.contains(app) => one_line(&self.line("email.subject_with_app")),
            _ => title.clone(),
        };
        EmailMessage {
            text: Secret::from(text_body(app, &lead, &rows)),
            html: Secret::from(self.html_body(&title, &lead, &rows)),
            subject,
            locale: self.locale.to_owned(),
        }
    }

    fn html_body(&self, title: &str, lead: &str, rows: &[Row]) -> String {
        let row = |row: &Row| {
            let (kind, label, value) = match row {
                Row::Code(code) => ("code", "", code.expose()),
                Row::Fact(label, value) => ("fact", label.as_str(), value.as_str()),
                Row::Link(label, link) => ("link", label.as_str(), link.expose()),
                Row::Line(line) => ("line", "", line.as_str()),
            };
            Value::from_pairs([("kind", kind), ("label", label), ("value", value)])
        };
        let shown = rows
            .iter()
            .filter(|row| !matches!(row, Row::Line(line) if line.is_empty()));
        let direction = match LocaleDirectionality::new_common()
            .get(&self.locale.parse().unwrap_or(icu_locale::langid!("en")))
        {
            Some(Direction::RightToLeft) => "rtl",
            _ => "ltr",
        };
        let values = Value::from_pairs([
            ("lang", Value::from(self.locale)),
            ("dir", Value::from(direction)),
            ("title", Value::from(title)),
            ("lead", Value::from(lead)),
            (
                "app",
                Value::from(self.texts.config.app.clone().unwrap_or_default()),
            ),
            ("rows", shown.map(row).collect()),
        ]);
        // The layout is ours, and rendered in every test of a mail.
        let layout = self.texts.renderer.html(LAYOUT, &values);
        layout.unwrap_or_default()
    }
}

fn text_body(app: Option<&str>, lead: &str, rows: &[Row]) -> String {
    let mut body = format!("{lead}\n");
    for row in rows {
        let _ = match row {
            Row::Code(code) => write!(body, "\n{}\n\n", code.expose()),
            Row::Fact(label, value) => writeln!(body, "{label}: {value}"),
            Row::Link(label, link) => write!(body, "\n{label}:\n{}\n\n", link.expose()),
            Row::Line(line) if line.is_empty() => Ok(()),
            Row::Line(line) => writeln!(body, "{line}"),
        };
    }
    if let Some(app) = app {
        let _ = write!(body, "\n-- \n{app}\n");
    }
    body
}

/// The code as a person must type it.
fn shown(occasion: Occasion, code: &Secret) -> Secret {
    match occasion {
        Occasion::AdminCreateUser => Secret::from(unescaped(code.expose())),
        _ => code.clone(),
    }
}

/// Whether a text holds the code; and, for a password, untouched by anything
/// but white space (or, in HTML, tags).
fn alone(text: &str, code: &str, is_password: bool) -> Result<(), &'static str> {
    let beside = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "<>".contains(c));
    let untouched = |(at, _): (usize, &str)| {
        beside(text[..at].chars().next_back()) && beside(text[at + code.len()..].chars().next())
    };
    if !text.contains(code) {
        Err("{{ code }} is missing")
    } else if is_password && !text.match_indices(code).any(untouched) {
        Err("something touches {{ code }}, a password here: put it on a line of its own")
    } else {
        Ok(())
    }
}

/// The user name as templates may use it. Whole in an invitation, since it must
/// be typed as it is, and an administrator chose it; elsewhere plain words, for
/// whoever signed up chose it.
fn safe_user_name(request: &Request) -> String {
    match request.occasion {
        Occasion::AdminCreateUser => user_name(request),
        _ => folded(&plain(&user_name(request), 128)),
    }
}

/// The user's attributes as templates may use them, under `user`: plain words.
fn safe_attributes(request: &Request) -> Value {
    let safe = request.attributes.iter();
    Value::from_pairs(safe.map(|(name, value)| (name.to_owned(), folded(&plain(value, 64)))))
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
        .take(320)
        .collect()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, b)| match index {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
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
    fn a_uuid_is_nobodys_name() {
        assert!(is_uuid("7d8ca528-4931-4254-9273-ea5ee853f271"));
        assert!(!is_uuid("alice"));
    }
}
