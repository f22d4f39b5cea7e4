//! `attach` and `detach`: the real program against a Cognito whose
//! `UpdateUserPool` resets whatever it is not told.

use std::path::PathBuf;

use aws_sdk_cognitoidentityprovider::operation::update_user_pool::UpdateUserPoolInput;
use aws_sdk_cognitoidentityprovider::types::{
    AdminCreateUserConfigType, DeviceConfigurationType, EmailConfigurationType, LambdaConfigType,
    PasswordPolicyType, SignInPolicyType, SmsConfigurationType, UserPoolAddOnsType,
    UserPoolPolicyType, UserPoolType,
};
use cognito_sender::local::{FUNCTION, Fault, KEY_ARN, Options, StandIn};
use serde_json::{Value, json};

use crate::support::{Ran, run};

const POOL: &str = "us-east-1_AbCdEfGhI";
const SENDER: &str = "arn:aws:lambda:us-east-1:123456789012:function:cognito-sender";

/// A pool with every setting, none of them Cognito's default.
fn pool() -> Value {
    let other = |name: &str| format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
    json!({
        "Id": POOL, "Name": "customers", "CreationDate": 1_700_000_000, "LastModifiedDate": 1_700_000_001,
        "Arn": format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{POOL}"),
        "Status": "Enabled", "EstimatedNumberOfUsers": 12_345,
        "SmsConfigurationFailure": "SNSSandbox", "EmailConfigurationFailure": "none",
        "Domain": "customers", "CustomDomain": "auth.example.com",
        "SchemaAttributes": [{ "Name": "tenant", "AttributeDataType": "String", "Mutable": false }],
        "UsernameAttributes": ["email", "phone_number"], "AliasAttributes": ["preferred_username"],
        "UsernameConfiguration": { "CaseSensitive": false },
        "Policies": {
            "PasswordPolicy": {
                "MinimumLength": 14, "RequireUppercase": false, "RequireLowercase": true,
                "RequireNumbers": false, "RequireSymbols": false, "PasswordHistorySize": 5,
                "TemporaryPasswordValidityDays": 3,
            },
            "SignInPolicy": { "AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"] },
        },
        "DeletionProtection": "ACTIVE",
        "LambdaConfig": {
            "PreSignUp": other("pre-sign-up"), "CustomMessage": other("custom-message"),
            "PostConfirmation": other("post-confirmation"), "UserMigration": other("user-migration"),
            "PreAuthentication": other("pre-authentication"),
            "PostAuthentication": other("post-authentication"),
            "DefineAuthChallenge": other("define-challenge"),
            "CreateAuthChallenge": other("create-challenge"),
            "VerifyAuthChallengeResponse": other("verify-challenge"),
            "InboundFederation": { "LambdaVersion": "V1_0", "LambdaArn": other("federation") },
            "PreTokenGeneration": other("pre-token"),
            "PreTokenGenerationConfig": { "LambdaVersion": "V2_0", "LambdaArn": other("pre-token") },
        },
        "AutoVerifiedAttributes": ["email"],
        "SmsVerificationMessage": "Kode: {####}", "EmailVerificationMessage": "Kode: {####}",
        "EmailVerificationSubject": "Kode",
        "VerificationMessageTemplate": {
            "SmsMessage": "Kode: {####}", "EmailMessage": "Kode: {####}", "EmailSubject": "Kode",
            "EmailMessageByLink": "{##Hier##}", "EmailSubjectByLink": "Link",
            "DefaultEmailOption": "CONFIRM_WITH_LINK",
        },
        "SmsAuthenticationMessage": "MFA: {####}",
        "UserAttributeUpdateSettings": { "AttributesRequireVerificationBeforeUpdate": ["email"] },
        "MfaConfiguration": "OPTIONAL",
        "DeviceConfiguration": {
            "ChallengeRequiredOnNewDevice": true, "DeviceOnlyRememberedOnUserPrompt": true,
        },
        "EmailConfiguration": {
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
            "ReplyToEmailAddress": "help@example.com", "EmailSendingAccount": "DEVELOPER",
            "From": "Customers <no-reply@example.com>", "ConfigurationSet": "transactional",
        },
        "SmsConfiguration": {
            "SnsCallerArn": "arn:aws:iam::123456789012:role/sms", "ExternalId": "customers",
            "SnsRegion": "us-east-1", "EumsSms": { "CallerArn": "arn:aws:iam::123456789012:role/eums",
            "ExternalId": "customers", "Region": "us-east-1" },
        },
        "UserPoolTags": { "team": "identity" },
        "AdminCreateUserConfig": {
            "AllowAdminCreateUserOnly": true, "UnusedAccountValidityDays": 3,
            "InviteMessageTemplate": {
                "SMSMessage": "{username} {####}", "EmailMessage": "{username} {####}", "EmailSubject": "Hi",
            },
        },
        "UserPoolAddOns": {
            "AdvancedSecurityMode": "ENFORCED",
            "AdvancedSecurityAdditionalFlows": { "CustomAuthMode": "AUDIT" },
        },
        "AccountRecoverySetting": { "RecoveryMechanisms": [{ "Priority": 1, "Name": "verified_email" }] },
        "UserPoolTier": "PLUS",
        "KeyConfiguration": { "KeyType": "CUSTOMER_MANAGED_KEY", "KmsKeyArn": KEY_ARN },
        "IssuerConfiguration": { "Type": "MULTI_REGION" },
        "AcrConfiguration": { "LEVEL_1": { "AcrValue": "urn:example:one" } },
    })
}

/// An SDK that knows of another member breaks this test, not a pool: once
/// [`pool`] has it, `attaching_changes_three_settings_and_no_other` tells whether
/// it is carried over.
#[test]
fn the_pool_has_every_member_that_the_sdk_knows_of() {
    let pool = pool();
    macro_rules! names {
        ($shape:ty) => {{
            let members = <$shape>::SCHEMA.members().iter();
            let names = members.filter_map(|member| member.member_name());
            names.collect::<Vec<&str>>()
        }};
    }
    let described = names!(UserPoolType);
    assert!(described.len() > 30, "{described:?}");
    let told = names!(UpdateUserPoolInput);
    let told = told.iter().map(|name| match *name {
        "UserPoolId" => "Id",
        "PoolName" => "Name",
        name => name,
    });
    for name in described.iter().copied().chain(told) {
        assert!(!pool[name].is_null(), "{name}: set it in pool()");
    }
    for (path, names) in [
        ("/Policies", names!(UserPoolPolicyType)),
        ("/Policies/PasswordPolicy", names!(PasswordPolicyType)),
        ("/Policies/SignInPolicy", names!(SignInPolicyType)),
        ("/LambdaConfig", names!(LambdaConfigType)),
        ("/EmailConfiguration", names!(EmailConfigurationType)),
        ("/SmsConfiguration", names!(SmsConfigurationType)),
        ("/AdminCreateUserConfig", names!(AdminCreateUserConfigType)),
        ("/UserPoolAddOns", names!(UserPoolAddOnsType)),
        ("/DeviceConfiguration", names!(DeviceConfigurationType)),
    ] {
        for name in names {
            // What attaching sets.
            let ours = ["CustomSMSSender", "CustomEmailSender", "KMSKeyID"];
            let set = !pool.pointer(path).unwrap()[name].is_null();
            assert!(
                set || ours.contains(&name),
                "{path}/{name}: set it in pool()"
            );
        }
    }
}

struct Account {
    aws: StandIn,
    file: PathBuf,
}

impl Account {
    fn new(name: &str) -> Self {
        let aws = StandIn::start(Options::default()).unwrap();
        aws.set_user_pool(POOL, pool());
        aws.set_function_policy(Vec::new());
        let file = format!("{name}-{}.json", std::process::id());
        let file = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&file);
        Self { aws, file }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.aws, arguments)
    }

    /// `attach`, or `detach`, of the function, confirmed.
    fn confirmed(&self, command: &str, more: &[&str]) -> Ran {
        let file = self.file.to_str().unwrap();
        let common = [
            command,
            "--user-pool",
            POOL,
            "--function",
            FUNCTION,
            "--yes",
            "--rollback-file",
            file,
        ];
        self.run(&[&common[..], more].concat())
    }

    fn updates(&self) -> usize {
        self.aws.calls("UpdateUserPool").count
    }

    fn policy(&self) -> Vec<Value> {
        self.aws.function_policy().unwrap_or_default()
    }

    /// The pool as it is, without what changes by itself.
    fn pool(&self) -> Value {
        let mut pool = self.aws.user_pool(POOL).unwrap();
        pool.as_object_mut().unwrap().remove("LastModifiedDate");
        pool
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The pool that attaching is to make of [`pool`].
fn attached() -> Value {
    let mut pool = pool();
    let sender = json!({ "LambdaVersion": "V1_0", "LambdaArn": SENDER });
    pool["LambdaConfig"]["CustomSMSSender"] = sender.clone();
    pool["LambdaConfig"]["CustomEmailSender"] = sender;
    pool["LambdaConfig"]["KMSKeyID"] = json!(KEY_ARN);
    pool.as_object_mut().unwrap().remove("LastModifiedDate");
    pool
}

/// The pool that nobody touched.
fn untouched() -> Value {
    let mut pool = pool();
    pool.as_object_mut().unwrap().remove("LastModifiedDate");
    pool
}

#[test]
fn attaching_changes_three_settings_and_no_other() {
    let account = Account::new("attach");
    let ran = account.confirmed("attach", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    // Not even a deprecated one: they are what the template says anyway.
    let mut expected = attached();
    let mut now = account.pool();
    for deprecated in [
        "SmsVerificationMessage",
        "EmailVerificationMessage",
        "EmailVerificationSubject",
    ] {
        if now[deprecated].is_null() {
            expected.as_object_mut().unwrap().remove(deprecated);
            now.as_object_mut().unwrap().remove(deprecated);
        }
    }
    // A pool has one of the two, and Cognito tells both.
    let invitations = expected["AdminCreateUserConfig"].as_object_mut().unwrap();
    invitations.remove("UnusedAccountValidityDays");
    assert_eq!(now, expected);
    assert!(ran.out.contains("All other settings stay as they are."));
    let policy = account.policy();
    assert_eq!(policy.len(), 1, "{policy:?}");
    assert_eq!(
        policy[0]["Condition"]["ArnLike"]["AWS:SourceArn"],
        pool()["Arn"]
    );

    // Once more: nothing to do.
    let ran = account.confirmed("attach", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("nothing to do"), "{}", ran.out);
    assert_eq!(account.updates(), 1);
    assert_eq!(account.policy().len(), 1);
}

#[test]
fn a_dry_run_and_a_missing_confirmation_change_nothing() {
    let account = Account::new("dry");
    let ran = account.confirmed("attach", &["--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("+ LambdaConfig.CustomSMSSender"));
    let ran = account.run(&["attach", "--user-pool", POOL, "--function", FUNCTION]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("--yes"), "{}", ran.err);
    assert_eq!(account.updates(), 0);
    assert_eq!(account.aws.calls("AddPermission").count, 0);
    assert_eq!(account.pool(), untouched());
    assert!(!account.file.exists());
}

#[test]
fn a_setting_that_is_not_known_is_rather_refused_than_lost() {
    for (path, patch) in [
        ("Quantum", json!({ "Quantum": { "Mode": "ON" } })),
        (
            "Policies.PasswordPolicy.Rhymes",
            json!({ "Policies": { "PasswordPolicy": { "Rhymes": true } } }),
        ),
        (
            "LambdaConfig.PostAuthorization",
            json!({ "LambdaConfig": { "PostAuthorization": "arn:aws:lambda:x" } }),
        ),
    ] {
        let account = Account::new("unknown");
        let described = json!({ "UserPool": patch });
        account.aws.change_answer("DescribeUserPool", described);
        let ran = account.confirmed("attach", &[]);
        assert_eq!(ran.code, 1, "{path}: {}", ran.out);
        assert!(ran.err.contains(path), "{path}: {}", ran.err);
        assert_eq!(account.updates(), 0, "{path}");
        assert_eq!(account.aws.calls("AddPermission").count, 0, "{path}");
    }
}

#[test]
fn a_roll_back_restores_what_was() {
    let account = Account::new("roll-back");
    assert_eq!(account.confirmed("attach", &[]).code, 0);
    assert_ne!(account.pool()["LambdaConfig"], untouched()["LambdaConfig"]);
    let file = account.file.to_str().unwrap();
    // Rolling back can be rolled back too, by a file of its own.
    let undo = format!("{file}.undo");
    let ran = account.run(&[
        "attach",
        "--roll-back",
        file,
        "--yes",
        "--rollback-file",
        &undo,
    ]);
    std::fs::remove_file(&undo).unwrap();
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(account.pool()["LambdaConfig"], untouched()["LambdaConfig"]);
    assert_eq!(account.pool()["Policies"], untouched()["Policies"]);
    assert!(account.policy().is_empty());
}

#[test]
fn detaching_takes_the_function_alone() {
    let account = Account::new("detach");
    assert_eq!(account.confirmed("attach", &[]).code, 0);
    std::fs::remove_file(&account.file).unwrap();
    let ran = account.confirmed("detach", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(account.pool()["LambdaConfig"], untouched()["LambdaConfig"]);
    assert!(account.policy().is_empty());
    // Somebody else's sender stays, and so does its key.
    let mut others = pool();
    let other = "arn:aws:lambda:us-east-1:123456789012:function:other";
    others["LambdaConfig"]["CustomSMSSender"] =
        json!({ "LambdaVersion": "V1_0", "LambdaArn": other });
    others["LambdaConfig"]["KMSKeyID"] = json!(KEY_ARN);
    account.aws.set_user_pool(POOL, others.clone());
    let ran = account.confirmed("detach", &[]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(account.pool()["LambdaConfig"], others["LambdaConfig"]);
}

#[test]
fn one_channel_may_be_attached_alone() {
    let account = Account::new("one");
    let ran = account.confirmed("attach", &["--sms"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let triggers = &account.pool()["LambdaConfig"];
    assert_eq!(triggers["CustomSMSSender"]["LambdaArn"], SENDER);
    assert!(triggers["CustomEmailSender"].is_null());
}

#[test]
fn a_refusal_names_the_action_and_the_way_back() {
    for (operation, action) in [
        ("GetFunction", "lambda:GetFunction"),
        ("DescribeUserPool", "cognito-idp:DescribeUserPool"),
        ("GetPolicy", "lambda:GetPolicy"),
        ("DescribeKey", "kms:DescribeKey"),
        ("AddPermission", "lambda:AddPermission"),
        ("UpdateUserPool", "cognito-idp:UpdateUserPool"),
    ] {
        let account = Account::new(operation);
        account.aws.add_fault(operation, Fault::Denied, None);
        let ran = account.confirmed("attach", &[]);
        assert_eq!(ran.code, 1, "{operation}: {}", ran.out);
        assert!(ran.err.contains(action), "{operation}: {}", ran.err);
        assert_eq!(account.pool(), untouched(), "{operation}");
        if operation == "UpdateUserPool" {
            assert!(ran.err.contains("--roll-back"), "{}", ran.err);
        }
    }
}

#[test]
fn what_an_update_changed_beside_is_told() {
    let account = Account::new("beside");
    let beside = json!({ "DeletionProtection": "INACTIVE" });
    account.aws.change_beside_updates(beside, json!({}));
    let ran = account.confirmed("attach", &[]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.err.contains("DeletionProtection"), "{}", ran.err);
    assert!(ran.err.contains("--roll-back"), "{}", ran.err);
}

#[test]
fn a_disabled_key_is_not_attached() {
    let account = Account::new("key");
    let disabled = json!({ "KeyMetadata": { "Enabled": false, "KeyState": "Disabled" } });
    account.aws.change_answer("DescribeKey", disabled);
    let ran = account.confirmed("attach", &[]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.err.contains("aws kms enable-key"), "{}", ran.err);
    assert_eq!(account.updates(), 0);
}
