//! What holds for any input, however it came about: the bodies of the fuzz
//! targets. `tests/corpus.rs` runs them over the kept inputs.

use std::collections::HashMap;
use std::sync::OnceLock;

use cognito_sender::config::{KmsKeyArn, LastLine, OriginationIdentity, TextsConfig};
use cognito_sender::destination::{EmailAddress, PhoneNumber};
use cognito_sender::event::{Content, Occasion, UserPoolId};
use cognito_sender::locale::canonical;
use cognito_sender::message::{EmailMessage, Texts};
use cognito_sender::sms_length::SmsLength;
use cognito_sender::{Config, Request, Secret};
use serde_json::Value;

const CODE: &str = "123456";

fn texts(folder: Option<&str>) -> Texts {
    Texts::new(&TextsConfig {
        app: Some("Acme".to_owned()),
        domain: Some("app.example.com".to_owned()),
        last_line: Some(LastLine::Domain("app.example.com".to_owned())),
        locale: "en".to_owned(),
        folder: folder.map(str::to_owned),
        mfa_minutes: 3,
        password_days: 7,
    })
}

/// Whatever the event says, a message has the code and no foreign line.
fn compose(texts: &Texts, request: &Request) {
    let whole = |mail: &EmailMessage| {
        assert!(
            !mail.subject.contains(char::is_control),
            "a subject of many lines"
        );
    };
    if let Content::Notice(notice) = &request.content {
        whole(&texts.notice(request, notice).0);
    }
    let code = Secret::from(CODE);
    let number = request.attributes.get("phone_number");
    let number = number.and_then(|number| PhoneNumber::parse(number).ok());
    let (sms, _) = texts.sms(request, &code, number.and_then(|number| number.country()));
    assert!(sms.text.expose().contains(CODE), "an SMS without its code");
    let (mail, _) = texts.email(request, &code);
    whole(&mail);
    assert!(mail.text.expose().contains(CODE), "a mail without its code");
    assert!(mail.html.expose().contains(CODE), "a page without its code");
}

/// An event as Lambda hands it over.
pub(crate) fn event(data: &[u8]) {
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    match Request::parse(&event) {
        Ok(request) => {
            let texts = TEXTS.get_or_init(|| texts(None));
            compose(texts, &request);
            let code = Secret::from(CODE);
            let sms = texts.sms(&request, &code, None).0.text;
            // An invitation tells the name that an administrator chose.
            let invitation = request.occasion == Occasion::AdminCreateUser;
            assert!(
                invitation || !sms.expose().contains("://"),
                "a link in an SMS"
            );
        }
        Err(error) => assert_eq!(error.name(), "InvalidEvent"),
    }
}

/// A file of own texts: what is wrong with it is passed over.
pub(crate) fn own_texts(data: &[u8]) {
    static REQUESTS: OnceLock<[Request; 4]> = OnceLock::new();
    let Ok(toml) = std::str::from_utf8(data) else {
        return;
    };
    let folder = std::env::temp_dir().join(format!("own-texts-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("en.toml"), toml).unwrap();
    let texts = texts(folder.to_str());
    let requests = REQUESTS.get_or_init(|| {
        [
            include_str!("../events/CustomSMSSender_SignUp.hostile.json"),
            include_str!("../events/CustomEmailSender_SignUp.hostile.json"),
            include_str!("../events/CustomEmailSender_AdminCreateUser.json"),
            include_str!("../events/CustomEmailSender_AccountTakeOverNotification.json"),
        ]
        .map(|event| Request::parse(&serde_json::from_str(event).unwrap()).unwrap())
    });
    for request in requests {
        compose(&texts, request);
    }
}

/// Variables, one `NAME=value` a line; `\n` in a value is a line break.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let given: HashMap<&str, String> = lines
        .map(|(name, value)| (name, value.replace("\\n", "\n")))
        .collect();
    let read = Config::read(|name| {
        match name {
            // Names of files, which are not read here.
            "AWS_CA_BUNDLE" | "MESSAGES_DIR" => None,
            _ => given.get(name).cloned(),
        }
    });
    match read {
        Ok(config) => {
            let name = config
                .email
                .as_ref()
                .and_then(|email| email.from.name.as_deref());
            for text in [name, config.texts.app.as_deref()].into_iter().flatten() {
                assert!(!text.contains(char::is_control), "a name of many lines");
            }
            assert!(!config.kms_key.region().is_empty());
        }
        Err(invalid) => {
            assert!(!invalid.0.is_empty());
            let told = invalid.to_string();
            assert!(!told.contains(char::is_control), "a problem of many lines");
            let secret = given.get("AWS_SECRET_ACCESS_KEY");
            assert!(secret.is_none_or(|secret| secret.len() < 40 || !told.contains(secret)));
        }
    }
}

/// A number, an address, or the name of something else.
pub(crate) fn destination(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(number) = PhoneNumber::parse(text) {
        assert_eq!(number.expose(), text);
        let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
        assert!(
            digits(&number.to_string()) + 3 <= digits(text),
            "a number shown"
        );
        assert!(
            number
                .country()
                .is_none_or(|country| country.as_str().len() == 2)
        );
    }
    if let Ok(address) = EmailAddress::parse(text) {
        assert_eq!(address.expose(), text);
        assert!(text.is_ascii() && !text.contains(|c: char| c.is_control() || c == ' '));
        let (local, domain) = text.rsplit_once('@').unwrap();
        assert_eq!(address.domain(), domain);
        assert!(address.to_string().len() <= 1 + "•••@".len() + domain.len());
        assert!(!local.is_empty());
    }
    if let Some(key) = KmsKeyArn::parse(text) {
        assert!(!key.region().is_empty());
    }
    let _ = (UserPoolId::parse(text), OriginationIdentity::parse(text));
    let length = SmsLength::of(text);
    assert!(length.segments >= 1 && length.units >= text.chars().count());
    if let Some(tag) = canonical(text) {
        assert_eq!(canonical(&tag).as_ref(), Some(&tag), "no fixed point");
    }
}
