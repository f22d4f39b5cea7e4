//! `template.yaml` says what the code does: the same variables, the same
//! actions, the same metrics.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cognito_sender::local::{Fault, Identity, Options};
use cognito_sender::report::NAMESPACE;
use cognito_sender::{Config, Outcome, Reason};
use serde_json::Value;

use crate::messages::Folder;
use crate::support::{FUNCTION, Local, event, fresh, to};

/// Read by the SDK's way or by Lambda, not by the template's reader.
const NOT_OURS: &str = "AWS_";

/// Each operation that this function calls, and what it needs on the role.
const ACTIONS: [(&str, &[&str]); 13] = [
    ("Decrypt", &["kms:Decrypt"]),
    ("Publish", &["sns:Publish", "sms-voice:SendTextMessage"]),
    (
        "GetSMSSandboxAccountStatus",
        &[
            "sns:GetSMSSandboxAccountStatus",
            "sms-voice:DescribeAccountAttributes",
        ],
    ),
    (
        "ListSMSSandboxPhoneNumbers",
        &[
            "sns:ListSMSSandboxPhoneNumbers",
            "sms-voice:DescribeVerifiedDestinationNumbers",
        ],
    ),
    (
        "ListOriginationNumbers",
        &[
            "sns:ListOriginationNumbers",
            "sms-voice:DescribePhoneNumbers",
        ],
    ),
    (
        "CheckIfPhoneNumberIsOptedOut",
        &[
            "sns:CheckIfPhoneNumberIsOptedOut",
            "sms-voice:DescribeOptedOutNumbers",
        ],
    ),
    ("SendEmail", &["ses:SendEmail"]),
    (
        "GetSuppressedDestination",
        &["ses:GetSuppressedDestination"],
    ),
    ("GetConfigurationSet", &["ses:GetConfigurationSet"]),
    ("UpdateItem", &["dynamodb:UpdateItem"]),
    ("GetAccount", &["ses:GetAccount"]),
    ("GetEmailIdentity", &["ses:GetEmailIdentity"]),
    ("AdminGetUser", &["cognito-idp:AdminGetUser"]),
];

pub(crate) fn template() -> String {
    std::fs::read_to_string("template.yaml").unwrap()
}

/// The lines below `heading`, as far as they are indented deeper.
pub(crate) fn section<'a>(template: &'a str, heading: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = template.lines().skip_while(|line| line.trim() != heading);
    let head = lines.next().unwrap_or_else(|| panic!("no {heading}"));
    lines
        .take_while(|line| line.trim().is_empty() || depth(line) > depth(head))
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        .collect()
}

/// The maps of `[{ Name: function, Value: !Ref Function }]` or of one such map.
pub(crate) fn maps(flow: &str) -> Vec<BTreeMap<&str, &str>> {
    let maps = flow.split('{').skip(1);
    let maps = maps.map(|map| map.split_once('}').unwrap().0);
    maps.map(|map| {
        let pairs = map.split(',').map(|pair| pair.split_once(':').unwrap());
        pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect()
    })
    .collect()
}

#[test]
fn the_variables_of_the_template_are_those_that_are_read() {
    let asked = RefCell::new(BTreeSet::new());
    let _ = Config::read(|name| {
        asked.borrow_mut().insert(name.to_owned());
        None
    });
    let read: BTreeSet<String> = asked
        .into_inner()
        .into_iter()
        .filter(|name| !name.starts_with(NOT_OURS))
        .collect();
    let template = template();
    let set: BTreeSet<String> = section(&template, "Variables:")
        .into_iter()
        .filter_map(|line| line.trim().split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(read, set);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_the_template_are_those_that_are_called() {
    let options = Options {
        sms_sandbox: true,
        email_sandbox: true,
        verified_numbers: vec!["+12065550100".to_owned()],
        identities: vec![Identity::verified("example.com")],
        users: [(
            event("CustomEmailSender_AccountTakeOverNotification")["userName"]
                .as_str()
                .unwrap()
                .to_owned(),
            BTreeMap::from([("email".to_owned(), "user@example.com".to_owned())]),
        )]
        .into(),
        ..Options::default()
    };
    let own = [
        ("LEDGER_TABLE", "ledger"),
        ("EMAIL_CONFIGURATION_SET", "codes"),
    ];
    let local = Local::new(options, &own).await;
    local.sent(&event("CustomSMSSender_SignUp")).await;
    local
        .sent(&to(event("CustomEmailSender_SignUp"), "user@example.com"))
        .await;
    local
        .sent(&event("CustomEmailSender_AccountTakeOverNotification"))
        .await;

    // Why an address is suppressed is asked when one is.
    local.aws.set_suppressed("b@example.com", true);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let suppressed = to(event("CustomEmailSender_SignUp"), "b@example.com");
    local.outcome(&suppressed).await;

    let called: BTreeSet<String> = local.aws.operations().into_iter().collect();
    let (operations, actions): (BTreeSet<String>, Vec<&[&str]>) = ACTIONS
        .iter()
        .map(|(operation, actions)| ((*operation).to_owned(), *actions))
        .unzip();
    assert_eq!(called, operations);

    let template = template();
    let allowed: BTreeSet<&str> = section(&template, "Policy:")
        .into_iter()
        .flat_map(|line| line.split([' ', '[', ']', ',']))
        .filter(|word| {
            let service = word.split_once(':').map(|(service, _)| service);
            let name = word.split_once(':').map_or("", |(_, name)| name);
            matches!(
                service,
                Some("kms" | "sns" | "ses" | "sms-voice" | "cognito-idp" | "dynamodb")
            ) && name.starts_with(|c: char| c.is_ascii_uppercase())
                && !name.contains(':')
                && *word != "kms:EncryptionContext"
                && *word != "ses:FromAddress"
                && *word != "ses:FromAddress:"
        })
        .collect();
    let needed: BTreeSet<&str> = actions.into_iter().flatten().copied().collect();
    assert_eq!(allowed, needed);
    assert!(template.contains("kms:EncryptionContext:userpool-id"));
}

/// A metric's name, and its dimensions.
type Metric = (String, BTreeMap<String, String>);

/// The metrics that CloudWatch makes of a log line.
fn metrics(line: &Value) -> Vec<Metric> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let mut found = Vec::new();
    for directive in list(&line["_aws"]["CloudWatchMetrics"]) {
        assert_eq!(directive["Namespace"], NAMESPACE);
        for metric in list(&directive["Metrics"]) {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{name} of {line}");
            for names in list(&directive["Dimensions"]) {
                let dimensions = list(&names).into_iter().map(|dimension| {
                    let dimension = dimension.as_str().unwrap();
                    let value = line[dimension].as_str();
                    let value = value.unwrap_or_else(|| panic!("{dimension} of {line}"));
                    (dimension.to_owned(), value.to_owned())
                });
                found.push((name.to_owned(), dimensions.collect()));
            }
        }
    }
    found
}

/// The metrics of log lines with every kind of end and of doubt.
async fn emitted() -> BTreeSet<Metric> {
    let mut lines = Vec::new();
    let sms = event("CustomSMSSender_SignUp");
    let mail = event("CustomEmailSender_SignUp");
    let notice = event("CustomEmailSender_AccountTakeOverNotification");

    let user = notice["userName"].as_str().unwrap().to_owned();
    let attributes = [("email".to_owned(), "user@example.com".to_owned())];
    let options = Options {
        users: [(user, attributes.into())].into(),
        ..Options::default()
    };
    let local = Local::new(options, &[("LEDGER_TABLE", "ledger")]).await;
    for event in [&sms, &mail, &notice] {
        let event = fresh(event).await;
        lines.push(local.handle(&event).await.1);
        lines.push(local.handle(&event).await.1);
    }
    let (end, line) = local.handle(&to(sms.clone(), "nobody")).await;
    assert_eq!(end.unwrap(), Outcome::Withheld(Reason::InvalidDestination));
    lines.push(line);
    // A sign-in code whose first try an operator's mistake spoiled, and which
    // is dead at the second.
    let signing_in = fresh(&event("CustomSMSSender_Authentication")).await;
    local.aws.add_fault("Publish", Fault::Denied, 1);
    lines.push(local.handle(&signing_in).await.1);
    local.aws.shift_ledger("firstSeen", -240_000);
    lines.push(local.handle(&signing_in).await.1);
    // What passes, and lasts for longer than this try.
    local.aws.add_fault("Publish", Fault::Throttle, None);
    lines.push(local.handle(&sms).await.1);

    let sandboxed = Options {
        sms_sandbox: true,
        email_sandbox: true,
        ..Options::default()
    };
    let local = Local::new(sandboxed, &[]).await;
    lines.push(local.handle(&sms).await.1);
    lines.push(local.handle(&mail).await.1);

    let broken = "[sms]\nsign_up = \"no code\"\n[email.sign_up]\nsubject = \"{{ nobody }}\"\n";
    let texts = Folder::new("watched", &[("en.toml", broken)]);
    let own = [("LEDGER_TABLE", "ledger"), ("MESSAGES_DIR", texts.path())];
    let local = Local::new(Options::default(), &own).await;
    for operation in [
        "GetSMSSandboxAccountStatus",
        "GetAccount",
        "ListOriginationNumbers",
        "UpdateItem",
    ] {
        local.aws.add_fault(operation, Fault::Denied, None);
    }
    lines.push(local.handle(&sms).await.1);
    lines.push(local.handle(&mail).await.1);

    lines.iter().flat_map(metrics).collect()
}

/// Of each alarm on a metric of the function's own.
fn alarms(template: &str) -> Vec<(String, Metric)> {
    let mut alarms = Vec::new();
    let resources = section(template, "Resources:").into_iter();
    let names = resources.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for resource in names {
        let lines = section(template, resource.trim());
        let properties = lines.iter().filter_map(|line| line.trim().split_once(": "));
        let properties: BTreeMap<&str, &str> = properties.collect();
        let alarm = properties.get("Type") == Some(&"AWS::CloudWatch::Alarm");
        if !alarm || properties.get("Namespace") != Some(&NAMESPACE) {
            continue;
        }
        let dimensions = properties.get("Dimensions").copied().unwrap_or_default();
        let dimensions = maps(dimensions).into_iter().map(|dimension| {
            let value = dimension["Value"].replace("!Ref Function", FUNCTION);
            (dimension["Name"].to_owned(), value)
        });
        let metric = properties["MetricName"].to_owned();
        alarms.push((resource.trim().to_owned(), (metric, dimensions.collect())));
    }
    alarms
}

/// What the dashboard shows of the function: metrics by name, and searches.
fn dashboard(template: &str) -> (BTreeSet<Metric>, Vec<String>) {
    let body = section(template, "DashboardBody: !Sub").into_iter();
    let body = body
        .filter(|line| !line.trim().starts_with("- "))
        .collect::<String>();
    let body = body.replace("${Function}", FUNCTION);
    let body: Value = serde_json::from_str(&body).unwrap();
    let (mut shown, mut searches) = (BTreeSet::new(), Vec::new());
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let words = metric.as_array().unwrap().iter();
            let mut words = words.map_while(|word| word.as_str().map(str::to_owned));
            match (words.next(), words.next()) {
                (None, _) => searches.push(metric[0]["expression"].as_str().unwrap().to_owned()),
                (Some(namespace), Some(name)) if namespace == NAMESPACE => {
                    let mut dimensions = BTreeMap::new();
                    while let (Some(name), Some(value)) = (words.next(), words.next()) {
                        dimensions.insert(name, value);
                    }
                    shown.insert((name, dimensions));
                }
                // Lambda's, SQS's and SNS's own.
                _ => (),
            }
        }
    }
    (shown, searches)
}

/// Whether `SEARCH('{CognitoSender,a,b} MetricName="M" b="v"', 'Sum', 300)`
/// finds the metric.
fn finds(search: &str, (metric, dimensions): &Metric) -> bool {
    let (schema, terms) = search.split_once("} ").unwrap();
    let schema = schema.strip_prefix("SEARCH('{").unwrap().split(',');
    let names = [NAMESPACE]
        .into_iter()
        .chain(dimensions.keys().map(String::as_str));
    let terms = terms.split_once("', '").unwrap().0.split(' ');
    schema.collect::<BTreeSet<_>>() == names.collect()
        && terms
            .map(|term| term.split_once('=').unwrap())
            .all(|(name, value)| {
                let value = value.trim_matches('"');
                match name {
                    "MetricName" => value == metric,
                    _ => dimensions.get(name).is_some_and(|found| found == value),
                }
            })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_template_watches_is_what_the_log_lines_say() {
    let emitted = emitted().await;
    for (name, dimensions) in &emitted {
        // Or deployments would count together.
        assert_eq!(dimensions["function"], FUNCTION, "{name}");
    }
    let template = template();
    let alarms = alarms(&template);
    assert_eq!(alarms.len(), 6, "{alarms:?}");
    for (alarm, metric) in &alarms {
        assert!(emitted.contains(metric), "{alarm} watches {metric:?}");
    }
    let (shown, searches) = dashboard(&template);
    for metric in &shown {
        assert!(emitted.contains(metric), "the dashboard shows {metric:?}");
    }
    assert_eq!(searches.len(), 3);
    for search in &searches {
        let found = emitted.iter().any(|metric| finds(search, metric));
        assert!(found, "the dashboard searches {search}");
    }
    // The other way round: each time that a stage took, and each doubt.
    let by_channel: Vec<&Metric> = emitted
        .iter()
        .filter(|(_, dimensions)| dimensions.keys().eq(["channel", "function"]))
        .collect();
    assert!(by_channel.len() > 12, "{by_channel:?}");
    for metric in by_channel {
        assert!(shown.contains(metric), "no widget shows {metric:?}");
    }
}
