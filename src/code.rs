//! Ciphertext -> [`Secret`], through the AWS Encryption SDK.
//!
//! Cognito seals a code as an Encryption SDK message: today format v1, suite
//! `0x0378` (AES-256-GCM, HKDF, ECDSA P-384, no key commitment), with the
//! encryption context `userpool-id`. Three things make people stumble:
//!
//! * `kms:Decrypt` on the message itself answers `InvalidCiphertextException`:
//!   only the data key *in* the message is KMS's.
//! * The Encryption SDK's default commitment policy refuses messages without
//!   key commitment. *RequireEncryptAllowDecrypt* opens both kinds.
//! * `aws-esdk` calls KMS from synchronous code. On tokio's current-thread
//!   runtime it makes a thread and a runtime for each call, and so a new TLS
//!   connection for each code; on the multi-thread one it blocks in place and
//!   connections are reused (its `escape_to_async`). Run this on the latter.
//!
//! This is the only file that knows `aws_esdk`.

use std::cell::RefCell;
use std::fmt;

use aws_esdk::client::Client as EncryptionSdk;
use aws_esdk::material_providers::client::Client as MaterialProviders;
use aws_esdk::material_providers::types::EsdkCommitmentPolicy;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_esdk::types::aws_encryption_sdk_config::AwsEncryptionSdkConfig;
use aws_sdk_kms::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_kms::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::operation::generate_data_key::GenerateDataKeyError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::{Handle, RuntimeFlavor};
use zeroize::Zeroizing;

use crate::config::KmsKeyArn;
use crate::error::{Error, Fault, FaultKind, printable};
use crate::event::UserPoolId;

/// The encryption context's key under which Cognito names the pool.
pub const USER_POOL_CONTEXT_KEY: &str = "userpool-id";

/// Real ones are about 820 characters of base64.
const LONGEST_SEALED_CODE: usize = 16 * 1024;

/// A code, temporary password, link or token. Has no `Display` and no
/// `Serialize`, prints as `***`, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself. For the message, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A code as Cognito hands it over: an Encryption SDK message in base64.
#[derive(Clone)]
pub struct SealedCode(String);

impl SealedCode {
    /// Takes the event's `request.code` as it is; opening it judges it.
    pub fn new(base64: &str) -> Self {
        Self(base64.to_owned())
    }

    /// The base64, for the ledger's hash.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn message(&self) -> Result<Vec<u8>, Unopened> {
        if self.0.is_empty() {
            return Err(Unopened::Empty);
        }
        if self.0.len() > LONGEST_SEALED_CODE {
            return Err(Unopened::NoMessage);
        }
        let message = STANDARD.decode(&self.0).map_err(|_| Unopened::NoMessage)?;
        // Format version 1, type 0x80; or format version 2.
        match message.as_slice() {
            [1, 0x80, ..] | [2, ..] => Ok(message),
            _ => Err(Unopened::NoMessage),
        }
    }
}

/// Why a sealed code could not be opened, other than by KMS's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unopened {
    /// The event carries no code where one is due.
    Empty,
    /// Not base64, or not an Encryption SDK message.
    NoMessage,
    /// Sealed under another key than `KMS_KEY_ARN`.
    WrongKey {
        /// The key that the message names.
        sealed_under: KmsKeyArn,
        /// The key that the function is set up with.
        configured: KmsKeyArn,
    },
    /// An Encryption SDK message of ours that is cut, altered, or not one of
    /// Cognito's.
    Damaged,
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "the event carries no code (request.code is empty). \
                 Cognito always sends one here: look at who else invokes this function.",
            ),
            Self::NoMessage => f.write_str(
                "request.code is not a code sealed by Cognito (base64 of an AWS Encryption SDK \
                 message, beginning AYAD or AgR or AgV). For a try, make one with \
                 `cognito-sender seal`.",
            ),
            Self::WrongKey {
                sealed_under,
                configured,
            } => write!(
                f,
                "the code is sealed under {sealed_under}, but KMS_KEY_ARN is {configured}. Set \
                 KMS_KEY_ARN to the KMSKeyID of the user pool's LambdaConfig, and allow the \
                 function's role kms:Decrypt on it.",
            ),
            Self::Damaged => f.write_str(
                "the code did not open: the message is cut or altered, or was not sealed by \
                 Cognito. Nothing was sent. If every code fails so, compare KMS_KEY_ARN with the \
                 KMSKeyID of the user pool's LambdaConfig.",
            ),
        }
    }
}

/// Opens codes. Built once and shared: the client and the keyring are reused
/// from one code to the next, and so are KMS's connections.
pub struct Opener {
    sdk: EncryptionSdk,
    keyring: KeyringRef,
    key: KmsKeyArn,
}

impl Opener {
    /// An opener with a strict keyring: it opens what was sealed under `key`
    /// and nothing else.
    ///
    /// `kms` should be one of [`crate::Clients`], which make KMS's refusals
    /// known here.
    pub async fn new(kms: aws_sdk_kms::Client, key: &KmsKeyArn) -> Self {
        Self {
            sdk: encryption_sdk(EsdkCommitmentPolicy::RequireEncryptAllowDecrypt),
            keyring: strict_keyring(kms, key).await,
            key: key.clone(),
        }
    }

    /// Opens a code that Cognito sealed for `user_pool`.
    ///
    /// # Errors
    /// * [`Error::DecryptFailed`]: no message, cut, altered, or another key's.
    /// * [`Error::UserPoolMismatch`]: sealed for another pool, or for none.
    /// * [`Error::Kms`]: what KMS said instead of opening the data key.
    pub async fn open(&self, sealed: &SealedCode, user_pool: &UserPoolId) -> Result<Secret, Error> {
        let message = sealed.message().map_err(Error::DecryptFailed)?;
        let named_key = named_key(&message);
        let opening = self
            .sdk
            .decrypt()
            .ciphertext(message)
            .keyring(self.keyring.clone())
            .send();
        let (result, kms_answer) = aside(with_kms_answer(opening)).await;
        let output = result.map_err(|_| match (kms_answer, named_key) {
            (Some(fault), _) => error_of(fault),
            (None, Some(named)) if named != self.key => Error::DecryptFailed(Unopened::WrongKey {
                sealed_under: named,
                configured: self.key.clone(),
            }),
            (None, _) => Error::DecryptFailed(Unopened::Damaged),
        })?;
        let sealed_for = output
            .encryption_context
            .as_ref()
            .and_then(|context| context.get(USER_POOL_CONTEXT_KEY));
        if sealed_for.map(String::as_str) != Some(user_pool.as_str()) {
            return Err(Error::UserPoolMismatch {
                event: user_pool.clone(),
                not_served: false,
            });
        }
        let plaintext = output.plaintext.unwrap_or_default().into_inner();
        match String::from_utf8(plaintext) {
            Ok(code) if !code.is_empty() => Ok(Secret::from(code)),
            _ => Err(Error::DecryptFailed(Unopened::Damaged)),
        }
    }
}

/// Whether KMS's refusal speaks of the message or of KMS. `InvalidCiphertext`
/// is what KMS says of an altered data key or encryption context.
fn error_of(fault: Fault) -> Error {
    match fault.code.as_deref() {
        Some("InvalidCiphertextException") => Error::DecryptFailed(Unopened::Damaged),
        _ => Error::Kms(fault),
    }
}

#[expect(
    clippy::expect_used,
    reason = "constant arguments: fails in every test or in none"
)]
fn encryption_sdk(policy: EsdkCommitmentPolicy) -> EncryptionSdk {
    let config = AwsEncryptionSdkConfig::builder()
        .commitment_policy(policy)
        // Cognito's messages have one; a bound on calls to KMS for one message.
        .max_encrypted_data_keys(4)
        .build()
        .expect("a constant configuration is one");
    EncryptionSdk::from_conf(config).expect("the Encryption SDK takes it")
}

#[expect(
    clippy::expect_used,
    reason = "no I/O, and the key is an ARN by type: fails in every test or in none"
)]
async fn strict_keyring(kms: aws_sdk_kms::Client, key: &KmsKeyArn) -> KeyringRef {
    let config = MaterialProvidersConfig::builder()
        .build()
        .expect("an empty configuration is one");
    MaterialProviders::from_conf(config)
        .expect("material providers take an empty configuration")
        .create_aws_kms_keyring()
        .kms_key_id(key.as_str())
        .kms_client(kms)
        .send()
        .await
        .expect("a key ARN and a client make a keyring")
}

/// The KMS key that the message says it is sealed under, for the words of an
/// error. Best effort on unauthenticated bytes: the provider id `aws-kms`, two
/// bytes of length, the key ARN (Encryption SDK message format reference).
fn named_key(message: &[u8]) -> Option<KmsKeyArn> {
    const PROVIDER: &[u8] = b"\x00\x07aws-kms";
    let start = message
        .windows(PROVIDER.len())
        .position(|window| window == PROVIDER)?
        + PROVIDER.len();
    let (length, rest) = message.get(start..)?.split_first_chunk::<2>()?;
    let arn = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    KmsKeyArn::parse(std::str::from_utf8(arn).ok()?)
}

tokio::task_local! {
    static KMS_ANSWER: RefCell<Option<Fault>>;
}

/// Lets the Encryption SDK work where it may block. It blocks not only on KMS:
/// with several messages at once it waits for locks of its own, and a worker
/// that waits so drives no connection, not even the one that the holder of the
/// lock waits for. Seen as a standstill of eight events at once.
async fn aside<T>(work: impl Future<Output = T>) -> T {
    let runtime = Handle::current();
    match runtime.runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| runtime.block_on(work)),
        // There it starts a thread for KMS (see above).
        _ => work.await,
    }
}

/// What the Encryption SDK makes of a message, and what KMS said meanwhile if
/// it refused.
async fn with_kms_answer<T>(work: impl Future<Output = T>) -> (T, Option<Fault>) {
    let work = async {
        let result = work.await;
        (result, KMS_ANSWER.with(RefCell::take))
    };
    KMS_ANSWER.scope(RefCell::new(None), work).await
}

/// Remembers what KMS answered, since `aws-esdk` reduces it to a debug text.
///
/// An interceptor for the KMS client. `aws-esdk` polls KMS on the thread that
/// called it (multi-thread runtime), so a task-local is seen from here.
#[derive(Debug)]
pub(crate) struct KmsAnswers;

impl Intercept for KmsAnswers {
    fn name(&self) -> &'static str {
        "KmsAnswers"
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_kms::error::BoxError> {
        let Some(Err(error)) = context.output_or_error() else {
            return Ok(());
        };
        let error = error.as_operation_error();
        let decrypt = error.and_then(|error| error.downcast_ref::<DecryptError>());
        let generate = error.and_then(|error| error.downcast_ref::<GenerateDataKeyError>());
        let metadata = decrypt
            .map(ProvideErrorMetadata::meta)
            .or(generate.map(ProvideErrorMetadata::meta));
        let code = metadata.and_then(|metadata| metadata.code());
        let status = context
            .response()
            .map(|response| response.status().as_u16());
        let fault = Fault {
            operation: if generate.is_some() {
                "KMS GenerateDataKey"
            } else {
                "KMS Decrypt"
            },
            kind: FaultKind::of(code, status),
            code: code.map(printable),
            request_id: metadata
                .and_then(|metadata| metadata.extra("aws_request_id"))
                .map(printable),
        };
        // Outside of `Opener::open` there is nobody to tell.
        let _ = KMS_ANSWER.try_with(|answer| answer.replace(Some(fault)));
        Ok(())
    }
}

/// Seals a code exactly as Cognito does: format v1, suite `0x0378`, encryption
/// context `userpool-id`. For tries and tests; Cognito seals the real ones.
///
/// # Errors
/// Whatever KMS answers to `GenerateDataKey`, in the Encryption SDK's words.
#[cfg(feature = "cli")]
pub async fn seal(
    kms: aws_sdk_kms::Client,
    key: &KmsKeyArn,
    user_pool: &UserPoolId,
    code: &Secret,
) -> Result<String, SealFailed> {
    use aws_esdk::material_providers::types::EsdkAlgorithmSuiteId;

    let sdk = encryption_sdk(EsdkCommitmentPolicy::ForbidEncryptAllowDecrypt);
    let sealing = sdk
        .encrypt()
        .plaintext(code.expose().as_bytes())
        .keyring(strict_keyring(kms, key).await)
        .algorithm_suite_id(EsdkAlgorithmSuiteId::AlgAes256GcmIv12Tag16HkdfSha384EcdsaP384)
        .encryption_context(std::collections::HashMap::from([(
            USER_POOL_CONTEXT_KEY.to_owned(),
            user_pool.as_str().to_owned(),
        )]))
        .send();
    let (output, kms_answer) = aside(with_kms_answer(sealing)).await;
    let output = output.map_err(|_| SealFailed(kms_answer))?;
    Ok(STANDARD.encode(output.ciphertext.unwrap_or_default()))
}

/// Why [`seal`] could not seal.
#[cfg(feature = "cli")]
#[derive(Debug)]
pub struct SealFailed(Option<Fault>);

#[cfg(feature = "cli")]
impl fmt::Display for SealFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no code was sealed: ")?;
        match &self.0 {
            Some(fault) => write!(f, "{fault}")?,
            None => f.write_str("the Encryption SDK refused")?,
        }
        f.write_str(
            ". Check your credentials and the key: sealing needs kms:GenerateDataKey on it, in \
             the key's Region.",
        )
    }
}

#[cfg(feature = "cli")]
impl std::error::Error for SealFailed {}
