//! A change of a user pool: shown, confirmed, kept for a roll-back, made, read
//! back and compared.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aws_sdk_cognitoidentityprovider::Client;
use clap::Args;
use serde_json::Value;

use super::difference::{Difference, differences};
use super::permission::{Permission, Turn};
use super::rollback::{self, Rollback};
use super::settings::{Pool, comparable, mfa};
use crate::Failure;
use crate::ask::confirmed;

/// How a change is made.
#[derive(Args)]
pub(super) struct Manner {
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Where the present settings are kept [default:
    /// cognito-sender-POOL-TIME.json].
    #[arg(long, value_name = "FILE")]
    rollback_file: Option<PathBuf>,
}

/// What is, and what is to be.
pub(super) struct Change {
    pub(super) cognito: Client,
    /// The function's ARN.
    pub(super) function: String,
    pub(super) before: Pool,
    /// As `DescribeUserPool` is to show the pool.
    pub(super) wanted: Value,
    /// As `GetUserPoolMfaConfig` is to show it.
    pub(super) wanted_mfa: Value,
    pub(super) permission: Permission,
    pub(super) turn: Turn,
}

impl Change {
    /// Makes it. `notes` are shown beside the difference; `nothing` is said
    /// when all is so already, and `done` when it is made.
    ///
    /// # Errors
    /// A setting that would be lost, before anything is changed; what AWS
    /// refuses; or a pool that is not as it was meant to be afterwards.
    pub(super) async fn make(
        self,
        manner: &Manner,
        notes: &[String],
        nothing: &str,
        done: &str,
    ) -> Result<ExitCode, Failure> {
        let Self { before, turn, .. } = &self;
        let pool = differences(&comparable(&before.described), &comparable(&self.wanted));
        let factors = differences(&before.mfa, &self.wanted_mfa);
        if pool.is_empty() && factors.is_empty() && *turn == Turn::Stays {
            say!("{nothing}");
            return Ok(ExitCode::SUCCESS);
        }
        if !pool.is_empty() {
            self.loses_nothing()?;
        }
        self.show(&pool, &factors, notes);
        if manner.dry_run {
            say!("Nothing was changed (--dry-run).");
            return Ok(ExitCode::SUCCESS);
        }
        if !confirmed("Change the pool?", manner.yes)? {
            return Ok(ExitCode::from(2));
        }
        self.still_so().await?;
        let kept = self.keep(manner.rollback_file.as_deref())?;
        let undo = format!("cognito-sender attach --roll-back {}", kept.display());
        if *turn == Turn::Comes {
            self.permission.add().await?;
        }
        if !pool.is_empty()
            && let Err(told) = before.update(&self.cognito, &self.wanted).await
        {
            return Err(self.refused(&told, &undo).await);
        }
        self.read_back(&undo).await?;
        if *turn == Turn::Goes {
            self.permission.remove().await?;
        }
        say!("{done} Read back: all else is as it was. To undo it:\n\n  {undo}");
        Ok(ExitCode::SUCCESS)
    }

    /// An update would reset what this version does not know.
    fn loses_nothing(&self) -> Result<(), Failure> {
        let unknown = self.before.unknown();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(format!(
            "user pool {} has settings that this version does not know, and an update would \
             reset: {}. Nothing was changed; look for a newer cognito-sender",
            self.before.id,
            unknown.join(", ")
        )
        .into())
    }

    fn show(&self, pool: &[Difference], factors: &[Difference], notes: &[String]) {
        let name = self.before.described["Name"].as_str().unwrap_or_default();
        say!("User pool {} ({})", self.before.id, name.escape_debug());
        for difference in pool {
            say!("{difference}");
        }
        for difference in factors {
            say!("{difference}");
        }
        let sign = match self.turn {
            Turn::Stays => None,
            Turn::Comes => Some('+'),
            Turn::Goes => Some('-'),
        };
        if let Some(sign) = sign {
            say!("Function {}", self.function);
            say!(
                "  {sign} permission {}\n      Cognito may invoke it, for this pool alone",
                self.permission.statement_id
            );
        }
        say!("All other settings stay as they are.");
        for note in notes {
            say!("Note: {note}");
        }
        say!("");
    }

    /// The person may have looked at it for a while.
    async fn still_so(&self) -> Result<(), Failure> {
        let now = Pool::read(&self.cognito, &self.before.id).await?;
        let pool = differences(
            &comparable(&self.before.described),
            &comparable(&now.described),
        );
        if pool.is_empty() && differences(&self.before.mfa, &now.mfa).is_empty() {
            return Ok(());
        }
        Err("somebody else changed the pool meanwhile; nothing was changed, look again".into())
    }

    fn keep(&self, path: Option<&Path>) -> Result<PathBuf, Failure> {
        let kept = Rollback {
            user_pool_id: self.before.id.clone(),
            function: self.function.clone(),
            permission: rollback::Permission::of(self.turn),
            user_pool: self.before.described.clone(),
            mfa: self.before.mfa.clone(),
        };
        kept.write(path)
    }

    /// What to say when Cognito refuses, or does not answer: then it may have
    /// changed the pool all the same.
    async fn refused(&self, told: &str, undo: &str) -> Failure {
        let id = &self.before.id;
        let mut needed = vec![format!("cognito-idp:UpdateUserPool on the pool {id}")];
        if let Some(key) = self.wanted["LambdaConfig"]["KMSKeyID"].as_str() {
            needed.push(format!("kms:CreateGrant on {key}"));
        }
        if let Some(role) = self.wanted["SmsConfiguration"]["SnsCallerArn"].as_str() {
            needed.push(format!("iam:PassRole on {role}"));
        }
        let mut failure = format!(
            "Cognito did not take it: {told}\nWhoever asks it needs\n  {}",
            needed.join("\n  ")
        );
        let left = match Pool::read(&self.cognito, id).await {
            Ok(now) => differences(
                &comparable(&self.before.described),
                &comparable(&now.described),
            ),
            Err(error) => return format!("{failure}\nand then, {error}").into(),
        };
        if left.is_empty() {
            failure += "\nThe pool is as it was.";
        } else {
            failure += &format!("\nThe pool changed:\n{}", listed(&left));
        }
        if !left.is_empty() || self.turn == Turn::Comes {
            failure += " The function's permission is added; try again, or undo all:";
            failure += &format!("\n\n  {undo}");
        }
        failure.into()
    }

    /// Compares the pool with what it was meant to become. MFA factors that
    /// went are set again.
    async fn read_back(&self, undo: &str) -> Result<(), Failure> {
        let id = &self.before.id;
        let now = Pool::read(&self.cognito, id).await.map_err(|error| {
            format!("the pool was changed, and not compared: {error}. To undo it:\n\n  {undo}")
        })?;
        let mut wrong = differences(&comparable(&self.wanted), &comparable(&now.described));
        let mut factors = differences(&self.wanted_mfa, &now.mfa);
        let mut told = String::new();
        if !factors.is_empty() {
            match now.set_mfa(&self.cognito, &self.wanted_mfa).await {
                Ok(()) => factors = differences(&self.wanted_mfa, &mfa(&self.cognito, id).await?),
                Err(error) => told = format!("\n(cognito-idp:SetUserPoolMfaConfig: {error})"),
            }
        }
        wrong.extend(factors);
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the pool was changed, and more than was meant, read back:\n{}{told}\nTo undo \
             it:\n\n  {undo}",
            listed(&wrong)
        )
        .into())
    }
}

fn listed(differences: &[Difference]) -> String {
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
