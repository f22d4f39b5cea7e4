//! The user pools: whether they ask this function, and may.

use aws_sdk_cognitoidentityprovider::types::{LambdaConfigType, UserPoolMfaType, UserPoolType};
use cognito_sender::event::UserPoolId;

use super::Subject;
use super::finding::{Check, Finding};
use super::permission::{Verdict, may_invoke};

pub(crate) async fn look(subject: &Subject) -> Vec<Finding> {
    if subject.pools.is_empty() {
        let what = "USER_POOL_IDS is empty, so no pool was looked at";
        let why = "the function serves any pool that is attached to it";
        return vec![
            Finding::unknown(Check::Pools, what, why)
                .advice("name your pool: --user-pool us-east-1_AbCdEfGhI"),
        ];
    }
    let mut findings = Vec::new();
    for id in &subject.pools {
        findings.extend(one(subject, id).await);
    }
    findings
}

async fn one(subject: &Subject, id: &UserPoolId) -> Vec<Finding> {
    let region = id
        .as_str()
        .rsplit_once('_')
        .map_or("", |(region, _)| region);
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(&subject.in_region(region));
    let pool = match cognito
        .describe_user_pool()
        .user_pool_id(id.as_str())
        .send()
        .await
    {
        Ok(answer) => answer.user_pool,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_resource_not_found_exception()) =>
        {
            let what = format!("there is no user pool {id} in this account");
            let why = "no event comes from a pool that is not";
            return vec![Finding::failure(Check::Pool, what, why).command(format!(
                "aws cognito-idp list-user-pools --region {region} --max-results 60"
            ))];
        }
        Err(error) => {
            return vec![Finding::untold(
                Check::Pool,
                "cognito-idp:DescribeUserPool",
                &error,
            )];
        }
    };
    let Some(pool) = pool else {
        return Vec::new();
    };
    let name = pool.name().unwrap_or_default();
    let mut findings = vec![Finding::ok(Check::Pool, format!("{id} ({name}) is there"))];
    findings.extend(served(subject, id));
    let attached = Attached {
        subject,
        id,
        region,
        pool: &pool,
        triggers: pool.lambda_config(),
    };
    findings.extend(attached.senders());
    findings.extend(attached.key());
    findings.extend(attached.sms_role());
    findings.extend(attached.permission().await);
    findings.push(attached.verification());
    findings.extend(attached.password_days());
    findings
}

/// Whether the function takes the pool's events.
fn served(subject: &Subject, id: &UserPoolId) -> Option<Finding> {
    let served = &subject.config.user_pools;
    if served.is_empty() {
        return None;
    }
    if served.contains(id) {
        return Some(Finding::ok(Check::Served, "named in USER_POOL_IDS"));
    }
    let what = format!("{id} is not in USER_POOL_IDS");
    let why = "the function ends the pool's events in UserPoolMismatch";
    Some(
        Finding::failure(Check::Served, what, why)
            .advice("deploy the stack with the pool in UserPoolId or MoreUserPoolIds"),
    )
}

struct Attached<'a> {
    subject: &'a Subject,
    id: &'a UserPoolId,
    region: &'a str,
    pool: &'a UserPoolType,
    triggers: Option<&'a LambdaConfigType>,
}

impl<'a> Attached<'a> {
    /// The function's ARN, unqualified.
    fn function(&self) -> Option<&'a str> {
        self.subject.function.as_ref()?.function_arn()
    }

    fn sms_sender(&self) -> Option<&'a str> {
        let sender = self.triggers?.custom_sms_sender()?;
        Some(sender.lambda_arn()).filter(|arn| !arn.is_empty())
    }

    fn email_sender(&self) -> Option<&'a str> {
        let sender = self.triggers?.custom_email_sender()?;
        Some(sender.lambda_arn()).filter(|arn| !arn.is_empty())
    }

    /// Whether it is this function, by itself or by a version or alias.
    fn is_this(&self, arn: &str) -> bool {
        let unqualified: Vec<&str> = arn.split(':').take(7).collect();
        self.function()
            .is_none_or(|own| own == unqualified.join(":"))
    }

    fn senders(&self) -> Vec<Finding> {
        let (sms, email) = (self.sms_sender(), self.email_sender());
        let mut findings = vec![
            self.sender(Check::SmsSender, "CustomSMSSender", sms, email.is_some()),
            self.email(email, sms.is_some()),
        ];
        let versions = [
            self.triggers
                .and_then(|triggers| triggers.custom_sms_sender())
                .map(|sender| ("CustomSMSSender", sender.lambda_version().as_str())),
            self.triggers
                .and_then(|triggers| triggers.custom_email_sender())
                .map(|sender| ("CustomEmailSender", sender.lambda_version().as_str())),
        ];
        for (sender, version) in versions.into_iter().flatten() {
            if version != "V1_0" {
                let what = format!("{sender} has LambdaVersion {version}");
                let why = "this function reads events of V1_0";
                let finding = Finding::failure(Check::SenderVersion, what, why);
                findings.push(finding.command(self.attach()));
            }
        }
        findings
    }

    fn sender(
        &self,
        check: Check,
        trigger: &str,
        arn: Option<&str>,
        other_is_set: bool,
    ) -> Finding {
        match arn {
            Some(arn) if self.is_this(arn) => {
                Finding::ok(check, format!("{trigger} is this function"))
            }
            Some(arn) => {
                let what = format!("{trigger} is another function: {arn}");
                let why = "that one gets the channel's codes, and this one never hears of them";
                Finding::failure(check, what, why).command(self.attach())
            }
            None if other_is_set => {
                let what = format!("{trigger} is not set");
                let why = "Cognito sends that channel's messages itself";
                Finding::note(check, what, why).command(self.attach())
            }
            None => {
                let what = format!("{trigger} is not set, nor is the other sender");
                let why = "Cognito sends all messages itself, and never asks this function";
                Finding::failure(check, what, why).command(self.attach())
            }
        }
    }

    fn email(&self, arn: Option<&str>, other_is_set: bool) -> Finding {
        let check = Check::EmailSender;
        match arn {
            Some(arn) if self.is_this(arn) && self.subject.config.email.is_none() => {
                let what = "CustomEmailSender is this function, and EMAIL_FROM is empty";
                let why = "Cognito sends no e-mail itself any more, and the function withholds \
                           all (channel_off)";
                Finding::failure(check, what, why)
                    .advice("deploy the stack with EmailFrom, or detach CustomEmailSender")
            }
            None if self.subject.config.email.is_none() => Finding::ok(
                check,
                "CustomEmailSender is not set: Cognito sends e-mail itself",
            ),
            arn => self.sender(check, "CustomEmailSender", arn, other_is_set),
        }
    }

    fn key(&self) -> Option<Finding> {
        let own = self.subject.config.kms_key.as_str();
        // Without a sender there is nothing to seal.
        self.sms_sender().or(self.email_sender())?;
        let key = self.triggers.and_then(|triggers| triggers.kms_key_id());
        let key = key.unwrap_or_default();
        if key == own {
            return Some(Finding::ok(Check::PoolKey, "KMSKeyID is KMS_KEY_ARN"));
        }
        let what = if key.contains("alias/") {
            format!("KMSKeyID is an alias ({key})")
        } else {
            format!("KMSKeyID is {key}, and KMS_KEY_ARN {own}")
        };
        let why = "a code names the key that it was sealed under; the function opens those of \
                   KMS_KEY_ARN alone (DecryptFailed)";
        Some(Finding::failure(Check::PoolKey, what, why).command(self.attach()))
    }

    /// In practice Cognito does not call the SMS sender of a pool that could not
    /// send SMS by itself.
    fn sms_role(&self) -> Option<Finding> {
        self.sms_sender()?;
        let configured = self.pool.sms_configuration();
        if configured.is_some_and(|own| !own.sns_caller_arn().is_empty()) {
            return Some(Finding::ok(Check::SmsRole, "SmsConfiguration has a role"));
        }
        let what = "the pool has no SmsConfiguration";
        let why = "Cognito wants a role for SMS though this function sends them, and may refuse \
                   to send without one";
        Some(Finding::warning(Check::SmsRole, what, why).advice(
            "add SmsConfiguration to the pool, with a role that cognito-idp.amazonaws.com may \
             assume; template.yaml's SmsRole shows one. update-user-pool resets what it is not \
             told: pass all other settings on",
        ))
    }

    async fn permission(&self) -> Option<Finding> {
        let (check, action) = (Check::Permission, "lambda:GetPolicy");
        let senders = [self.sms_sender(), self.email_sender()];
        let arn = senders
            .into_iter()
            .flatten()
            .find(|arn| self.is_this(arn))?;
        let function = self.function()?;
        let lambda = aws_sdk_lambda::Client::new(&self.subject.sdk);
        let asking = lambda.get_policy().function_name(function);
        // A version or alias has a policy of its own.
        let qualifier = arn.split(':').nth(7);
        let asking = asking.set_qualifier(qualifier.map(str::to_owned));
        let policy = match asking.send().await {
            Ok(answer) => answer.policy.unwrap_or_default(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                String::new()
            }
            Err(error) => return Some(Finding::untold(check, action, &error)),
        };
        let pool = format!(
            "arn:{}:cognito-idp:{}:{}:userpool/{}",
            self.subject.partition(),
            self.region,
            self.subject.account(),
            self.id
        );
        let why = "Lambda refuses Cognito's call: nothing is sent, and no log line says why";
        let qualified = qualifier.map(|name| format!(" --qualifier {name}"));
        let add = format!(
            "aws lambda add-permission --region {} --function-name {}{} --statement-id \
             cognito-{} --action lambda:InvokeFunction --principal cognito-idp.amazonaws.com \
             --source-account {} --source-arn {pool}",
            self.region,
            function.rsplit(':').next().unwrap_or_default(),
            qualified.unwrap_or_default(),
            self.id,
            self.subject.account(),
        );
        Some(match may_invoke(&policy, &pool, self.subject.account()) {
            Verdict::Allowed => Finding::ok(check, "Cognito may invoke the function for this pool"),
            Verdict::NotAllowed => {
                let what = "the function's policy does not let this pool invoke it";
                Finding::failure(check, what, why).command(add)
            }
            Verdict::Denied => {
                let what = "a statement of the function's policy denies this pool's calls";
                Finding::failure(check, what, why).command(format!(
                    "aws lambda get-policy --region {} --function-name {function}",
                    self.region
                ))
            }
            Verdict::Unclear => {
                let what = "the function's policy has conditions that are not understood here";
                let why = "if they do not hold, Lambda refuses Cognito's call";
                Finding::unknown(check, what, why).command(format!(
                    "aws lambda get-policy --region {} --function-name {function}",
                    self.region
                ))
            }
        })
    }

    /// When Cognito sends a code at all.
    fn verification(&self) -> Finding {
        let verified = self.pool.auto_verified_attributes();
        let mfa = self.pool.mfa_configuration();
        let names: Vec<&str> = verified
            .iter()
            .map(|attribute| attribute.as_str())
            .collect();
        let mfa = match mfa {
            Some(UserPoolMfaType::On) => "MFA on",
            Some(UserPoolMfaType::Optional) => "MFA optional",
            _ => "MFA off",
        };
        if names.is_empty() {
            let what = format!("the pool verifies no attribute ({mfa})");
            let why = "Cognito sends no code when somebody signs up";
            return Finding::note(Check::Verification, what, why)
                .advice("set AutoVerifiedAttributes, if sign-up should send a code");
        }
        let what = format!("verifies {}; {mfa}", names.join(" and "));
        Finding::ok(Check::Verification, what)
    }

    /// Invitations say how long their password holds.
    fn password_days(&self) -> Option<Finding> {
        let said = self.subject.config.texts.password_days;
        let policy = self.pool.policies()?.password_policy()?;
        let days = u32::try_from(policy.temporary_password_validity_days()).ok()?;
        if days == 0 || days == said {
            return Some(Finding::ok(
                Check::PasswordDays,
                format!("temporary passwords hold {said} days, as invitations say"),
            ));
        }
        let what = format!("temporary passwords hold {days} days, and invitations say {said}");
        let why = "people come too late, or hurry in vain";
        Some(
            Finding::warning(Check::PasswordDays, what, why).advice(format!(
                "deploy the stack with TemporaryPasswordDays={days}"
            )),
        )
    }

    /// What carries every other setting of the pool over.
    fn attach(&self) -> String {
        let function = self.function().unwrap_or("<function>");
        let name = function.rsplit(':').next().unwrap_or_default();
        let email = self
            .subject
            .config
            .email
            .as_ref()
            .map_or("", |_| " --email");
        format!(
            "cognito-sender attach --region {} --function {name} --user-pool {} --sms{email}",
            self.region, self.id
        )
    }
}
