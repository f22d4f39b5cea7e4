//! The AWS clients: one HTTP client and one set of credentials for all.

use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::SharedCredentialsProvider;

use crate::code::KmsAnswers;
use crate::config::{ATTEMPT_TIMEOUT, Config, OPERATION_TIMEOUT, SEND_ATTEMPT_TIMEOUT};

/// The roots that all of AWS's endpoints chain to (Amazon Trust Services
/// repository). Parsing the ~140 roots of a system's store instead was the
/// dearest part of a cold start: 6 of 10 ms, measured.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// A client for each service, each for the Region that it works in.
#[derive(Clone, Debug)]
pub struct Clients {
    /// In the Region of the key.
    pub kms: aws_sdk_kms::Client,
    /// In `SMS_REGION`.
    pub sns: aws_sdk_sns::Client,
    /// In `EMAIL_REGION`.
    pub ses: aws_sdk_sesv2::Client,
    /// In the function's own Region.
    pub cognito: aws_sdk_cognitoidentityprovider::Client,
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
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(3)
                    .with_initial_backoff(Duration::from_millis(50)),
            )
            .timeout_config(timeouts(ATTEMPT_TIMEOUT))
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
        let kms = settings!(aws_sdk_kms, config.kms_key.region(), endpoints.kms);
        let sns = settings!(aws_sdk_sns, config.sms.region, endpoints.sns);
        let ses = settings!(aws_sdk_sesv2, email_region, endpoints.sesv2);
        let cognito = settings!(
            aws_sdk_cognitoidentityprovider,
            config.region,
            endpoints.cognito
        );
        Self {
            kms: aws_sdk_kms::Client::from_conf(kms.interceptor(KmsAnswers).build()),
            sns: aws_sdk_sns::Client::from_conf(sns.retry_classifier(TooManyRequests).build()),
            ses: aws_sdk_sesv2::Client::from_conf(ses.build()),
            cognito: aws_sdk_cognitoidentityprovider::Client::from_conf(cognito.build()),
        }
    }
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(attempt)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// The time-outs of the calls that send.
pub(crate) fn send_timeouts() -> TimeoutConfig {
    timeouts(SEND_ATTEMPT_TIMEOUT)
}

/// SNS says `Throttled`, with status 429, which the SDK's own classifiers do
/// not know for passing.
#[derive(Debug)]
struct TooManyRequests;

impl ClassifyRetry for TooManyRequests {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().as_u16() == 429 => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "TooManyRequests"
    }
}

fn http_client(ca_bundle: Option<&[u8]>) -> SharedHttpClient {
    let roots =
        TrustStore::empty().with_pem_certificate(ca_bundle.unwrap_or(AMAZON_ROOTS.as_bytes()));
    let builder =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    match TlsContext::builder().with_trust_store(roots).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // Cannot happen with rustls; the system's roots then serve as well.
        Err(_) => builder.build_https(),
    }
}
