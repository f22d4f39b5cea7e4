//! What went wrong, sorted by who can do something about it.
//!
//! An [`Error`] means: an operator should know, and another try is harmless.
//! Lambda retries it and, in the end, drops or keeps the event. What nobody
//! needs to mend is no error but a [`Withheld`](crate::Outcome::Withheld)
//! outcome.
//!
//! No error repeats what a service or an event said: such texts hold addresses,
//! and a hostile endpoint could make them hold a code. The service's error code
//! and request id are there to look it up with.

use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::code::Unopened;
use crate::event::UserPoolId;

/// Why an event ended in an error. [`Error::name`] is stable: alarms and
/// queries match it.
#[derive(Debug)]
pub enum Error {
    /// No event of a custom sender trigger.
    InvalidEvent(&'static str),
    /// The code could not be opened.
    DecryptFailed(Unopened),
    /// The code was sealed for another user pool than the event's, or the
    /// event's pool is not among those served.
    UserPoolMismatch {
        /// The pool that the event names.
        event: UserPoolId,
        /// Whether `USER_POOL_IDS` refused it, before the code was opened.
        not_served: bool,
    },
    /// KMS did not open the data key.
    Kms(Fault),
    /// SNS did not take the message.
    Sms(Fault),
    /// SES did not take the message.
    Email(Fault),
    /// Cognito did not tell the user's address.
    UserLookup(Fault),
    /// Another delivery of the same event holds the code's claim, and did not
    /// come to an end in time.
    DeliveryUnderWay,
    /// A bug of ours.
    Internal,
}

impl Error {
    /// The stable name: Lambda's `errorType`.
    pub fn name(&self) -> &'static str {
        use FaultKind::{Denied, Rejected, Throttled, Unavailable};
        match self {
            Self::InvalidEvent(_) => "InvalidEvent",
            Self::DecryptFailed(_) => "DecryptFailed",
            Self::UserPoolMismatch { .. } => "UserPoolMismatch",
            Self::Kms(fault) => match fault.kind {
                Throttled => "KmsThrottled",
                Unavailable => "KmsUnavailable",
                Denied => "KmsDenied",
                Rejected => "KmsRejected",
            },
            Self::Sms(fault) => match fault.kind {
                Throttled => "SmsThrottled",
                Unavailable => "SmsUnavailable",
                Denied => "SmsDenied",
                Rejected => "SmsRejected",
            },
            Self::Email(fault) => match fault.kind {
                Throttled => "EmailThrottled",
                Unavailable => "EmailUnavailable",
                Denied => "EmailDenied",
                Rejected => "EmailRejected",
            },
            Self::UserLookup(fault) => match fault.kind {
                Throttled => "UserLookupThrottled",
                Unavailable => "UserLookupUnavailable",
                Denied => "UserLookupDenied",
                Rejected => "UserLookupRejected",
            },
            Self::DeliveryUnderWay => "DeliveryUnderWay",
            Self::Internal => "InternalError",
        }
    }

    /// `time` or `operator`: for the alarms.
    pub fn cured_by(&self) -> &'static str {
        let passes = match self {
            Self::Kms(fault) | Self::Sms(fault) | Self::Email(fault) | Self::UserLookup(fault) => {
                fault.kind.passes()
            }
            Self::DeliveryUnderWay => true,
            Self::InvalidEvent(_)
            | Self::DecryptFailed(_)
            | Self::UserPoolMismatch { .. }
            | Self::Internal => false,
        };
        if passes { "time" } else { "operator" }
    }

    /// What to do about it, in one sentence.
    fn remedy(&self) -> &'static str {
        use FaultKind::{Denied, Rejected, Throttled, Unavailable};
        match self {
            Self::InvalidEvent(_) | Self::DecryptFailed(_) | Self::Internal => "",
            Self::DeliveryUnderWay => {
                "Nothing to mend: Lambda tries again, and then it is sent or known to be sent"
            }
            Self::UserPoolMismatch { not_served, .. } => {
                if *not_served {
                    "Add the pool to USER_POOL_IDS, or detach this function from it"
                } else {
                    "Nothing was sent. Find out who invokes this function with codes of another pool"
                }
            }
            Self::Kms(fault) => match fault.kind {
                Throttled => "Ask for a higher KMS request quota in this Region",
                Unavailable => "KMS is in trouble or not reachable; Lambda tries again",
                Denied => {
                    "Allow the function's role kms:Decrypt on KMS_KEY_ARN, for the encryption \
                     context userpool-id of this pool, in its policy and in the key's"
                }
                Rejected => {
                    "Look at the key KMS_KEY_ARN: it must be enabled, not pending deletion, and \
                     the very key that the user pool's LambdaConfig names"
                }
            },
            Self::Sms(fault) => match fault.kind {
                Throttled => "Lower the function's concurrency, or ask for a higher SNS quota",
                Unavailable => "SNS is in trouble or not reachable; Lambda tries again",
                Denied => {
                    "Allow the function's role sns:Publish to phone numbers; where the number has \
                     a resource policy, allow sns.amazonaws.com there"
                }
                Rejected => {
                    "Check SMS_ORIGINATION, SMS_MAX_PRICE, SMS_IN_ENTITY_ID and SMS_IN_TEMPLATE_ID"
                }
            },
            Self::Email(fault) => match fault.kind {
                Throttled => {
                    "The SES sending rate or quota is used up: lower the function's concurrency, or \
                     ask for more"
                }
                Unavailable => "SES is in trouble or not reachable; Lambda tries again",
                Denied => {
                    "Allow the function's role ses:SendEmail on the identity of EMAIL_FROM (in the \
                     sandbox also on the recipient's) and on the configuration set"
                }
                Rejected => {
                    "Check that the identity of EMAIL_FROM is verified in EMAIL_REGION, that \
                     sending is enabled, and that EMAIL_CONFIGURATION_SET exists"
                }
            },
            Self::UserLookup(fault) => match fault.kind {
                Throttled => "Ask for a higher quota of cognito-idp:AdminGetUser",
                Unavailable => "Cognito is in trouble or not reachable; Lambda tries again",
                Denied => "Allow the function's role cognito-idp:AdminGetUser on the pool",
                Rejected => {
                    "Check that the event's pool is in the function's Region, and its user there"
                }
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidEvent(what) => return f.write_str(what),
            Self::DecryptFailed(unopened) => return unopened.fmt(f),
            Self::Internal => {
                return f.write_str(
                    "a bug of this function. Please report it, with the log line before this one \
                     that says where it was.",
                );
            }
            Self::DeliveryUnderWay => f.write_str(
                "Lambda handed this event over twice, and the other delivery is not done",
            ),
            Self::UserPoolMismatch {
                event,
                not_served: true,
            } => {
                write!(f, "user pool {event} is not in USER_POOL_IDS")
            }
            Self::UserPoolMismatch { event, .. } => {
                write!(
                    f,
                    "the code was not sealed for the event's user pool {event}"
                )
            }
            Self::Kms(fault) | Self::Sms(fault) | Self::Email(fault) | Self::UserLookup(fault) => {
                fault.fmt(f)
            }
        }?;
        write!(f, ". {}.", self.remedy())
    }
}

impl std::error::Error for Error {}

/// What an AWS service answered instead of doing what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The operation, as `SNS Publish`.
    pub operation: &'static str,
    /// Who can do something about it.
    pub kind: FaultKind,
    /// The service's error code, if it answered.
    pub code: Option<String>,
    /// The service's request id, if it answered.
    pub request_id: Option<String>,
}

/// Who can do something about a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Too many calls: time cures it.
    Throttled,
    /// Not reached, timed out, or 5xx: time cures it.
    Unavailable,
    /// Not allowed: a policy must be mended.
    Denied,
    /// Anything else that the service would refuse again.
    Rejected,
}

impl Fault {
    /// No answer in time.
    pub(crate) fn silence(operation: &'static str) -> Self {
        Self {
            operation,
            kind: FaultKind::Unavailable,
            code: None,
            request_id: None,
        }
    }

    /// Sorts what an SDK client returned. By error code rather than by
    /// variant: `Publish`, for one, models no throttling error.
    pub(crate) fn new<E>(operation: &'static str, error: &SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata,
    {
        let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = metadata.and_then(|metadata| metadata.code());
        // Never sent, for a reason on our side.
        let unsent = matches!(error, SdkError::ConstructionFailure(_));
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        Self {
            operation,
            kind: if unsent {
                FaultKind::Rejected
            } else {
                FaultKind::of(code, status)
            },
            code: code.map(printable),
            request_id: metadata
                .and_then(|metadata| metadata.extra("aws_request_id"))
                .map(printable),
        }
    }
}

impl FaultKind {
    /// Whether time cures it, so that trying again is worth it.
    pub fn passes(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    /// What is known of an error code; `None` of one that no operation of ours
    /// was known to answer.
    pub fn verdict(code: &str) -> Option<Self> {
        // A code may come with its namespace before it or a URL behind it.
        let code = code.rsplit('#').next().unwrap_or(code);
        let code = code.split(':').next().unwrap_or(code);
        let found = VERDICTS.binary_search_by_key(&code, |(known, _)| known);
        let (_, kind) = VERDICTS.get(found.ok()?)?;
        Some(*kind)
    }

    /// By the error's code where it is known, else by the status.
    pub(crate) fn of(code: Option<&str>, status: Option<u16>) -> Self {
        if let Some(kind) = code.and_then(Self::verdict) {
            return kind;
        }
        match (code, status) {
            (_, Some(408)) => Self::Unavailable,
            (_, Some(429)) => Self::Throttled,
            (_, Some(401 | 403)) => Self::Denied,
            (_, Some(500..)) | (_, None) => Self::Unavailable,
            // An answer that could not be read: cut, or not the service's.
            (None, _) => Self::Unavailable,
            _ => Self::Rejected,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Throttled => "was throttled",
            FaultKind::Unavailable => "got no good answer in time",
            FaultKind::Denied => "was denied",
            FaultKind::Rejected => "was rejected",
        };
        write!(f, "{} {what}", self.operation)?;
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => write!(f, " ({code}, request {id})"),
            (Some(code), None) => write!(f, " ({code})"),
            _ => Ok(()),
        }
    }
}

/// The error codes of the operations that the function calls, and those that
/// any AWS service answers ("Common error types" of each API reference), with
/// who can do something about them. Sorted. A test holds it against all that
/// the SDK models: a version that knows a new code fails it.
const VERDICTS: &[(&str, FaultKind)] = {
    use FaultKind::{Denied, Rejected, Throttled, Unavailable};
    &[
        ("AccessDenied", Denied),
        ("AccessDeniedException", Denied),
        ("AccountSuspendedException", Rejected),
        ("AuthorizationError", Denied),
        ("AuthorizationErrorException", Denied),
        ("BadRequestException", Rejected),
        ("BandwidthLimitExceeded", Throttled),
        ("ConditionalCheckFailedException", Rejected),
        ("DependencyTimeoutException", Unavailable),
        ("DisabledException", Rejected),
        ("DryRunOperationException", Rejected),
        ("EndpointDisabled", Rejected),
        ("ExpiredToken", Denied),
        ("ExpiredTokenException", Denied),
        ("ForbiddenException", Denied),
        ("IncompleteSignature", Denied),
        ("IncorrectKeyException", Rejected),
        ("InternalError", Unavailable),
        ("InternalErrorException", Unavailable),
        ("InternalFailure", Unavailable),
        ("InternalServerError", Unavailable),
        ("InternalServerException", Unavailable),
        ("InternalServiceError", Unavailable),
        ("InternalServiceException", Unavailable),
        ("InvalidAction", Rejected),
        ("InvalidCiphertextException", Rejected),
        ("InvalidClientTokenId", Denied),
        ("InvalidEndpointException", Rejected),
        ("InvalidGrantTokenException", Rejected),
        ("InvalidKeyUsageException", Rejected),
        ("InvalidParameter", Rejected),
        ("InvalidParameterException", Rejected),
        ("InvalidParameterValue", Rejected),
        ("InvalidSecurity", Denied),
        ("InvalidSecurityException", Denied),
        ("InvalidSignatureException", Denied),
        ("ItemCollectionSizeLimitExceededException", Rejected),
        ("KMSAccessDenied", Denied),
        ("KMSAccessDeniedException", Denied),
        ("KMSDisabled", Rejected),
        ("KMSInternalException", Unavailable),
        ("KMSInvalidState", Rejected),
        ("KMSInvalidStateException", Rejected),
        ("KMSNotFound", Rejected),
        ("KMSOptInRequired", Denied),
        ("KMSThrottling", Throttled),
        ("KMSThrottlingException", Throttled),
        ("KeyUnavailableException", Unavailable),
        ("LimitExceededException", Throttled),
        ("MailFromDomainNotVerifiedException", Rejected),
        ("MessageRejected", Rejected),
        ("MissingAuthenticationToken", Denied),
        ("MissingAuthenticationTokenException", Denied),
        ("NotAuthorized", Denied),
        ("NotAuthorizedException", Denied),
        ("NotFound", Rejected),
        ("NotFoundException", Rejected),
        ("OperationNotEnabledException", Rejected),
        ("OptInRequired", Denied),
        ("OptedOut", Rejected),
        ("ParameterValueInvalid", Rejected),
        ("PlatformApplicationDisabled", Rejected),
        ("PriorRequestNotComplete", Throttled),
        ("ProvisionedThroughputExceededException", Throttled),
        ("ReplicatedWriteConflictException", Unavailable),
        ("RequestExpired", Denied),
        ("RequestLimitExceeded", Throttled),
        ("RequestThrottled", Throttled),
        ("RequestThrottledException", Throttled),
        ("RequestTimeout", Unavailable),
        ("RequestTimeoutException", Unavailable),
        ("ResourceNotFound", Rejected),
        ("ResourceNotFoundException", Rejected),
        ("SendingPausedException", Rejected),
        ("ServiceUnavailable", Unavailable),
        ("ServiceUnavailableException", Unavailable),
        ("SignatureDoesNotMatch", Denied),
        ("SlowDown", Throttled),
        ("Throttled", Throttled),
        ("ThrottledException", Throttled),
        ("Throttling", Throttled),
        ("ThrottlingException", Throttled),
        ("TooManyRequests", Throttled),
        ("TooManyRequestsException", Throttled),
        ("TransactionConflictException", Unavailable),
        ("TransactionInProgressException", Throttled),
        ("UnrecognizedClientException", Denied),
        ("UserError", Rejected),
        ("UserNotFoundException", Rejected),
        ("ValidationError", Rejected),
        ("ValidationException", Rejected),
    ]
};

/// A code or id from outside, cut to what such a thing looks like.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .take(64)
        .collect()
}
