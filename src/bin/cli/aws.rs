//! Whose AWS, and where.

use aws_config::{BehaviorVersion, Region, SdkConfig};
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
}
