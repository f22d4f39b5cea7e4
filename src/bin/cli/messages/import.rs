//! `messages import`: the wording that a user pool has today, as texts of
//! one's own.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::DefaultEmailOptionType;
use clap::Args;

use crate::Failure;
use crate::aws::{Aws, refusal};

/// Write a user pool's present message templates as texts of your own
///
/// Reads with your credentials: cognito-idp:DescribeUserPool and
/// GetUserPoolMfaConfig. Changes nothing in AWS.
#[derive(Args)]
pub(crate) struct Import {
    /// The user pool.
    #[arg(long, value_name = "ID")]
    user_pool: String,
    /// The folder to write to, for MESSAGES_DIR.
    #[arg(long, value_name = "DIR", default_value = "messages")]
    out: PathBuf,
    /// The language that the templates are in.
    #[arg(long, default_value = "en")]
    locale: String,
    #[command(flatten)]
    aws: Aws,
}

/// A pool's templates, as Cognito has them; `None` is Cognito's own default.
#[derive(Debug, Default)]
struct Templates {
    sms: Option<String>,
    sms_mfa: Option<String>,
    sms_invitation: Option<String>,
    email: Option<Mail>,
    email_mfa: Option<Mail>,
    email_invitation: Option<Mail>,
}

#[derive(Debug)]
struct Mail {
    subject: Option<String>,
    message: String,
}

impl Import {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let config = self.aws.config().await?;
        let templates = read(&Client::new(&config), &self.user_pool).await?;
        let Some(toml) = catalogue(&templates) else {
            say!("the pool has no templates of its own: there is nothing to bring over");
            return Ok(ExitCode::SUCCESS);
        };
        let path = self.out.join(format!("{}.toml", self.locale));
        if cognito_sender::locale::canonical(&self.locale).as_ref() != Some(&self.locale) {
            return Err("--locale is not a language tag such as en or pt-BR".into());
        }
        if path.exists() {
            return Err(format!("{} is there already; give another --out", path.display()).into());
        }
        std::fs::create_dir_all(&self.out)
            .and_then(|()| std::fs::write(&path, toml))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        let out = self.out.display();
        say!("{}\n\nLook at it, then check it:\n", path.display());
        say!("cognito-sender messages check {out}");
        say!("cognito-sender messages preview --out preview {out}");
        Ok(ExitCode::SUCCESS)
    }
}

async fn read(cognito: &Client, pool: &str) -> Result<Templates, Failure> {
    let told = |error: String| Failure::from(format!("user pool {pool} cannot be read: {error}"));
    let described = cognito.describe_user_pool().user_pool_id(pool).send().await;
    let pool_type = described
        .map_err(|error| told(refusal(&error)))?
        .user_pool
        .ok_or_else(|| told("Cognito told nothing of it".to_owned()))?;
    let mfa = cognito
        .get_user_pool_mfa_config()
        .user_pool_id(pool)
        .send()
        .await;
    let mfa = mfa.map_err(|error| told(refusal(&error)))?;

    let mail = |subject: Option<&str>, message: Option<&str>| {
        message.map(|message| Mail {
            subject: subject.map(str::to_owned),
            message: message.to_owned(),
        })
    };
    let verification = pool_type.verification_message_template();
    let invitation = pool_type
        .admin_create_user_config()
        .and_then(|config| config.invite_message_template());
    Ok(Templates {
        sms: verification
            .and_then(|template| template.sms_message())
            .or(pool_type.sms_verification_message())
            .map(str::to_owned),
        sms_mfa: mfa
            .sms_mfa_configuration()
            .and_then(|config| config.sms_authentication_message())
            .or(pool_type.sms_authentication_message())
            .map(str::to_owned),
        sms_invitation: invitation
            .and_then(|template| template.sms_message())
            .map(str::to_owned),
        email: verification
            .and_then(|template| match template.default_email_option() {
                Some(DefaultEmailOptionType::ConfirmWithLink) => mail(
                    template.email_subject_by_link(),
                    template.email_message_by_link(),
                ),
                _ => mail(template.email_subject(), template.email_message()),
            })
            .or_else(|| {
                mail(
                    pool_type.email_verification_subject(),
                    pool_type.email_verification_message(),
                )
            }),
        email_mfa: mfa
            .email_mfa_configuration()
            .and_then(|config| mail(config.subject(), config.message())),
        email_invitation: invitation
            .and_then(|template| mail(template.email_subject(), template.email_message())),
    })
}

/// The file of texts; `None` if there is none.
fn catalogue(templates: &Templates) -> Option<String> {
    let mut sms = String::new();
    let mut text = |key: &str, message: &Option<String>, is_password: bool| {
        if let Some(message) = message {
            let text = quoted(&template(message, is_password));
            let _ = writeln!(sms, "{key} = {text}");
        }
    };
    for key in ["sign_up", "forgot_password", "confirm_phone"] {
        text(key, &templates.sms, false);
    }
    text("sign_in", &templates.sms_mfa, false);
    text("invitation", &templates.sms_invitation, true);
    let mut mails = String::new();
    let mut mail = |key: &str, mail: &Option<Mail>, is_password: bool| {
        let Some(mail) = mail else { return };
        let _ = writeln!(mails, "\n[email.{key}]");
        if let Some(subject) = &mail.subject {
            // A code in a subject shows on locked screens.
            let subject = template(&subject.replace("{####}", ""), false);
            let _ = writeln!(mails, "subject = {}", quoted(subject.trim()));
        }
        let html = if is_password {
            // Apart from what follows, or it would be typed with it.
            let mut parts = mail.message.split("{####}");
            let first = parts.next().unwrap_or_default().to_owned();
            let whole = parts.fold(first, |whole, part| {
                let in_a_tag = whole.rfind('<') > whole.rfind('>');
                if in_a_tag {
                    return format!("{whole}{{####}}{part}");
                }
                let part = part.trim_start_matches(['.', ',', ';', ':', '!']);
                format!("{whole} {{####}} {part}")
            });
            template(&whole, false)
        } else {
            template(&mail.message, false)
        };
        let text = template(&without_markup(&mail.message), is_password);
        let _ = writeln!(mails, "html = {}\ntext = {}", quoted(&html), quoted(&text));
    };
    for key in ["sign_up", "forgot_password", "confirm_email"] {
        mail(key, &templates.email, false);
    }
    mail("sign_in", &templates.email_mfa, false);
    mail("invitation", &templates.email_invitation, true);
    if sms.is_empty() && mails.is_empty() {
        return None;
    }
    if !sms.is_empty() {
        sms.insert_str(0, "[sms]\n");
    }
    Some(format!(
        "# Brought over from a user pool. A key that is not here is the built-in text.\n\n{sms}{mails}"
    ))
}

/// Cognito's placeholders as ours: `{####}` is the code, `{username}` the
/// user name, and `{##Click here##}`, a link that custom senders cannot make,
/// its words and the code.
fn template(message: &str, is_password: bool) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{####}") {
            text.push_str("{####}");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{username}") {
            text.push_str("{{ username }}");
            rest = after;
        } else if let Some((words, after)) = rest
            .strip_prefix("{##")
            .and_then(|link| link.split_once("##}"))
        {
            let _ = write!(text, "{words}: {{####}}");
            rest = after;
        } else {
            // What would begin a template's own syntax is kept as it is.
            let mut syntaxes = ["{{", "{%", "{#"].into_iter();
            match syntaxes.find(|syntax| rest.starts_with(syntax)) {
                Some(syntax) => {
                    let _ = write!(text, "{{{{ '{syntax}' }}}}");
                    rest = &rest[syntax.len()..];
                }
                None => {
                    text.push('{');
                    rest = &rest[1..];
                }
            }
        }
    }
    text.push_str(rest);
    if !is_password {
        return text.replace("{####}", "{{ code }}");
    }
    // A password alone on its line, and no full stop to be typed with it.
    let mut parts = text.split("{####}");
    let mut alone = parts.next().unwrap_or_default().trim_end().to_owned();
    for part in parts {
        let part = part.trim_start_matches(|c: char| ".,;:!\"'".contains(c) || c.is_whitespace());
        let _ = write!(alone, "\n{{{{ code }}}}\n{part}");
    }
    alone.trim_end().to_owned()
}

/// A mail's words without its tags, a line for each block; a link's address
/// stands behind its words.
fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    let mut address: Option<String> = None;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = tag.split_once('>') else {
            rest = tag;
            break;
        };
        rest = after;
        let lower = tag.to_ascii_lowercase();
        let name = lower.trim_start_matches('/').split([' ', '/', '\n']).next();
        match name.unwrap_or_default() {
            hidden @ ("style" | "script" | "head" | "title") if !lower.starts_with('/') => {
                let end = format!("</{hidden}");
                let skipped = rest.to_ascii_lowercase().find(&end).unwrap_or(rest.len());
                rest = &rest[skipped..];
            }
            "a" if lower.starts_with('/') => {
                if let Some(address) = address.take() {
                    let _ = write!(text, " ({address})");
                }
            }
            "a" => {
                let quoted = tag
                    .split_once("href=\"")
                    .and_then(|(_, value)| value.split_once('"'));
                address = quoted.map(|(address, _)| address.to_owned());
            }
            "br" | "p" | "div" | "tr" | "h1" | "h2" | "h3" | "li" | "table" => text.push('\n'),
            _ => (),
        }
    }
    text.push_str(rest);
    let text = text
        .replace("&nbsp;", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    let lines = text.lines().map(str::trim);
    let mut kept: Vec<&str> = Vec::new();
    for line in lines {
        if !(line.is_empty() && kept.last().is_none_or(|last| last.is_empty())) {
            kept.push(line);
        }
    }
    kept.join("\n").trim().to_owned()
}

/// A TOML basic string; JSON's escapes are all TOML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cognito_sender::message::Texts;

    use crate::messages::samples::{Sample, TYPED_PASSWORD, User, settings};
    use cognito_sender::event::{Channel, Occasion};

    #[test]
    fn cognitos_placeholders_become_ours() {
        assert_eq!(
            template("Your code is {####}.", false),
            "Your code is {{ code }}."
        );
        assert_eq!(
            template("Hi {username}, {##Click here##} {{x}}", false),
            "Hi {{ username }}, Click here: {{ code }} {{ '{{' }}x}}"
        );
        assert_eq!(
            template("{####} or {##a##} {##b##} @media{#m{x}}", false),
            "{{ code }} or a: {{ code }} b: {{ code }} @media{{ '{#' }}m{x}}"
        );
        assert_eq!(
            template("User {username}, password {####}. Bye", true),
            "User {{ username }}, password\n{{ code }}\nBye"
        );
    }

    #[test]
    fn what_is_brought_over_is_sent() {
        let invitation = "Your username is {username} and temporary password is {####}.";
        let templates = Templates {
            sms: Some("{####} is your Acme code".to_owned()),
            sms_invitation: Some(invitation.to_owned()),
            email: Some(Mail {
                subject: Some("Welcome {####}".to_owned()),
                message: "<h1>Hi</h1><p>Code: <b>{####}</b></p>".to_owned(),
            }),
            email_invitation: Some(Mail {
                subject: None,
                message: format!("<p>{invitation}</p>"),
            }),
            ..Templates::default()
        };
        let folder = std::env::temp_dir().join(format!("import-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("en.toml"), catalogue(&templates).unwrap()).unwrap();
        let texts = Texts::new(&settings(Some(folder.display().to_string())));
        std::fs::remove_dir_all(&folder).unwrap();

        let sample = |occasion| Sample {
            occasion,
            action: None,
        };
        let request = |occasion, channel| {
            sample(occasion)
                .request(channel, None, "en", User::Plain)
                .unwrap()
        };
        let code = sample(Occasion::SignUp).code();
        let (sms, broken) = texts.sms(&request(Occasion::SignUp, Channel::Sms), &code, None);
        assert_eq!(broken, []);
        let text = sms.text.expose();
        assert!(text.contains("12345678 is your Acme code\n\n@"), "{text}");
        let (mail, broken) = texts.email(&request(Occasion::SignUp, Channel::Email), &code);
        assert_eq!(broken, []);
        assert_eq!(mail.subject, "Welcome - Twenty letters & Co.");
        assert_eq!(
            mail.html.expose(),
            "<h1>Hi</h1><p>Code: <b>12345678</b></p>"
        );
        assert_eq!(mail.text.expose(), "Hi\n\nCode: 12345678");

        let password = sample(Occasion::AdminCreateUser).code();
        let event = request(Occasion::AdminCreateUser, Channel::Sms);
        let (sms, broken) = texts.sms(&event, &password, None);
        assert_eq!(broken, []);
        assert_eq!(sms.text.expose().lines().last(), Some(TYPED_PASSWORD));
        let event = request(Occasion::AdminCreateUser, Channel::Email);
        let (mail, broken) = texts.email(&event, &password);
        assert_eq!(broken, []);
        assert!(
            mail.html
                .expose()
                .contains("is  Tr&amp;9&lt;kQ&quot;x7 </p>")
        );
        assert!(
            mail.text
                .expose()
                .lines()
                .any(|line| line == TYPED_PASSWORD)
        );
    }

    #[test]
    fn a_mails_words_are_what_a_reader_sees() {
        let html = "<html><head><title>T</title><style>b{color:red}</style></head><body><p>Hi,</p>\
                    <a class=x href=\"https://example.com/\">Sign in</a> now</body></html>";
        assert_eq!(
            without_markup(html),
            "Hi,\nSign in (https://example.com/) now"
        );
    }

    #[test]
    fn a_pool_without_templates_gives_nothing() {
        assert_eq!(catalogue(&Templates::default()), None);
    }
}
