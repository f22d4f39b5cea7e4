//! What the function's role may do, as IAM simulates it.
//!
//! IAM simulates the role's own policies, its boundary and the organization's;
//! policies of resources (a key's, say) it does not see (IAM API reference,
//! "SimulatePrincipalPolicy").

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use serde_json::{Map, Value, json};

use super::Subject;
use super::finding::{Check, Finding, Standing};

const ACTION: &str = "iam:SimulatePrincipalPolicy";

/// A call's context, and what a statement that allows it may ask for.
type Context = Vec<(&'static str, String)>;

/// Actions that belong together.
struct Ask {
    check: Check,
    actions: &'static [&'static str],
    resources: Vec<String>,
    context: Context,
    /// How it stands when one is denied, and why that matters.
    denied: (Standing, &'static str),
    /// What it allows, in words.
    allowed: &'static str,
}

pub(crate) async fn look(subject: &Subject) -> Vec<Finding> {
    let role = subject
        .function
        .as_ref()
        .and_then(|function| function.role());
    let Some(role) = role else {
        let what = "the role was not looked at";
        let why = "these are your environment's settings, and name no function";
        return vec![Finding::unknown(Check::Role, what, why).advice("give --function or --stack")];
    };
    let iam = aws_sdk_iam::Client::new(&subject.sdk);
    let mut findings = Vec::new();
    for ask in asks(subject) {
        match simulate(&iam, role, &ask).await {
            Ok(denied) => findings.push(finding(role, &ask, &denied)),
            // The next would end as this one did.
            Err(finding) => {
                findings.push(*finding);
                break;
            }
        }
    }
    findings
}

/// What the function asks of AWS, as `template.yaml` allows it.
fn asks(subject: &Subject) -> Vec<Ask> {
    let config = &subject.config;
    let (partition, account) = (subject.partition(), subject.account());
    let everything = || vec!["*".to_owned()];
    let mut asks: Vec<Ask> = subject
        .pools
        .iter()
        .map(|pool| Ask {
            check: Check::RoleDecrypt,
            actions: &["kms:Decrypt"],
            resources: vec![config.kms_key.as_str().to_owned()],
            context: vec![("kms:EncryptionContext:userpool-id", pool.to_string())],
            denied: (
                Standing::Failure,
                "no code can be opened (KmsDenied), unless the key's own policy allows it, which \
                 a simulation does not see",
            ),
            allowed: "may open codes",
        })
        .collect();
    asks.push(Ask {
        check: Check::RoleSms,
        actions: &["sns:Publish"],
        resources: everything(),
        context: vec![("aws:RequestedRegion", config.sms.region.clone())],
        denied: (Standing::Failure, "no SMS goes out (SmsDenied)"),
        allowed: "may send SMS",
    });
    let in_sms_region = vec![("aws:RequestedRegion", config.sms.region.clone())];
    let blind = "the function sends without knowing whether the account is in the sandbox, which \
                 numbers it has, and who answered STOP";
    asks.push(Ask {
        check: Check::RoleSmsState,
        actions: &[
            "sns:GetSMSSandboxAccountStatus",
            "sns:ListSMSSandboxPhoneNumbers",
            "sns:ListOriginationNumbers",
            "sns:CheckIfPhoneNumberIsOptedOut",
        ],
        resources: everything(),
        context: in_sms_region,
        denied: (Standing::Warning, blind),
        allowed: "may ask SNS for the account's state",
    });
    // SNS asks End User Messaging in the caller's name.
    asks.push(Ask {
        check: Check::RoleSmsState,
        actions: &[
            "sms-voice:DescribeAccountAttributes",
            "sms-voice:DescribeOptedOutNumbers",
            "sms-voice:DescribePhoneNumbers",
            "sms-voice:DescribeVerifiedDestinationNumbers",
        ],
        resources: everything(),
        context: vec![("aws:CalledViaLast", "sns.amazonaws.com".to_owned())],
        denied: (Standing::Warning, blind),
        allowed: "SNS may ask End User Messaging in its name",
    });
    if let Some(email) = &config.email {
        let named = email.identity_arn.clone();
        let identity = named.unwrap_or_else(|| {
            let domain = email.from.address.domain();
            format!(
                "arn:{partition}:ses:{}:{account}:identity/{domain}",
                email.region
            )
        });
        let set = email.configuration_set.as_ref().map(|set| {
            format!(
                "arn:{partition}:ses:{}:{account}:configuration-set/{set}",
                email.region
            )
        });
        asks.push(Ask {
            check: Check::RoleEmail,
            actions: &["ses:SendEmail"],
            resources: std::iter::once(identity).chain(set).collect(),
            context: vec![("ses:FromAddress", email.from.address.expose().to_owned())],
            denied: (Standing::Failure, "no e-mail goes out (EmailDenied)"),
            allowed: "may send e-mail",
        });
        asks.push(Ask {
            check: Check::RoleEmailState,
            actions: &[
                "ses:GetAccount",
                "ses:GetEmailIdentity",
                "ses:GetSuppressedDestination",
            ],
            resources: everything(),
            context: vec![("aws:RequestedRegion", email.region.clone())],
            denied: (
                Standing::Warning,
                "the function sends without knowing whether SES is in the sandbox, and whom it \
                 suppresses",
            ),
            allowed: "may ask SES for the account's state",
        });
    }
    if let Some(table) = &config.ledger_table {
        asks.push(Ask {
            check: Check::RoleLedger,
            actions: &["dynamodb:UpdateItem"],
            resources: vec![format!(
                "arn:{partition}:dynamodb:{}:{account}:table/{table}",
                config.region
            )],
            context: Vec::new(),
            denied: (
                Standing::Warning,
                "codes go out, yet one that Lambda hands over twice is sent twice",
            ),
            allowed: "may write the ledger",
        });
    }
    asks.extend(subject.pools.iter().filter(|_| config.email.is_some()).map(|pool| Ask {
        check: Check::RoleLookup,
        actions: &["cognito-idp:AdminGetUser"],
        resources: vec![format!(
            "arn:{partition}:cognito-idp:{}:{account}:userpool/{pool}",
            config.region
        )],
        context: Vec::new(),
        denied: (
            Standing::Note,
            "threat protection's notices carry no address, so they are withheld (no_destination)",
        ),
        allowed: "may look up whom a notice is for",
    }));
    let group = subject
        .function
        .as_ref()
        .and_then(|function| function.logging_config())
        .and_then(|logging| logging.log_group());
    if let Some(group) = group {
        asks.push(Ask {
            check: Check::RoleLog,
            actions: &["logs:CreateLogStream", "logs:PutLogEvents"],
            resources: vec![format!(
                "arn:{partition}:logs:{}:{account}:log-group:{group}:*",
                config.region
            )],
            context: Vec::new(),
            denied: (
                Standing::Warning,
                "messages go out, and nothing is written down of them: no log, no metric, no alarm",
            ),
            allowed: "may write its log",
        });
    }
    asks
}

/// Which of the actions are denied.
async fn simulate(
    iam: &aws_sdk_iam::Client,
    role: &str,
    ask: &Ask,
) -> Result<Vec<String>, Box<Finding>> {
    let context = ask.context.iter().map(|(key, value)| {
        ContextEntry::builder()
            .context_key_name(*key)
            .context_key_type(ContextKeyTypeEnum::String)
            .context_key_values(value)
            .build()
    });
    let asking = iam
        .simulate_principal_policy()
        .policy_source_arn(role)
        .set_action_names(Some(
            ask.actions
                .iter()
                .map(|&action| action.to_owned())
                .collect(),
        ))
        .set_resource_arns(Some(ask.resources.clone()))
        .set_context_entries(Some(context.collect()));
    let mut pages = asking.into_paginator().items().send();
    let mut denied = Vec::new();
    while let Some(result) = pages.next().await {
        let result = match result {
            Ok(result) => result,
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_no_such_entity_exception()) =>
            {
                let what = format!("the role {role} is gone");
                let why = "Lambda cannot run the function without it";
                return Err(Box::new(
                    Finding::failure(Check::Role, what, why).advice("deploy the stack again"),
                ));
            }
            Err(error) => return Err(Box::new(Finding::untold(Check::Role, ACTION, &error))),
        };
        let action = result.eval_action_name.clone();
        if *result.eval_decision() != PolicyEvaluationDecisionType::Allowed
            && !denied.contains(&action)
        {
            denied.push(action);
        }
    }
    Ok(denied)
}

fn finding(role: &str, ask: &Ask, denied: &[String]) -> Finding {
    if denied.is_empty() {
        return Finding::ok(ask.check, ask.allowed);
    }
    let (standing, why) = ask.denied;
    let what = format!("the role may not {}", denied.join(", "));
    let document = json!({"Version": "2012-10-17", "Statement": [statement(ask, denied)]});
    let name = role.rsplit('/').next().unwrap_or_default();
    Finding::bad(ask.check, standing, what, why).command(format!(
        "aws iam put-role-policy --role-name {name} --policy-name {} --policy-document '{document}'",
        ask.check.id()
    ))
}

/// What is missing, and no more: as in `template.yaml`.
fn statement(ask: &Ask, denied: &[String]) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".to_owned(), json!("Allow"));
    statement.insert("Action".to_owned(), json!(denied));
    if denied.iter().any(|action| action == "sns:Publish") {
        // A phone number has no ARN: whatever is not a topic.
        statement.insert("NotResource".to_owned(), json!("arn:*:sns:*:*:*"));
        return Value::Object(statement);
    }
    statement.insert("Resource".to_owned(), json!(ask.resources));
    if !ask.context.is_empty() {
        let keys: Map<String, Value> = ask
            .context
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        statement.insert("Condition".to_owned(), json!({"StringEquals": keys}));
    }
    Value::Object(statement)
}
