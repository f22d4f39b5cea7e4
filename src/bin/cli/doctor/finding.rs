//! What was looked at, and what is so: data, which `report` prints.

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use cognito_sender::error::FaultKind;

use crate::aws::refusal;

/// What a check is about: the report's chapters, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Function,
    UserPool,
    Key,
    Role,
    Sms,
    Email,
    Operation,
}

impl Area {
    /// As people and `--json` read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Function => "Function",
            Self::UserPool => "User pool",
            Self::Key => "Key",
            Self::Role => "Role",
            Self::Sms => "SMS",
            Self::Email => "E-mail",
            Self::Operation => "Operation",
        }
    }
}

/// How it stands with what was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ok,
    /// Worth knowing; nothing is wrong.
    Note,
    /// Messages go out, yet not all, or not for long.
    Warning,
    /// Messages do not arrive.
    Failure,
    /// AWS did not tell.
    Unknown,
}

impl Standing {
    pub(crate) const ALL: [Self; 5] = [
        Self::Failure,
        Self::Warning,
        Self::Unknown,
        Self::Note,
        Self::Ok,
    ];

    /// As people and `--json` read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! checks {
    ($($area:ident { $($check:ident = $id:literal,)* })*) => {
        /// What is looked at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Check { $($($check,)*)* }

        impl Check {
            /// The stable name, for `--json`.
            pub(crate) fn id(self) -> &'static str {
                match self { $($(Self::$check => $id,)*)* }
            }

            pub(crate) fn area(self) -> Area {
                match self { $($(Self::$check => Area::$area,)*)* }
            }
        }
    };
}

checks! {
    Function {
        Settings = "settings",
        Code = "code",
        State = "state",
        Runtime = "runtime",
        Timeout = "timeout",
        Concurrency = "concurrency",
    }
    UserPool {
        Pools = "pools",
        Pool = "pool",
        Served = "pool-served",
        SmsSender = "pool-sms-sender",
        EmailSender = "pool-email-sender",
        SenderVersion = "pool-sender-version",
        PoolKey = "pool-key",
        SmsRole = "pool-sms-role",
        Permission = "pool-permission",
        Verification = "pool-verification",
        PasswordDays = "pool-password-days",
    }
    Key {
        KeyState = "key-state",
        KeyKind = "key-kind",
        KeyRegion = "key-region",
        KeyGrant = "key-grant",
    }
    Role {
        Role = "role",
        RoleDecrypt = "role-decrypt",
        RoleSms = "role-sms",
        RoleSmsState = "role-sms-state",
        RoleEmail = "role-email",
        RoleEmailState = "role-email-state",
        RoleLedger = "role-ledger",
        RoleLookup = "role-lookup",
        RoleLog = "role-log",
    }
    Sms {
        SmsSandbox = "sms-sandbox",
        SmsSpend = "sms-spend",
        SmsDeliveryLog = "sms-delivery-log",
        SmsNumbers = "sms-numbers",
        SmsNumber = "sms-number",
        SmsThroughput = "sms-throughput",
        SmsRoute = "sms-route",
        SmsUnitedStates = "sms-united-states",
        SmsIndia = "sms-india",
        SmsOptedOut = "sms-opted-out",
    }
    Email {
        EmailChannel = "email-channel",
        EmailSandbox = "email-sandbox",
        EmailSending = "email-sending",
        EmailQuota = "email-quota",
        EmailSuppression = "email-suppression",
        EmailIdentity = "email-identity",
        EmailDkim = "email-dkim",
        EmailMailFrom = "email-mail-from",
        EmailDmarc = "email-dmarc",
        EmailConfigurationSet = "email-configuration-set",
    }
    Operation {
        Retries = "retries",
        FailureDestination = "failure-destination",
        FailureQueue = "failure-queue",
        Alarms = "alarms",
        Errors = "errors",
        Texts = "texts",
        Ledger = "ledger",
    }
}

/// How a finding is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mend {
    /// For a shell, as it is. A `<word>` is to be filled in.
    Commands(Vec<String>),
    /// In words: a setting, or a place where no command reaches.
    Advice(String),
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) standing: Standing,
    /// What was looked at, and what is so.
    pub(crate) what: String,
    /// Why it matters, where it is not well.
    pub(crate) why: Option<String>,
    pub(crate) mend: Option<Mend>,
}

impl Finding {
    pub(crate) fn ok(check: Check, what: impl Into<String>) -> Self {
        Self {
            check,
            standing: Standing::Ok,
            what: what.into(),
            why: None,
            mend: None,
        }
    }

    pub(crate) fn note(check: Check, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::bad(check, Standing::Note, what, why)
    }

    pub(crate) fn warning(check: Check, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::bad(check, Standing::Warning, what, why)
    }

    pub(crate) fn failure(check: Check, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::bad(check, Standing::Failure, what, why)
    }

    pub(crate) fn unknown(check: Check, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::bad(check, Standing::Unknown, what, why)
    }

    pub(crate) fn bad(
        check: Check,
        standing: Standing,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self {
            standing,
            why: Some(why.into()),
            ..Self::ok(check, what)
        }
    }

    /// Mended by a command; by several, called again.
    pub(crate) fn command(mut self, command: impl Into<String>) -> Self {
        match &mut self.mend {
            Some(Mend::Commands(commands)) => commands.push(command.into()),
            _ => self.mend = Some(Mend::Commands(vec![command.into()])),
        }
        self
    }

    /// Mended as these words say.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.mend = Some(Mend::Advice(advice.into()));
        self
    }

    /// AWS did not tell: whoever looks lacks `action`, or it was not reached.
    pub(crate) fn untold<E, R>(check: Check, action: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        if error.code().and_then(FaultKind::verdict) == Some(FaultKind::Denied) {
            let code = error.code().unwrap_or_default();
            let what = format!("not looked at: you may not {action} ({code})");
            let why = "what is there may be right or wrong";
            return Self::unknown(check, what, why)
                .advice(format!("allow {action} to whoever runs this"));
        }
        let what = format!("not looked at: {action} ended in {}", refusal(error));
        Self::unknown(check, what, "what is there may be right or wrong").advice("try again")
    }
}
