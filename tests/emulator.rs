//! The ledger in a DynamoDB that others have built: the real process, and an
//! emulator's table as the template describes it. `.ci/run ledger` starts the
//! emulator and these tests.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, TimeToLiveSpecification,
};
use cognito_sender::clients::Lazy;
use cognito_sender::config::environment;
use cognito_sender::local::{Fault, KEY_ARN, Options};
use cognito_sender::{Clients, Config};
use serde_json::Value;

use crate::support::{Function, Process, event, fresh};
use crate::template::{maps, section, template};

/// Where the emulator listens, as a URL.
const EMULATOR: &str = "LEDGER_EMULATOR";

struct Table {
    name: String,
    emulator: String,
    client: Lazy<Client>,
}

impl Table {
    /// None yet: just its name.
    async fn named(name: &str) -> Self {
        let emulator = environment(EMULATOR).unwrap_or_else(|| panic!("{EMULATOR} is not set"));
        let config = Config::read(|variable| match variable {
            "AWS_ENDPOINT_URL" => Some(emulator.clone()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
            "KMS_KEY_ARN" => Some(KEY_ARN.to_owned()),
            _ => None,
        });
        let client = Clients::new(&config.unwrap()).await.dynamodb;
        Self {
            name: format!("{name}-{}", std::process::id()),
            emulator,
            client,
        }
    }

    /// As the template's `LedgerTable` says.
    async fn create(name: &str) -> Self {
        let table = Self::named(name).await;
        let template = template();
        let lines = section(&template, "LedgerTable:");
        let properties = lines
            .iter()
            .filter_map(|line| line.trim().split_once(": "))
            .collect::<BTreeMap<_, _>>();
        let mut creating = table
            .client
            .create_table()
            .table_name(&table.name)
            .billing_mode(BillingMode::from(properties["BillingMode"]));
        for attribute in maps(properties["AttributeDefinitions"]) {
            let attribute = AttributeDefinition::builder()
                .attribute_name(attribute["AttributeName"])
                .attribute_type(attribute["AttributeType"].into());
            creating = creating.attribute_definitions(attribute.build().unwrap());
        }
        for key in maps(properties["KeySchema"]) {
            let key = KeySchemaElement::builder()
                .attribute_name(key["AttributeName"])
                .key_type(key["KeyType"].into());
            creating = creating.key_schema(key.build().unwrap());
        }
        creating.send().await.unwrap();
        let ttl = &maps(properties["TimeToLiveSpecification"])[0];
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name(ttl["AttributeName"])
            .enabled(ttl["Enabled"] == "true");
        let enabling = table.client.update_time_to_live();
        let enabling = enabling.table_name(&table.name);
        let enabling = enabling.time_to_live_specification(ttl.build().unwrap());
        enabling.send().await.unwrap();
        table
    }

    fn variables(&self) -> [(&str, &str); 3] {
        [
            ("LEDGER_TABLE", &self.name),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.emulator),
            ("AWS_LAMBDA_MAX_CONCURRENCY", "4"),
        ]
    }

    /// The one row that there is.
    async fn row(&self) -> HashMap<String, AttributeValue> {
        let scanned = self.client.scan().table_name(&self.name).send().await;
        let mut rows = scanned.unwrap().items.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }
}

fn number(attribute: &AttributeValue) -> u64 {
    attribute.as_n().unwrap().parse().unwrap()
}

fn messages(function: &Function) -> usize {
    let outbox = function.aws.outbox();
    outbox.iter().filter(|one| one.sms().is_some()).count()
}

async fn sign_up() -> Value {
    fresh(&event("CustomSMSSender_SignUp")).await
}

#[tokio::test]
#[ignore = "needs an emulator of DynamoDB: .ci/run ledger"]
async fn what_was_sent_is_a_duplicate_in_every_process() {
    let table = Table::create("sent").await;
    let function = Function::start(Options::default(), &table.variables());
    let code = sign_up().await;
    let sent = function.response(&code).await;
    assert_eq!(sent["outcome"], "sent");

    let row = table.row().await;
    assert_eq!(row["messageId"].as_s().unwrap(), &sent["messageId"]);
    assert!(number(&row["firstSeen"]) <= number(&row["sentAt"]));
    assert!(!row.contains_key("claimedBy") && !row.contains_key("leaseUntil"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let kept = number(&row["expires"]) - now.unwrap().as_secs();
    assert!((23 * 3600..=24 * 3600).contains(&kept), "{kept}");

    assert_eq!(function.response(&code).await["outcome"], "duplicate");
    let function = function.restart(&table.variables()).await;
    assert_eq!(function.response(&code).await["outcome"], "duplicate");
    assert_eq!(messages(&function), 1);
    // A resend is another code.
    let another = fresh(&event("CustomSMSSender_ResendCode")).await;
    assert_eq!(function.response(&another).await["outcome"], "sent");
}

#[tokio::test]
#[ignore = "needs an emulator of DynamoDB: .ci/run ledger"]
async fn of_deliveries_to_two_processes_at_once_one_sends() {
    let table = Table::create("at-once").await;
    let function = Function::start(Options::default(), &table.variables());
    let other = Process::start(&function.aws, &table.variables());
    let slow = Fault::Slow { millis: 300 };
    function.aws.add_fault("Publish", slow, None);
    for _ in 0..5 {
        let code = sign_up().await;
        let deliveries = (0..8).map(|_| function.response(&code));
        futures_util::future::join_all(deliveries).await;
    }
    let sent = messages(&function);
    let log = function.stop() + &other.stop();
    assert_eq!(sent, 5, "{log}");
}

#[tokio::test]
#[ignore = "needs an emulator of DynamoDB: .ci/run ledger"]
async fn a_claim_is_held_for_its_lease_and_then_taken_over() {
    let table = Table::create("lease").await;
    let options = Options {
        invoke_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let function = Function::start(options, &table.variables());
    let code = sign_up().await;
    function.aws.add_fault("Publish", Fault::Hang, 1);
    let dying = function.aws.invoke(code.clone());
    let _ = tokio::time::timeout(Duration::from_millis(600), dying).await;
    let lease = Duration::from_millis(number(&table.row().await["leaseUntil"]));

    let function = function.restart(&table.variables()).await;
    assert_eq!(function.error(&code).await.0, "DeliveryUnderWay");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let rest = lease.saturating_sub(now.unwrap());
    assert!(rest > Duration::ZERO && rest < Duration::from_secs(4));
    tokio::time::sleep(rest).await;
    assert_eq!(function.response(&code).await["outcome"], "sent");
    assert_eq!(messages(&function), 1);
}

#[tokio::test]
#[ignore = "needs an emulator of DynamoDB: .ci/run ledger"]
async fn a_failed_delivery_gives_its_claim_back() {
    let table = Table::create("released").await;
    let function = Function::start(Options::default(), &table.variables());
    let code = sign_up().await;
    function.aws.add_fault("Publish", Fault::Denied, 1);
    assert_eq!(function.error(&code).await.0, "SmsDenied");
    let row = table.row().await;
    let mut left: Vec<_> = row.keys().collect();
    left.sort();
    assert_eq!(left, ["code", "expires", "firstSeen"]);

    let function = function.restart(&table.variables()).await;
    let begin = Instant::now();
    assert_eq!(function.response(&code).await["outcome"], "sent");
    assert!(begin.elapsed() < Duration::from_secs(2));
    // When the code was first seen is remembered: its life counts from there.
    assert_eq!(table.row().await["firstSeen"], row["firstSeen"]);
}

#[tokio::test]
#[ignore = "needs an emulator of DynamoDB: .ci/run ledger"]
async fn without_its_table_a_code_goes_out_and_is_counted() {
    let table = Table::named("never-created").await;
    let function = Function::start(Options::default(), &table.variables());
    let code = sign_up().await;
    assert_eq!(function.response(&code).await["outcome"], "sent");
    assert_eq!(messages(&function), 1);
    let log = function.stop();
    assert!(log.contains(r#""LedgerUnavailable":1"#), "{log}");
}
