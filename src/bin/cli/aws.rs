//! Whose AWS, and where; and what AWS says when it refuses.

use std::error::Error;
use std::fmt::Write as _;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use clap::Args;

use crate::Failure;

/// As the AWS CLI takes them; what is left out is read where it reads it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Aws {
    /// A profile of your AWS configuration, SSO profiles included.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The Region.
    #[arg(long)]
    region: Option<String>,
}

impl Aws {
    /// The same in another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            ..self.clone()
        }
    }

    /// Credentials and Region for the SDK's clients.
    ///
    /// # Errors
    /// There are none, with the way to get them.
    pub(crate) async fn config(&self) -> Result<SdkConfig, Failure> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let sdk = loader.load().await;
        if sdk.region().is_none() {
            let profile = self.profile.as_ref().map(|name| {
                format!("profile {name} has none, or is not in your AWS configuration. ")
            });
            let profile = profile.unwrap_or_default();
            return Err(format!("which Region? {profile}Give --region, or set AWS_REGION").into());
        }
        let credentials = sdk.credentials_provider().ok_or("no credentials")?;
        match credentials.provide_credentials().await {
            Ok(_) => Ok(sdk),
            Err(error) => {
                let told = causes(&error);
                // What follows lists what was tried.
                let told = told.split(" Attempted:").next().unwrap_or_default();
                let told = told.rsplit(": ").next().unwrap_or_default();
                let profile = self.profile.as_ref();
                let profile = profile.map_or(String::new(), |name| format!(" --profile {name}"));
                let way = if told.contains("SSO") {
                    "sso login"
                } else {
                    "configure"
                };
                Err(format!(
                    "no credentials ({}). See: aws {way}{profile}",
                    told.trim_end_matches('.')
                )
                .into())
            }
        }
    }

    /// As they were given, for the next command.
    pub(crate) fn flags(&self) -> String {
        let given = [("--profile", &self.profile), ("--region", &self.region)];
        let given = given
            .into_iter()
            .filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        given
            .map(|(flag, value)| format!(" {flag} {value}"))
            .collect()
    }
}

/// What AWS said; or, without an answer, what went wrong on the way.
pub(crate) fn refusal<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let (Some(code), message) = (error.code(), error.message()) {
        return format!("{code}: {}", message.unwrap_or_default());
    }
    causes(error)
}

/// An error with all that led to it.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(told, ": {error}");
        cause = error.source();
    }
    told
}
