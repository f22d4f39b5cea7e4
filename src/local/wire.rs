//! How each protocol writes an answer and a refusal: awsJson 1.1 (KMS, Cognito, CloudWatch Logs) and 1.0 (DynamoDB,
//! SQS, End User Messaging), restJson (SES, Lambda), awsQuery (SNS, IAM) and RPC v2 CBOR (CloudWatch).
//!
//! Source: the deserializers of the `aws-sdk-*` crates, and botocore's service models.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A service of the stand-in, by the name that requests are signed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Service {
    Kms,
    Sns,
    Ses,
    #[serde(rename = "cognito-idp")]
    Cognito,
    DynamoDb,
    Lambda,
    Logs,
    Sqs,
    Iam,
    #[serde(rename = "sms-voice")]
    SmsVoice,
    CloudWatch,
}

impl Service {
    /// The prefix of its IAM actions.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kms => "kms",
            Self::Sns => "sns",
            Self::Ses => "ses",
            Self::Cognito => "cognito-idp",
            Self::DynamoDb => "dynamodb",
            Self::Lambda => "lambda",
            Self::Logs => "logs",
            Self::Sqs => "sqs",
            Self::Iam => "iam",
            Self::SmsVoice => "sms-voice",
            Self::CloudWatch => "cloudwatch",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [
            Self::Kms,
            Self::Sns,
            Self::Ses,
            Self::Cognito,
            Self::DynamoDb,
            Self::Lambda,
            Self::Logs,
            Self::Sqs,
            Self::Iam,
            Self::SmsVoice,
            Self::CloudWatch,
        ]
        .into_iter()
        .find(|service| service.name() == name)
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Kms | Self::Cognito | Self::Logs => "application/x-amz-json-1.1",
            Self::DynamoDb | Self::Sqs | Self::SmsVoice => "application/x-amz-json-1.0",
            Self::Ses | Self::Lambda => "application/json",
            Self::Sns | Self::Iam => "text/xml",
            Self::CloudWatch => "application/cbor",
        }
    }
}

/// One request to a service, read as far as the protocol goes.
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) operation: String,
    pub(super) region: String,
    pub(super) input: Input,
}

/// The members of a call's input.
pub(super) enum Input {
    Json(Value),
    Form(Vec<(String, String)>),
}

impl Call {
    /// A string member, by its path in JSON or its name in a form; absent when it is missing or no string.
    pub(super) fn str(&self, name: &str) -> Option<&str> {
        match &self.input {
            Input::Json(value) => value.get(name)?.as_str(),
            Input::Form(pairs) => pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str()),
        }
    }

    /// The values of a form's list: `Name.member.1` and its siblings.
    pub(super) fn list(&self, name: &str) -> Vec<&String> {
        match &self.input {
            Input::Form(pairs) => pairs
                .iter()
                .filter(|(key, _)| {
                    key.strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with(".member."))
                })
                .map(|(_, value)| value)
                .collect(),
            Input::Json(_) => Vec::new(),
        }
    }

    /// All members of JSON.
    pub(super) fn members(&self) -> Map<String, Value> {
        match &self.input {
            Input::Json(Value::Object(members)) => members.clone(),
            Input::Json(_) | Input::Form(_) => Map::new(),
        }
    }

    /// A member of any type.
    pub(super) fn json(&self, name: &str) -> &Value {
        match &self.input {
            Input::Json(value) => value.get(name).unwrap_or(&Value::Null),
            Input::Form(_) => &Value::Null,
        }
    }
}

/// What an operation answers.
pub(super) enum Output {
    Json(Value),
    /// The inside of awsQuery's result element, already escaped.
    Xml(String),
}

/// A modelled error.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: Option<String>,
    /// What DynamoDB shows of the item that failed a condition.
    pub(super) item: Option<Box<Value>>,
}

impl Refusal {
    /// Most errors of these services are 400.
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: Some(message.into()),
            item: None,
        }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// KMS gives some errors no words.
    pub(super) fn silent(code: &str) -> Self {
        Self {
            status: 400,
            code: code.to_owned(),
            message: None,
            item: None,
        }
    }
}

pub(super) type Reply = Response<Full<Bytes>>;

/// The answer to `operation` in the service's protocol.
pub(super) fn reply(service: Service, operation: &str, result: Result<Output, Refusal>) -> Reply {
    let request_id = request_id();
    let (status, code, body) = match result {
        Ok(Output::Json(value)) if service == Service::CloudWatch => (200, None, cbor(&value)),
        Ok(Output::Json(value)) => (200, None, value.to_string().into()),
        Ok(Output::Xml(inside)) => (
            200,
            None,
            xml_answer(operation, &inside, &request_id).into(),
        ),
        Err(Refusal {
            status,
            code,
            message,
            item,
        }) => {
            let body = match (service, message) {
                (Service::Sns | Service::Iam, message) => {
                    xml_refusal(status, &code, &message.unwrap_or_default(), &request_id).into()
                }
                (Service::DynamoDb, message) => {
                    dynamodb_refusal(&code, message, item).to_string().into()
                }
                (Service::CloudWatch, message) => {
                    cbor(&json!({ "__type": code, "message": message }))
                }
                (_, Some(message)) => {
                    let body = json!({ "__type": code, "message": message });
                    body.to_string().into()
                }
                (_, None) => json!({ "__type": code }).to_string().into(),
            };
            (status, Some(code), body)
        }
    };
    let mut reply = bytes::<Vec<u8>>(status, service.content_type(), body);
    if service == Service::CloudWatch {
        let protocol = header::HeaderValue::from_static("rpc-v2-cbor");
        reply.headers_mut().insert("smithy-protocol", protocol);
    }
    if let Ok(id) = request_id.parse() {
        reply.headers_mut().insert("x-amzn-requestid", id);
    }
    // The other protocols name errors in the body alone.
    if let Some(Ok(code)) = code
        .filter(|_| {
            let named = [
                Service::Kms,
                Service::Cognito,
                Service::Ses,
                Service::Lambda,
            ];
            named.contains(&service)
        })
        .map(|code| code.parse())
    {
        reply.headers_mut().insert("x-amzn-errortype", code);
    }
    reply
}

/// A plain answer.
pub(super) fn bytes<B: Into<Bytes>>(status: u16, content_type: &'static str, body: B) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = reply.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    reply
}

/// A JSON answer of the stand-in's own pages.
pub(super) fn json(status: u16, value: &impl Serialize) -> Reply {
    // Only maps with keys that are no strings cannot be written, and there are none.
    bytes(
        status,
        "application/json",
        serde_json::to_vec(value).unwrap_or_default(),
    )
}

/// An answer that well-behaved clients cannot read.
pub(super) fn garbage(service: Service) -> Reply {
    bytes(200, service.content_type(), "\u{1}<{not what you asked for")
}

/// What JSON says, in CBOR.
fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes all that is written, and JSON's types are CBOR's.
    let _ = ciborium::into_writer(value, &mut bytes);
    bytes
}

/// DynamoDB says which model an error is of.
fn dynamodb_refusal(code: &str, message: Option<String>, item: Option<Box<Value>>) -> Value {
    let model = match code {
        "ValidationException" => "com.amazon.coral.validate#",
        "AccessDeniedException" | "SerializationException" | "UnknownOperationException" => {
            "com.amazon.coral.service#"
        }
        _ => "com.amazonaws.dynamodb.v20120810#",
    };
    let members = [
        Some(("__type", format!("{model}{code}").into())),
        message.map(|message| ("message", message.into())),
        item.map(|item| ("Item", *item)),
    ];
    let members = members.into_iter().flatten();
    members
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn xml_answer(operation: &str, inside: &str, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{operation}Result>{inside}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

fn xml_refusal(status: u16, code: &str, message: &str, request_id: &str) -> String {
    let fault = if status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>{fault}</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escape(code),
        escape(message)
    )
}

/// `text` inside an XML element. Control characters that XML 1.0 cannot hold become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An identifier in the form of AWS's request and message ids.
pub(super) fn request_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|range| id.get(range).unwrap_or_default())
        .join("-")
}
