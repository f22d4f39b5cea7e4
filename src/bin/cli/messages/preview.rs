//! `messages preview`: every text on a page, as a phone and a mail program
//! would show it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cognito_sender::catalogue::BUILT_IN;
use cognito_sender::event::{Channel, Content};
use cognito_sender::message::Texts;
use cognito_sender::sms_length::SmsLength;

use super::samples::{Sample, User, settings};
use crate::Failure;

/// Write a gallery of every text: phone bubbles, and mails in light and dark
///
/// The same texts give the same bytes, so that a change shows as a diff.
#[derive(Args)]
pub(crate) struct Preview {
    /// Where to write index.html and a page for each language.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only this language. May be repeated.
    #[arg(long)]
    locale: Vec<String>,
    /// Your own texts, as in MESSAGES_DIR.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

const STYLE: &str = include_str!("preview.css");

impl Preview {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let folder = self.folder.map(|folder| folder.display().to_string());
        let texts = Texts::new(&settings(folder));
        let own = texts.own().catalogues().map(|(_, locale, _)| locale);
        let mut locales: Vec<&str> = BUILT_IN.iter().copied().chain(own).collect();
        locales.sort_unstable();
        locales.dedup();
        if !self.locale.is_empty() {
            locales.retain(|locale| self.locale.iter().any(|wanted| wanted == locale));
        }
        if locales.is_empty() {
            return Err(format!(
                "none of these languages is there: {}",
                self.locale.join(", ")
            )
            .into());
        }
        std::fs::create_dir_all(&self.out)
            .map_err(|error| format!("{} cannot be made: {error}", self.out.display()))?;
        let write = |name: String, page: String| {
            let path = self.out.join(name);
            std::fs::write(&path, page)
                .map_err(|error| format!("{} cannot be written: {error}", path.display()))
        };
        for locale in &locales {
            write(format!("{locale}.html"), page(&texts, locale, &locales))?;
        }
        let first = locales
            .iter()
            .find(|locale| **locale == "en")
            .unwrap_or(&locales[0]);
        write("index.html".to_owned(), page(&texts, first, &locales))?;
        say!("{}", self.out.join("index.html").display());
        Ok(ExitCode::SUCCESS)
    }
}

fn page(texts: &Texts, locale: &str, locales: &[&str]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{locale} - messages</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<nav>\n"
    );
    for other in locales {
        let current = if *other == locale {
            " aria-current=\"page\""
        } else {
            ""
        };
        let _ = writeln!(page, "<a href=\"{other}.html\"{current}>{other}</a>");
    }
    page.push_str("</nav>\n<main>\n<h2>SMS</h2>\n<div class=\"phones\">\n");
    for sample in Sample::all(Channel::Sms) {
        if let Some(request) = sample.request(Channel::Sms, None, locale, User::Plain) {
            let (sms, _) = texts.sms(&request, &sample.code(), None);
            let text = sms.text.expose();
            let length = SmsLength::of(text);
            let plural = if length.segments == 1 { "" } else { "s" };
            let _ = writeln!(
                page,
                "<figure><figcaption>{}</figcaption><p class=\"bubble\" dir=\"auto\">{}</p>\
                 <small>{}, {} units, {} segment{plural}</small></figure>",
                sample.name(),
                escaped(text),
                length.encoding,
                length.units,
                length.segments
            );
        }
    }
    page.push_str("</div>\n<h2>E-mail</h2>\n");
    for sample in Sample::all(Channel::Email) {
        if let Some(request) = sample.request(Channel::Email, None, locale, User::Plain) {
            let (mail, _) = match &request.content {
                Content::Notice(notice) => texts.notice(&request, notice),
                _ => texts.email(&request, &sample.code()),
            };
            let html = escaped(mail.html.expose());
            let _ = writeln!(
                page,
                "<section><h3><small>{}</small><br><bdi>{}</bdi></h3>\n<div class=\"mails\">\n\
                 <iframe sandbox loading=\"lazy\" style=\"color-scheme:light\" title=\"light\" srcdoc=\"{html}\"></iframe>\n\
                 <iframe sandbox loading=\"lazy\" style=\"color-scheme:dark\" title=\"dark\" srcdoc=\"{html}\"></iframe>\n\
                 <pre dir=\"auto\">{}</pre>\n</div></section>",
                sample.name(),
                escaped(&mail.subject),
                escaped(mail.text.expose())
            );
        }
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
