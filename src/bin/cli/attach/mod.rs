//! `cognito-sender attach` and `detach`: the function as a user pool's custom
//! senders, with every other setting of the pool as it was.

mod change;
mod difference;
mod permission;
mod raw;
mod rollback;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_config::SdkConfig;
use aws_sdk_cognitoidentityprovider::Client;
use clap::Args;
use cognito_sender::Config;
use cognito_sender::event::UserPoolId;
use serde_json::{Map, Value, json};

use self::change::{Change, Manner};
use self::permission::{Permission, Turn};
use self::rollback::Rollback;
use self::settings::Pool;
use crate::Failure;
use crate::aws::refusal;
use crate::deployment::Which;

/// Attach the function to a user pool, which then sends through it
///
/// Cognito's UpdateUserPool resets every setting that it is not told. So this
/// reads the pool, carries everything over, shows what changes and asks; keeps
/// a file to roll back with, updates, reads back and compares. A setting that
/// it does not know makes it refuse. With neither --sms nor --email it attaches
/// the channels that the function has on.
///
/// Your credentials need lambda:GetFunction, GetPolicy and AddPermission,
/// cognito-idp:DescribeUserPool, GetUserPoolMfaConfig and UpdateUserPool,
/// kms:DescribeKey and CreateGrant on the key, and iam:PassRole on the pool's
/// SMS role.
///
/// Exit codes: 0 attached, or so already; 1 an error; 2 not confirmed.
#[derive(Args)]
pub(crate) struct Attach {
    /// The user pool.
    #[arg(long, value_name = "ID", required_unless_present = "roll_back")]
    user_pool: Option<String>,
    #[command(flatten)]
    channels: Channels,
    #[command(flatten)]
    which: Which,
    /// Put a pool back to what the file of an attach or detach says.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["user_pool", "sms", "email", "function", "stack"]
    )]
    roll_back: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

/// Take the function off a user pool, which then sends by itself again
///
/// Removes the custom senders that are this function, and no other trigger;
/// the key when no custom sender is left; and the permission that attach added.
/// As careful as attach: see there.
///
/// Exit codes: 0 detached, or so already; 1 an error; 2 not confirmed.
#[derive(Args)]
pub(crate) struct Detach {
    /// The user pool.
    #[arg(long, value_name = "ID")]
    user_pool: String,
    #[command(flatten)]
    channels: Channels,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    manner: Manner,
}

/// Which of the two; neither is both.
#[derive(Args)]
struct Channels {
    /// The custom SMS sender.
    #[arg(long)]
    sms: bool,
    /// The custom e-mail sender.
    #[arg(long)]
    email: bool,
}

/// The triggers, as Cognito names them.
const SMS: &str = "CustomSMSSender";
const EMAIL: &str = "CustomEmailSender";
const KEY: &str = "KMSKeyID";

impl Channels {
    fn chosen(&self) -> Vec<&'static str> {
        let neither = !self.sms && !self.email;
        let channels = [(SMS, self.sms || neither), (EMAIL, self.email || neither)];
        let chosen = channels.into_iter().filter(|(_, chosen)| *chosen);
        chosen.map(|(sender, _)| sender).collect()
    }
}

/// The function and the pool, as they are.
struct Found {
    sdk: SdkConfig,
    /// The function's ARN.
    function: String,
    config: Option<Config>,
    cognito: Client,
    pool: Pool,
    permission: Permission,
}

impl Found {
    async fn find(which: &Which, pool: &str) -> Result<Self, Failure> {
        let Some(id) = UserPoolId::parse(pool) else {
            return Err(format!(
                "{} is no user pool's id, such as us-east-1_AbCdEfGhI",
                pool.escape_debug()
            )
            .into());
        };
        let deployment = which.find().await?;
        let sdk = deployment.sdk;
        let function = deployment.function.and_then(|found| found.function_arn);
        let function =
            function.ok_or("which deployed function? Give --function NAME or --stack NAME")?;
        let here = function.split(':').nth(3).unwrap_or_default();
        if region_of(pool) != here {
            return Err(format!(
                "user pool {pool} is in {}, and {function} is not: Cognito invokes functions \
                 of its own Region",
                region_of(pool)
            )
            .into());
        }
        let config = match deployment.config {
            Ok(config) if !config.user_pools.is_empty() && !config.user_pools.contains(&id) => {
                return Err(format!(
                    "the function would refuse the codes of {pool}: its USER_POOL_IDS names \
                     other pools. Add it there first"
                )
                .into());
            }
            config => config,
        };
        let cognito = Client::new(&sdk);
        let pool = Pool::read(&cognito, pool).await?;
        let permission = permission(&sdk, &function, &pool).await?;
        Ok(Self {
            config: config.ok(),
            sdk,
            function,
            cognito,
            pool,
            permission,
        })
    }

    /// The pool with other triggers.
    fn change(self, triggers: Map<String, Value>, turn: Turn) -> Change {
        let mut wanted = self.pool.described.clone();
        wanted["LambdaConfig"] = Value::Object(triggers);
        Change {
            cognito: self.cognito,
            function: self.function,
            wanted,
            wanted_mfa: self.pool.mfa.clone(),
            before: self.pool,
            permission: self.permission,
            turn,
        }
    }
}

async fn permission(sdk: &SdkConfig, function: &str, pool: &Pool) -> Result<Permission, Failure> {
    let lambda = aws_sdk_lambda::Client::new(sdk);
    let arn = pool.described["Arn"].as_str().unwrap_or_default();
    Permission::read(lambda, function, &pool.id, arn).await
}

/// The Region in a pool's id.
fn region_of(pool: &str) -> &str {
    pool.split('_').next().unwrap_or_default()
}

/// The pool's triggers, and the key of its custom senders.
fn triggers(pool: &Pool) -> Map<String, Value> {
    let triggers = pool.described["LambdaConfig"].as_object();
    triggers.cloned().unwrap_or_default()
}

/// Whether a custom sender is the function, in whatever version.
fn is_function(sender: Option<&Value>, function: &str) -> bool {
    let rest = sender
        .and_then(|sender| sender["LambdaArn"].as_str())
        .and_then(|arn| arn.strip_prefix(function));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

impl Attach {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        match (&self.roll_back, &self.user_pool) {
            (Some(file), _) => self.put_back(file).await,
            (None, Some(pool)) => self.attach(pool).await,
            (None, None) => Err("which user pool? Give --user-pool ID".into()),
        }
    }

    async fn attach(&self, pool: &str) -> Result<ExitCode, Failure> {
        let found = Found::find(&self.which, pool).await?;
        let Some(config) = &found.config else {
            return Err(format!(
                "the settings of {} are wrong, and it would not start. Ask cognito-sender \
                 doctor what is wrong, and mend that first",
                found.function
            )
            .into());
        };
        let key = config.kms_key.as_str();
        let mut notes = Vec::new();
        let mut chosen = self.channels.chosen();
        if config.email.is_none() {
            if self.channels.email {
                return Err(
                    "the function would send no mail: its EMAIL_FROM is empty. Set it, \
                     or attach --sms alone"
                        .into(),
                );
            }
            chosen.retain(|sender| *sender != EMAIL);
            notes.push(
                "e-mail is not attached: the function's EMAIL_FROM is empty, and Cognito goes \
                 on sending mail by itself"
                    .to_owned(),
            );
        }
        let settings = &found.pool.described;
        if chosen.contains(&SMS) && settings["SmsConfiguration"].is_null() {
            notes.push(
                "the pool has no SmsConfiguration; Cognito may want one for SMS, though the \
                 function sends them"
                    .to_owned(),
            );
        }
        let mut wanted = triggers(&found.pool);
        for sender in &chosen {
            if !is_function(wanted.get(*sender), &found.function) {
                wanted.insert(
                    (*sender).to_owned(),
                    json!({ "LambdaVersion": "V1_0", "LambdaArn": found.function }),
                );
            }
        }
        let sealed_under = wanted.get(KEY).and_then(Value::as_str);
        for sender in [SMS, EMAIL] {
            let other = wanted.get(sender).filter(|other| !other.is_null());
            if let Some(other) = other
                && !is_function(Some(other), &found.function)
                && sealed_under != Some(key)
            {
                return Err(format!(
                    "{sender} is another function, {}, and a pool has one key for both: its \
                     codes would be sealed under {key}, which it does not know. Attach both \
                     channels, or set KMS_KEY_ARN of {} to {}",
                    other["LambdaArn"].as_str().unwrap_or_default(),
                    found.function,
                    sealed_under.unwrap_or("its key"),
                )
                .into());
            }
        }
        wanted.insert(KEY.to_owned(), json!(key));
        usable(&found.sdk, key, region_of(pool)).await?;
        let turn = match found.permission.granted() {
            true => Turn::Stays,
            false => Turn::Comes,
        };
        let nothing = format!(
            "{} is attached to {pool} already: nothing to do.",
            found.function
        );
        let change = found.change(wanted, turn);
        change
            .make(&self.manner, &notes, &nothing, "Attached.")
            .await
    }

    async fn put_back(&self, file: &Path) -> Result<ExitCode, Failure> {
        let rollback = Rollback::read(file)?;
        let id = &rollback.user_pool_id;
        let sdk = self.which.aws().in_region(region_of(id)).config().await?;
        let cognito = Client::new(&sdk);
        let before = Pool::read(&cognito, id).await?;
        let permission = permission(&sdk, &rollback.function, &before).await?;
        let turn = match rollback.permission {
            Some(rollback::Permission::Added) if permission.is_ours() => Turn::Goes,
            Some(rollback::Permission::Removed) if !permission.granted() => Turn::Comes,
            _ => Turn::Stays,
        };
        let nothing = format!("{id} is as {} has it: nothing to do.", file.display());
        let change = Change {
            cognito,
            function: rollback.function,
            wanted: before.with_settings_of(&rollback.user_pool),
            wanted_mfa: rollback.mfa,
            before,
            permission,
            turn,
        };
        change
            .make(&self.manner, &[], &nothing, "Rolled back.")
            .await
    }
}

impl Detach {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let pool = &self.user_pool;
        let found = Found::find(&self.which, pool).await?;
        let mut wanted = triggers(&found.pool);
        let mut notes = Vec::new();
        for sender in self.channels.chosen() {
            let Some(there) = wanted.get(sender).filter(|there| !there.is_null()) else {
                continue;
            };
            if is_function(Some(there), &found.function) {
                wanted.remove(sender);
            } else {
                let other = there["LambdaArn"].as_str().unwrap_or_default();
                notes.push(format!("{sender} stays: it is another function, {other}"));
            }
        }
        let left = [SMS, EMAIL].map(|sender| wanted.get(sender));
        let still_ours = left.iter().any(|left| is_function(*left, &found.function));
        let key_idle = left.iter().all(|left| left.is_none_or(Value::is_null));
        let turn = match !still_ours && found.permission.is_ours() {
            true => Turn::Goes,
            false => Turn::Stays,
        };
        if key_idle {
            wanted.remove(KEY);
        }
        let nothing = format!(
            "{} is not attached to {pool}: nothing to do.",
            found.function
        );
        let change = found.change(wanted, turn);
        change
            .make(&self.manner, &notes, &nothing, "Detached.")
            .await
    }
}

/// Sees that Cognito could seal under the key.
///
/// # Errors
/// Why it could not, or the caller may not look.
async fn usable(sdk: &SdkConfig, key: &str, region: &str) -> Result<(), Failure> {
    if key.split(':').nth(3) != Some(region) {
        return Err(format!(
            "the function's key {key} is not in {region}: Cognito wants a key of its own Region"
        )
        .into());
    }
    let kms = aws_sdk_kms::Client::new(sdk);
    let answer = kms.describe_key().key_id(key).send().await;
    let answer = answer.map_err(|error| {
        format!(
            "the function's key {key} cannot be looked at (kms:DescribeKey): {}",
            refusal(&error)
        )
    })?;
    let state = answer.key_metadata.map(|key| {
        let spec = key.key_spec().map(|spec| spec.as_str().to_owned());
        let usage = key.key_usage().map(|usage| usage.as_str().to_owned());
        (key.enabled, spec, usage)
    });
    match state {
        Some((false, ..)) => Err(format!(
            "the function's key {key} is disabled: aws kms enable-key --key-id {key}"
        )
        .into()),
        Some((true, Some(spec), Some(usage)))
            if spec != "SYMMETRIC_DEFAULT" || usage != "ENCRYPT_DECRYPT" =>
        {
            Err(format!(
                "the function's key {key} is {spec} for {usage}: Cognito wants a symmetric key \
                 to encrypt with"
            )
            .into())
        }
        Some(_) => Ok(()),
        None => Err(format!("KMS told nothing of the function's key {key}").into()),
    }
}
