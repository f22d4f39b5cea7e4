//! `messages check`: whether every text comes out right, for everybody.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cognito_sender::Request;
use cognito_sender::catalogue::{BUILT_IN, Broken, Catalogue};
use cognito_sender::event::{Channel, Content};
use cognito_sender::message::{EmailMessage, Texts};
use cognito_sender::sms_length::SmsLength;

use super::samples::{Sample, User, settings};

/// Render every text in every language, and tell what is wrong with which
///
/// Without a folder, the built-in ones. Prints `file:line: what, and how to
/// mend it`; exit code 1 if there is anything.
#[derive(Args)]
pub(crate) struct Check {
    /// Your own texts, as in MESSAGES_DIR.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let folder = self.folder.map(|folder| folder.display().to_string());
        let own = folder.is_some();
        let texts = Texts::new(&settings(folder));
        let findings = findings(&texts, own);
        for finding in &findings {
            println!("{finding}");
        }
        match findings.len() {
            0 => {
                println!(
                    "all texts are right, in {} languages",
                    languages(&texts).len()
                );
                ExitCode::SUCCESS
            }
            1 => {
                println!("1 text to mend");
                ExitCode::FAILURE
            }
            count => {
                println!("{count} texts to mend");
                ExitCode::FAILURE
            }
        }
    }
}

/// What is wrong, in the order of files and lines.
fn findings(texts: &Texts, own: bool) -> Vec<String> {
    let mut found: BTreeSet<(String, usize, String)> = BTreeSet::new();
    let mut tell = |broken: &Broken| {
        found.insert((broken.file.clone(), broken.line, broken.what.clone()));
    };
    texts.own().broken.iter().for_each(&mut tell);
    for (locale, catalogue) in catalogues(texts, own) {
        keys(&locale, catalogue).iter().for_each(&mut tell);
    }
    let mut clients: Vec<Option<String>> = texts
        .own()
        .catalogues()
        .map(|(client, _, _)| client.map(str::to_owned))
        .collect();
    clients.push(None);
    clients.sort();
    clients.dedup();
    for client in &clients {
        for locale in languages(texts) {
            for user in User::ALL {
                for channel in [Channel::Sms, Channel::Email] {
                    for sample in Sample::all(channel) {
                        let request = sample.request(channel, client.as_deref(), &locale, user);
                        if let Some(request) = request {
                            message(texts, &request, &sample, &locale)
                                .iter()
                                .for_each(&mut tell);
                        }
                    }
                }
            }
        }
    }
    found
        .into_iter()
        .map(|(file, line, what)| format!("{file}:{line}: {what}"))
        .collect()
}

fn languages(texts: &Texts) -> Vec<String> {
    let own = texts.own().catalogues().map(|(_, locale, _)| locale);
    let all: BTreeSet<&str> = BUILT_IN.iter().copied().chain(own).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// The files to look into: one's own, or else the built-in ones.
fn catalogues(texts: &Texts, own: bool) -> Vec<(String, &Catalogue)> {
    if own {
        let own = texts.own().catalogues();
        return own
            .map(|(_, locale, catalogue)| (locale.to_owned(), catalogue))
            .collect();
    }
    let built_in = BUILT_IN.iter();
    built_in
        .filter_map(|locale| Some(((*locale).to_owned(), Catalogue::built_in(locale)?)))
        .collect()
}

/// Keys that nothing reads, keys that a new language lacks, and characters
/// that make a text message dearer for nothing.
fn keys(locale: &str, catalogue: &Catalogue) -> Vec<Broken> {
    let Some(english) = Catalogue::built_in("en") else {
        return Vec::new();
    };
    let broken = |line: usize, what: String| Broken {
        file: catalogue.file().to_owned(),
        line,
        what,
    };
    let mut found = Vec::new();
    for (key, text) in catalogue.texts() {
        let whole_body = key
            .strip_suffix(".html")
            .or(key.strip_suffix(".text"))
            .is_some_and(|table| english.get(&format!("{table}.subject")).is_some());
        if english.get(key).is_none() && !whole_body {
            found.push(broken(
                text.line,
                format!("nothing reads {key}; the keys are those of the built-in en.toml"),
            ));
        }
        let dear = text
            .variants
            .iter()
            .flat_map(|text| text.chars())
            .find(|c| is_dear(*c));
        if let (true, Some(c)) = (key.starts_with("sms."), dear) {
            found.push(broken(
                text.line,
                format!(
                    "{key}: U+{:04X} makes the whole message UCS-2, 70 characters instead of 160; \
                     write a plain quote, hyphen, space or three dots",
                    u32::from(c)
                ),
            ));
        }
    }
    if !BUILT_IN.contains(&locale) || catalogue.file() == format!("{locale}.toml") {
        let known = |key: &str| {
            catalogue.get(key).is_some() || {
                let built_in = Catalogue::built_in(locale);
                built_in.is_some_and(|built_in| built_in.get(key).is_some())
            }
        };
        let mut missing: Vec<&str> = english.texts().map(|(key, _)| key).collect();
        missing.retain(|key| !known(key));
        missing.sort_unstable();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            found.push(broken(1, format!("missing, so English is used: {missing}")));
        }
    }
    found
}

/// Typographic characters that GSM-7 lacks and has a plain form of.
fn is_dear(c: char) -> bool {
    matches!(c,
        '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201f}' | '\u{2026}' | '\u{2032}' | '\u{2033}'
        | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}')
}

/// What is wrong with one message.
fn message(texts: &Texts, request: &Request, sample: &Sample, locale: &str) -> Vec<Broken> {
    let name = sample.name();
    let file = format!("{locale}.toml");
    let broken = |line, what: String| Broken {
        file: file.clone(),
        line,
        what,
    };
    let mut found = Vec::new();
    let mut wrong = |what: &str| found.push(broken(0, format!("{name}: {what}")));
    match (request.channel, &request.content) {
        (Channel::Sms, _) => {
            let (sms, passed_over) = texts.sms(request, &sample.code(), None);
            let text = sms.text.expose();
            if !text.contains(sample.typed_code()) {
                wrong("the text message lacks the code");
            }
            if SmsLength::of(text).segments != 1 {
                wrong("the text message takes more than one segment: add a shorter variant");
            }
            let last = format!("@app.example.com #{}", sample.typed_code());
            let is_code = sample.typed_code() == super::samples::CODE;
            if is_code && text.lines().last() != Some(&last) {
                wrong("the last line of the text message is not @domain #code");
            }
            found.extend(passed_over);
        }
        (Channel::Email, Content::Notice(notice)) => {
            let (mail, passed_over) = texts.notice(request, notice);
            mail_is_right(&mail, &mut wrong);
            if mail.html.expose().matches("<a ").count() != 2 {
                wrong("the mail has not just the two links");
            }
            found.extend(passed_over);
        }
        (Channel::Email, _) => {
            let (mail, passed_over) = texts.email(request, &sample.code());
            mail_is_right(&mail, &mut wrong);
            let code = sample.typed_code();
            if !mail.text.expose().contains(code) {
                wrong("the plain body lacks the code");
            }
            if mail.subject.contains(code) {
                wrong("the subject holds the code, which locked screens show");
            }
            found.extend(passed_over);
        }
    }
    found
}

fn mail_is_right(mail: &EmailMessage, wrong: &mut impl FnMut(&str)) {
    let (text, html) = (mail.text.expose(), mail.html.expose());
    if mail.subject.is_empty() || mail.subject.contains(char::is_control) {
        wrong("the subject is empty, or more than a line");
    }
    if text.trim().is_empty() || html.trim().is_empty() {
        wrong("a body is empty");
    }
    if html.contains("<script") || html.contains("<b>A</b>") || text.contains("evil.example") {
        wrong("what the user typed comes out as markup or a link");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_texts_are_right() {
        let texts = Texts::new(&settings(None));
        assert_eq!(findings(&texts, false), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_told_with_its_place() {
        let folder = std::env::temp_dir().join(format!("messages-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("clients/abc")).unwrap();
        let write = |file: &str, toml: &str| std::fs::write(folder.join(file), toml).unwrap();
        write(
            "en.toml",
            "[sms]\nsign_up = \"Hello\"\nforgot_password = \"{{ code }} for {{ nobody }}\"\n\
             sign_in = \"It\u{2019}s {{ code }}\"\ninvitation = \"{{ username }} ({{ code }})\"\n\
             sing_up = \"{{ code }}\"\n[email.sign_up]\nsubject = \"{{ code }}\"\n",
        );
        write("de.toml", "[sms\n");
        write("sw.toml", "[sms]\nprefix = \"{{ app }}: \"\n");
        write("clients/abc/fr.toml", "[email.other]\nlead = \"{{ code\"\n");
        let texts = Texts::new(&settings(Some(folder.display().to_string())));
        let told = findings(&texts, true).join("\n");
        std::fs::remove_dir_all(&folder).unwrap();
        for expected in [
            "clients/abc/fr.toml:2: email.other.lead: syntax error",
            "de.toml:1: ",
            "en.toml:2: sms.sign_up: {{ code }} is missing",
            "en.toml:3: sms.forgot_password: undefined value",
            "en.toml:4: sms.sign_in: U+2019 makes",
            "en.toml:5: sms.invitation: something touches {{ code }}",
            "en.toml:6: nothing reads sms.sing_up",
            "en.toml:0: SignUp: the subject holds the code",
            "sw.toml:1: missing, so English is used: email.",
        ] {
            assert!(told.contains(expected), "{expected} is not in\n{told}");
        }
    }
}
