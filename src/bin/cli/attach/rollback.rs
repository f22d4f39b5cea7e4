//! The file from which a pool is put back.

use std::fs::OpenOptions;
use std::io::Write as _;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::permission::Turn;
use crate::Failure;

/// What was, before a change.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rollback {
    pub(super) user_pool_id: String,
    /// The function's ARN.
    pub(super) function: String,
    /// Whether the change adds or removes Cognito's permission to invoke it.
    pub(super) permission: Option<Permission>,
    /// `UserPool` of `DescribeUserPool`.
    pub(super) user_pool: Value,
    /// `GetUserPoolMfaConfig`.
    pub(super) mfa: Value,
}

/// What a change does with Cognito's permission.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Permission {
    Added,
    Removed,
}

impl Permission {
    pub(super) fn of(turn: Turn) -> Option<Self> {
        match turn {
            Turn::Stays => None,
            Turn::Comes => Some(Self::Added),
            Turn::Goes => Some(Self::Removed),
        }
    }
}

impl Rollback {
    /// Writes it, for its owner alone: `path`, or a name of its own in the
    /// working folder.
    ///
    /// # Errors
    /// A file that is there already, or cannot be written.
    pub(super) fn write(&self, path: Option<&Path>) -> Result<PathBuf, Failure> {
        let path = path.map_or_else(|| self.default_path(), Path::to_path_buf);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        options.mode(0o600);
        let text = serde_json::to_string_pretty(self)?;
        let written = options.open(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(path),
            Err(error) => Err(format!(
                "the roll-back file {} cannot be written: {error}. Nothing was changed; give \
                 another --rollback-file",
                path.display()
            )
            .into()),
        }
    }

    fn default_path(&self) -> PathBuf {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
        let time = time.fmt(Format::DateTime).unwrap_or_default();
        let time = time.replace(['-', ':'], "");
        format!("cognito-sender-{}-{time}.json", self.user_pool_id).into()
    }

    /// # Errors
    /// A file that cannot be read, or was not written by [`Rollback::write`].
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{name} cannot be read: {error}"))?;
        let read: Self = serde_json::from_str(&text)
            .map_err(|error| format!("{name} is not a roll-back file: {error}"))?;
        if read.user_pool["Id"] != read.user_pool_id {
            return Err(format!("{name} is not a roll-back file: it has no user pool").into());
        }
        Ok(read)
    }
}
