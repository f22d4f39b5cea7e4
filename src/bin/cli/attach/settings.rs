//! A user pool's settings: from `DescribeUserPool` into `UpdateUserPool`, which
//! resets whatever it is not told.
//!
//! Every member that a description has is sent as it is, or is read-only, or is
//! one of the two that [`settings`] leaves out and says why. What this version
//! does not know is neither, and is refused ([`Pool::unknown`]).

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::operation::update_user_pool::builders::UpdateUserPoolFluentBuilder;
use aws_sdk_cognitoidentityprovider::types::UserPoolType;
use serde_json::{Map, Value, json};

use super::raw::{Answer, Exactly, Rehearsal};
use crate::Failure;
use crate::aws::refusal;

/// What no update changes, or another operation does. Source: the members that
/// the API reference has in `UserPoolType` and not in `UpdateUserPool`.
const READ_ONLY: [&str; 14] = [
    "Id",
    "Arn",
    "Status",
    "CreationDate",
    "LastModifiedDate",
    "SchemaAttributes",
    "AliasAttributes",
    "UsernameAttributes",
    "UsernameConfiguration",
    "EstimatedNumberOfUsers",
    "SmsConfigurationFailure",
    "EmailConfigurationFailure",
    "Domain",
    "CustomDomain",
];

/// What changes by itself, or by any update.
const VOLATILE: [&str; 4] = [
    "LastModifiedDate",
    "EstimatedNumberOfUsers",
    "SmsConfigurationFailure",
    "EmailConfigurationFailure",
];

/// A user pool as Cognito told of it.
pub(super) struct Pool {
    pub(super) id: String,
    /// `UserPool` of `DescribeUserPool`, whole.
    pub(super) described: Value,
    /// `GetUserPoolMfaConfig`, whole: factors that `UpdateUserPool` knows
    /// nothing of.
    pub(super) mfa: Value,
    /// `described` as this version's SDK would send it back.
    known: Value,
}

impl Pool {
    /// Asks Cognito.
    ///
    /// # Errors
    /// No such pool, or a caller that may not look, with the IAM action.
    pub(super) async fn read(cognito: &Client, id: &str) -> Result<Self, Failure> {
        let answer = Answer::default();
        let described = cognito
            .describe_user_pool()
            .user_pool_id(id)
            .customize()
            .interceptor(answer.clone())
            .send()
            .await
            .map_err(|error| unread(id, "DescribeUserPool", &refusal(&error)))?;
        let typed = described
            .user_pool
            .ok_or_else(|| unread(id, "DescribeUserPool", "it told nothing"))?;
        Ok(Self {
            id: id.to_owned(),
            described: answer.take()["UserPool"].take(),
            mfa: mfa(cognito, id).await?,
            known: rehearsed(cognito, typed).await,
        })
    }

    /// The paths of what the pool has and an update by this version would not
    /// carry over.
    pub(super) fn unknown(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let settings = Value::Object(settings(&self.described));
        not_in(&settings, &self.known, "", &mut paths);
        paths
    }

    /// The pool with the settings that `other` describes.
    pub(super) fn with_settings_of(&self, other: &Value) -> Value {
        let members = |pool: &Value, read_only: bool| {
            let members = pool.as_object().cloned().unwrap_or_default();
            let chosen = members
                .into_iter()
                .filter(move |(name, _)| READ_ONLY.contains(&name.as_str()) == read_only);
            chosen.collect::<Vec<_>>()
        };
        let all = members(&self.described, true);
        all.into_iter().chain(members(other, false)).collect()
    }

    /// Sets the pool to what `wanted` describes.
    ///
    /// # Errors
    /// What AWS answered.
    pub(super) async fn update(&self, cognito: &Client, wanted: &Value) -> Result<(), String> {
        let mut body = settings(wanted);
        body.insert("UserPoolId".to_owned(), json!(self.id));
        let sent = cognito
            .update_user_pool()
            .user_pool_id(&self.id)
            .customize()
            .interceptor(Exactly(Value::Object(body)))
            .send()
            .await;
        sent.map(drop).map_err(|error| refusal(&error))
    }

    /// Sets the MFA factors and passkeys to `wanted`; all of them, or they are
    /// reset.
    ///
    /// # Errors
    /// What AWS answered.
    pub(super) async fn set_mfa(&self, cognito: &Client, wanted: &Value) -> Result<(), String> {
        let mut body = wanted.as_object().cloned().unwrap_or_default();
        if wanted["MfaConfiguration"] == "OFF" {
            // "can't turn off MFA and configure an MFA together"
            body.retain(|name, _| ["MfaConfiguration", "WebAuthnConfiguration"].contains(&&**name));
        }
        body.insert("UserPoolId".to_owned(), json!(self.id));
        let sent = cognito
            .set_user_pool_mfa_config()
            .user_pool_id(&self.id)
            .customize()
            .interceptor(Exactly(Value::Object(body)))
            .send()
            .await;
        sent.map(drop).map_err(|error| refusal(&error))
    }
}

fn unread(id: &str, operation: &str, told: &str) -> Failure {
    format!("user pool {id} cannot be read (cognito-idp:{operation}): {told}").into()
}

/// The pool's MFA factors and passkeys.
///
/// # Errors
/// As [`Pool::read`].
pub(super) async fn mfa(cognito: &Client, id: &str) -> Result<Value, Failure> {
    let answer = Answer::default();
    cognito
        .get_user_pool_mfa_config()
        .user_pool_id(id)
        .customize()
        .interceptor(answer.clone())
        .send()
        .await
        .map_err(|error| unread(id, "GetUserPoolMfaConfig", &refusal(&error)))?;
    Ok(answer.take())
}

/// A description without what may differ though nothing was changed.
pub(super) fn comparable(described: &Value) -> Value {
    let mut pool = described.clone();
    if let Some(members) = pool.as_object_mut() {
        members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
        without_superseded(members);
    }
    pool
}

/// What `UpdateUserPool` is told of a description.
fn settings(described: &Value) -> Map<String, Value> {
    let mut settings = described.as_object().cloned().unwrap_or_default();
    settings.retain(|name, value| !READ_ONLY.contains(&name.as_str()) && !value.is_null());
    without_superseded(&mut settings);
    // A description has the names of all levels, its own or Cognito's, and only
    // the higher tiers take any: what a LITE pool has is what it gets untold.
    if settings
        .get("UserPoolTier")
        .is_some_and(|tier| tier == "LITE")
    {
        settings.remove("AcrConfiguration");
    }
    if let Some(name) = settings.remove("Name") {
        settings.insert("PoolName".to_owned(), name);
    }
    settings
}

/// Takes out the setting that Cognito shows and refuses: "Please use
/// TemporaryPasswordValidityDays in PasswordPolicy instead of
/// UnusedAccountValidityDays".
fn without_superseded(settings: &mut Map<String, Value>) {
    let policy = settings.get("Policies").map(|all| &all["PasswordPolicy"]);
    if policy.is_some_and(|policy| !policy["TemporaryPasswordValidityDays"].is_null())
        && let Some(Value::Object(invitation)) = settings.get_mut("AdminCreateUserConfig")
    {
        invitation.remove("UnusedAccountValidityDays");
    }
}

/// The paths of `settings` that `known` has not, or otherwise.
fn not_in(settings: &Value, known: &Value, path: &str, paths: &mut Vec<String>) {
    match (settings, known) {
        (Value::Null, _) => {}
        (Value::Object(members), Value::Object(known)) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                let known = known.get(name).unwrap_or(&Value::Null);
                not_in(value, known, &format!("{path}{dot}{name}"), paths);
            }
        }
        (Value::Array(elements), Value::Array(known)) if elements.len() == known.len() => {
            for (at, (element, known)) in elements.iter().zip(known).enumerate() {
                not_in(element, known, &format!("{path}[{at}]"), paths);
            }
        }
        _ if settings == known => {}
        _ => paths.push(path.to_owned()),
    }
}

/// A description as the SDK would send it back: what it knows. Nothing is sent.
async fn rehearsed(cognito: &Client, pool: UserPoolType) -> Value {
    let rehearsal = Rehearsal::default();
    let update = update_with(cognito, pool).user_pool_id("no_pool");
    let unsent = update.customize().interceptor(rehearsal.clone()).send();
    drop(unsent.await);
    rehearsal.take()
}

/// Every setting of a description, in `UpdateUserPool`'s input. The types are
/// the same on both sides, so that what is inside of them is whole.
fn update_with(cognito: &Client, pool: UserPoolType) -> UpdateUserPoolFluentBuilder {
    cognito
        .update_user_pool()
        .set_pool_name(pool.name)
        .set_policies(pool.policies)
        .set_deletion_protection(pool.deletion_protection)
        .set_lambda_config(pool.lambda_config)
        .set_auto_verified_attributes(pool.auto_verified_attributes)
        .set_sms_verification_message(pool.sms_verification_message)
        .set_email_verification_message(pool.email_verification_message)
        .set_email_verification_subject(pool.email_verification_subject)
        .set_verification_message_template(pool.verification_message_template)
        .set_sms_authentication_message(pool.sms_authentication_message)
        .set_user_attribute_update_settings(pool.user_attribute_update_settings)
        .set_mfa_configuration(pool.mfa_configuration)
        .set_device_configuration(pool.device_configuration)
        .set_email_configuration(pool.email_configuration)
        .set_sms_configuration(pool.sms_configuration)
        .set_user_pool_tags(pool.user_pool_tags)
        .set_admin_create_user_config(pool.admin_create_user_config)
        .set_user_pool_add_ons(pool.user_pool_add_ons)
        .set_account_recovery_setting(pool.account_recovery_setting)
        .set_user_pool_tier(pool.user_pool_tier)
        .set_key_configuration(pool.key_configuration)
        .set_issuer_configuration(pool.issuer_configuration)
        .set_acr_configuration(pool.acr_configuration)
}
