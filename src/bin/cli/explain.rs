//! `cognito-sender explain`: what became of one event.

mod story;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::Region;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::filter_log_events::FilterLogEventsError;
use clap::Args;
use cognito_sender::config::Config;
use serde_json::Value;

use crate::Failure;
use crate::aws::refusal;
use crate::deployment::{Deployment, Which};
use story::{Delivery, Found, Logging, Searched, Status, Story};

/// Tell what became of one event: why did the code not arrive?
///
/// By Lambda's request id, or by the message id of SNS or SES: finds the
/// function's log lines and, where SNS logs deliveries, what the carrier said,
/// and tells them in their order. Reads with your credentials
/// (logs:FilterLogEvents, sns:GetSMSAttributes) and changes nothing. Times are
/// UTC.
#[derive(Args)]
#[command(after_long_help = "Examples:

  cognito-sender explain 8f5e1c3a-0d4b-4c5e-9a55-0a1b2c3d4e5f --stack cognito-sender
  cognito-sender explain 2c0f1d0b-7a61-5f0e-8a3e-4b1f6a2d9c10 --since 7d \\
    --function my-sender --json

To find the request ids of a person's codes, search the log group for their
number as it is masked there:

  aws logs filter-log-events --log-group-name /aws/lambda/cognito-sender \\
    --filter-pattern '{ $.destination = \"+1206*0100\" }'

Exit codes: 0 told, 1 nothing found, 2 the log could not be looked at.")]
pub(crate) struct Explain {
    /// A request id, or a message id.
    #[arg(value_name = "ID", value_parser = id)]
    id: String,
    /// How far back to look: 90m, 24h, 7d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since)]
    since: Duration,
    /// The function's log group, if it is another than its own.
    #[arg(long, value_name = "NAME")]
    log_group: Option<String>,
    /// Print the story as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// What Lambda, SNS and SES make ids of; a quote would end the filter's.
fn id(text: &str) -> Result<String, String> {
    let fine = (8..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match fine {
        true => Ok(text.to_owned()),
        false => Err("an id has letters, digits and hyphens".to_owned()),
    }
}

fn since(text: &str) -> Result<Duration, String> {
    let unit = text.chars().last().and_then(|unit| match unit {
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    });
    let number = unit.and_then(|_| text[..text.len() - 1].parse::<u32>().ok());
    let seconds = unit.zip(number.filter(|number| *number > 0));
    let seconds = seconds.map(|(unit, number)| unit * u64::from(number));
    let seconds = seconds.filter(|seconds| *seconds <= 3650 * 86_400);
    let seconds = seconds.ok_or("not a time such as 90m, 24h or 7d")?;
    Ok(Duration::from_secs(seconds))
}

/// A line of a log.
struct Line {
    /// Milliseconds since 1970.
    at: i64,
    text: String,
}

/// A time to search, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Window {
    from: i64,
    until: i64,
}

impl Explain {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let deployment = match self.which.find().await {
            Ok(deployment) => deployment,
            Err(failure) => {
                eprintln!("error: {failure}");
                return Ok(ExitCode::from(2));
            }
        };
        let Some(group) = self.log_group.clone().or_else(|| log_group(&deployment)) else {
            eprintln!("error: which function's log? Give --function NAME or --stack NAME");
            return Ok(ExitCode::from(2));
        };
        let story = self.story(&deployment, &group).await;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&story.json())?);
        } else {
            say!("{}", story.text(&self.which.flags()));
        }
        Ok(match story.searched.first() {
            Some(Searched {
                found: Found::Refused(_),
                ..
            }) => ExitCode::from(2),
            _ if story.is_empty() => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    }

    async fn story(&self, deployment: &Deployment, group: &str) -> Story {
        let window = self.window();
        let logs = Client::new(&deployment.sdk);
        let config = deployment.config.as_ref().ok();
        let mut story = Story::new(&self.id, window.from, window.until);
        let lines = search(&logs, group, &self.id, window, &mut story.searched).await;
        story.request_id = request_id(&lines, &self.id);
        let lines = match &story.request_id {
            // By its message: its other deliveries have the request id alone.
            Some(request_id) if *request_id != self.id => {
                let mut again = Vec::new();
                search(&logs, group, request_id, window, &mut again).await
            }
            _ => lines,
        };
        let told = story.request_id.clone();
        story.deliveries = deliveries(&lines, told.as_deref());
        story.configuration_set = config
            .and_then(|config| config.email.as_ref())
            .and_then(|email| email.configuration_set.clone());
        self.ask_sns(deployment, config, window, &mut story).await;
        story
    }

    /// A minute more than now: clocks differ.
    fn window(&self) -> Window {
        let now = SystemTime::now();
        let milliseconds = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        };
        Window {
            from: milliseconds(now.checked_sub(self.since).unwrap_or(UNIX_EPOCH)),
            until: milliseconds(now + Duration::from_secs(60)),
        }
    }

    /// What SNS logged of the message; and if nothing, whether it logs at all.
    async fn ask_sns(
        &self,
        deployment: &Deployment,
        config: Option<&Config>,
        window: Window,
        story: &mut Story,
    ) {
        let message = match story.sent_sms() {
            Some(message) => message.to_owned(),
            // It may be the message of no event: `test` sends such.
            None if story.deliveries.is_empty() => self.id.clone(),
            None => return,
        };
        let Some((own_region, account)) = place(deployment, config) else {
            return;
        };
        let region = config.map_or(own_region, |config| config.sms.region.clone());
        let logs = aws_sdk_cloudwatchlogs::config::Builder::from(&deployment.sdk)
            .region(Region::new(region.clone()))
            .build();
        let logs = Client::from_conf(logs);
        let fine = format!("sns/{region}/{account}/DirectPublishToPhoneNumber");
        let failed = format!("{fine}/Failure");
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let (mut lines, more) = tokio::join!(
            search(&logs, &fine, &message, window, &mut first),
            search(&logs, &failed, &message, window, &mut second),
        );
        story.searched.extend(first.into_iter().chain(second));
        lines.extend(more);
        let statuses = lines
            .iter()
            .filter_map(|line| Status::read(line.at, &line.text));
        story.statuses = statuses.collect();
        story.sms_region.clone_from(&region);
        if story.statuses.is_empty() && story.sent_sms().is_some() {
            story.logging = Some(logging(deployment, &region).await);
        }
    }
}

/// The function's log group, as Lambda has it.
fn log_group(deployment: &Deployment) -> Option<String> {
    let function = deployment.function.as_ref()?;
    let set = function
        .logging_config()
        .and_then(|logging| logging.log_group());
    let name = function.function_name();
    set.map(str::to_owned)
        .or_else(|| name.map(|name| format!("/aws/lambda/{name}")))
}

/// Region and account of the function, or else of its key.
fn place(deployment: &Deployment, config: Option<&Config>) -> Option<(String, String)> {
    let function = deployment
        .function
        .as_ref()
        .and_then(|own| own.function_arn());
    let arn = function.or_else(|| config.map(|config| config.kms_key.as_str()))?;
    let mut parts = arn.split(':').skip(3);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// The lines that hold `id`, and what came of the search.
async fn search(
    logs: &Client,
    group: &str,
    id: &str,
    window: Window,
    searched: &mut Vec<Searched>,
) -> Vec<Line> {
    let filter = logs.filter_log_events().log_group_name(group);
    let filter = filter
        .filter_pattern(format!("\"{id}\""))
        .start_time(window.from)
        .end_time(window.until);
    // Page by page, many of them empty: CloudWatch searches a part at a time.
    let mut pages = filter.into_paginator().send();
    let mut lines = Vec::new();
    let mut refused = None;
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let absent = error
                    .as_service_error()
                    .is_some_and(FilterLogEventsError::is_resource_not_found_exception);
                refused = Some(match absent {
                    true => Found::NoGroup,
                    false => Found::Refused(refusal(&error)),
                });
                break;
            }
        };
        lines.extend(
            page.events
                .unwrap_or_default()
                .into_iter()
                .filter_map(|event| {
                    Some(Line {
                        at: event.timestamp?,
                        text: event.message?,
                    })
                }),
        );
    }
    lines.sort_by_key(|line| line.at);
    searched.push(Searched {
        group: group.to_owned(),
        found: refused.unwrap_or(Found::Lines(lines.len())),
    });
    lines
}

/// Whose event the lines are of: `id` is its own or its message's.
fn request_id(lines: &[Line], id: &str) -> Option<String> {
    let mut own = lines.iter().filter_map(|line| {
        let line: Value = serde_json::from_str(&line.text).ok()?;
        let request_id = line["requestId"].as_str()?;
        (request_id == id || line["messageId"] == id).then(|| request_id.to_owned())
    });
    own.next().or_else(|| {
        // Lambda's own lines alone: the function was ended before it told.
        (!lines.is_empty()).then(|| id.to_owned())
    })
}

fn deliveries(lines: &[Line], request_id: Option<&str>) -> Vec<Delivery> {
    let Some(request_id) = request_id else {
        return Vec::new();
    };
    lines
        .iter()
        .filter_map(|line| Delivery::read(line.at, &line.text, request_id))
        .collect()
}

/// Whether SNS logs the deliveries of a Region's SMS.
async fn logging(deployment: &Deployment, region: &str) -> Logging {
    let sns = aws_sdk_sns::config::Builder::from(&deployment.sdk)
        .region(Region::new(region.to_owned()))
        .build();
    let asking = aws_sdk_sns::Client::from_conf(sns).get_sms_attributes();
    match asking.send().await {
        Ok(answer) => {
            let attributes = answer.attributes.unwrap_or_default();
            let role = attributes.get("DeliveryStatusIAMRole");
            match role.filter(|role| !role.is_empty()) {
                None => Logging::Off,
                Some(_) => Logging::On {
                    // All, where none is said (SNS guide, "Viewing CloudWatch Logs").
                    sampled: attributes
                        .get("DeliveryStatusSuccessSamplingRate")
                        .cloned()
                        .unwrap_or_else(|| "100".to_owned()),
                },
            }
        }
        Err(error) => Logging::Unknown(refusal(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let seconds = |text| since(text).ok().map(|time| time.as_secs());
        assert_eq!(seconds("90m"), Some(5400));
        assert_eq!(seconds("24h"), Some(86_400));
        assert_eq!(seconds("7d"), Some(604_800));
        for bad in [
            "",
            "d",
            "0d",
            "-1h",
            "24",
            "24 h",
            "1w",
            "7é",
            "4294967295d",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_cannot_end_the_filter() {
        assert!(id("8f5e1c3a-0d4b-4c5e-9a55-0a1b2c3d4e5f").is_ok());
        for bad in ["", "short", "\" \"-x-y-z", "a b c d e f g", "{ $.a = 1 }"] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }
}
