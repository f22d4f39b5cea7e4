//! The AWS clients: one HTTP client and one set of credentials for all.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;

use crate::code::KmsAnswers;
use crate::config::Config;

/// The roots that all of AWS's endpoints chain to (Amazon Trust Services
/// repository). Parsing the ~140 roots of a system's store instead was the
/// dearest part of a cold start: 6 of 10 ms, measured.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// Within a Region a connection takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// KMS answers in some ten milliseconds. It is called inside of `aws-esdk`,
/// which blocks until the SDK gives up, so this is the SDK's own time-out; the
/// other calls are given up by `retry`.
const KMS_TIMEOUT: Duration = Duration::from_millis(2500);

/// A client that is made when it is first used.
///
/// To make one takes 0.4 million instructions, a sixth of a start (callgrind):
/// the crate of each service parses AWS's list of partitions for itself. A message
/// by SMS needs no Cognito, and without `LEDGER_TABLE` no DynamoDB.
#[derive(Clone)]
pub struct Lazy<C>(Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>);

impl<C> Lazy<C> {
    /// The client that `make` makes, once.
    pub fn new(make: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<C> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for Lazy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").finish_non_exhaustive()
    }
}

/// A client for each service, each for the Region that it works in.
#[derive(Clone, Debug)]
pub struct Clients {
    /// In the function's own Region.
    pub dynamodb: Lazy<aws_sdk_dynamodb::Client>,
    /// In the Region of the key.
    pub kms: aws_sdk_kms::Client,
    /// In `SMS_REGION`.
    pub sns: Lazy<aws_sdk_sns::Client>,
    /// In `EMAIL_REGION`.
    pub ses: Lazy<aws_sdk_sesv2::Client>,
    /// In the function's own Region.
    pub cognito: Lazy<aws_sdk_cognitoidentityprovider::Client>,
}

impl Clients {
    /// Makes the clients. No I/O; the first call connects.
    pub async fn new(config: &Config) -> Self {
        let credentials = match &config.credentials {
            Some(credentials) => SharedCredentialsProvider::new(credentials.clone()),
            // Outside of Lambda: profiles, SSO, containers.
            None => SharedCredentialsProvider::new(
                aws_config::default_provider::credentials::default_provider().await,
            ),
        };
        let shared = SdkConfig::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
            .credentials_provider(credentials)
            .region(Region::new(config.region.clone()))
            .http_client(http_client(config.ca_bundle.as_deref()))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            // See `retry`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .build(),
            )
            // Guards downloads; our answers are a few hundred bytes, and the
            // time-outs above hold for them.
            .stalled_stream_protection(
                aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig::disabled(),
            )
            .build();
        let email_region = config
            .email
            .as_ref()
            .map_or(&config.region, |email| &email.region);
        macro_rules! settings {
            ($service:ident, $region:expr, $endpoint:expr) => {{
                let region = Region::new($region.to_owned());
                let mut settings = $service::config::Builder::from(&shared).region(region);
                settings.set_endpoint_url($endpoint.clone());
                settings
            }};
        }
        let endpoints = &config.endpoints;
        let dynamodb = settings!(aws_sdk_dynamodb, config.region, endpoints.dynamodb);
        let kms = settings!(aws_sdk_kms, config.kms_key.region(), endpoints.kms);
        // Quick retries of its own: the message need not be read anew for a
        // connection that was closed while the environment slept.
        let kms = kms.retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(20)),
        );
        let kms = kms.timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(KMS_TIMEOUT)
                .build(),
        );
        let sns = settings!(aws_sdk_sns, config.sms.region, endpoints.sns);
        let ses = settings!(aws_sdk_sesv2, email_region, endpoints.sesv2);
        let cognito = settings!(
            aws_sdk_cognitoidentityprovider,
            config.region,
            endpoints.cognito
        );
        Self {
            dynamodb: Lazy::new(|| aws_sdk_dynamodb::Client::from_conf(dynamodb.build())),
            kms: aws_sdk_kms::Client::from_conf(kms.interceptor(KmsAnswers).build()),
            sns: Lazy::new(|| aws_sdk_sns::Client::from_conf(sns.build())),
            ses: Lazy::new(|| aws_sdk_sesv2::Client::from_conf(ses.build())),
            cognito: Lazy::new(|| {
                aws_sdk_cognitoidentityprovider::Client::from_conf(cognito.build())
            }),
        }
    }
}

/// One connector for all clients. `Builder::build_https` would make one for each
/// of them, parsing the roots each time, and throw it away again: it only looks
/// whether it could.
fn http_client(ca_bundle: Option<&[u8]>) -> SharedHttpClient {
    let roots =
        TrustStore::empty().with_pem_certificate(ca_bundle.unwrap_or(AMAZON_ROOTS.as_bytes()));
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT);
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .connector_settings(settings.build())
        .sleep_impl(TokioSleep::new());
    let connector = match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => connector.tls_context(context),
        // Cannot happen with rustls; the system's roots then serve as well.
        Err(_) => connector,
    };
    let connector = SharedHttpConnector::new(connector.build());
    http_client_fn(move |_, _| connector.clone())
}
