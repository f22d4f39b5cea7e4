//! SES v2: `SendEmail` of simple content, the account and its sandbox, identities, configuration sets and
//! the suppression list.
//!
//! Source: the SES v2 API reference and model; how the sandbox words its refusal is public practice.

use hyper::Method;
use serde_json::{Value, json};

use super::outbox::{Content, Email, Fate};
use super::state::{Account, Shared};
use super::wire::{Call, Input, Output, Refusal, request_id};

/// The operation that a path names, with the path's parameter in the input.
pub(super) fn route(
    method: &Method,
    path: &str,
    mut input: Value,
) -> Option<(&'static str, Value)> {
    let path = path.strip_prefix("/v2/email/")?;
    let (operation, parameter) = match (method.as_str(), path.split_once('/').unwrap_or((path, "")))
    {
        ("POST", ("outbound-emails", "")) => ("SendEmail", None),
        ("GET", ("account", "")) => ("GetAccount", None),
        ("POST", ("account", "details")) => ("PutAccountDetails", None),
        ("POST", ("identities", "")) => ("CreateEmailIdentity", None),
        // The model moved the listing from GET to POST; botocore's older ones still send the former.
        ("GET", ("identities", "")) | ("POST", ("list-identities", "")) => {
            ("ListEmailIdentities", None)
        }
        ("GET", ("identities", name)) => ("GetEmailIdentity", Some(("EmailIdentity", name))),
        ("DELETE", ("identities", name)) => ("DeleteEmailIdentity", Some(("EmailIdentity", name))),
        ("GET", ("configuration-sets", name)) if !name.is_empty() && !name.contains('/') => {
            ("GetConfigurationSet", Some(("ConfigurationSetName", name)))
        }
        ("GET", ("suppression", rest)) => (
            "GetSuppressedDestination",
            Some(("EmailAddress", rest.strip_prefix("addresses/")?)),
        ),
        _ => return None,
    };
    if let Some((name, value)) = parameter {
        input = json!({ name: percent_decoded(value) });
    }
    Some((operation, input))
}

/// Why every address on the suppression list is there.
const BOUNCE: &str = "BOUNCE";

/// Headers that SES writes itself.
const OWN_HEADERS: [&str; 8] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "reply-to",
    "message-id",
    "date",
];

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    match call.operation.as_str() {
        "SendEmail" => send_email(shared, call),
        "GetAccount" => Ok(get_account(shared)),
        "PutAccountDetails" => put_account_details(&mut shared.account(), call),
        "CreateEmailIdentity" => create_identity(&mut shared.account(), call),
        "ListEmailIdentities" => list_identities(&shared.account(), call),
        "GetEmailIdentity" => get_identity(&shared.account(), call),
        "DeleteEmailIdentity" => {
            let name = required(call, "EmailIdentity")?;
            shared
                .account()
                .identities
                .remove(name)
                .ok_or_else(|| no_identity(name))?;
            Ok(json!({}))
        }
        "GetConfigurationSet" => get_configuration_set(&shared.account(), call),
        "GetSuppressedDestination" => get_suppressed(&shared.account(), call),
        _ => Err(Refusal::silent("UnknownOperationException")),
    }
    .map(Output::Json)
}

fn send_email(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let simple = call.json("Content").get("Simple").ok_or_else(|| {
        Refusal::new(
            "BadRequestException",
            "The stand-in takes Content.Simple only: no Raw and no Template.",
        )
    })?;
    let text = |pointer: &str| {
        simple
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let recipients: Vec<String> = ["ToAddresses", "CcAddresses", "BccAddresses"]
        .iter()
        .flat_map(|kind| strings(call.json("Destination").get(kind)))
        .collect();
    let mut email = Email {
        from: call.str("FromEmailAddress").unwrap_or_default().to_owned(),
        reply_to: strings(Some(call.json("ReplyToAddresses"))),
        subject: text("/Subject/Data").unwrap_or_default(),
        text: text("/Body/Text/Data"),
        html: text("/Body/Html/Data"),
        headers: pairs(simple.get("Headers")).collect(),
        tags: pairs(Some(call.json("EmailTags"))).collect(),
        configuration_set: call.str("ConfigurationSetName").map(ToOwned::to_owned),
        identity_arn: call
            .str("FromEmailAddressIdentityArn")
            .map(ToOwned::to_owned),
        recipients,
        ..Email::default()
    };
    let to = email.recipients.first().cloned().unwrap_or_default();
    let accepted = accept(&shared.account(), &call.region, &mut email);
    if let Err(refusal) = &accepted {
        email.fate = Fate::Refused(format!(
            "{}: {}",
            refusal.code,
            refusal.message.as_deref().unwrap_or_default()
        ));
    } else {
        email.message_id = Some(format!(
            "{:016x}-{}-000000",
            fastrand::u64(..),
            request_id()
        ));
    }
    let answer = json!({ "MessageId": email.message_id });
    shared
        .outbox
        .record(&call.region, &to, Content::Email(Box::new(email)));
    accepted.map(|()| answer)
}

/// Refuses what SES refuses, and settles the fate of the rest.
fn accept(account: &Account, region: &str, email: &mut Email) -> Result<(), Refusal> {
    let bad = |message: &str| Err(Refusal::new("BadRequestException", message));
    let Some(from) = address(&email.from) else {
        return bad("Illegal address in FromEmailAddress");
    };
    if email.recipients.is_empty() || email.recipients.len() > 50 {
        return bad("A message has 1 to 50 recipients");
    }
    let Some(recipients) = email
        .recipients
        .iter()
        .map(|to| address(to))
        .collect::<Option<Vec<_>>>()
    else {
        return bad("Illegal address in Destination");
    };
    if !email
        .reply_to
        .iter()
        .all(|reply_to| address(reply_to).is_some())
    {
        return bad("Illegal address in ReplyToAddresses");
    }
    if email.text.is_none() && email.html.is_none() {
        return bad("Body has neither a text nor an HTML part");
    }
    let lines = [&email.subject, &email.from]
        .into_iter()
        .chain(email.headers.iter().flat_map(|(name, value)| [name, value]));
    if lines
        .into_iter()
        .any(|line| line.chars().any(char::is_control))
    {
        return bad("Control characters are not allowed in the subject, in From and in headers");
    }
    if let Some((name, _)) = email
        .headers
        .iter()
        .find(|(name, _)| OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()))
    {
        return bad(&format!("The header {name} cannot be set in Headers"));
    }
    let tag = |text: &String| {
        (1..=256).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b))
    };
    if !email
        .tags
        .iter()
        .all(|(name, value)| tag(name) && tag(value))
    {
        return bad(
            "Names and values of EmailTags hold letters, digits, '_', '-', '.' and '@' only",
        );
    }

    let from_is_verified = match &email.identity_arn {
        Some(arn) => {
            let named = arn
                .split_once("identity/")
                .map(|(_, name)| name)
                .unwrap_or_default();
            account.identities.get(named) == Some(&true) && covers(named, from)
        }
        None => is_verified(account, from),
    };
    let sandboxed =
        |to: &&&str| account.email_sandbox && !is_verified(account, to) && !is_simulator(to);
    let mut failed: Vec<&str> = recipients.iter().filter(sandboxed).copied().collect();
    if !from_is_verified {
        failed.push(email.from.as_str());
    }
    if !failed.is_empty() {
        return Err(Refusal::new(
            "MessageRejected",
            format!(
                "Email address is not verified. The following identities failed the check in region {}: {}",
                region.to_uppercase(),
                failed.join(", ")
            ),
        ));
    }
    // The set's own reasons stand for the account's; whoever is on this list has bounced.
    let reasons = own_reasons(account, email.configuration_set.as_deref())?
        .unwrap_or(&account.suppressed_reasons);
    let applies = reasons.iter().any(|reason| reason == BOUNCE);
    if applies && recipients.iter().all(|to| account.suppressed.contains(*to)) {
        email.fate = Fate::Dropped("suppressed".to_owned());
    }
    Ok(())
}

fn get_account(shared: &Shared) -> Value {
    let sent = shared
        .outbox
        .all()
        .iter()
        .filter(|record| {
            record
                .email()
                .is_some_and(|email| email.message_id.is_some())
        })
        .count();
    let account = shared.account();
    let (daily, rate) = if account.email_sandbox {
        (200, 1)
    } else {
        (50_000, 14)
    };
    let mut answer = json!({
        "DedicatedIpAutoWarmupEnabled": false, "EnforcementStatus": "HEALTHY", "SendingEnabled": true,
        "ProductionAccessEnabled": !account.email_sandbox,
        "SendQuota": { "Max24HourSend": daily, "MaxSendRate": rate, "SentLast24Hours": sent },
        "SuppressionAttributes": { "SuppressedReasons": account.suppressed_reasons },
    });
    if let (Some(details), Some(answer)) = (&account.details, answer.as_object_mut()) {
        let status = if account.email_sandbox {
            "PENDING"
        } else {
            "GRANTED"
        };
        let mut details = details.clone();
        if let Some(details) = details.as_object_mut() {
            details.remove("ProductionAccessEnabled");
            details.insert(
                "ReviewDetails".to_owned(),
                json!({ "Status": status, "CaseId": "case-stand-in" }),
            );
        }
        answer.insert("Details".to_owned(), details);
    }
    answer
}

fn put_account_details(account: &mut Account, call: &Call) -> Result<Value, Refusal> {
    if !matches!(required(call, "MailType")?, "MARKETING" | "TRANSACTIONAL") {
        return Err(Refusal::new(
            "BadRequestException",
            "MailType must be MARKETING or TRANSACTIONAL",
        ));
    }
    required(call, "WebsiteURL")?;
    if account.details.is_some() && account.email_sandbox {
        return Err(
            Refusal::new("ConflictException", "A review of this account is under way").status(409),
        );
    }
    if let Input::Json(input) = &call.input {
        account.details = Some(input.clone());
    }
    Ok(json!({}))
}

fn create_identity(account: &mut Account, call: &Call) -> Result<Value, Refusal> {
    let name = required(call, "EmailIdentity")?;
    if address(name).is_none() && !is_domain(name) {
        return Err(Refusal::new(
            "BadRequestException",
            format!("Invalid email or domain name: {name}"),
        ));
    }
    if account.identities.contains_key(name) {
        return Err(Refusal::new(
            "AlreadyExistsException",
            format!("Email identity {name} already exist."),
        ));
    }
    account.identities.insert(name.to_owned(), false);
    Ok(
        json!({ "IdentityType": kind(name), "VerifiedForSendingStatus": false, "DkimAttributes": dkim(name, false) }),
    )
}

fn get_identity(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let name = required(call, "EmailIdentity")?;
    let verified = *account
        .identities
        .get(name)
        .ok_or_else(|| no_identity(name))?;
    Ok(json!({
        "IdentityType": kind(name), "FeedbackForwardingStatus": true, "VerifiedForSendingStatus": verified,
        "VerificationStatus": status(verified), "DkimAttributes": dkim(name, verified),
        "MailFromAttributes": { "BehaviorOnMxFailure": "USE_DEFAULT_VALUE" }, "Policies": {}, "Tags": [],
    }))
}

fn list_identities(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let size = call
        .json("PageSize")
        .as_u64()
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(1000)
        .clamp(1, 1000);
    let start: usize = match call.str("NextToken") {
        Some(token) => token
            .parse()
            .map_err(|_| Refusal::new("BadRequestException", "NextToken is not valid"))?,
        None => 0,
    };
    let shown: Vec<Value> = account
        .identities
        .iter()
        .skip(start)
        .take(size)
        .map(|(name, verified)| {
            json!({
                "IdentityName": name, "IdentityType": kind(name), "SendingEnabled": verified,
                "VerificationStatus": status(*verified),
            })
        })
        .collect();
    let next = start.saturating_add(shown.len());
    let mut answer = json!({ "EmailIdentities": shown });
    if let (true, Some(answer)) = (next < account.identities.len(), answer.as_object_mut()) {
        answer.insert("NextToken".to_owned(), next.to_string().into());
    }
    Ok(answer)
}

fn get_configuration_set(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let name = required(call, "ConfigurationSetName")?;
    let mut answer = json!({
        "ConfigurationSetName": name, "ReputationOptions": { "ReputationMetricsEnabled": false },
        "SendingOptions": { "SendingEnabled": true }, "Tags": [],
    });
    if let (Some(reasons), Some(answer)) =
        (own_reasons(account, Some(name))?, answer.as_object_mut())
    {
        let options = json!({ "SuppressedReasons": reasons });
        answer.insert("SuppressionOptions".to_owned(), options);
    }
    Ok(answer)
}

/// The suppression reasons of a configuration set that has its own.
fn own_reasons<'a>(
    account: &'a Account,
    name: Option<&str>,
) -> Result<Option<&'a Vec<String>>, Refusal> {
    match name.and_then(|name| Some((name, account.configuration_sets.get(name)?))) {
        None => Ok(None),
        Some((_, Some(reasons))) => Ok(Some(reasons)),
        Some((name, None)) => Err(Refusal::new(
            "NotFoundException",
            format!("Configuration set <{name}> does not exist."),
        )
        .status(404)),
    }
}

fn get_suppressed(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let address = required(call, "EmailAddress")?;
    if !account.suppressed.contains(address) {
        return Err(Refusal::new(
            "NotFoundException",
            format!("Email address {address} does not exist on your suppression list."),
        )
        .status(404));
    }
    Ok(json!({ "SuppressedDestination": {
        "EmailAddress": address, "Reason": BOUNCE, "LastUpdateTime": 1_767_225_600,
    } }))
}

/// An address with its verified identity, or of a verified domain or its subdomains.
fn is_verified(account: &Account, address: &str) -> bool {
    account
        .identities
        .iter()
        .any(|(name, verified)| *verified && covers(name, address))
}

fn covers(identity: &str, address: &str) -> bool {
    let domain = address
        .rsplit_once('@')
        .map(|(_, domain)| domain.to_ascii_lowercase())
        .unwrap_or_default();
    let identity_domain = identity.to_ascii_lowercase();
    identity == address
        || domain == identity_domain
        || domain
            .strip_suffix(&identity_domain)
            .is_some_and(|parent| parent.ends_with('.'))
}

/// The mailbox simulator's addresses, labels allowed.
fn is_simulator(address: &str) -> bool {
    let Some((local, "simulator.amazonses.com")) = address.rsplit_once('@') else {
        return false;
    };
    let name = local.split_once('+').map_or(local, |(name, _)| name);
    matches!(
        name,
        "success" | "bounce" | "ooto" | "complaint" | "suppressionlist"
    )
}

/// The bare address of `Name <user@example.com>` or `user@example.com`.
fn address(text: &str) -> Option<&str> {
    let text = text.trim();
    let bare = match text.strip_suffix('>') {
        Some(rest) => rest.rsplit_once('<')?.1,
        None => text,
    };
    let (local, domain) = bare.rsplit_once('@')?;
    let clean =
        !bare.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c));
    (clean && !local.is_empty() && bare.len() <= 320 && is_domain(domain)).then_some(bare)
}

fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn kind(identity: &str) -> &'static str {
    if identity.contains('@') {
        "EMAIL_ADDRESS"
    } else {
        "DOMAIN"
    }
}

fn status(verified: bool) -> &'static str {
    if verified { "SUCCESS" } else { "PENDING" }
}

fn dkim(identity: &str, verified: bool) -> Value {
    if identity.contains('@') {
        return json!({ "SigningEnabled": false, "Status": "NOT_STARTED", "SigningAttributesOrigin": "AWS_SES" });
    }
    json!({
        "SigningEnabled": true, "Status": status(verified), "SigningAttributesOrigin": "AWS_SES",
        "Tokens": ["standin1", "standin2", "standin3"],
    })
}

fn no_identity(name: &str) -> Refusal {
    Refusal::new(
        "NotFoundException",
        format!("Email identity {name} does not exist."),
    )
    .status(404)
}

fn required<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    call.str(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::new("BadRequestException", format!("{name} is required")))
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect()
}

/// A list of `{"Name", "Value"}`.
fn pairs(value: Option<&Value>) -> impl Iterator<Item = (String, String)> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| {
        let member = |name| {
            item.get(name)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        Some((member("Name")?, member("Value")?))
    })
}

/// `%40` and its like. In a path, unlike in a form, a plus is a plus.
fn percent_decoded(text: &str) -> String {
    let plain = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    form_urlencoded::parse(plain.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_covers_its_addresses_and_subdomains_only() {
        assert!(
            covers("example.com", "a@example.com") && covers("example.com", "a@mail.Example.com")
        );
        assert!(
            !covers("example.com", "a@notexample.com")
                && !covers("mail.example.com", "a@example.com")
        );
        assert!(
            covers("a@example.com", "a@example.com") && !covers("a@example.com", "b@example.com")
        );
    }

    #[test]
    fn addresses_are_read_out_of_their_display_form() {
        assert_eq!(
            address("Acme <no-reply@example.com>"),
            Some("no-reply@example.com")
        );
        assert_eq!(address("a+b@example.com"), Some("a+b@example.com"));
        for bad in [
            "",
            "a",
            "@example.com",
            "a@b",
            "a@b..c",
            "a b@example.com",
            "a@example.com, b@example.com",
            "x>",
        ] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_suppression_list_is_told_and_kept_as_it_is_set() {
        use super::super::{Options, StandIn};
        use aws_sdk_sesv2::config::{BehaviorVersion, Credentials, Region};
        use aws_sdk_sesv2::types::SuppressionListReason::{Bounce, Complaint};

        let stand_in = StandIn::start(Options::default()).unwrap();
        let config = aws_sdk_sesv2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::from_keys("AKID", "secret", None))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(stand_in.endpoint());
        let client = aws_sdk_sesv2::Client::from_conf(config.build());
        let account = async || {
            let account = client.get_account().send().await.unwrap();
            account.suppression_attributes.unwrap().suppressed_reasons
        };
        let set = async |name: &str| {
            let set = client.get_configuration_set().configuration_set_name(name);
            let set = set.send().await.map_err(|error| error.into_service_error());
            set.map(|set| set.suppression_options.map(|own| own.suppressed_reasons))
        };
        assert_eq!(account().await, Some(vec![Bounce, Complaint]));
        assert_eq!(set("a set").await.unwrap(), None);
        stand_in.set_suppressed_reasons(&[]);
        stand_in.set_configuration_set("a set", &["COMPLAINT"]);
        stand_in.remove_configuration_set("gone");
        assert_eq!(account().await, Some(vec![]));
        assert_eq!(set("a set").await.unwrap(), Some(Some(vec![Complaint])));
        assert!(set("gone").await.unwrap_err().is_not_found_exception());

        let listed = async |address: &str| {
            let listed = client.get_suppressed_destination().email_address(address);
            let listed = listed.send().await;
            listed.map_err(|error| error.into_service_error())
        };
        let unknown = listed("a+b@example.com").await.unwrap_err();
        assert!(unknown.is_not_found_exception());
        stand_in.set_suppressed("a+b@example.com", true);
        let listed = listed("a+b@example.com").await.unwrap();
        let listed = listed.suppressed_destination.unwrap();
        assert_eq!(
            (listed.email_address(), listed.reason()),
            ("a+b@example.com", &Bounce)
        );
    }

    #[test]
    fn whoever_bounced_is_dropped_where_bounces_count() {
        use super::super::Options;

        let shared = Shared::new(Options::default());
        let fate = |set: Option<&str>| {
            let mut email = Email {
                from: "a@example.com".to_owned(),
                recipients: vec!["b@example.org".to_owned()],
                text: Some(String::new()),
                configuration_set: set.map(ToOwned::to_owned),
                ..Email::default()
            };
            accept(&shared.account(), "eu-west-1", &mut email).map(|()| email.fate)
        };
        let dropped = |fate| matches!(fate, Ok(Fate::Dropped(_)));
        let (bounce, gone) = (vec![BOUNCE.to_owned()], None);
        let sets = [("own".to_owned(), Some(bounce)), ("gone".to_owned(), gone)];
        shared.account().configuration_sets.extend(sets);
        shared
            .account()
            .suppressed
            .insert("b@example.org".to_owned());
        assert!(dropped(fate(None)) && dropped(fate(Some("own"))));
        shared.account().suppressed_reasons.clear();
        assert!(!dropped(fate(None)) && !dropped(fate(Some("other"))));
        assert!(dropped(fate(Some("own"))));
        assert!(fate(Some("gone")).is_err());
    }

    #[test]
    fn the_simulator_takes_labels() {
        assert!(is_simulator("success+label@simulator.amazonses.com"));
        assert!(
            !is_simulator("other@simulator.amazonses.com") && !is_simulator("success@example.com")
        );
    }

    #[test]
    fn paths_are_decoded() {
        assert_eq!(percent_decoded("a%2Bb%40example.com"), "a+b@example.com");
        assert_eq!(percent_decoded("a+b=c&d"), "a+b=c&d");
    }
}
