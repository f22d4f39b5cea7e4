//! KMS: `GenerateDataKey`, `Encrypt`, `Decrypt` and `DescribeKey` of symmetric keys.
//!
//! Any key ARN is a key. Its material is the SHA-256 of a fixed label and the ARN, so that what was sealed in one run
//! opens in every later one, on every machine: **it protects nothing**. What is real is the binding: the encryption
//! context and the ARN are authenticated, so a wrong context, a wrong key or a changed byte is refused as by KMS.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::state::{Account, Shared};
use super::wire::{Call, Output, Refusal};

/// A key to try things out with; any other ARN is as good. The codes in `events/` are sealed under it.
pub const KEY_ARN: &str =
    "arn:aws:kms:us-east-1:123456789012:key/1ca10000-0000-4000-8000-000000000000";

/// Why a key does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// As every key is that nothing else was said of.
    Enabled,
    /// Every use is a `DisabledException`.
    Disabled,
    /// The caller has no permission and no grant: `AccessDeniedException`.
    Denied,
}

/// A data key that another language's SDK made under the real KMS, or under none.
pub(super) struct ImportedKey {
    pub(super) blob: Vec<u8>,
    pub(super) plaintext: Vec<u8>,
    pub(super) arn: String,
    pub(super) context: Context,
}

/// An encryption context; the order of a `BTreeMap` makes its encoding canonical.
pub(super) type Context = BTreeMap<String, String>;

pub(super) fn handle(shared: &Shared, call: &Call) -> Result<Output, Refusal> {
    let account = shared.account();
    match call.operation.as_str() {
        "GenerateDataKey" => generate_data_key(&account, call),
        "Encrypt" => encrypt(&account, call),
        "Decrypt" => decrypt(&account, call),
        "DescribeKey" => describe_key(&account, call),
        "ListGrants" => list_grants(&account, call),
        _ => Err(Refusal::silent("UnknownOperationException")),
    }
    .map(Output::Json)
}

fn generate_data_key(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let arn = key_arn(account, call)?;
    usable(account, call, &arn)?;
    let length = match (call.json("NumberOfBytes"), call.str("KeySpec")) {
        (Value::Null, Some("AES_256")) => 32,
        (Value::Null, Some("AES_128")) => 16,
        (bytes, None) if !bytes.is_null() => bytes
            .as_u64()
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| (1..=1024).contains(length))
            .ok_or_else(|| invalid("numberOfBytes", "Member must have value between 1 and 1024"))?,
        (Value::Null, Some(_)) => {
            return Err(invalid(
                "keySpec",
                "Member must satisfy enum value set: [AES_256, AES_128]",
            ));
        }
        _ => {
            return Err(Refusal::new(
                "ValidationException",
                "Please specify either number of bytes or key spec.",
            ));
        }
    };
    let mut key = vec![0; length];
    fill(&mut key)?;
    let blob = seal(&arn, &context(call)?, &key)?;
    Ok(
        json!({ "CiphertextBlob": BASE64.encode(blob), "Plaintext": BASE64.encode(key), "KeyId": arn }),
    )
}

fn encrypt(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let arn = key_arn(account, call)?;
    usable(account, call, &arn)?;
    let plaintext = blob(call, "Plaintext", "plaintext")?;
    if !(1..=4096).contains(&plaintext.len()) {
        return Err(invalid(
            "plaintext",
            "Member must have length between 1 and 4096",
        ));
    }
    let blob = seal(&arn, &context(call)?, &plaintext)?;
    Ok(
        json!({ "CiphertextBlob": BASE64.encode(blob), "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
    )
}

fn decrypt(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let blob = blob(call, "CiphertextBlob", "ciphertextBlob")?;
    if !(1..=6144).contains(&blob.len()) {
        return Err(invalid(
            "ciphertextBlob",
            "Member must have length between 1 and 6144",
        ));
    }
    let context = context(call)?;
    let imported = account.imported_keys.iter().find(|key| key.blob == blob);
    let arn = match imported {
        Some(key) => key.arn.clone(),
        None => split(&blob).ok_or_else(unreadable)?.0.to_owned(),
    };
    // As KMS does it: the key of the blob must be this Region's and the caller's to use, before it is compared with the
    // key that was asked for.
    if region_of(&arn) != Some(&call.region) {
        return Err(Refusal::new(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.",
        ));
    }
    if call.str("KeyId").is_some() && key_arn(account, call)? != arn {
        return Err(Refusal::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ));
    }
    usable(account, call, &arn)?;
    let plaintext = match imported {
        Some(key) => (key.context == context).then(|| key.plaintext.clone()),
        None => open(&blob, &context),
    };
    let plaintext = plaintext.ok_or_else(unreadable)?;
    Ok(
        json!({ "Plaintext": BASE64.encode(plaintext), "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
    )
}

fn describe_key(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let arn = key_arn(account, call)?;
    let state = account.keys.get(&arn).copied().unwrap_or(KeyState::Enabled);
    if state == KeyState::Denied {
        return Err(denied(account, call, &arn));
    }
    let enabled = state == KeyState::Enabled;
    let part = |index| arn.split([':', '/']).nth(index).unwrap_or_default();
    Ok(json!({ "KeyMetadata": {
        "AWSAccountId": part(4), "KeyId": part(6), "Arn": arn, "CreationDate": 1_767_225_600, "Enabled": enabled,
        "Description": "A key of the stand-in: it protects nothing", "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": if enabled { "Enabled" } else { "Disabled" }, "Origin": "AWS_KMS", "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT", "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"], "MultiRegion": part(6).starts_with("mrk-"),
    } }))
}

/// The one that Cognito makes when a key is attached to a pool.
fn list_grants(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let arn = key_arn(account, call)?;
    Ok(json!({ "Truncated": false, "Grants": [{
        "KeyId": arn, "GrantId": "0c1", "Name": "", "CreationDate": 1_767_225_600,
        "GranteePrincipal": "cognito-idp.amazonaws.com", "IssuingAccount": format!("arn:aws:iam::{}:root", account.id),
        "Operations": ["Encrypt", "GenerateDataKey", "DescribeKey"],
    }] }))
}

/// The ARN that `KeyId` names: itself, or a bare key id of this account and Region. There are no aliases here.
fn key_arn(account: &Account, call: &Call) -> Result<String, Refusal> {
    let key = call
        .str("KeyId")
        .ok_or_else(|| invalid("keyId", "Member must not be null"))?;
    if !key.starts_with("arn:") {
        let arn = format!("arn:aws:kms:{}:{}:key/{key}", call.region, account.id);
        return if is_key_arn(&arn) {
            Ok(arn)
        } else {
            Err(Refusal::new(
                "NotFoundException",
                format!("Alias {key} is not found: the stand-in knows key ARNs only"),
            ))
        };
    }
    if !is_key_arn(key) {
        return Err(Refusal::new(
            "NotFoundException",
            format!("Invalid keyId {key}"),
        ));
    }
    if region_of(key) != Some(&call.region) {
        return Err(Refusal::new(
            "NotFoundException",
            format!("Invalid arn {}", region_of(key).unwrap_or_default()),
        ));
    }
    Ok(key.to_owned())
}

fn is_key_arn(arn: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let id = |id: &str| {
        !id.is_empty()
            && id.len() <= 128
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    matches!(parts.as_slice(), ["arn", partition, "kms", region, account, key]
        if partition.starts_with("aws") && id(region) && id(account) && key.strip_prefix("key/").is_some_and(id))
}

fn region_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(3)
}

fn usable(account: &Account, call: &Call, arn: &str) -> Result<(), Refusal> {
    match account.keys.get(arn) {
        None | Some(KeyState::Enabled) => Ok(()),
        Some(KeyState::Disabled) => Err(Refusal::new(
            "DisabledException",
            format!("{arn} is disabled."),
        )),
        Some(KeyState::Denied) => Err(denied(account, call, arn)),
    }
}

fn denied(account: &Account, call: &Call, arn: &str) -> Refusal {
    let who = format!(
        "arn:aws:sts::{}:assumed-role/cognito-sender/local",
        account.id
    );
    Refusal::new(
        "AccessDeniedException",
        format!(
            "User: {who} is not authorized to perform: kms:{} on resource: {arn} because no identity-based policy allows the kms:{} action",
            call.operation, call.operation
        ),
    )
}

fn invalid(member: &str, rule: &str) -> Refusal {
    Refusal::new(
        "ValidationException",
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: {rule}"
        ),
    )
}

/// KMS says no more than this of a blob that it cannot open, whatever the cause.
fn unreadable() -> Refusal {
    Refusal::silent("InvalidCiphertextException")
}

fn blob(call: &Call, name: &str, member: &str) -> Result<Vec<u8>, Refusal> {
    match call.json(name) {
        Value::String(text) => BASE64
            .decode(text)
            .map_err(|_| Refusal::new("SerializationException", format!("{member} is not base64"))),
        _ => Err(invalid(member, "Member must not be null")),
    }
}

fn context(call: &Call) -> Result<Context, Refusal> {
    match call.json("EncryptionContext") {
        Value::Null => Ok(Context::new()),
        value => serde_json::from_value(value.clone()).map_err(|_| {
            Refusal::new(
                "SerializationException",
                "EncryptionContext is not a map of strings",
            )
        }),
    }
}

const MAGIC: &[u8] = b"stand-in-kms-1";

/// `MAGIC, length of the ARN, ARN, nonce, ciphertext and tag`.
fn seal(arn: &str, context: &Context, plaintext: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut nonce = [0; NONCE_LEN];
    fill(&mut nonce)?;
    let mut sealed = plaintext.to_vec();
    cipher(arn)
        .and_then(|key| {
            key.seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                aad(arn, context),
                &mut sealed,
            )
            .ok()
        })
        .ok_or_else(|| Refusal::silent("KMSInternalException").status(500))?;
    let length = u16::try_from(arn.len())
        .map_err(|_| Refusal::silent("KMSInternalException").status(500))?;
    Ok([
        MAGIC,
        &length.to_be_bytes(),
        arn.as_bytes(),
        &nonce,
        &sealed,
    ]
    .concat())
}

fn open(blob: &[u8], context: &Context) -> Option<Vec<u8>> {
    let (arn, rest) = split(blob)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    let mut sealed = sealed.to_vec();
    let plaintext = cipher(arn)?
        .open_in_place(Nonce::from(nonce), aad(arn, context), &mut sealed)
        .ok()?;
    Some(plaintext.to_vec())
}

/// The ARN of a blob, and what follows.
fn split(blob: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = blob.strip_prefix(MAGIC)?.split_first_chunk::<2>()?;
    let (arn, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(arn).ok()?, rest))
}

fn cipher(arn: &str) -> Option<LessSafeKey> {
    let material = digest(
        &SHA256,
        format!("cognito-sender stand-in key, protects nothing: {arn}").as_bytes(),
    );
    UnboundKey::new(&AES_256_GCM, material.as_ref())
        .ok()
        .map(LessSafeKey::new)
}

/// Each part with its length, so that no two contexts look alike.
fn aad(arn: &str, context: &Context) -> Aad<Vec<u8>> {
    let parts = std::iter::once(arn).chain(
        context
            .iter()
            .flat_map(|(name, value)| [name.as_str(), value.as_str()]),
    );
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&part.len().to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    Aad::from(bytes)
}

fn fill(bytes: &mut [u8]) -> Result<(), Refusal> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Refusal::silent("KMSInternalException").status(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/f57d58ec-9f0f-464c-a977-835b23d1b851";

    fn pool(id: &str) -> Context {
        Context::from([("userpool-id".to_owned(), id.to_owned())])
    }

    #[test]
    fn a_blob_opens_with_its_own_context_only() {
        let blob = seal(ARN, &pool("eu-west-1_a"), b"data key").unwrap();
        assert_eq!(
            open(&blob, &pool("eu-west-1_a")).as_deref(),
            Some(b"data key".as_slice())
        );
        assert_eq!(open(&blob, &pool("eu-west-1_b")), None);
        assert_eq!(open(&blob, &Context::new()), None);
    }

    #[test]
    fn a_blob_with_any_byte_changed_or_cut_does_not_open() {
        let blob = seal(ARN, &pool("p"), b"data key").unwrap();
        for at in 0..blob.len() {
            let mut changed = blob.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed, &pool("p")), None, "byte {at}");
            assert_eq!(open(&blob[..at], &pool("p")), None, "cut at {at}");
        }
    }

    #[test]
    fn contexts_that_concatenate_alike_differ() {
        let context =
            |name: &str, value: &str| Context::from([(name.to_owned(), value.to_owned())]);
        assert_ne!(
            aad(ARN, &context("ab", "c")).as_ref(),
            aad(ARN, &context("a", "bc")).as_ref()
        );
    }

    #[test]
    fn key_arns_are_told_from_aliases() {
        assert!(is_key_arn(ARN));
        assert!(!is_key_arn("arn:aws:kms:eu-west-1:123456789012:alias/a"));
        assert!(!is_key_arn("arn:aws:kms:eu-west-1:123456789012:key/"));
    }
}
