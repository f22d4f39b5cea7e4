//! The port, who may ask, and the way of a request to its service.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Uri, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::faults::{Calls, Fault, FaultRule, Plan};
use super::kms::{ImportedKey, KeyState};
use super::outbox::{Query, Record};
use super::runtime::Answer;
use super::state::{LogLine, Options, OriginationNumber, SandboxNumber, Shared, lock};
use super::wire::{self, Call, Input, Output, Refusal, Reply, Service};
use super::{cognito, deployment, dynamodb, kms, ses, sns};

const PAGE: &str = include_str!("outbox.html");
const BODY_LIMIT: usize = 1024 * 1024;
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A running stand-in; it stops when dropped.
///
/// It serves from a thread of its own, so it answers whatever the caller's runtime is busy with. Every method may be
/// called from any thread.
pub struct StandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StandIn").field(&self.endpoint()).finish()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The port is free when this returns; a panic there has nothing left to tell.
            let _ = thread.join();
        }
    }
}

impl StandIn {
    /// Starts serving on 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the system has no thread or socket left.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let shared = Arc::new(Shared::new(options));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        // Dropping the runtime at the end of the thread ends its connections too.
        let thread = std::thread::Builder::new()
            .name("aws-stand-in".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, served) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The value for `AWS_ENDPOINT_URL`, also the address of the outbox page: `http://127.0.0.1:4599`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value for `AWS_LAMBDA_RUNTIME_API`: `127.0.0.1:4599`.
    #[must_use]
    pub fn runtime_api(&self) -> String {
        self.address.to_string()
    }

    /// Hands `event` to the function process that polls this stand-in, and returns its answer.
    ///
    /// # Errors
    ///
    /// `TimedOut` after [`Options::invoke_timeout`].
    pub async fn invoke(&self, event: Value) -> io::Result<Answer> {
        self.shared.runtime.invoke(event).await
    }

    /// Resolves when a function process asks for an event, from the moment of this call: its init is over.
    pub fn asked(&self) -> impl Future<Output = ()> + '_ {
        self.shared.runtime.asked()
    }

    /// Everything recorded, newest last.
    #[must_use]
    pub fn outbox(&self) -> Vec<Record> {
        self.shared.outbox.all()
    }

    /// Forgets everything recorded.
    pub fn clear_outbox(&self) {
        self.shared.outbox.clear();
    }

    /// The records to `to` (a number, an address, or a user name where an event had neither), newest last: those that
    /// are there, else the first that come within `wait`; empty when none did.
    pub async fn wait_for(&self, to: &str, wait: Duration) -> Vec<Record> {
        let query = Query {
            to: Some(to.to_owned()),
            ..Query::default()
        };
        self.shared.outbox.wait(&query, wait).await
    }

    /// Lets `fault` befall the next `times` calls of `operation` (`Publish`, ...; `*` is any), or every call.
    pub fn add_fault(&self, operation: &str, fault: Fault, times: impl Into<Option<u32>>) {
        self.shared.faults.add(FaultRule {
            operation: operation.to_owned(),
            fault,
            times: times.into(),
        });
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How often `operation` was called.
    #[must_use]
    pub fn calls(&self, operation: &str) -> Calls {
        self.shared
            .faults
            .calls()
            .remove(operation)
            .unwrap_or_default()
    }

    /// How many TCP connections carried requests of `service`: `kms`, `sns`, `ses`, `cognito-idp` or
    /// `dynamodb`.
    #[must_use]
    pub fn connections(&self, service: &str) -> usize {
        let counted = self.shared.faults.connections();
        Service::parse(service)
            .and_then(|service| counted.get(&service).copied())
            .unwrap_or_default()
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&self) {
        self.shared.faults.reset_counts();
    }

    /// Every operation that was called so far, sorted.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.shared.faults.calls().into_keys().collect()
    }

    /// Makes the key answer, or not.
    pub fn set_key(&self, arn: &str, state: KeyState) {
        self.shared.account().keys.insert(arn.to_owned(), state);
    }

    /// Lets `Decrypt` of exactly `blob` with exactly `context` answer `plaintext`: for data keys that other languages'
    /// SDKs made.
    pub fn import_data_key(
        &self,
        blob: &[u8],
        plaintext: &[u8],
        arn: &str,
        context: BTreeMap<String, String>,
    ) {
        let key = ImportedKey {
            blob: blob.to_vec(),
            plaintext: plaintext.to_vec(),
            arn: arn.to_owned(),
            context,
        };
        self.shared.account().imported_keys.push(key);
    }

    /// Puts the account's SMS into the sandbox, or into production.
    pub fn set_sms_sandbox(&self, sandbox: bool) {
        self.shared.account().sms_sandbox = sandbox;
    }

    /// Puts the account's mail into the sandbox, or into production.
    pub fn set_email_sandbox(&self, sandbox: bool) {
        self.shared.account().email_sandbox = sandbox;
    }

    /// Verifies `number` in the SMS sandbox, as its owner's code would.
    pub fn verify_number(&self, number: &str) {
        let verified = SandboxNumber {
            verified: true,
            ..SandboxNumber::default()
        };
        self.shared
            .account()
            .sandbox_numbers
            .insert(number.to_owned(), verified);
    }

    /// Replaces the account's origination numbers.
    pub fn set_origination_numbers(&self, numbers: Vec<OriginationNumber>) {
        self.shared.account().origination_numbers = numbers;
    }

    /// Opts `number` out, or in again.
    pub fn set_opted_out(&self, number: &str, opted_out: bool) {
        let mut account = self.shared.account();
        if opted_out {
            account.opted_out.insert(number.to_owned());
        } else {
            account.opted_out.remove(number);
        }
    }

    /// Adds an address or a domain to SES, verified.
    pub fn verify_identity(&self, identity: &str) {
        self.shared
            .account()
            .identities
            .insert(identity.to_owned(), true);
    }

    /// Removes an address or a domain from SES.
    pub fn remove_identity(&self, identity: &str) {
        self.shared.account().identities.remove(identity);
    }

    /// Puts an address on the suppression list, or takes it off.
    pub fn set_suppressed(&self, address: &str, suppressed: bool) {
        let mut account = self.shared.account();
        if suppressed {
            account.suppressed.insert(address.to_owned());
        } else {
            account.suppressed.remove(address);
        }
    }

    /// Adds a user to every pool, or changes one.
    pub fn set_user(&self, name: &str, attributes: BTreeMap<String, String>) {
        self.shared
            .account()
            .users
            .insert(name.to_owned(), attributes);
    }

    /// Sets what lists an address for the account: of `BOUNCE` and `COMPLAINT`, which are both at the start; nothing
    /// turns the list off.
    pub fn set_suppressed_reasons(&self, reasons: &[&str]) {
        self.shared.account().suppressed_reasons = owned(reasons);
    }

    /// Gives a configuration set suppression reasons of its own.
    pub fn set_configuration_set(&self, name: &str, reasons: &[&str]) {
        let mut account = self.shared.account();
        let reasons = Some(owned(reasons));
        account.configuration_sets.insert(name.to_owned(), reasons);
    }

    /// Removes a configuration set; every other name is one.
    pub fn remove_configuration_set(&self, name: &str) {
        let mut account = self.shared.account();
        account.configuration_sets.insert(name.to_owned(), None);
    }

    /// Changes what an operation answers in JSON (CBOR included) by a merge patch (RFC 7396): a member that is `null`
    /// goes.
    pub fn change_answer(&self, operation: &str, patch: Value) {
        let mut account = self.shared.account();
        account.changed_answers.insert(operation.to_owned(), patch);
    }

    /// Takes an IAM action from the function's role, as `SimulatePrincipalPolicy` shows it.
    pub fn deny_role(&self, action: &str) {
        let mut account = self.shared.account();
        account.denied_to_role.insert(action.to_owned());
    }

    /// Replaces the statements of the function's policy.
    pub fn set_function_policy(&self, statements: Vec<Value>) {
        self.shared.account().function_policy = Some(statements);
    }

    /// Sets a user pool as `DescribeUserPool` shows it; any other is one that the function is attached to.
    pub fn set_user_pool(&self, id: &str, pool: Value) {
        let mut account = self.shared.account();
        account.user_pools.insert(id.to_owned(), pool);
    }

    /// A user pool that was set or updated, as `DescribeUserPool` shows it.
    #[must_use]
    pub fn user_pool(&self, id: &str) -> Option<Value> {
        self.shared.account().user_pools.get(id).cloned()
    }

    /// Sets a user pool's MFA factors and passkeys, as `GetUserPoolMfaConfig` shows them.
    pub fn set_mfa_config(&self, id: &str, config: Value) {
        let mut account = self.shared.account();
        account.mfa_configs.insert(id.to_owned(), config);
    }

    /// A user pool's MFA factors and passkeys that were set.
    #[must_use]
    pub fn mfa_config(&self, id: &str) -> Option<Value> {
        self.shared.account().mfa_configs.get(id).cloned()
    }

    /// Lets every `UpdateUserPool` change more than it is told, by merge patches of the pool and of its MFA factors.
    pub fn change_beside_updates(&self, pool: Value, mfa: Value) {
        self.shared.account().beside_updates = Some((pool, mfa));
    }

    /// The statements of the function's policy, once any was changed.
    #[must_use]
    pub fn function_policy(&self) -> Option<Vec<Value>> {
        self.shared.account().function_policy.clone()
    }

    /// Sets an attribute of the account's SMS, such as `MonthlySpendLimit`.
    pub fn set_sms_attribute(&self, name: &str, value: &str) {
        let mut account = self.shared.account();
        let (name, value) = (name.to_owned(), value.to_owned());
        account.sms_attributes.insert(name, value);
    }

    /// Adds a line to CloudWatch Logs, at this time in milliseconds since 1970.
    pub fn add_log_line(&self, group: &str, timestamp: u64, text: &str) {
        self.shared.account().log.push(LogLine {
            group: group.to_owned(),
            timestamp,
            text: text.to_owned(),
        });
    }

    /// The rows of the ledger's table as plain JSON, by Region and key.
    #[must_use]
    pub fn ledger(&self) -> Vec<Value> {
        let account = self.shared.account();
        let row = |item: &dynamodb::Item| {
            item.iter()
                .map(|(name, value)| (name.clone(), value.plain()))
                .collect()
        };
        account.ledger.values().map(row).collect()
    }

    /// Adds to a number that rows hold, as if time had passed.
    pub fn shift_ledger(&self, attribute: &str, by: i64) {
        for row in self.shared.account().ledger.values_mut() {
            if let Some(dynamodb::Attribute::N(number)) = row.get_mut(attribute) {
                number.0 += i128::from(by);
            }
        }
    }

    /// Deletes all rows.
    pub fn clear_ledger(&self) {
        self.shared.account().ledger.clear();
    }

    /// Names the table of every Region, or lets there be none. As with DynamoDB, rows go with their table.
    pub fn set_ledger_table(&self, name: Option<&str>) {
        let mut account = self.shared.account();
        if account.ledger_table.as_deref() != name {
            account.ledger.clear();
        }
        account.ledger_table = name.map(ToOwned::to_owned);
    }

    /// Removes the table, and its rows.
    pub fn remove_ledger_table(&self) {
        self.set_ledger_table(None);
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
            // Out of descriptors: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let services = Mutex::new(HashSet::new());
    let answer = service_fn(|request| answer(&shared, &services, request));
    // A client that goes away mid-request is no news.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on request")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    shared: &Shared,
    services: &Mutex<HashSet<Service>>,
    request: Request<Incoming>,
) -> Result<Reply, Cut> {
    let (parts, body) = request.into_parts();
    if let Err(why) = admit(
        parts
            .uri
            .authority()
            .map(hyper::http::uri::Authority::as_str),
        &parts.headers,
    ) {
        return Ok(wire::bytes(403, "text/plain; charset=utf-8", why));
    }
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Ok(wire::bytes(
            413,
            "text/plain; charset=utf-8",
            "a request has at most 1 MiB",
        ));
    };
    let body = body.to_bytes();
    let path = parts.uri.path();
    if let Some(path) = path.strip_prefix("/2018-06-01/runtime/") {
        return Ok(shared
            .runtime
            .handle(&shared.outbox, &parts.method, path, &parts.headers, &body)
            .await);
    }
    if path.starts_with("/2015-03-31/functions/")
        && path.ends_with("/invocations")
        && parts.method == Method::POST
    {
        return Ok(shared.runtime.serve_invoke(&parts.headers, &body).await);
    }
    match (parts.method.as_str(), path) {
        ("GET", "/") => return Ok(page(shared)),
        ("GET", "/outbox.json") => {
            return Ok(outbox(shared, parts.uri.query().unwrap_or_default()).await);
        }
        ("DELETE", "/outbox.json") => {
            shared.outbox.clear();
            return Ok(wire::bytes(204, "application/json", ""));
        }
        ("POST", "/faults") => {
            return Ok(match serde_json::from_slice(&body) {
                Ok(rule) => {
                    shared.faults.add(rule);
                    wire::bytes(204, "application/json", "")
                }
                Err(error) => wire::bytes(
                    400,
                    "text/plain; charset=utf-8",
                    format!("not a fault: {error}"),
                ),
            });
        }
        ("DELETE", "/faults") => {
            shared.faults.clear();
            return Ok(wire::bytes(204, "application/json", ""));
        }
        ("GET", "/calls.json") => {
            let faults = &shared.faults;
            return Ok(wire::json(
                200,
                &json!({ "operations": faults.calls(), "connections": faults.connections() }),
            ));
        }
        ("GET", "/state.json") => return Ok(wire::json(200, &state(shared))),
        _ => {}
    }
    match identify(&parts.method, &parts.uri, &parts.headers, &body) {
        Some(Ok(call)) => serve_call(shared, services, call).await,
        Some(Err(service)) => Ok(wire::reply(
            service,
            "",
            Err(Refusal::new(
                "SerializationException",
                "The body is not what this protocol sends",
            )),
        )),
        None => Ok(wire::bytes(
            404,
            "text/plain; charset=utf-8",
            "no such page or service in this stand-in",
        )),
    }
}

/// The loopback port is reachable by every web page that the developer's browser opens: requests under another host
/// name (DNS rebinding) and from other origins are refused.
fn admit(authority: Option<&str>, headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host");
    if authority.is_some_and(|authority| !is_loopback(authority)) || !host.is_some_and(is_loopback)
    {
        return Err("this stand-in answers under 127.0.0.1 and localhost only");
    }
    if text("origin").is_some_and(|origin| origin.strip_prefix("http://") != host) {
        return Err("this stand-in answers no pages of other origins");
    }
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err("this stand-in answers no pages of other sites");
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
}

fn identify(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Result<Call, Service>> {
    let path = uri.path();
    let region = region(headers);
    let call = |service, operation: &str, input| {
        Some(Ok(Call {
            service,
            operation: operation.to_owned(),
            region: region.clone(),
            input,
        }))
    };
    let rest = [
        ("/v2/email/", Service::Ses),
        ("/2015-03-31/functions", Service::Lambda),
        ("/2019-09-", Service::Lambda),
    ];
    if let Some((_, service)) = rest.iter().find(|(start, _)| path.starts_with(start)) {
        let input = if body.is_empty() {
            Ok(json!({}))
        } else {
            serde_json::from_slice(body)
        };
        let Ok(input) = input else {
            return Some(Err(*service));
        };
        let (operation, input) = match service {
            Service::Ses => ses::route(method, path, input)?,
            _ => deployment::route(method, path, uri.query().unwrap_or_default(), input)?,
        };
        return call(*service, operation, Input::Json(input));
    }
    if let Some(operation) = path.strip_prefix("/service/GraniteServiceVersion20100801/operation/")
    {
        let Ok(input) = ciborium::from_reader::<ciborium::Value, _>(&body[..]) else {
            return Some(Err(Service::CloudWatch));
        };
        return call(Service::CloudWatch, operation, Input::Json(texts(&input)));
    }
    if method != Method::POST || path != "/" {
        return None;
    }
    if let Some(target) = headers.get("x-amz-target") {
        let (prefix, operation) = target.to_str().ok()?.split_once('.')?;
        let service = match prefix {
            "TrentService" => Service::Kms,
            "AWSCognitoIdentityProviderService" => Service::Cognito,
            "DynamoDB_20120810" => Service::DynamoDb,
            "Logs_20140328" => Service::Logs,
            "AmazonSQS" => Service::Sqs,
            "PinpointSMSVoiceV2" => Service::SmsVoice,
            _ => return None,
        };
        let Ok(input) = serde_json::from_slice(body) else {
            return Some(Err(service));
        };
        return call(service, operation, Input::Json(input));
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let (_, operation) = form.iter().find(|(name, _)| name == "Action").cloned()?;
    // The operation becomes the name of an XML element.
    let service = match form.iter().find(|(name, _)| name == "Version") {
        Some((_, version)) if version == "2010-05-08" => Service::Iam,
        _ => Service::Sns,
    };
    if !operation.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Some(Err(service));
    }
    call(service, &operation, Input::Form(form))
}

/// The members of CBOR that are text: all that is read of CloudWatch's inputs.
fn texts(input: &ciborium::Value) -> Value {
    let members = input.as_map().into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.as_text()?.to_owned(), json!(value.as_text()?))))
        .collect()
}

/// The Region of the signature's credential scope: `Credential=AKID/20260101/eu-west-1/sns/aws4_request`.
fn region(headers: &HeaderMap) -> String {
    let signature = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let scope = signature
        .split_once("Credential=")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let region = scope.split('/').nth(2).filter(|region| !region.is_empty());
    region.unwrap_or("us-east-1").to_owned()
}

async fn serve_call(
    shared: &Shared,
    services: &Mutex<HashSet<Service>>,
    call: Call,
) -> Result<Reply, Cut> {
    if lock(services).insert(call.service) {
        shared.faults.connected(call.service);
    }
    let _under_way = shared.faults.enter(&call.operation, &call.region);
    let plan = shared
        .faults
        .take(&call.operation)
        .map(|fault| fault.plan(call.service, &call.operation, &shared.account().id));
    let result = match plan {
        None => operate(shared, &call),
        Some(Plan::Answer(delay)) => {
            tokio::time::sleep(delay).await;
            operate(shared, &call)
        }
        Some(Plan::Refuse(refusal)) => Err(refusal),
        Some(Plan::Garbage) => return Ok(wire::garbage(call.service)),
        Some(Plan::Hang) => std::future::pending().await,
        Some(Plan::Cut) => return Err(Cut),
        Some(Plan::AcceptedThenCut) => {
            let _ = operate(shared, &call);
            return Err(Cut);
        }
    };
    Ok(wire::reply(call.service, &call.operation, result))
}

fn operate(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    let output = match call.service {
        Service::Kms => kms::handle(shared, call),
        Service::Sns => sns::handle(shared, call),
        Service::Ses => ses::handle(shared, call),
        Service::Cognito => cognito::handle(shared, call),
        Service::DynamoDb => dynamodb::handle(shared, call),
        Service::Lambda
        | Service::Logs
        | Service::Sqs
        | Service::Iam
        | Service::SmsVoice
        | Service::CloudWatch => deployment::handle(shared, call),
    };
    match (
        output,
        shared.account().changed_answers.get(&call.operation),
    ) {
        (Ok(Output::Json(mut answer)), Some(change)) => {
            merge(&mut answer, change);
            Ok(Output::Json(answer))
        }
        (output, _) => output,
    }
}

/// RFC 7396, "JSON Merge Patch".
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The page, under a policy that lets nothing in but its own script: mail bodies are shown in frames that inherit it.
fn page(shared: &Shared) -> Reply {
    let nonce = format!("{:032x}", fastrand::u128(..));
    // A message may hold `</script>`; and the data goes in last, so that nothing in it is taken for a placeholder.
    let start = json!({ "state": state(shared), "outbox": shared.outbox.all() });
    let start = start.to_string().replace('<', "\\u003c");
    let page = PAGE
        .replace("{{nonce}}", &nonce)
        .replace("{{start}}", &start);
    let mut reply = wire::bytes(200, "text/html; charset=utf-8", page);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

async fn outbox(shared: &Shared, query: &str) -> Reply {
    let mut wanted = Query::default();
    let mut wait = Duration::ZERO;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let read = match &*name {
            // An unescaped plus arrives as a space; no destination starts with one.
            "to" => {
                wanted.to = Some(
                    value
                        .strip_prefix(' ')
                        .map_or_else(|| value.to_string(), |number| format!("+{number}")),
                );
                true
            }
            "kind" => {
                wanted.kind = Some(value.to_string());
                matches!(&*value, "sms" | "email" | "outcome")
            }
            "after" => value.parse().map(|after| wanted.after = after).is_ok(),
            "wait" => value
                .parse()
                .map(|seconds| wait = Duration::from_secs(seconds))
                .is_ok(),
            _ => false,
        };
        if !read {
            return wire::bytes(
                400,
                "text/plain; charset=utf-8",
                "the query has to=, kind=sms|email|outcome, after=ID and wait=SECONDS",
            );
        }
    }
    wire::json(
        200,
        &shared.outbox.wait(&wanted, wait.min(LONGEST_WAIT)).await,
    )
}

fn state(shared: &Shared) -> Value {
    let account = shared.account();
    json!({
        "account": account.id, "smsSandbox": account.sms_sandbox, "emailSandbox": account.email_sandbox,
        "originationNumbers": account.origination_numbers.iter().map(|own| &own.number).collect::<Vec<_>>(),
        "regions": shared.faults.regions(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect();
        admit(None, &headers).is_ok()
    }

    #[test]
    fn only_loopback_hosts_are_answered() {
        for good in ["127.0.0.1", "127.0.0.1:4599", "localhost", "LocalHost:1"] {
            assert!(admits(&[("host", good)]), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:4599",
            "127.0.0.1.evil.example",
            "localhost.",
            "127.0.0.1:x",
            "10.0.0.1",
        ] {
            assert!(!admits(&[("host", bad)]), "{bad}");
        }
        assert!(!admits(&[]));
        assert!(
            admit(
                Some("evil.example"),
                &HeaderMap::from_iter([(
                    header::HOST,
                    header::HeaderValue::from_static("localhost")
                )])
            )
            .is_err()
        );
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "127.0.0.1:4599");
        assert!(admits(&[
            host,
            ("origin", "http://127.0.0.1:4599"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(admits(&[host, ("sec-fetch-site", "none")]));
        for bad in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:80",
            "https://127.0.0.1:4599",
        ] {
            assert!(!admits(&[host, ("origin", bad)]), "{bad}");
        }
        assert!(!admits(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!admits(&[host, ("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn the_region_is_that_of_the_credential_scope() {
        let scope = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/sns/aws4_request, SignedHeaders=host, Signature=0";
        let headers = HeaderMap::from_iter([(
            header::AUTHORIZATION,
            header::HeaderValue::from_static(scope),
        )]);
        assert_eq!(region(&headers), "eu-west-1");
        assert_eq!(region(&HeaderMap::new()), "us-east-1");
    }
}
