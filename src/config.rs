//! The function's environment, read once: every value parsed, every problem
//! reported at once, and nothing left to validate later.
//!
//! This is the only file that may read the environment, and it does so through
//! a lookup, so that tests need not set variables.

use std::fmt;

use crate::country::Country;
use crate::destination::{EmailAddress, PhoneNumber, is_domain};
use crate::event::UserPoolId;

/// Everything that the environment says.
#[derive(Debug, Clone)]
pub struct Config {
    /// `AWS_REGION`: the function's own.
    pub region: String,
    /// `KMS_KEY_ARN`: the key that Cognito seals codes with.
    pub kms_key: KmsKeyArn,
    /// `USER_POOL_IDS`: empty means any pool.
    pub user_pools: Vec<UserPoolId>,
    /// The SMS channel.
    pub sms: SmsConfig,
    /// The e-mail channel; `None` when `EMAIL_FROM` is empty.
    pub email: Option<EmailConfig>,
    /// What the texts need to know.
    pub texts: TextsConfig,
    /// `SANDBOX_CHECK` is not `off`.
    pub sandbox_check: bool,
    /// `LEDGER_TABLE`: the DynamoDB table of codes that were sent. `None`: they
    /// are remembered in memory only.
    pub ledger_table: Option<String>,
    /// Credentials that Lambda put in the environment; `None`: the SDK's
    /// default chain.
    pub credentials: Option<aws_credential_types::Credentials>,
    /// The SDK's own endpoint variables.
    pub endpoints: Endpoints,
    /// `AWS_CA_BUNDLE`: a PEM file to trust instead of Amazon's own roots.
    pub ca_bundle: Option<Vec<u8>>,
}

/// The SMS channel.
#[derive(Debug, Clone)]
pub struct SmsConfig {
    /// `SMS_REGION`, or the function's.
    pub region: String,
    /// `SMS_ORIGINATION`.
    pub origination: Origination,
    /// `SMS_MAX_PRICE`, USD per message, as SNS takes it.
    pub max_price: Option<String>,
    /// `SMS_IN_ENTITY_ID` and `SMS_IN_TEMPLATE_ID`.
    pub india: Option<IndiaRegistration>,
}

/// Where messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origination {
    /// Asked of the account: `SMS_ORIGINATION` is empty.
    Discovered,
    /// As `SMS_ORIGINATION` says.
    Explicit {
        /// Per destination country.
        countries: Vec<(Country, OriginationIdentity)>,
        /// `*`, or a bare value: everywhere else.
        elsewhere: Option<OriginationIdentity>,
    },
}

/// What a recipient sees as the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginationIdentity {
    /// A number of the account: long code, toll-free (`+18005550100`) or
    /// short code (`12345`).
    Number(String),
    /// 3 to 11 letters, digits and hyphens, at least one of them a letter.
    SenderId(String),
}

/// Registration with India's DLT, without which SMS there are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndiaRegistration {
    /// The principal entity.
    pub entity_id: String,
    /// The message template.
    pub template_id: String,
}

/// The e-mail channel.
#[derive(Debug, Clone)]
pub struct EmailConfig {
    /// `EMAIL_REGION`, or the function's.
    pub region: String,
    /// `EMAIL_FROM`.
    pub from: Sender,
    /// `EMAIL_IDENTITY_ARN`.
    pub identity_arn: Option<String>,
    /// `EMAIL_REPLY_TO`.
    pub reply_to: Option<EmailAddress>,
    /// `EMAIL_CONFIGURATION_SET`.
    pub configuration_set: Option<String>,
}

/// `Acme <no-reply@example.com>`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The display name, if any: ASCII or not, no control characters.
    pub name: Option<String>,
    /// The address. No user's, so no secret.
    pub address: EmailAddress,
}

/// What the texts need to know.
#[derive(Debug, Clone)]
pub struct TextsConfig {
    /// `APP_NAME`, at most 40 characters on one line.
    pub app: Option<String>,
    /// `APP_DOMAIN`.
    pub domain: Option<String>,
    /// `APP_DOMAIN` or `APP_ANDROID_HASH`: by what codes in SMS are filled in.
    pub last_line: Option<LastLine>,
    /// `DEFAULT_LOCALE`; `en` if empty.
    pub locale: String,
    /// `MESSAGES_DIR`: a folder of own texts.
    pub folder: Option<String>,
    /// `MFA_CODE_MINUTES`: how long a sign-in code lives. 3 if empty.
    pub mfa_minutes: u32,
    /// `TEMPORARY_PASSWORD_DAYS`: how long an invitation holds. 7 if empty.
    pub password_days: u32,
}

/// The last line of a text message, by which a phone fills the code in. There
/// is one last line, so there is one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LastLine {
    /// `@domain #code`: browsers, and iOS ("Origin-bound one-time codes
    /// delivered via SMS", WICG).
    Domain(String),
    /// The app's 11 characters: Android's SMS Retriever, which reads messages
    /// of at most 140 bytes (Google, "Perform SMS verification on a server").
    AndroidHash(String),
}

impl LastLine {
    /// The ending of a message, from the blank line on.
    pub(crate) fn of(&self, code: &str) -> String {
        match self {
            Self::Domain(domain) => format!("\n\n@{domain} #{code}"),
            Self::AndroidHash(hash) => format!("\n\n{hash}"),
        }
    }

    /// The most bytes that a message may have to be read.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Self::Domain(_) => usize::MAX,
            Self::AndroidHash(_) => 140,
        }
    }
}

/// The SDK's own endpoint variables: `AWS_ENDPOINT_URL_SNS` and its siblings
/// before `AWS_ENDPOINT_URL` (AWS SDKs and Tools reference guide,
/// "Service-specific endpoints").
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub dynamodb: Option<String>,
    /// `AWS_ENDPOINT_URL_KMS`.
    pub kms: Option<String>,
    /// `AWS_ENDPOINT_URL_SNS`.
    pub sns: Option<String>,
    /// `AWS_ENDPOINT_URL_SESV2`.
    pub sesv2: Option<String>,
    /// `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`.
    pub cognito: Option<String>,
}

/// The ARN of a KMS key. No alias: a strict keyring compares ARNs, and an
/// alias never equals what the message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKeyArn(String);

impl KmsKeyArn {
    /// Reads `arn:<partition>:kms:<region>:<account>:key/<id>`.
    pub fn parse(text: &str) -> Option<Self> {
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let parts: Vec<&str> = text.split(':').collect();
        let &["arn", partition, "kms", region, account, resource] = parts.as_slice() else {
            return None;
        };
        let valid = word(partition)
            && word(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && resource.strip_prefix("key/").is_some_and(word)
            && text.len() <= 256;
        valid.then(|| Self(text.to_owned()))
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Region in the ARN: where KMS must be asked.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl fmt::Display for KmsKeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OriginationIdentity {
    /// Reads a number (`+18005550100`, `12345`) or a sender ID (`ACME`).
    pub fn parse(text: &str) -> Option<Self> {
        if is_short_code(text) || PhoneNumber::parse(text).is_ok() {
            return Some(Self::Number(text.to_owned()));
        }
        let sender_id = (3..=11).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && text.bytes().any(|b| b.is_ascii_alphabetic());
        sender_id.then(|| Self::SenderId(text.to_owned()))
    }

    /// Whether mobile carriers of the country take messages from it. The US
    /// takes numbers registered there only; no sender IDs in US, CA, CN (SNS
    /// guide, "Sender IDs" and "Requirements for US destinations").
    pub fn is_taken_by(&self, country: Country) -> bool {
        match self {
            Self::SenderId(_) => !matches!(country.as_str(), "US" | "CA" | "CN"),
            Self::Number(number) if country.as_str() == "US" => {
                is_short_code(number)
                    || PhoneNumber::parse(number).is_ok_and(|own| own.country() == Some(country))
            }
            Self::Number(_) => true,
        }
    }
}

fn is_short_code(text: &str) -> bool {
    (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Everything wrong with the environment, one [`Problem`] a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig(pub Vec<Problem>);

/// One variable's problem, with an example of a right value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// A right value.
    pub example: &'static str,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(
                f,
                "{separator}{} {} (example: {})",
                problem.variable, problem.what, problem.example
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

/// The environment while it is read: hands out values, gathers problems.
struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// A variable's value; empty and blank are unset, as in a template's
    /// parameters.
    fn value(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn problem(&mut self, variable: &'static str, what: impl Into<String>, example: &'static str) {
        self.problems.push(Problem {
            variable,
            what: what.into(),
            example,
        });
    }

    /// An optional variable of which `parse` says what it means.
    fn parsed<T>(
        &mut self,
        variable: &'static str,
        what: &'static str,
        example: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(variable)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.problem(variable, what, example);
        }
        parsed
    }

    fn region(&mut self, variable: &'static str) -> Option<String> {
        self.parsed(variable, "is not a Region's name", "us-east-1", |value| {
            let valid = value.split('-').count() >= 3
                && value
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            valid.then(|| value.to_owned())
        })
    }
}

impl Config {
    /// Reads the environment through `lookup`, which answers a variable's
    /// value.
    ///
    /// # Errors
    /// Every problem at once. Never repeats a value, since a credential might
    /// have been put in the wrong variable.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let mut env = Reader {
            lookup: &lookup,
            problems: Vec::new(),
        };
        let region = match env.value("AWS_REGION") {
            Some(_) => env.region("AWS_REGION"),
            None => env.region("AWS_DEFAULT_REGION"),
        };
        if region.is_none() && env.problems.is_empty() {
            env.problem(
                "AWS_REGION",
                "is missing: Lambda sets it, elsewhere export it",
                "us-east-1",
            );
        }
        let region = region.unwrap_or_default();
        let kms_key = kms_key(&mut env);
        let user_pools = user_pools(&mut env);
        let sms = SmsConfig {
            region: env.region("SMS_REGION").unwrap_or_else(|| region.clone()),
            origination: origination(&mut env),
            max_price: max_price(&mut env),
            india: india(&mut env),
        };
        let email = email(&mut env, &region);
        let texts = texts(&mut env);
        let sandbox_check = sandbox_check(&mut env);
        let ledger_table = ledger_table(&mut env);
        let ca_bundle = ca_bundle(&mut env);
        let credentials = env
            .value("AWS_ACCESS_KEY_ID")
            .zip(env.value("AWS_SECRET_ACCESS_KEY"))
            .map(|(id, secret)| {
                aws_credential_types::Credentials::new(
                    id,
                    secret,
                    env.value("AWS_SESSION_TOKEN"),
                    None,
                    "environment",
                )
            });
        let endpoints = endpoints(&mut env);
        match (kms_key, env.problems) {
            (Some(kms_key), problems) if problems.is_empty() => Ok(Self {
                region,
                kms_key,
                user_pools,
                sms,
                email,
                texts,
                sandbox_check,
                ledger_table,
                credentials,
                endpoints,
                ca_bundle,
            }),
            (_, problems) => Err(InvalidConfig(problems)),
        }
    }
}

/// One variable of the process's environment: the crate's only door to it.
#[expect(clippy::disallowed_methods, reason = "this is the one door")]
pub fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

fn kms_key(env: &mut Reader<'_>) -> Option<KmsKeyArn> {
    const EXAMPLE: &str =
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let Some(value) = env.value("KMS_KEY_ARN") else {
        env.problem(
            "KMS_KEY_ARN",
            "is missing: set it to the KMSKeyID of the user pool's LambdaConfig",
            EXAMPLE,
        );
        return None;
    };
    let key = KmsKeyArn::parse(&value);
    if key.is_none() {
        let what = if value.contains(":alias/") || value.starts_with("alias/") {
            "is an alias; codes name the key itself, so give the key's ARN"
        } else {
            "is not the ARN of a KMS key"
        };
        env.problem("KMS_KEY_ARN", what, EXAMPLE);
    }
    key
}

fn user_pools(env: &mut Reader<'_>) -> Vec<UserPoolId> {
    env.parsed(
        "USER_POOL_IDS",
        "is not a comma-separated list of user pool ids",
        "us-east-1_AbCdEfGhI,us-east-1_JkLmNoPqR",
        |value| {
            list(value)
                .map(UserPoolId::parse)
                .collect::<Option<Vec<_>>>()
        },
    )
    .unwrap_or_default()
}

/// The parts of a comma-separated list, trimmed, without empty ones.
fn list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn origination(env: &mut Reader<'_>) -> Origination {
    const VARIABLE: &str = "SMS_ORIGINATION";
    const EXAMPLE: &str = "US=+18005550100,GB=ACME,*=+447700900000";
    let Some(value) = env.value(VARIABLE) else {
        return Origination::Discovered;
    };
    let mut countries: Vec<(Country, OriginationIdentity)> = Vec::new();
    let mut elsewhere = None;
    for (index, part) in list(&value).enumerate() {
        let at = format!("entry {}", index + 1);
        let (country, identity) = part
            .split_once('=')
            .map_or(("*", part), |(country, identity)| {
                (country.trim(), identity.trim())
            });
        let Some(identity) = OriginationIdentity::parse(identity) else {
            env.problem(
                VARIABLE,
                format!(
                    "{at}: is neither a number (+ and digits, or a short code) nor a sender ID \
                     (3 to 11 letters, digits, hyphens; one letter at least)"
                ),
                EXAMPLE,
            );
            continue;
        };
        if country == "*" {
            if matches!(&identity, OriginationIdentity::Number(number) if is_short_code(number)) {
                let what = format!("{at}: a short code works in one country, so name it");
                env.problem(VARIABLE, what, "US=12345");
                continue;
            }
            if elsewhere.replace(identity).is_some() {
                env.problem(VARIABLE, format!("{at}: is a second default"), EXAMPLE);
            }
            continue;
        }
        let Ok(country) = country.parse::<Country>() else {
            env.problem(
                VARIABLE,
                format!("{at}: does not begin with a country's two letters"),
                EXAMPLE,
            );
            continue;
        };
        if !identity.is_taken_by(country) {
            let what = match identity {
                OriginationIdentity::SenderId(_) => "takes no sender IDs",
                OriginationIdentity::Number(_) => "takes numbers registered there only",
            };
            env.problem(VARIABLE, format!("{at}: {country} {what}"), EXAMPLE);
        } else if countries.iter().any(|(known, _)| *known == country) {
            env.problem(VARIABLE, format!("{at}: names {country} again"), EXAMPLE);
        } else {
            countries.push((country, identity));
        }
    }
    if countries.is_empty() && elsewhere.is_none() {
        return Origination::Discovered;
    }
    Origination::Explicit {
        countries,
        elsewhere,
    }
}

fn max_price(env: &mut Reader<'_>) -> Option<String> {
    env.parsed("SMS_MAX_PRICE", "is not a price in USD", "0.50", |value| {
        let price: f64 = value.parse().ok()?;
        let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        (plain && price > 0.0).then(|| value.to_owned())
    })
}

fn india(env: &mut Reader<'_>) -> Option<IndiaRegistration> {
    let mut id = |variable, example| {
        env.parsed(variable, "is not a DLT registration id", example, |value| {
            let valid = value.len() <= 50 && value.bytes().all(|b| b.is_ascii_alphanumeric());
            valid.then(|| value.to_owned())
        })
    };
    let entity_id = id("SMS_IN_ENTITY_ID", "1101456324678987654");
    let template_id = id("SMS_IN_TEMPLATE_ID", "1107164578923456789");
    let set = |variable| env.value(variable).is_some();
    match (set("SMS_IN_ENTITY_ID"), set("SMS_IN_TEMPLATE_ID")) {
        (true, false) => env.problem(
            "SMS_IN_TEMPLATE_ID",
            "is missing: India's carriers need it beside SMS_IN_ENTITY_ID",
            "1107164578923456789",
        ),
        (false, true) => env.problem(
            "SMS_IN_ENTITY_ID",
            "is missing: India's carriers need it beside SMS_IN_TEMPLATE_ID",
            "1101456324678987654",
        ),
        _ => (),
    }
    entity_id
        .zip(template_id)
        .map(|(entity_id, template_id)| IndiaRegistration {
            entity_id,
            template_id,
        })
}

fn email(env: &mut Reader<'_>, region: &str) -> Option<EmailConfig> {
    let from = env.parsed(
        "EMAIL_FROM",
        "is not a sender: an address, or a name and an address in angle brackets",
        "Acme <no-reply@example.com>",
        Sender::parse,
    );
    let identity_arn = env.parsed(
        "EMAIL_IDENTITY_ARN",
        "is not the ARN of an SES identity",
        "arn:aws:ses:us-east-1:123456789012:identity/example.com",
        |value| {
            let valid = value.starts_with("arn:")
                && value.contains(":ses:")
                && value.contains(":identity/");
            valid.then(|| value.to_owned())
        },
    );
    let reply_to = env.parsed(
        "EMAIL_REPLY_TO",
        "is not an e-mail address",
        "help@example.com",
        |value| EmailAddress::parse(value).ok(),
    );
    let configuration_set = env.parsed(
        "EMAIL_CONFIGURATION_SET",
        "is not a configuration set's name",
        "codes",
        |value| {
            let valid = value.len() <= 64
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            valid.then(|| value.to_owned())
        },
    );
    let region = env
        .region("EMAIL_REGION")
        .unwrap_or_else(|| region.to_owned());
    Some(EmailConfig {
        region,
        from: from?,
        identity_arn,
        reply_to,
        configuration_set,
    })
}

impl Sender {
    /// Reads `no-reply@example.com`, `Acme <no-reply@example.com>` or
    /// `"Acme, Inc." <no-reply@example.com>`.
    pub fn parse(text: &str) -> Option<Self> {
        let Some(bracketed) = text.strip_suffix('>') else {
            return Some(Self {
                name: None,
                address: EmailAddress::parse(text).ok()?,
            });
        };
        let (name, address) = bracketed.rsplit_once('<')?;
        let name = name.trim();
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
            .unwrap_or(name);
        let plain = name
            .chars()
            .all(|c| !c.is_control() && c != '"' && c != '\\');
        plain.then_some(())?;
        Some(Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address: EmailAddress::parse(address).ok()?,
        })
    }
}

fn texts(env: &mut Reader<'_>) -> TextsConfig {
    let app = env.parsed(
        "APP_NAME",
        "is longer than 40 characters, or holds a control character",
        "Acme",
        |value| {
            let valid = value.chars().count() <= 40 && !value.chars().any(char::is_control);
            valid.then(|| value.to_owned())
        },
    );
    let domain = env.parsed(
        "APP_DOMAIN",
        "is not a host name without scheme and path",
        "app.example.com",
        |value| is_domain(value).then(|| value.to_owned()),
    );
    let hash = env.parsed(
        "APP_ANDROID_HASH",
        "is not the 11 characters that identify an Android app",
        "FA+9qCX9VSu",
        |value| {
            let valid = value.len() == 11
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
            valid.then(|| value.to_owned())
        },
    );
    if domain.is_some() && hash.is_some() {
        env.problem(
            "APP_ANDROID_HASH",
            "is set beside APP_DOMAIN: each wants to be the last line of a message, so choose one",
            "FA+9qCX9VSu",
        );
    }
    let locale = env.parsed(
        "DEFAULT_LOCALE",
        "is not a language tag",
        "pt-BR",
        |value| {
            let valid = value.len() <= 35
                && value.split(['-', '_']).all(|part| {
                    (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
                });
            valid.then(|| value.to_owned())
        },
    );
    let folder = env.parsed(
        "MESSAGES_DIR",
        "is not a folder that can be read",
        "/opt/messages",
        |value| std::fs::read_dir(value).ok().map(|_| value.to_owned()),
    );
    let mut number = |variable, what, example, valid: std::ops::RangeInclusive<u32>| {
        env.parsed(variable, what, example, |value| {
            value.parse().ok().filter(|number| valid.contains(number))
        })
    };
    let mfa_minutes = number(
        "MFA_CODE_MINUTES",
        "is not a number of minutes from 3 to 15",
        "3",
        3..=15,
    );
    let password_days = number(
        "TEMPORARY_PASSWORD_DAYS",
        "is not a number of days from 1 to 365",
        "7",
        1..=365,
    );
    TextsConfig {
        last_line: domain
            .clone()
            .map(LastLine::Domain)
            .or(hash.map(LastLine::AndroidHash)),
        app,
        domain,
        locale: locale.unwrap_or_else(|| "en".to_owned()),
        folder,
        mfa_minutes: mfa_minutes.unwrap_or(3),
        password_days: password_days.unwrap_or(7),
    }
}

fn sandbox_check(env: &mut Reader<'_>) -> bool {
    env.parsed(
        "SANDBOX_CHECK",
        "is neither enforce nor off",
        "enforce",
        |value| match value {
            "enforce" => Some(true),
            "off" => Some(false),
            _ => None,
        },
    )
    .unwrap_or(true)
}

fn ledger_table(env: &mut Reader<'_>) -> Option<String> {
    env.parsed(
        "LEDGER_TABLE",
        "is not the name or ARN of a DynamoDB table",
        "cognito-sender-ledger",
        |value| {
            let valid = (3..=1024).contains(&value.len())
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b));
            valid.then(|| value.to_owned())
        },
    )
}

fn ca_bundle(env: &mut Reader<'_>) -> Option<Vec<u8>> {
    env.parsed(
        "AWS_CA_BUNDLE",
        "is not a readable PEM file",
        "/etc/pki/tls/certs/ca-bundle.crt",
        |path| {
            let pem = std::fs::read_to_string(path).ok()?;
            is_pem(&pem).then(|| pem.into_bytes())
        },
    )
}

/// Whether a text holds certificates, and each can be decoded: the TLS client
/// takes that for granted.
fn is_pem(text: &str) -> bool {
    use base64::Engine as _;
    let mut blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1).peekable();
    blocks.peek().is_some()
        && blocks.all(|block| {
            let body = block.split_once("-----END CERTIFICATE-----");
            let body = body.map(|(body, _)| body.split_whitespace().collect::<String>());
            body.is_some_and(|body| {
                let decoded = base64::engine::general_purpose::STANDARD.decode(body);
                decoded.is_ok_and(|der| der.starts_with(&[0x30]))
            })
        })
}

fn endpoints(env: &mut Reader<'_>) -> Endpoints {
    let ignored = env
        .value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if ignored {
        return Endpoints::default();
    }
    let mut url = |variable| {
        env.parsed(variable, "is not a URL", "http://127.0.0.1:4566", |value| {
            let valid = value.starts_with("http://") || value.starts_with("https://");
            valid.then(|| value.to_owned())
        })
    };
    let all = url("AWS_ENDPOINT_URL");
    let mut or_all = |variable| url(variable).or_else(|| all.clone());
    Endpoints {
        dynamodb: or_all("AWS_ENDPOINT_URL_DYNAMODB"),
        kms: or_all("AWS_ENDPOINT_URL_KMS"),
        sns: or_all("AWS_ENDPOINT_URL_SNS"),
        sesv2: or_all("AWS_ENDPOINT_URL_SESV2"),
        cognito: or_all("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"),
    }
}
