//! Codes sealed by other languages' Encryption SDKs, and what is no such code.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognito_sender::code::{Opener, SealedCode, Unopened};
use cognito_sender::config::KmsKeyArn;
use cognito_sender::event::UserPoolId;
use cognito_sender::local::{Fault, Options, StandIn};
use cognito_sender::{Clients, Config, Error, Secret};
use serde::Deserialize;

/// A code that another SDK sealed, with the data key in it, so that a KMS that
/// never saw its key can open it.
#[derive(Deserialize)]
struct Sealed {
    name: String,
    alg: String,
    plaintext: String,
    message_context: BTreeMap<String, String>,
    kms_key_arn: String,
    edks: Vec<DataKey>,
    code_b64: String,
}

#[derive(Deserialize)]
struct DataKey {
    edk_b64: String,
    data_key_b64: String,
}

fn all() -> Vec<Sealed> {
    let text = std::fs::read_to_string("tests/data/sealed-codes.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

fn named(name: &str) -> Sealed {
    all()
        .into_iter()
        .find(|sealed| sealed.name == name)
        .unwrap()
}

fn pool() -> UserPoolId {
    UserPoolId::parse("eu-west-1_AbCdEfGhI").unwrap()
}

/// An opener for the key of `sealed`, and its KMS.
async fn opener(sealed: &Sealed) -> (Opener, StandIn) {
    let aws = StandIn::start(Options::default()).unwrap();
    for data_key in &sealed.edks {
        aws.import_data_key(
            &STANDARD.decode(&data_key.edk_b64).unwrap(),
            &STANDARD.decode(&data_key.data_key_b64).unwrap(),
            &sealed.kms_key_arn,
            sealed.message_context.clone(),
        );
    }
    let opener = opener_with_key(&aws, &sealed.kms_key_arn).await;
    (opener, aws)
}

async fn opener_with_key(aws: &StandIn, key: &str) -> Opener {
    let config = Config::read(|name| {
        Some(match name {
            "AWS_REGION" => "eu-west-1".to_owned(),
            "AWS_ENDPOINT_URL" => aws.endpoint(),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "local".to_owned(),
            "KMS_KEY_ARN" => key.to_owned(),
            _ => return None,
        })
    })
    .unwrap();
    let kms = Clients::new(&config).await.kms;
    Opener::new(kms, &KmsKeyArn::parse(key).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_of_other_languages_open_with_and_without_key_commitment() {
    let mut suites = Vec::new();
    for sealed in all() {
        let of_the_pool = sealed
            .message_context
            .get("userpool-id")
            .map(String::as_str)
            == Some(pool().as_str());
        let (opener, _aws) = opener(&sealed).await;
        let opened = opener
            .open(&SealedCode::new(&sealed.code_b64), &pool())
            .await;
        match opened {
            Ok(code) => {
                assert!(of_the_pool, "{}", sealed.name);
                assert_eq!(code.expose(), sealed.plaintext, "{}", sealed.name);
                suites.push(sealed.alg);
            }
            Err(error) => {
                assert!(!of_the_pool, "{}: {error}", sealed.name);
                assert_eq!(error.name(), "UserPoolMismatch", "{}", sealed.name);
            }
        }
    }
    suites.sort();
    suites.dedup();
    assert_eq!(suites, ["0x0378", "0x0578"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_another_pool_and_one_of_none_are_refused() {
    for name in ["py-0x0378-other-pool", "py-0x0378-no-context"] {
        let sealed = named(name);
        let (opener, _aws) = opener(&sealed).await;
        let code = SealedCode::new(&sealed.code_b64);
        let error = opener.open(&code, &pool()).await.unwrap_err();
        assert_eq!(error.name(), "UserPoolMismatch");
    }
    let sealed = named("py-0x0378-other-pool");
    let (opener, _aws) = opener(&sealed).await;
    let other = UserPoolId::parse("eu-west-1_OtherPool").unwrap();
    let code = opener
        .open(&SealedCode::new(&sealed.code_b64), &other)
        .await;
    assert_eq!(code.unwrap(), Secret::from("111111"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_code_does_not_open() {
    let sealed = named("py-0x0378-keyring");
    let (opener, _aws) = opener(&sealed).await;
    let message = STANDARD.decode(&sealed.code_b64).unwrap();
    for at in (0..message.len()).step_by(3) {
        let mut altered = message.clone();
        altered[at] ^= 1;
        let code = SealedCode::new(&STANDARD.encode(&altered));
        let error = opener.open(&code, &pool()).await.unwrap_err();
        let expected = matches!(error.name(), "DecryptFailed" | "UserPoolMismatch");
        assert!(expected, "byte {at}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_code_and_one_with_something_behind_it_do_not_open() {
    let sealed = named("py-0x0378-keyring");
    let (opener, _aws) = opener(&sealed).await;
    let message = STANDARD.decode(&sealed.code_b64).unwrap();
    for length in (0..message.len()).step_by(5) {
        let code = SealedCode::new(&STANDARD.encode(&message[..length]));
        let error = opener.open(&code, &pool()).await.unwrap_err();
        assert_eq!(error.name(), "DecryptFailed", "{length} bytes");
    }
    let longer = [message.as_slice(), b"x"].concat();
    let code = SealedCode::new(&STANDARD.encode(longer));
    assert!(opener.open(&code, &pool()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_is_named_beside_the_configured_one() {
    let sealed = named("js-0x0378");
    let aws = StandIn::start(Options::default()).unwrap();
    let other = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000000";
    let opener = opener_with_key(&aws, other).await;
    let code = SealedCode::new(&sealed.code_b64);
    let error = opener.open(&code, &pool()).await.unwrap_err();
    assert!(
        matches!(&error, Error::DecryptFailed(Unopened::WrongKey { .. })),
        "{error:?}"
    );
    let told = error.to_string();
    assert!(
        told.contains(&sealed.kms_key_arn) && told.contains(other),
        "{told}"
    );
    assert_eq!(aws.calls("Decrypt").count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sealed_code_costs_no_call() {
    let (opener, aws) = opener(&named("js-0x0378")).await;
    let long = "A".repeat(1 << 20);
    for text in ["", "123456", "SEAL:123456", "====", "AYAD", "\u{0}", &long] {
        let error = opener
            .open(&SealedCode::new(text), &pool())
            .await
            .unwrap_err();
        assert_eq!(error.name(), "DecryptFailed", "{text:.20}");
    }
    assert_eq!(aws.calls("Decrypt").count, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn kms_is_quoted_by_code_and_not_by_text() {
    let sealed = named("js-0x0378");
    let (opener, aws) = opener(&sealed).await;
    let fault = Fault::Error {
        status: 400,
        code: "AccessDeniedException".to_owned(),
        message: "user +12065550100 may not".to_owned(),
    };
    aws.add_fault("Decrypt", fault, None);
    let code = SealedCode::new(&sealed.code_b64);
    let error = opener.open(&code, &pool()).await.unwrap_err();
    assert_eq!(error.name(), "KmsDenied");
    assert!(
        error.to_string().contains("AccessDeniedException"),
        "{error}"
    );
    assert!(!error.to_string().contains("2065550100"), "{error}");
}
