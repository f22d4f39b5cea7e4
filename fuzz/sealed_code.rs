//! Encryption SDK messages. What is kept of them is in tests/sealed_codes.rs too.
#![no_main]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::operation::decrypt::{DecryptError, DecryptInput, DecryptOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::error::InvalidCiphertextException;
use aws_smithy_mocks::{
    MockResponse, MockResponseInterceptor, RuleMode, create_mock_http_client, mock,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognito_sender::Error;
use cognito_sender::code::{Opener, SealedCode};
use cognito_sender::config::KmsKeyArn;
use cognito_sender::event::UserPoolId;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealed_code(data));

/// Opens what other languages' Encryption SDKs sealed, with a KMS that knows
/// their data keys and believes any encryption context: what must not open then
/// is up to this side.
struct Sealed {
    runtime: tokio::runtime::Runtime,
    opener: Opener,
    pool: UserPoolId,
    /// What may come out.
    plaintexts: Vec<String>,
}

impl Sealed {
    fn new() -> Self {
        let sealed: Value =
            serde_json::from_str(include_str!("../tests/data/sealed-codes.json")).unwrap();
        let sealed = sealed.as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let mut data_keys = BTreeMap::new();
        for data_key in sealed
            .iter()
            .flat_map(|one| one["edks"].as_array().unwrap())
        {
            data_keys.insert(
                bytes(&data_key["edk_b64"]),
                bytes(&data_key["data_key_b64"]),
            );
        }
        let arn = text(&sealed[0]["kms_key_arn"]);
        let key = KmsKeyArn::parse(&arn).unwrap();
        let kms = mock!(Client::decrypt).then_compute_response(move |asked: &DecryptInput| {
            let blob = asked.ciphertext_blob.as_ref().map(AsRef::as_ref);
            match blob.and_then(|blob: &[u8]| data_keys.get(blob)) {
                Some(data_key) => MockResponse::Output(
                    DecryptOutput::builder()
                        .key_id(&arn)
                        .plaintext(Blob::new(data_key.clone()))
                        .build(),
                ),
                None => MockResponse::Error(DecryptError::InvalidCiphertextException(
                    InvalidCiphertextException::builder().build(),
                )),
            }
        });
        let kms = MockResponseInterceptor::new()
            .rule_mode(RuleMode::MatchAny)
            .with_rule(&kms);
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(key.region().to_owned()))
            .credentials_provider(Credentials::new("local", "local", None, None, "fuzz"))
            .retry_config(RetryConfig::disabled())
            .http_client(create_mock_http_client())
            .interceptor(kms);
        let kms = Client::from_conf(kms.build());
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let pool = UserPoolId::parse("eu-west-1_AbCdEfGhI").unwrap();
        let of_the_pool = sealed
            .iter()
            .filter(|one| one["message_context"]["userpool-id"] == pool.as_str());
        Self {
            opener: runtime.block_on(Opener::new(kms, &key)),
            runtime,
            plaintexts: of_the_pool.map(|one| text(&one["plaintext"])).collect(),
            pool,
        }
    }
}

/// The bytes of an Encryption SDK message.
fn sealed_code(data: &[u8]) {
    static SEALED: OnceLock<Sealed> = OnceLock::new();
    let sealed = SEALED.get_or_init(Sealed::new);
    let code = SealedCode::new(&STANDARD.encode(data));
    match sealed
        .runtime
        .block_on(sealed.opener.open(&code, &sealed.pool))
    {
        Ok(opened) => assert!(
            sealed
                .plaintexts
                .iter()
                .any(|known| known == opened.expose())
        ),
        Err(error) => assert!(matches!(
            error,
            Error::DecryptFailed(_) | Error::UserPoolMismatch { .. } | Error::Kms(_)
        )),
    }
}
