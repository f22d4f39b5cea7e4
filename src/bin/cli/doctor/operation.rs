//! What becomes of events that fail, and what went wrong lately.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::StateValue;
use aws_sdk_lambda::operation::get_function_event_invoke_config::GetFunctionEventInvokeConfigOutput;
use aws_sdk_lambda::types::FunctionConfiguration;
use aws_sdk_sqs::types::QueueAttributeName;
use cognito_sender::Config;
use serde_json::Value;

use super::finding::{Check, Finding};

/// Older than this, a code only misleads: people have asked for another. The
/// template says 900 s; codes to confirm an account live for a day.
const OLDEST_SECONDS: i32 = 3600;
/// How far back errors are looked for.
const LATELY: Duration = Duration::from_secs(24 * 3600);
/// A page has up to 10,000 lines, and the log answers five pages a second.
const MOST_PAGES: usize = 20;

/// What surrounds the function. `config` is `None` where it cannot be read.
pub(crate) async fn look(
    sdk: &SdkConfig,
    function: &FunctionConfiguration,
    stack: Option<&str>,
    config: Option<&Config>,
) -> Vec<Finding> {
    let place = Place {
        sdk,
        function,
        region: sdk.region().map_or("", AsRef::as_ref),
        name: function.function_name().unwrap_or_default(),
    };
    let (mut findings, alarms, log, ledger) = tokio::join!(
        Box::pin(place.failures()),
        Box::pin(place.alarms(stack.unwrap_or(place.name))),
        Box::pin(place.log(config)),
        Box::pin(place.ledger(config))
    );
    findings.push(alarms);
    findings.extend(log);
    findings.extend(ledger);
    findings
}

struct Place<'a> {
    sdk: &'a SdkConfig,
    function: &'a FunctionConfiguration,
    region: &'a str,
    name: &'a str,
}

impl Place<'_> {
    /// Lambda's own tries, and what is kept of those that fail.
    async fn failures(&self) -> Vec<Finding> {
        let lambda = aws_sdk_lambda::Client::new(self.sdk);
        let asking = lambda.get_function_event_invoke_config();
        let told = match asking.function_name(self.name).send().await {
            Ok(told) => Some(told),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                None
            }
            Err(error) => {
                let action = "lambda:GetFunctionEventInvokeConfig";
                return vec![Finding::untold(Check::Retries, action, &error)];
            }
        };
        let mut findings = vec![self.retries(told.as_ref())];
        let on_failure = told
            .as_ref()
            .and_then(|told| told.destination_config())
            .and_then(|config| config.on_failure())
            .and_then(|failed| failed.destination());
        let dead_letters = self.function.dead_letter_config();
        let destination =
            on_failure.or_else(|| dead_letters.and_then(|config| config.target_arn()));
        let Some(destination) = destination else {
            findings.push(
                Finding::warning(
                    Check::FailureDestination,
                    "events that fail every try are dropped",
                    "nobody will know that their codes were lost",
                )
                .command(format!(
                    "aws lambda update-function-event-invoke-config --region {} --function-name \
                     {} --destination-config '{{\"OnFailure\": {{\"Destination\": \"<queue's \
                     ARN>\"}}}}'",
                    self.region, self.name
                )),
            );
            return findings;
        };
        let short = destination.rsplit(':').next().unwrap_or_default();
        findings.push(Finding::ok(
            Check::FailureDestination,
            format!("what fails every try is kept in {short}"),
        ));
        if destination.split(':').nth(2) == Some("sqs") {
            findings.push(self.queue(destination).await);
        }
        findings
    }

    fn retries(&self, told: Option<&GetFunctionEventInvokeConfigOutput>) -> Finding {
        // Lambda's defaults: twice more, for six hours.
        let tries = told
            .and_then(|told| told.maximum_retry_attempts())
            .unwrap_or(2);
        let age = told
            .and_then(|told| told.maximum_event_age_in_seconds())
            .unwrap_or(21_600);
        let command = |setting: &str| {
            format!(
                "aws lambda update-function-event-invoke-config --region {} --function-name {} \
                 {setting}",
                self.region, self.name
            )
        };
        if age > OLDEST_SECONDS {
            let hours = f64::from(age) / 3600.0;
            let what = format!("Lambda hands events over for up to {hours:.1} hours");
            let why = "a code that comes so late misleads: its user has asked for another";
            return Finding::warning(Check::Retries, what, why)
                .command(command("--maximum-event-age-in-seconds 900"));
        }
        if tries == 0 {
            let what = "Lambda tries no event again";
            let why = "a code is lost when the function dies, or SNS is down for half a minute";
            return Finding::warning(Check::Retries, what, why)
                .command(command("--maximum-retry-attempts 2"));
        }
        let what = format!("Lambda tries {tries} times more, for {age} seconds");
        Finding::ok(Check::Retries, what)
    }

    async fn queue(&self, arn: &str) -> Finding {
        let sqs = aws_sdk_sqs::Client::new(self.sdk);
        let part = |index| arn.split(':').nth(index).unwrap_or_default();
        let (account, name) = (part(4), part(5));
        let asking = sqs.get_queue_url().queue_name(name);
        let url = match asking.queue_owner_aws_account_id(account).send().await {
            Ok(answer) => answer.queue_url.unwrap_or_default(),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_queue_does_not_exist()) =>
            {
                let what = format!("the failure queue {name} is gone");
                let why = "events that fail every try are lost, and with them their codes";
                return Finding::failure(Check::FailureQueue, what, why)
                    .advice("deploy the stack again, or name another destination");
            }
            Err(error) => return Finding::untold(Check::FailureQueue, "sqs:GetQueueUrl", &error),
        };
        let asking = sqs.get_queue_attributes().queue_url(&url);
        let asking = asking
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        let attributes = match asking.send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => {
                return Finding::untold(Check::FailureQueue, "sqs:GetQueueAttributes", &error);
            }
        };
        let waiting: u64 = attributes
            .values()
            .filter_map(|count| count.parse::<u64>().ok())
            .sum();
        if waiting == 0 {
            return Finding::ok(Check::FailureQueue, "nothing waits in it");
        }
        let what = format!("{waiting} events failed for good, and wait in {name}");
        let why = "their users got no code; each has its error in responsePayload";
        Finding::warning(Check::FailureQueue, what, why).command(format!(
            "aws sqs receive-message --region {} --queue-url {url} --max-number-of-messages 10",
            self.region
        ))
    }

    async fn alarms(&self, stack: &str) -> Finding {
        let cloudwatch = aws_sdk_cloudwatch::Client::new(self.sdk);
        let asking = cloudwatch.describe_alarms();
        let asking = asking.alarm_name_prefix(format!("{stack}-"));
        let mut pages = asking.into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => alarms.extend(page.metric_alarms.unwrap_or_default()),
                Err(error) => {
                    return Finding::untold(Check::Alarms, "cloudwatch:DescribeAlarms", &error);
                }
            }
        }
        let raised: Vec<&str> = alarms
            .iter()
            .filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm))
            .filter_map(|alarm| alarm.alarm_name())
            .collect();
        let count = alarms.len();
        let silent = alarms.iter().all(|alarm| alarm.alarm_actions().is_empty());
        if !raised.is_empty() {
            let what = format!("raised: {}", raised.join(", "));
            let why = "each alarm's description says what to do";
            return Finding::warning(Check::Alarms, what, why).command(format!(
                "aws cloudwatch describe-alarms --region {} --state-value ALARM \
                 --alarm-name-prefix {stack}- --query 'MetricAlarms[].[AlarmName,AlarmDescription]'",
                self.region
            ));
        }
        if count == 0 {
            let what = format!("there is no alarm whose name begins with {stack}-");
            let why = "Cognito tells apps that a code was sent whatever happens: nobody else will \
                       tell you that it was not";
            return Finding::warning(Check::Alarms, what, why)
                .advice("deploy template.yaml, which brings thirteen");
        }
        if silent {
            let what = format!("{count} alarms, none raised; they tell nobody");
            let why = "who does not look at CloudWatch does not see them";
            return Finding::note(Check::Alarms, what, why)
                .advice("give the stack AlarmEmail or AlarmTopicArn");
        }
        Finding::ok(Check::Alarms, format!("{count} alarms, none raised"))
    }

    /// Errors by name, and texts of one's own that were passed over.
    async fn log(&self, config: Option<&Config>) -> Vec<Finding> {
        let logging = self.function.logging_config();
        let group = logging.and_then(|logging| logging.log_group());
        let group = group.map_or_else(|| format!("/aws/lambda/{}", self.name), str::to_owned);
        let mut findings = vec![self.errors(&group).await];
        let folder = config.and_then(|config| config.texts.folder.as_deref());
        if folder.is_some() {
            findings.push(self.texts(&group).await);
        }
        findings
    }

    async fn errors(&self, group: &str) -> Finding {
        let lines = match self.lines(group, "\"errorType\"", Check::Errors).await {
            Ok(lines) => lines,
            Err(finding) => return *finding,
        };
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for name in lines.iter().filter_map(|line| error_name(line)) {
            *names.entry(name).or_default() += 1;
        }
        if names.is_empty() {
            return Finding::ok(Check::Errors, "none in the last 24 hours");
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let told: Vec<String> = names
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let what = format!("in the last 24 hours: {}", told.join(", "));
        let why = "each is a try that sent nothing; the README says what to do about each name";
        Finding::warning(Check::Errors, what, why).command(format!(
            "aws logs tail {group} --region {} --since 24h --filter-pattern '\"errorType\"'",
            self.region
        ))
    }

    async fn texts(&self, group: &str) -> Finding {
        let lines = match self.lines(group, "\"TextBroken\"", Check::Texts).await {
            Ok(lines) => lines,
            Err(finding) => return *finding,
        };
        if lines.is_empty() {
            let what = "no text of your own was passed over in the last 24 hours";
            return Finding::ok(Check::Texts, what);
        }
        let count = lines.len();
        let what = format!("messages with a built-in text, since your own is broken: {count}");
        let why = "people read other words than you wrote; the log names file and line";
        Finding::warning(Check::Texts, what, why)
            .command("cognito-sender messages check <folder of your texts>")
            .command(format!(
                "aws logs tail {group} --region {} --since 24h --filter-pattern '\"passed over\"'",
                self.region
            ))
    }

    /// The log's lines of the last day that have the words.
    async fn lines(
        &self,
        group: &str,
        words: &str,
        check: Check,
    ) -> Result<Vec<String>, Box<Finding>> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(self.sdk);
        let from = SystemTime::now() - LATELY;
        let from = from
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let asking = logs.filter_log_events().log_group_name(group);
        let asking = asking
            .filter_pattern(words)
            .start_time(i64::try_from(from).unwrap_or_default());
        let mut pages = asking.into_paginator().send();
        let mut lines = Vec::new();
        for _ in 0..MOST_PAGES {
            match pages.next().await {
                None => break,
                Some(Ok(page)) => {
                    let events = page.events.unwrap_or_default();
                    lines.extend(events.into_iter().filter_map(|event| event.message));
                }
                Some(Err(error))
                    if error
                        .as_service_error()
                        .is_some_and(|error| error.is_resource_not_found_exception()) =>
                {
                    let what = format!("there is no log group {group}");
                    let why = "the function never ran, or its role may not write its log";
                    return Err(Box::new(Finding::warning(check, what, why).command(
                        format!(
                            "aws logs create-log-group --region {} --log-group-name {group}",
                            self.region
                        ),
                    )));
                }
                Some(Err(error)) => {
                    let action = "logs:FilterLogEvents";
                    return Err(Box::new(Finding::untold(check, action, &error)));
                }
            }
        }
        Ok(lines)
    }

    /// Where sent codes are remembered.
    async fn ledger(&self, config: Option<&Config>) -> Option<Finding> {
        let Some(table) = &config?.ledger_table else {
            let what = "LEDGER_TABLE is empty: each environment remembers what it sent";
            let why = "an event that Lambda hands to two environments is sent twice";
            return Some(
                Finding::note(Check::Ledger, what, why).advice("deploy the stack with Ledger=yes"),
            );
        };
        let dynamodb = aws_sdk_dynamodb::Client::new(self.sdk);
        let finding = match dynamodb.describe_table().table_name(table).send().await {
            Ok(answer) => {
                let status = answer.table.and_then(|table| table.table_status);
                let status = status.as_ref().map_or("unknown", |status| status.as_str());
                match status {
                    "ACTIVE" | "UPDATING" => {
                        Finding::ok(Check::Ledger, format!("table {table} is there"))
                    }
                    other => Finding::warning(
                        Check::Ledger,
                        format!("table {table} is {other}"),
                        "codes go out, yet one that Lambda hands over twice is sent twice",
                    )
                    .command(format!(
                        "aws dynamodb describe-table --region {} --table-name {table}",
                        self.region
                    )),
                }
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Finding::warning(
                    Check::Ledger,
                    format!("table {table} is not there"),
                    "codes go out, yet one that Lambda hands over twice is sent twice",
                )
                .advice("deploy the stack with Ledger=yes, or empty LEDGER_TABLE")
            }
            Err(error) => Finding::untold(Check::Ledger, "dynamodb:DescribeTable", &error),
        };
        Some(finding)
    }
}

/// The `errorType` of a log line: the function's own, or that of a function
/// that Lambda saw die (`Runtime.ExitError`, `Sandbox.Timedout`).
fn error_name(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let own = line["errorType"].as_str();
    let lambdas = line["record"]["errorType"].as_str();
    let lambdas = lambdas.filter(|name| name.contains('.'));
    let name = own.or(lambdas)?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    (plain && name.len() <= 64).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::error_name;

    #[test]
    fn errors_are_the_functions_own_and_those_that_ended_it() {
        let name = |line: &str| error_name(line);
        let own = r#"{"outcome":"error","errorType":"SmsDenied"}"#;
        assert_eq!(name(own).as_deref(), Some("SmsDenied"));
        let died = r#"{"type":"platform.report","record":{"errorType":"Runtime.ExitError"}}"#;
        assert_eq!(name(died).as_deref(), Some("Runtime.ExitError"));
        // Lambda repeats the function's own.
        let again = r#"{"type":"platform.report","record":{"errorType":"SmsDenied"}}"#;
        assert_eq!(name(again), None);
        assert_eq!(name(r#"{"errorType":"\u001b[2J"}"#), None);
        assert_eq!(name("errorType"), None);
    }
}
