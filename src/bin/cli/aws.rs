//! Whose AWS, and where; and what AWS says when it refuses.

use std::error::Error;
use std::fmt::Write as _;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use clap::Args;

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

    /// Credentials and Region for the SDK's clients. Credentials are fetched by
    /// the first call.
    pub(crate) async fn config(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        loader.load().await
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
    R: std::fmt::Debug,
{
    if let (Some(code), message) = (error.code(), error.message()) {
        return format!("{code}: {}", message.unwrap_or_default());
    }
    let mut told = error.to_string();
    let mut cause = Error::source(error);
    while let Some(error) = cause {
        let _ = write!(told, ": {error}");
        cause = error.source();
    }
    told
}
