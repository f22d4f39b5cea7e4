//! `cognito-sender seal`: an event with a code sealed as Cognito seals it.

use std::process::ExitCode;

use clap::Args;
use cognito_sender::clients::Clients;
use cognito_sender::code::{Secret, seal};
use cognito_sender::config::{Config, KmsKeyArn, environment};
use cognito_sender::event::UserPoolId;
use serde_json::{Value, json};

use crate::Failure;
use crate::setting::{Account, EventFile, local_config};

/// Print an event with a code sealed in it, exactly as Cognito seals it
///
/// Under the stand-in's key, which protects nothing, unless --live.
#[derive(Args)]
pub(crate) struct Seal {
    #[command(flatten)]
    event: EventFile,
    /// The code, or for AdminCreateUser the temporary password as Cognito
    /// sends it: HTML-escaped.
    #[arg(long, default_value = "123456")]
    code: String,
    /// The user pool to seal for; the event's, unless given.
    #[arg(long, value_name = "ID")]
    pool: Option<String>,
    /// The KMS key's ARN; KMS_KEY_ARN, unless given.
    #[arg(long, value_name = "ARN")]
    key: Option<String>,
    /// Ask the real KMS, with your credentials and AWS_ENDPOINT_URL.
    #[arg(long)]
    live: bool,
}

impl Seal {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let mut event = self.event.read()?;
        if let (Some(pool), Some(event)) = (&self.pool, event.as_object_mut()) {
            event.insert("userPoolId".to_owned(), json!(pool));
        }
        let key = match &self.key {
            Some(key) => Some(KmsKeyArn::parse(key).ok_or("--key is not the ARN of a KMS key")?),
            None => None,
        };
        // Lives until the code is sealed.
        let stand_in = match self.live {
            true => None,
            false => Some(Account::healthy().start(0)?),
        };
        let mut config = match &stand_in {
            Some(stand_in) => local_config(stand_in)?,
            None => Config::read(|variable| match (variable, &key) {
                ("KMS_KEY_ARN", Some(key)) => Some(key.as_str().to_owned()),
                _ => environment(variable),
            })?,
        };
        if let Some(key) = key {
            config.kms_key = key;
        }
        put_code(&config, &mut event, &Secret::from(self.code)).await?;
        say!("{}", serde_json::to_string_pretty(&event)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// Seals `code` for the event's pool, and puts it where Cognito puts it.
///
/// # Errors
/// An event without a pool or a request, or KMS's refusal.
pub(crate) async fn put_code(
    config: &Config,
    event: &mut Value,
    code: &Secret,
) -> Result<(), Failure> {
    let pool = event["userPoolId"]
        .as_str()
        .and_then(UserPoolId::parse)
        .ok_or("the event has no valid userPoolId, such as us-east-1_AbCdEfGhI")?;
    let request = event
        .get_mut("request")
        .and_then(Value::as_object_mut)
        .ok_or("the event has no request")?;
    let kms = Clients::new(config).await.kms;
    let sealed = seal(kms, &config.kms_key, &pool, code).await?;
    request.insert("code".to_owned(), json!(sealed));
    Ok(())
}
