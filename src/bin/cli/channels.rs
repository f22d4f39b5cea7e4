//! The account's two channels, each in the Region that it sends from.

use aws_config::{Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use cognito_sender::clients::Lazy;
use cognito_sender::{Clients, Config};

use crate::Failure;
use crate::deployment::Which;

/// Where the account's messages are sent from.
pub(crate) struct Channels {
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) sms_region: String,
    pub(crate) ses: aws_sdk_sesv2::Client,
    pub(crate) email_region: String,
    /// The function's settings, if a function was named and they are right.
    pub(crate) config: Option<Config>,
}

impl Channels {
    /// Those of the function that is named; without one, those of the Region.
    ///
    /// # Errors
    /// As [`Which::find`]; or no Region.
    pub(crate) async fn find(which: &Which) -> Result<Self, Failure> {
        if !which.names_one() {
            let sdk = which.aws().config().await?;
            let region = sdk.region().map(ToString::to_string).unwrap_or_default();
            return Ok(Self::new(&sdk, region.clone(), region, None));
        }
        let found = which.find().await?;
        let config = found.config()?;
        let sms_region = config.sms.region.clone();
        let email = config.email.as_ref();
        let email_region = email.map_or(&config.region, |email| &email.region).clone();
        Ok(Self::new(
            &found.sdk,
            sms_region,
            email_region,
            Some(config.clone()),
        ))
    }

    fn new(
        sdk: &SdkConfig,
        sms_region: String,
        email_region: String,
        config: Option<Config>,
    ) -> Self {
        let sns = aws_sdk_sns::config::Builder::from(sdk).region(Region::new(sms_region.clone()));
        let ses =
            aws_sdk_sesv2::config::Builder::from(sdk).region(Region::new(email_region.clone()));
        Self {
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            sms_region,
            ses: aws_sdk_sesv2::Client::from_conf(ses.build()),
            email_region,
            config,
        }
    }
}

/// The function's own clients, but with the caller's credentials.
pub(crate) fn function_clients(sdk: &SdkConfig, config: &Config) -> Clients {
    let email = config.email.as_ref();
    let email_region = email.map_or(&config.region, |email| &email.region);
    macro_rules! settings {
        ($service:ident, $region:expr) => {
            $service::config::Builder::from(sdk)
                .region(Region::new($region.to_owned()))
                // The pipeline tries again by itself.
                .retry_config(RetryConfig::disabled())
                .build()
        };
    }
    let dynamodb = settings!(aws_sdk_dynamodb, config.region);
    let kms = settings!(aws_sdk_kms, config.kms_key.region());
    let sns = settings!(aws_sdk_sns, config.sms.region);
    let ses = settings!(aws_sdk_sesv2, email_region);
    let cognito = settings!(aws_sdk_cognitoidentityprovider, config.region);
    Clients {
        dynamodb: Lazy::new(|| aws_sdk_dynamodb::Client::from_conf(dynamodb)),
        kms: aws_sdk_kms::Client::from_conf(kms),
        sns: Lazy::new(|| aws_sdk_sns::Client::from_conf(sns)),
        ses: Lazy::new(|| aws_sdk_sesv2::Client::from_conf(ses)),
        cognito: Lazy::new(|| aws_sdk_cognitoidentityprovider::Client::from_conf(cognito)),
    }
}
