//! What messages say: whole in every language, and never broken.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cognito_sender::catalogue::BUILT_IN;
use cognito_sender::config::{LastLine, TextsConfig};
use cognito_sender::event::Content;
use cognito_sender::local::Options;
use cognito_sender::message::{EmailMessage, Texts};
use cognito_sender::sms_length::SmsLength;
use cognito_sender::{Request, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Function, Local, event, to, with};

fn settings() -> TextsConfig {
    TextsConfig {
        app: Some("Acme".to_owned()),
        domain: None,
        last_line: None,
        locale: "en".to_owned(),
        folder: None,
        mfa_minutes: 5,
        password_days: 30,
    }
}

/// A folder of own texts, gone when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn in_language(event: Value, locale: &str) -> Value {
    with(event, "/request/userAttributes/locale", locale)
}

fn mail(texts: &Texts, request: &Request, code: &Secret) -> EmailMessage {
    match &request.content {
        Content::Notice(notice) => texts.notice(request, notice).0,
        _ => texts.email(request, code).0,
    }
}

const EVENTS: [&str; 13] = [
    "CustomSMSSender_SignUp",
    "CustomSMSSender_ForgotPassword",
    "CustomSMSSender_VerifyUserAttribute",
    "CustomSMSSender_AdminCreateUser",
    "CustomSMSSender_Authentication",
    "CustomSMSSender_SomethingNew.unknown",
    "CustomEmailSender_SignUp",
    "CustomEmailSender_ForgotPassword",
    "CustomEmailSender_VerifyUserAttribute",
    "CustomEmailSender_AdminCreateUser",
    "CustomEmailSender_Authentication",
    "CustomEmailSender_SomethingNew.unknown",
    "CustomEmailSender_AccountTakeOverNotification",
];

/// All that is said in one language, as text.
fn everything(locale: &str) -> String {
    let texts = Texts::new(&settings());
    let mut all = String::new();
    for name in EVENTS {
        let request = Request::parse(&in_language(event(name), locale)).unwrap();
        let password = name.contains("AdminCreateUser");
        let code = Secret::from(if password { "Tr&amp;9&lt;kQ" } else { "123456" });
        let _ = writeln!(all, "==== {name}");
        if name.contains("SMS") {
            let (sms, broken) = texts.sms(&request, &code, None);
            assert_eq!(broken, [], "{locale}");
            let _ = writeln!(all, "{}\n", sms.text.expose());
        } else {
            let mail = mail(&texts, &request, &code);
            let _ = writeln!(all, "Subject: {}\n\n{}", mail.subject, mail.text.expose());
            if name == "CustomEmailSender_SignUp" || name.contains("TakeOver") {
                let _ = writeln!(all, "{}", mail.html.expose());
            }
        }
    }
    all
}

/// A Latin, a right-to-left and a UCS-2 language, word for word. After a
/// change that is meant: `UPDATE_SNAPSHOTS=1 cargo test messages`.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how its author asks for new ones"
)]
fn what_is_said_in_three_languages_is_as_it_was() {
    for locale in ["en", "ar", "ja"] {
        let path = Path::new("tests/data").join(format!("messages-{locale}.txt"));
        let said = everything(locale);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, &said).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap();
        assert!(
            said == before,
            "{} is not what is said now:\n{said}",
            path.display()
        );
    }
}

#[test]
fn every_language_says_something_of_its_own() {
    let english = everything("en");
    for locale in BUILT_IN.iter().filter(|locale| **locale != "en") {
        let said = everything(locale);
        let words = |line: &&str| line.contains(' ') && !line.contains(['<', '{', '=']);
        let mut same: Vec<&str> = said.lines().filter(words).collect();
        same.retain(|line| *line != "-- " && english.lines().any(|other| other == *line));
        assert_eq!(same, Vec::<&str>::new(), "{locale}");
    }
}

#[test]
fn one_segment_in_every_language_with_all_that_takes_room() {
    for last_line in [
        None,
        Some(LastLine::Domain("accounts.app.example.com".to_owned())),
        Some(LastLine::AndroidHash("FA+9qCX9VSu".to_owned())),
    ] {
        let texts = Texts::new(&TextsConfig {
            app: Some("Twenty letters & Co.".to_owned()),
            last_line: last_line.clone(),
            ..settings()
        });
        for locale in BUILT_IN {
            for name in EVENTS.iter().filter(|name| name.contains("SMS")) {
                let event = in_language(event(name), locale);
                let request = Request::parse(&event).unwrap();
                let (sms, _) = texts.sms(&request, &Secret::from("12345678"), None);
                let text = sms.text.expose();
                assert_eq!(sms.locale, **locale);
                assert_eq!(SmsLength::of(text).segments, 1, "{locale} {name}: {text}");
                assert!(text.contains("12345678"));
                let last = text.lines().last().unwrap();
                match (&last_line, name.contains("AdminCreateUser")) {
                    (_, true) => assert_eq!(last, "12345678"),
                    (Some(LastLine::Domain(domain)), _) => {
                        assert_eq!(last, format!("@{domain} #12345678"));
                    }
                    (Some(LastLine::AndroidHash(hash)), _) => {
                        assert_eq!(last, hash);
                        assert!(text.len() <= 140, "{locale} {name}: {}", text.len());
                    }
                    (None, _) => (),
                }
            }
        }
    }
}

#[test]
fn a_curly_app_name_costs_no_segments() {
    let texts = Texts::new(&TextsConfig {
        app: Some("Ann\u{2019}s\u{a0}Shop \u{2014} \u{201c}Best\u{201d}\u{2026}".to_owned()),
        ..settings()
    });
    let request = Request::parse(&event("CustomSMSSender_SignUp")).unwrap();
    let (sms, _) = texts.sms(&request, &Secret::from("123456"), None);
    assert!(
        sms.text
            .expose()
            .starts_with("Ann's Shop - \"Best\"...: 123456")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_the_apps_the_users_the_countrys_or_the_default() {
    let local = Local::new(Options::default(), &[("DEFAULT_LOCALE", "fr")]).await;
    let sign_up = event("CustomSMSSender_SignUp");
    let german = in_language(sign_up.clone(), "de_DE");
    let dutch = with(
        german.clone(),
        "/request/clientMetadata",
        json!({"locale": "nl"}),
    );
    let polish = to(sign_up.clone(), "+48512345678");
    let swiss = to(sign_up, "+41791234567");
    for (event, words) in [(dutch, "nl"), (german, "de"), (polish, "pl"), (swiss, "fr")] {
        let said = local.sent_sms(&event).await.text;
        let parsed = Request::parse(&in_language(event, words)).unwrap();
        let parsed = Request {
            client_metadata: Default::default(),
            ..parsed
        };
        let (expected, _) = Texts::new(&TextsConfig {
            app: Some("Acme".to_owned()),
            ..settings()
        })
        .sms(&parsed, &Secret::from("123456"), None);
        assert_eq!(said, expected.text.expose(), "{words}");
    }
}

#[tokio::test]
async fn own_texts_go_first_and_broken_ones_never_go_out() {
    let folder = Folder::new(
        "own",
        &[
            (
                "en.toml",
                "[sms]\nsign_up = \"Ahoy {{ user.name }}, {{ code }}\"\n\
                 forgot_password = \"{{ nobody }} {{ code }}\"\nsign_in = \"no code\"\n",
            ),
            ("de.toml", "this is no TOML"),
            (
                "clients/1h57kf5cpq17m0eml12example/en.toml",
                "[sms]\nother = \"Client: {{ code }}\"\n",
            ),
            (
                "sw.toml",
                "[sms]\nsign_up = \"Nambari yako ni {{ code }}\"\n",
            ),
        ],
    );
    let function = Function::start(Options::default(), &[("MESSAGES_DIR", folder.path())]);
    let hostile = "Ann\r\nhttps://evil.example/";
    let named = |name| with(event(name), "/request/userAttributes/name", hostile);
    let swahili = in_language(event("CustomSMSSender_SignUp"), "sw");
    for (event, text) in [
        (
            named("CustomSMSSender_SignUp"),
            "Acme: Ahoy Ann https: evil. example, 123456",
        ),
        (
            named("CustomSMSSender_ForgotPassword"),
            "Acme: 123456 is your code to choose a new password. It expires in 1 hour. Do not \
             share it.",
        ),
        (
            named("CustomSMSSender_Authentication"),
            "Acme: 123456 is your sign-in code. It expires in 3 minutes. Never share it; we will \
             not ask for it.",
        ),
        (
            named("CustomSMSSender_SomethingNew.unknown"),
            "Acme: Client: 123456",
        ),
        (swahili, "Acme: Nambari yako ni 123456"),
    ] {
        function.response(&event).await;
        let sent = function.aws.outbox();
        let sms = sent.iter().rev().find_map(|record| record.sms()).unwrap();
        assert_eq!(sms.text, text);
    }
    let log = function.stop();
    for told in [
        "de.toml:1: ",
        "en.toml:3: sms.forgot_password: undefined value",
        "en.toml:4: sms.sign_in: {{ code }} is missing",
        "\"TextBroken\":1",
    ] {
        assert!(log.contains(told), "{told} is not in {log}");
    }
}

/// What texts of one's own make of an event, by SMS.
fn own_sms(name: &str, files: &[(&str, &str)], event: &Value) -> (String, usize) {
    let folder = Folder::new(name, files);
    let texts = Texts::new(&TextsConfig {
        folder: Some(folder.path().to_owned()),
        ..settings()
    });
    let request = Request::parse(event).unwrap();
    let (sms, broken) = texts.sms(&request, &Secret::from("123456"), None);
    (sms.text.expose().to_owned(), broken.len())
}

#[test]
fn what_a_variety_lacks_is_in_its_language() {
    let files = [("fr_CA.toml", "[sms]\nsign_up = \"Allo {{ code }}\"\n")];
    let canadian = |name| in_language(event(name), "fr-CA");
    let french = in_language(event("CustomSMSSender_ForgotPassword"), "fr");
    let (sign_up, _) = own_sms("variety", &files, &canadian("CustomSMSSender_SignUp"));
    assert_eq!(sign_up, "Acme : Allo 123456");
    let (forgot, _) = own_sms(
        "variety",
        &files,
        &canadian("CustomSMSSender_ForgotPassword"),
    );
    assert_eq!(forgot, own_sms("variety", &[("sw.toml", "")], &french).0);
}

#[test]
fn a_body_of_ones_own_is_for_its_own_language() {
    let imported =
        "[email.sign_up]\nhtml = \"<p>Mine: {{ code }}</p>\"\ntext = \"Mine: {{ code }}\"\n";
    let folder = Folder::new("bodies", &[("en.toml", imported)]);
    let texts = Texts::new(&TextsConfig {
        folder: Some(folder.path().to_owned()),
        ..settings()
    });
    let code = Secret::from("123456");
    for (locale, own) in [
        ("en", true),
        ("en-GB", true),
        ("de", false),
        ("pt-BR", false),
    ] {
        let event = in_language(sign_up(), locale);
        let mail = mail(&texts, &Request::parse(&event).unwrap(), &code);
        assert_eq!(mail.html.expose() == "<p>Mine: 123456</p>", own, "{locale}");
        assert_eq!(mail.text.expose() == "Mine: 123456", own, "{locale}");
    }
}

#[test]
fn a_broken_body_is_told_once() {
    let folder = Folder::new(
        "told",
        &[("en.toml", "[email.sign_up]\nhtml = \"no code\"\n")],
    );
    let texts = Texts::new(&TextsConfig {
        folder: Some(folder.path().to_owned()),
        ..settings()
    });
    let request = Request::parse(&sign_up()).unwrap();
    let (mail, broken) = texts.email(&request, &Secret::from("123456"));
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(mail.html.expose().contains("123456"));
}

#[test]
fn an_endless_text_is_passed_over() {
    let endless = "[sms]\nsign_up = \"{{ code }}{% for a in range(9999) %}{% for b in range(9999) \
                   %}x{% endfor %}{% endfor %}\"\n";
    let sign_up = event("CustomSMSSender_SignUp");
    let (text, broken) = own_sms("endless", &[("en.toml", endless)], &sign_up);
    assert_eq!(broken, 1);
    assert!(
        text.starts_with("Acme: 123456 is your code to confirm"),
        "{text}"
    );
}

#[test]
fn an_app_is_named_once() {
    let named = "[sms]\nsign_up = \"{{ code }}: {{ app }}\"\n";
    let sign_up = event("CustomSMSSender_SignUp");
    let (text, _) = own_sms("named", &[("en.toml", named)], &sign_up);
    assert_eq!(text, "123456: Acme");
}

#[test]
fn a_prefix_does_not_touch_a_password() {
    let touching =
        "[sms]\nprefix = \"{{ app }}:\"\ninvitation = \"{{ code }} is for {{ username }}\"\n";
    let invitation = event("CustomSMSSender_AdminCreateUser");
    let (text, _) = own_sms("touching", &[("en.toml", touching)], &invitation);
    assert_eq!(text, "123456 is for jdoe");
}

#[test]
fn a_user_name_that_a_stranger_chose_is_no_link() {
    let greeting = "[sms]\nsign_up = \"Hi {{ username }} {{ code }}\"\n";
    let event = with(
        event("CustomSMSSender_SignUp"),
        "/userName",
        "https://evil.example/prize",
    );
    let (text, _) = own_sms("greeting", &[("en.toml", greeting)], &event);
    assert_eq!(text, "Acme: Hi https: evil. example prize 123456");
}

#[tokio::test(flavor = "multi_thread")]
async fn ses_events_can_be_told_apart_by_channel_occasion_and_language() {
    let local = Local::new(Options::default(), &[]).await;
    let french = in_language(event("CustomEmailSender_SignUp"), "fr-CA");
    let record = local.sent(&french).await;
    let tags = &record.email().unwrap().tags;
    assert_eq!(tags["channel"], "email");
    assert_eq!(tags["occasion"], "SignUp");
    assert_eq!(tags["locale"], "fr");
}

#[test]
fn right_to_left_mails_say_so() {
    let texts = Texts::new(&settings());
    for (locale, attributes) in [
        ("ar", "<html lang=\"ar\" dir=\"rtl\">"),
        ("he", "<html lang=\"he\" dir=\"rtl\">"),
        ("pt-BR", "<html lang=\"pt-BR\" dir=\"ltr\">"),
    ] {
        let event = in_language(event("CustomEmailSender_SignUp"), locale);
        let request = Request::parse(&event).unwrap();
        let mail = mail(&texts, &request, &Secret::from("123456"));
        assert!(mail.html.expose().contains(attributes), "{locale}");
    }
}

/// Own texts that show everything which a user may have typed.
fn showing() -> (Folder, Texts) {
    let folder = Folder::new(
        "showing",
        &[(
            "en.toml",
            "[sms]\nsign_up = \"{{ user.name }} {{ code }}\"\n[email.sign_up]\n\
             subject = \"For {{ user.name }}\"\nlead = \"Hi {{ user.name }}\"\n",
        )],
    );
    let texts = Texts::new(&TextsConfig {
        folder: Some(folder.path().to_owned()),
        ..settings()
    });
    (folder, texts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_name_makes_a_link_a_line_or_markup(
        name in prop_oneof![
            ".{0,200}",
            "[a-z]{1,8}(://|\\.|。)[a-z]{2,6}(/[a-z]{0,5})?[\r\n\u{2028}\u{202e}<>\"'&]{0,3}",
            "<[a-z]{1,6}( [a-z]+=[\"'][a-z:]+[\"'])?>",
        ],
        locale in ".{0,12}",
    ) {
        let (_folder, texts) = showing();
        let event = with(sign_up(), "/request/userAttributes/name", name.as_str());
        let request = Request::parse(&in_language(event, &locale)).unwrap();
        let plain_event = with(sign_up(), "/request/userAttributes/name", "Ann");
        let plain = Request::parse(&plain_event).unwrap();
        let code = Secret::from("123456");
        let (mail, _) = texts.email(&request, &code);
        let (usual, _) = texts.email(&plain, &code);
        let breaks = |c: char| c.is_control() || c == '\u{2028}';
        prop_assert!(!mail.subject.contains(breaks), "{:?}", mail.subject);
        prop_assert!(mail.html.expose().contains("123456"));
        prop_assert!(mail.text.expose().contains("123456"));
        let tags = |mail: &EmailMessage| mail.html.expose().matches('<').count();
        if mail.locale == "en" {
            prop_assert_eq!(tags(&mail), tags(&usual));
        }
        for text in [mail.subject.as_str(), mail.text.expose()] {
            prop_assert!(!text.contains("://"), "{}", text);
            let linked = text.split_whitespace().any(|word| {
                word.split_once('.').is_some_and(|(before, after)| {
                    !before.is_empty() && after.starts_with(char::is_alphabetic)
                })
            });
            prop_assert!(!linked, "{}", text);
        }
        let (sms, _) = texts.sms(&request, &code, None);
        prop_assert!(sms.text.expose().contains("123456"));
        prop_assert_eq!(sms.text.expose().lines().count(), 1);
    }
}

fn sign_up() -> Value {
    event("CustomEmailSender_SignUp")
}
