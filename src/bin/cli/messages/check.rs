//! `messages check`: whether every text comes out right, for everybody.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cognito_sender::Request;
use cognito_sender::catalogue::{BUILT_IN, Broken, Catalogue};
use cognito_sender::event::{Channel, Content};
use cognito_sender::message::{Texts, email_key, notice_key, sms_key};
use cognito_sender::sms_length::{SmsLength, plain_form};

use super::samples::{CODE, Sample, User, settings};

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
            say!("{finding}");
        }
        match findings.len() {
            0 => {
                say!(
                    "all texts are right, in {} languages",
                    languages(&texts).len()
                );
                ExitCode::SUCCESS
            }
            1 => {
                say!("1 text to mend");
                ExitCode::FAILURE
            }
            count => {
                say!("{count} texts to mend");
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
                            message(texts, &request, &sample).iter().for_each(&mut tell);
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
            .is_some_and(|table| english.get(&format!("{table}.note")).is_some());
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
            .find(|c| plain_form(*c).is_some());
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
    // An app client's file need not be whole: the deployment's comes after it.
    if !catalogue.file().contains(['/', '\\']) {
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

/// What is wrong with one message.
fn message(texts: &Texts, request: &Request, sample: &Sample) -> Vec<Broken> {
    let mut found = Vec::new();
    let mut wrong = |key: &str, what: &str| {
        let (file, line) = texts.place(request, key).unwrap_or((key, 0));
        found.push(Broken {
            file: file.to_owned(),
            line,
            what: format!("{key}: {what}"),
        });
    };
    let code = sample.typed_code();
    let passed_over = match (request.channel, &request.content) {
        (Channel::Sms, _) => {
            let key = sms_key(request.occasion);
            let (sms, passed_over) = texts.sms(request, &sample.code(), None);
            let text = sms.text.expose();
            if SmsLength::of(text).segments != 1 {
                wrong(key, "takes more than one segment: add a shorter variant");
            }
            if is_hostile(text) {
                wrong(key, HOSTILE);
            }
            let last = format!("@app.example.com #{CODE}");
            if code == CODE && text.lines().last() != Some(&last) {
                wrong(key, "does not end with the line @domain #code");
            }
            passed_over
        }
        (Channel::Email, content) => {
            let (key, (mail, passed_over)) = match content {
                Content::Notice(notice) => {
                    (notice_key(notice.action), texts.notice(request, notice))
                }
                _ => {
                    let mail = texts.email(request, &sample.code());
                    (email_key(request.occasion), mail)
                }
            };
            let (text, html) = (mail.text.expose(), mail.html.expose());
            let subject = format!("{key}.subject");
            if mail.subject.contains(code) {
                wrong(&subject, "holds the code, which locked screens show");
            }
            if is_hostile(&mail.subject) {
                wrong(&subject, HOSTILE);
            }
            for (part, body) in [("text", text), ("html", html)] {
                let own = format!("{key}.{part}");
                let place = match texts.place(request, &own) {
                    Some(_) => own,
                    None => format!("{key}.lead"),
                };
                if is_hostile(body) || part == "html" && body.contains("<b>A") {
                    wrong(&place, HOSTILE);
                }
                if body.trim().is_empty() {
                    wrong(&place, "is empty");
                }
            }
            passed_over
        }
    };
    found.extend(passed_over);
    found
}

const HOSTILE: &str = "shows what a user typed as markup or as a link";

/// Whether something of a hostile sample comes through as it was typed.
fn is_hostile(text: &str) -> bool {
    text.contains("evil.example") || text.contains('\u{202e}')
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
             sing_up = \"{{ code }}\"\n[email.sign_up]\nsubject = \"{{ code }}\"\n\
             html = \"{{ user.name|safe }}{{ code }}\"\n",
        );
        write("de.toml", "[sms\n");
        write("english.toml", "");
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
            "en.toml:8: email.sign_up.subject: holds the code",
            "en.toml:9: email.sign_up.html: shows what a user typed",
            "english.toml:0: never read: name it by its language",
            "sw.toml:1: missing, so English is used: email.",
        ] {
            assert!(told.contains(expected), "{expected} is not in\n{told}");
        }
    }
}
