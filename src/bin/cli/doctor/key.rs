//! The key that Cognito seals codes with.

use aws_sdk_kms::types::{KeySpec, KeyState, KeyUsageType};

use super::Subject;
use super::finding::{Check, Finding};

pub(crate) async fn look(subject: &Subject) -> Vec<Finding> {
    let key = &subject.config.kms_key;
    let kms = aws_sdk_kms::Client::new(&subject.in_region(key.region()));
    let mut findings = vec![region(subject)];
    match kms.describe_key().key_id(key.as_str()).send().await {
        Ok(answer) => {
            if let Some(found) = answer.key_metadata() {
                findings.push(state(found.key_state(), key.as_str(), key.region()));
                findings.push(kind(found.key_spec(), found.key_usage()));
            }
        }
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_not_found_exception()) =>
        {
            let what = format!("there is no key {key}");
            let why = "no code that was sealed under it can be opened";
            findings.push(
                Finding::failure(Check::KeyState, what, why)
                    .advice("set KMS_KEY_ARN and the pool's KMSKeyID to a key that there is"),
            );
            return findings;
        }
        Err(error) => findings.push(Finding::untold(Check::KeyState, "kms:DescribeKey", &error)),
    }
    findings.push(grant(&kms, key.as_str(), key.region()).await);
    findings
}

fn state(state: Option<&KeyState>, key: &str, region: &str) -> Finding {
    let why = "Cognito can seal no code with it, and the function open none";
    match state {
        Some(KeyState::Enabled) => Finding::ok(Check::KeyState, "enabled"),
        Some(KeyState::Disabled) => Finding::failure(Check::KeyState, "the key is disabled", why)
            .command(format!(
                "aws kms enable-key --region {region} --key-id {key}"
            )),
        Some(KeyState::PendingDeletion) => {
            let what = "the key is about to be deleted, and can be used no more";
            Finding::failure(Check::KeyState, what, why)
                .command(format!(
                    "aws kms cancel-key-deletion --region {region} --key-id {key}"
                ))
                .command(format!(
                    "aws kms enable-key --region {region} --key-id {key}"
                ))
        }
        other => {
            let state = other.map_or("unknown", |state| state.as_str());
            Finding::failure(Check::KeyState, format!("the key's state is {state}"), why).command(
                format!("aws kms describe-key --region {region} --key-id {key}"),
            )
        }
    }
}

fn kind(spec: Option<&KeySpec>, usage: Option<&KeyUsageType>) -> Finding {
    let told = format!(
        "{}, {}",
        spec.map_or("unknown", |spec| spec.as_str()),
        usage.map_or("unknown", |usage| usage.as_str())
    );
    if (spec, usage)
        == (
            Some(&KeySpec::SymmetricDefault),
            Some(&KeyUsageType::EncryptDecrypt),
        )
    {
        return Finding::ok(Check::KeyKind, told);
    }
    let why = "Cognito seals codes with symmetric keys that encrypt and decrypt";
    Finding::failure(Check::KeyKind, format!("the key is {told}"), why)
        .command("aws kms create-key --key-spec SYMMETRIC_DEFAULT --key-usage ENCRYPT_DECRYPT")
}

fn region(subject: &Subject) -> Finding {
    let own = subject.config.kms_key.region();
    let elsewhere = subject.pools.iter().find(|pool| {
        let region = pool.as_str().rsplit_once('_').map(|(region, _)| region);
        region != Some(own)
    });
    match elsewhere {
        None => Finding::ok(Check::KeyRegion, format!("in {own}, as its pools")),
        Some(pool) => Finding::failure(
            Check::KeyRegion,
            format!("the key is in {own}, the pool {pool} is not"),
            "Cognito uses keys of the pool's own Region only",
        )
        .advice("make a key in the pool's Region, and name it in KMS_KEY_ARN and in the pool"),
    }
}

/// Cognito seals under a grant that it makes when the key is attached to a pool
/// (Cognito guide, "Custom sender Lambda triggers": `kms:CreateGrant`).
async fn grant(kms: &aws_sdk_kms::Client, key: &str, region: &str) -> Finding {
    let mut pages = kms.list_grants().key_id(key).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => return Finding::untold(Check::KeyGrant, "kms:ListGrants", &error),
        };
        let cognitos = page.grants().iter().any(|grant| {
            let principals = [grant.grantee_principal(), grant.grantee_service_principal()];
            let mut principals = principals.into_iter().flatten();
            principals.any(|principal| principal.contains("cognito-idp"))
        });
        if cognitos {
            return Finding::ok(Check::KeyGrant, "Cognito has its grant");
        }
    }
    let what = "no grant of Cognito is to be seen on the key";
    let why = "Cognito seals codes under a grant, which it makes when the key is attached to a \
               pool by somebody who may kms:CreateGrant: attach it once more";
    Finding::warning(Check::KeyGrant, what, why).command(format!(
        "aws kms list-grants --region {region} --key-id {key}"
    ))
}
