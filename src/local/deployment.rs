//! A deployed function and what stands around it, as an operator's commands look at it: Lambda, its logs, CloudWatch,
//! SQS, IAM and End User Messaging.
//!
//! The deployment is the template's, healthy, attached to every pool. [`StandIn::change_answer`] makes it otherwise.
//!
//! [`StandIn::change_answer`]: super::StandIn::change_answer

use hyper::Method;
use serde_json::{Map, Value, json};

use super::kms::KEY_ARN;
use super::state::{Account, LogLine, Shared};
use super::wire::{Call, Output, Refusal, escape};

/// The function's name, and its stack's.
pub const FUNCTION: &str = "cognito-sender";

/// The alarms of the template, by their logical names.
const ALARMS: [&str; 13] = [
    "OperatorErrors",
    "PassingErrors",
    "Expired",
    "Unverified",
    "SandboxUnknown",
    "LedgerUnavailable",
    "FailuresWaiting",
    "FailuresLost",
    "EventsDropped",
    "EventsLate",
    "Throttled",
    "Slow",
    "SmsSpend",
];

/// The operation behind a path of Lambda, its path parameters, and the query's, as members of its input.
pub(super) fn route(
    method: &Method,
    path: &str,
    query: &str,
    body: Value,
) -> Option<(&'static str, Value)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (operation, name, id) = match (method.as_str(), parts.as_slice()) {
        ("GET", ["2015-03-31", "functions"]) => ("ListFunctions", None, None),
        ("GET", ["2015-03-31", "functions", name]) => ("GetFunction", Some(*name), None),
        ("GET", ["2015-03-31", "functions", name, "configuration"]) => {
            ("GetFunctionConfiguration", Some(*name), None)
        }
        ("GET", ["2015-03-31", "functions", name, "policy"]) => ("GetPolicy", Some(*name), None),
        ("POST", ["2015-03-31", "functions", name, "policy"]) => {
            ("AddPermission", Some(*name), None)
        }
        ("DELETE", ["2015-03-31", "functions", name, "policy", id]) => {
            ("RemovePermission", Some(*name), Some(*id))
        }
        ("GET", ["2019-09-25", "functions", name, "event-invoke-config"]) => {
            ("GetFunctionEventInvokeConfig", Some(*name), None)
        }
        ("GET", ["2019-09-30", "functions", name, "concurrency"]) => {
            ("GetFunctionConcurrency", Some(*name), None)
        }
        _ => return None,
    };
    let mut input = match body {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    let decoded = |text: &str| {
        let pair = format!("x={text}");
        let first = form_urlencoded::parse(pair.as_bytes()).next();
        first.map_or_else(String::new, |(_, value)| value.into_owned())
    };
    for (member, value) in [("FunctionName", name), ("StatementId", id)] {
        if let Some(value) = value {
            input.insert(member.to_owned(), json!(decoded(value)));
        }
    }
    for (member, value) in form_urlencoded::parse(query.as_bytes()) {
        input.insert(member.into_owned(), json!(value));
    }
    Some((operation, Value::Object(input)))
}

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    let mut account = shared.account();
    if let Some(name) = call.str("FunctionName")
        && name.rsplit(':').next() != Some(FUNCTION)
    {
        return Err(no_function(&account, call, name));
    }
    match call.operation.as_str() {
        "GetFunction" => Ok(json!({
            "Configuration": configuration(&account, call),
            "Code": { "RepositoryType": "S3" },
            "Tags": { "aws:cloudformation:stack-name": FUNCTION },
        })),
        "GetFunctionConfiguration" => Ok(configuration(&account, call)),
        "ListFunctions" => Ok(json!({ "Functions": [configuration(&account, call)] })),
        "GetPolicy" => get_policy(&account, call),
        "AddPermission" => add_permission(&mut account, call),
        "RemovePermission" => remove_permission(&mut account, call),
        "GetFunctionEventInvokeConfig" => Ok(json!({
            "FunctionArn": function_arn(&account, call),
            "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 900,
            "DestinationConfig": { "OnFailure": {
                "Destination": format!("arn:aws:sqs:{}:{}:{FUNCTION}-FailureQueue", call.region, account.id),
            } },
        })),
        "GetFunctionConcurrency" => Ok(json!({})),
        "GetQueueUrl" => Ok(json!({
            "QueueUrl": format!("https://sqs.{}.amazonaws.com/{}/{FUNCTION}-FailureQueue", call.region, account.id),
        })),
        "GetQueueAttributes" => Ok(queue_attributes(call)),
        "DescribeAlarms" => Ok(describe_alarms(call)),
        // Only `SMSMonthToDateSpentUSD` has ever been more than nothing.
        "GetMetricStatistics" => Ok(match call.str("MetricName") {
            Some("SMSMonthToDateSpentUSD") => json!({
                "Label": "SMSMonthToDateSpentUSD", "Datapoints": [{ "Maximum": 0.12, "Unit": "None" }],
            }),
            name => json!({ "Label": name, "Datapoints": [] }),
        }),
        "FilterLogEvents" => Ok(filter_log_events(&account, call)),
        "DescribePhoneNumbers" => Ok(describe_phone_numbers(&account, call)),
        "DescribeSpendLimits" => Ok(json!({ "SpendLimits": [{
            "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT",
            "EnforcedLimit": 100, "MaxLimit": 100, "Overridden": false,
        }] })),
        "DescribeAccountAttributes" => Ok(json!({ "AccountAttributes": [{
            "Name": "ACCOUNT_TIER",
            "Value": if account.sms_sandbox { "SANDBOX" } else { "PRODUCTION" },
        }] })),
        "SimulatePrincipalPolicy" => return Ok(Output::Xml(simulate(&account, call))),
        other => Err(Refusal::new(
            "UnknownOperationException",
            format!("{other} is not in this stand-in"),
        )),
    }
    .map(Output::Json)
}

fn function_arn(account: &Account, call: &Call) -> String {
    format!(
        "arn:aws:lambda:{}:{}:function:{FUNCTION}",
        call.region, account.id
    )
}

fn no_function(account: &Account, call: &Call, name: &str) -> Refusal {
    let arn = format!(
        "arn:aws:lambda:{}:{}:function:{name}",
        call.region, account.id
    );
    Refusal::new(
        "ResourceNotFoundException",
        format!("Function not found: {arn}"),
    )
    .status(404)
}

fn configuration(account: &Account, call: &Call) -> Value {
    json!({
        "FunctionName": FUNCTION, "FunctionArn": function_arn(account, call), "Version": "$LATEST",
        "Runtime": "provided.al2023", "Handler": "bootstrap", "Architectures": ["arm64"],
        "Role": format!("arn:aws:iam::{}:role/{FUNCTION}-Role", account.id),
        "Timeout": 30, "MemorySize": 256, "CodeSize": 5_000_000, "CodeSha256": "c3RhbmQtaW4=",
        "State": "Active", "LastUpdateStatus": "Successful", "LastModified": "2026-11-01T12:00:00.000+0000",
        "Description": "Delivers Cognito's codes by SMS and e-mail",
        "Environment": { "Variables": {
            "KMS_KEY_ARN": KEY_ARN, "EMAIL_FROM": "Acme <no-reply@example.com>", "APP_NAME": "Acme",
            "SANDBOX_CHECK": "enforce", "LEDGER_TABLE": account.ledger_table.as_deref().unwrap_or_default(),
        } },
        "LoggingConfig": {
            "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO",
            "LogGroup": format!("/aws/lambda/{FUNCTION}"),
        },
    })
}

/// The statements of the function's policy as they stand.
fn statements(account: &Account, call: &Call) -> Vec<Value> {
    account.function_policy.clone().unwrap_or_else(|| {
        vec![json!({
            "Sid": "CognitoMayInvoke", "Effect": "Allow", "Action": "lambda:InvokeFunction",
            "Principal": { "Service": "cognito-idp.amazonaws.com" },
            "Resource": function_arn(account, call),
            "Condition": {
                "StringEquals": { "AWS:SourceAccount": account.id },
                "ArnLike": { "AWS:SourceArn":
                    format!("arn:aws:cognito-idp:{}:{}:userpool/*", call.region, account.id) },
            },
        })]
    })
}

fn get_policy(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let statements = statements(account, call);
    if statements.is_empty() {
        return Err(Refusal::new(
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        )
        .status(404));
    }
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": statements });
    Ok(json!({ "Policy": policy.to_string(), "RevisionId": "1" }))
}

fn add_permission(account: &mut Account, call: &Call) -> Result<Value, Refusal> {
    let sid = call.str("StatementId").unwrap_or_default().to_owned();
    let mut statements = statements(account, call);
    if statements.iter().any(|statement| statement["Sid"] == sid) {
        return Err(Refusal::new(
            "ResourceConflictException",
            format!("The statement id ({sid}) provided already exists."),
        )
        .status(409));
    }
    let mut conditions = Map::new();
    if let Some(owner) = call.str("SourceAccount") {
        let condition = json!({ "AWS:SourceAccount": owner });
        conditions.insert("StringEquals".to_owned(), condition);
    }
    if let Some(arn) = call.str("SourceArn") {
        conditions.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": arn }));
    }
    let mut statement = json!({
        "Sid": sid, "Effect": "Allow", "Action": call.str("Action"),
        "Principal": { "Service": call.str("Principal") }, "Resource": function_arn(account, call),
    });
    if let (false, Some(statement)) = (conditions.is_empty(), statement.as_object_mut()) {
        statement.insert("Condition".to_owned(), Value::Object(conditions));
    }
    let told = statement.to_string();
    statements.push(statement);
    account.function_policy = Some(statements);
    Ok(json!({ "Statement": told }))
}

fn remove_permission(account: &mut Account, call: &Call) -> Result<Value, Refusal> {
    let sid = call.str("StatementId").unwrap_or_default();
    let mut statements = statements(account, call);
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != sid);
    if statements.len() == before {
        return Err(Refusal::new(
            "ResourceNotFoundException",
            format!("Statement {sid} is not found in resource policy."),
        )
        .status(404));
    }
    account.function_policy = Some(statements);
    Ok(json!({}))
}

/// Those that were asked for.
fn queue_attributes(call: &Call) -> Value {
    let asked = call.json("AttributeNames");
    let asked: Vec<&str> = asked
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let attributes = [
        ("ApproximateNumberOfMessages", "0"),
        ("ApproximateNumberOfMessagesNotVisible", "0"),
        ("ApproximateNumberOfMessagesDelayed", "0"),
        ("MessageRetentionPeriod", "345600"),
        ("KmsMasterKeyId", KEY_ARN),
    ];
    let told = attributes
        .into_iter()
        .filter(|(name, _)| asked.contains(name));
    json!({ "Attributes": told.map(|(name, value)| (name.to_owned(), value.into())).collect::<Map<_, _>>() })
}

fn describe_alarms(call: &Call) -> Value {
    let prefix = call.str("AlarmNamePrefix").unwrap_or_default();
    let alarms = ALARMS.map(|alarm| {
        json!({
            "AlarmName": format!("{FUNCTION}-{alarm}-1A2B3C4D5E6F"),
            "StateValue": "OK", "ActionsEnabled": true,
            "AlarmActions": [format!("arn:aws:sns:{}:123456789012:alarms", call.region)],
        })
    });
    let named = |alarm: &Value| {
        let name = alarm["AlarmName"].as_str();
        name.is_some_and(|name| name.starts_with(prefix))
    };
    json!({ "MetricAlarms": alarms.into_iter().filter(named).collect::<Vec<_>>(), "CompositeAlarms": [] })
}

/// Understands patterns of quoted words alone: a line has them all. Source: CloudWatch Logs guide, "Filter pattern
/// syntax".
fn filter_log_events(account: &Account, call: &Call) -> Value {
    let pattern = call.str("filterPattern").unwrap_or_default();
    let words: Vec<&str> = pattern.split('"').skip(1).step_by(2).collect();
    let group = call.str("logGroupName").unwrap_or_default();
    let (from, until) = (
        call.json("startTime").as_u64().unwrap_or_default(),
        call.json("endTime").as_u64().unwrap_or(u64::MAX),
    );
    let found = account.log.iter().filter(|line| {
        line.group == group
            && (from..until).contains(&line.timestamp)
            && words.iter().all(|word| line.text.contains(word))
    });
    let event = |line: &LogLine| {
        json!({
            "logStreamName": "stand-in", "timestamp": line.timestamp, "ingestionTime": line.timestamp,
            "message": line.text, "eventId": line.timestamp.to_string(),
        })
    };
    json!({ "events": found.map(event).collect::<Vec<_>>(), "searchedLogStreams": [] })
}

fn describe_phone_numbers(account: &Account, call: &Call) -> Value {
    let number = |own: &super::OriginationNumber| {
        let digits = own.number.trim_start_matches('+');
        let toll_free = ["1800", "1833", "1844", "1855", "1866", "1877", "1888"];
        let kind = if digits.len() <= 8 {
            "SHORT_CODE"
        } else if toll_free.iter().any(|prefix| digits.starts_with(prefix)) {
            "TOLL_FREE"
        } else if own.country == "US" {
            "TEN_DLC"
        } else {
            "LONG_CODE"
        };
        json!({
            "PhoneNumberArn": format!("arn:aws:sms-voice:{}:{}:phone-number/phone-{digits}", call.region, account.id),
            "PhoneNumberId": format!("phone-{digits}"), "PhoneNumber": own.number, "Status": own.status,
            "IsoCountryCode": own.country, "MessageType": own.route_type.to_uppercase(),
            "NumberCapabilities": own.capabilities, "NumberType": kind, "MonthlyLeasingPrice": "2.00",
            "TwoWayEnabled": false, "SelfManagedOptOutsEnabled": false, "OptOutListName": "Default",
            "DeletionProtectionEnabled": true, "CreatedTimestamp": 1_767_225_600,
        })
    };
    let numbers: Vec<Value> = account.origination_numbers.iter().map(number).collect();
    json!({ "PhoneNumbers": numbers })
}

/// The inside of `SimulatePrincipalPolicyResult`: what [`StandIn::deny_role`](super::StandIn::deny_role) took away is
/// denied.
fn simulate(account: &Account, call: &Call) -> String {
    let mut results = String::new();
    for action in call.list("ActionNames") {
        let decision = if account.denied_to_role.contains(action) {
            "implicitDeny"
        } else {
            "allowed"
        };
        results += &format!(
            "<member><EvalActionName>{}</EvalActionName><EvalDecision>{decision}</EvalDecision></member>",
            escape(action)
        );
    }
    format!("<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>")
}
