//! Cognito user pools: `AdminGetUser`, which finds the address that an `AccountTakeOverNotification` event lacks, and
//! a pool's own settings, as whoever attaches the function reads and writes them.
//!
//! `UpdateUserPool` **resets whatever it is not told**, as the real one does (Cognito API reference, "UpdateUserPool";
//! aws-cli#3302); so does `SetUserPoolMfaConfig` with MFA factors and passkeys, which the former leaves alone.

use serde_json::{Map, Value, json};

use super::kms::KEY_ARN;
use super::server::merge;
use super::state::{Account, Shared};
use super::wire::{Call, Output, Refusal};

/// What no update changes, or another operation does.
const KEPT: [&str; 15] = [
    "Id",
    "Name",
    "Arn",
    "Status",
    "CreationDate",
    "LastModifiedDate",
    "SchemaAttributes",
    "AliasAttributes",
    "UsernameAttributes",
    "UsernameConfiguration",
    "EstimatedNumberOfUsers",
    "EmailConfigurationFailure",
    "SmsConfigurationFailure",
    "Domain",
    "CustomDomain",
];

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    let Some(pool) = call.str("UserPoolId") else {
        return Err(invalid("UserPoolId is required"));
    };
    if !pool
        .strip_prefix(call.region.as_str())
        .is_some_and(|id| id.starts_with('_'))
    {
        return Err(Refusal::new(
            "ResourceNotFoundException",
            format!("User pool {pool} does not exist."),
        ));
    }
    let mut account = shared.account();
    match call.operation.as_str() {
        "AdminGetUser" => admin_get_user(&account, call),
        "DescribeUserPool" => Ok(json!({ "UserPool": user_pool(&account, call, pool) })),
        "UpdateUserPool" => update_user_pool(&mut account, call, pool),
        "GetUserPoolMfaConfig" => Ok(mfa_config(&account, call, pool)),
        "SetUserPoolMfaConfig" => set_mfa_config(&mut account, call, pool),
        _ => Err(Refusal::silent("UnknownOperationException")),
    }
    .map(Output::Json)
}

fn invalid(message: &str) -> Refusal {
    Refusal::new("InvalidParameterException", message)
}

fn admin_get_user(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let name = call
        .str("Username")
        .ok_or_else(|| invalid("Username is required"))?;
    let attributes = account
        .users
        .get(name)
        .ok_or_else(|| Refusal::new("UserNotFoundException", "User does not exist."))?;
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }))
        .collect();
    Ok(json!({
        "Username": name, "UserAttributes": attributes, "Enabled": true, "UserStatus": "CONFIRMED",
        "UserCreateDate": 1_767_225_600, "UserLastModifiedDate": 1_767_225_600,
    }))
}

/// A pool as it was set; every other id is one to which the function is attached.
fn user_pool(account: &Account, call: &Call, id: &str) -> Value {
    if let Some(pool) = account.user_pools.get(id) {
        return pool.clone();
    }
    let function = format!(
        "arn:aws:lambda:{}:{}:function:{}",
        call.region,
        account.id,
        super::FUNCTION
    );
    let sender = json!({ "LambdaVersion": "V1_0", "LambdaArn": function });
    let own = json!({ "AutoVerifiedAttributes": ["email"], "SmsConfiguration": {
        "SnsCallerArn": format!("arn:aws:iam::{}:role/sms", account.id), "ExternalId": "app",
        "SnsRegion": call.region,
    }, "LambdaConfig": {
        "KMSKeyID": KEY_ARN, "CustomSMSSender": sender, "CustomEmailSender": sender,
    } });
    with_defaults(&own, &basis(account, call, id))
}

/// What a pool has from its making.
fn basis(account: &Account, call: &Call, id: &str) -> Value {
    json!({
        "Id": id, "Name": "app", "UsernameAttributes": ["email"], "EstimatedNumberOfUsers": 3,
        "Arn": format!("arn:aws:cognito-idp:{}:{}:userpool/{id}", call.region, account.id),
        "CreationDate": 1_767_225_600, "LastModifiedDate": 1_767_225_600,
    })
}

/// The settings, Cognito's defaults for what they leave out, and what no update changes.
fn with_defaults(settings: &Value, kept: &Value) -> Value {
    let mut pool = Map::new();
    let defaults = json!({
        "MfaConfiguration": "OFF", "DeletionProtection": "INACTIVE", "UserPoolTier": "ESSENTIALS",
        "Policies": { "PasswordPolicy": {
            "MinimumLength": 8, "RequireUppercase": true, "RequireLowercase": true, "RequireNumbers": true,
            "RequireSymbols": true, "TemporaryPasswordValidityDays": 7,
        }, "SignInPolicy": { "AllowedFirstAuthFactors": ["PASSWORD"] } },
        "EmailConfiguration": { "EmailSendingAccount": "COGNITO_DEFAULT" },
        "AdminCreateUserConfig": { "AllowAdminCreateUserOnly": false, "UnusedAccountValidityDays": 7 },
        "VerificationMessageTemplate": { "DefaultEmailOption": "CONFIRM_WITH_CODE" },
        "LambdaConfig": {}, "UserPoolTags": {},
    });
    for part in [&defaults, settings, kept] {
        for (name, value) in part.as_object().into_iter().flatten() {
            pool.insert(name.clone(), value.clone());
        }
    }
    Value::Object(pool)
}

fn update_user_pool(account: &mut Account, call: &Call, id: &str) -> Result<Value, Refusal> {
    let before = user_pool(account, call, id);
    let kept = before.as_object().into_iter().flatten();
    let kept = kept.filter(|(name, _)| KEPT.contains(&name.as_str()));
    let mut kept: Map<String, Value> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut settings = call.members();
    settings.remove("UserPoolId");
    if let Some(name) = settings.remove("PoolName") {
        kept.insert("Name".to_owned(), name);
    }
    let policy = &call.json("Policies")["PasswordPolicy"];
    let invitation = call.json("AdminCreateUserConfig");
    if !policy["TemporaryPasswordValidityDays"].is_null()
        && !invitation["UnusedAccountValidityDays"].is_null()
    {
        return Err(invalid(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
        ));
    }
    let triggers = settings.get("LambdaConfig").unwrap_or(&Value::Null);
    for sender in ["CustomSMSSender", "CustomEmailSender"] {
        let Some(sender) = triggers.get(sender) else {
            continue;
        };
        if sender["LambdaVersion"] != "V1_0" {
            return Err(invalid("LambdaVersion must be V1_0"));
        }
        if !triggers["KMSKeyID"]
            .as_str()
            .is_some_and(|key| key.starts_with("arn:"))
        {
            return Err(invalid("KMSKeyID must be an ARN"));
        }
    }
    let mut pool = with_defaults(&Value::Object(settings), &Value::Object(kept));
    let mut mfa = mfa_config(account, call, id);
    if let Some((pool_too, mfa_too)) = &account.beside_updates {
        merge(&mut pool, pool_too);
        merge(&mut mfa, mfa_too);
    }
    mfa["MfaConfiguration"] = pool["MfaConfiguration"].clone();
    account.user_pools.insert(id.to_owned(), pool);
    account.mfa_configs.insert(id.to_owned(), mfa);
    Ok(json!({}))
}

/// As it was set, or without any factor.
fn mfa_config(account: &Account, call: &Call, id: &str) -> Value {
    let mode = &user_pool(account, call, id)["MfaConfiguration"];
    let set = account.mfa_configs.get(id).cloned();
    set.unwrap_or_else(|| json!({ "MfaConfiguration": mode }))
}

fn set_mfa_config(account: &mut Account, call: &Call, id: &str) -> Result<Value, Refusal> {
    let mut config = call.members();
    config.remove("UserPoolId");
    let mode = config
        .entry("MfaConfiguration")
        .or_insert(json!("OFF"))
        .clone();
    let factor = |name: &String| name.ends_with("MfaConfiguration") && *name != "MfaConfiguration";
    if mode == "OFF" && config.keys().any(factor) {
        return Err(invalid(
            "Invalid MFA configuration given, can't turn off MFA and configure an MFA together.",
        ));
    }
    let mut pool = user_pool(account, call, id);
    pool["MfaConfiguration"] = mode;
    account.user_pools.insert(id.to_owned(), pool);
    let config = Value::Object(config);
    account.mfa_configs.insert(id.to_owned(), config.clone());
    Ok(config)
}
