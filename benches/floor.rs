//! The floor of every function that has to ask KMS and SNS: one Decrypt of a
//! data key and one Publish, without opening anything.
//!
//! It is built as the function is: one connector, Amazon's roots or
//! `AWS_CA_BUNDLE`'s, credentials from the environment.

#![expect(
    clippy::disallowed_methods,
    reason = "it has no configuration of its own"
)]

use std::env::var;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kms::primitives::Blob;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Error> {
    let bundle = var("AWS_CA_BUNDLE").map(std::fs::read).ok().transpose()?;
    let roots = bundle.unwrap_or_else(|| include_bytes!("../src/amazon-roots.pem").to_vec());
    let roots = TrustStore::empty().with_pem_certificate(roots);
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(roots).build()?)
        .build();
    let connector = SharedHttpConnector::new(connector);
    let (id, secret) = (var("AWS_ACCESS_KEY_ID")?, var("AWS_SECRET_ACCESS_KEY")?);
    let credentials = Credentials::new(id, secret, None, None, "environment");
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .region(Region::new(var("AWS_REGION")?))
        .endpoint_url(var("AWS_ENDPOINT_URL")?)
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SystemTimeSource::new())
        .build();
    let kms = aws_sdk_kms::Client::new(&shared);
    let sns = aws_sdk_sns::Client::new(&shared);
    let data_key = Blob::new(STANDARD.decode(var("DATA_KEY")?)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let (kms, sns, data_key) = (kms.clone(), sns.clone(), data_key.clone());
        async move {
            let opened = kms.decrypt().ciphertext_blob(data_key).send().await?;
            let to = event.payload["request"]["userAttributes"]["phone_number"].as_str();
            let sent = sns
                .publish()
                .phone_number(to.unwrap_or_default())
                .message("Acme: 123456 is your code to confirm your account.")
                .send()
                .await?;
            let bytes = opened.plaintext().map(|key| key.as_ref().len());
            Ok::<_, Error>(json!({ "messageId": sent.message_id(), "bytes": bytes }))
        }
    }))
    .await
}
