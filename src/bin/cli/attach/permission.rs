//! Cognito's permission to invoke the function for one user pool: a statement
//! of the function's own policy.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_policy::GetPolicyError;
use serde_json::Value;

use crate::Failure;
use crate::aws::refusal;

/// Who invokes.
const COGNITO: &str = "cognito-idp.amazonaws.com";
/// What it does.
const INVOKE: &str = "lambda:InvokeFunction";

/// The function's policy, and the pool that is to be let in.
pub(super) struct Permission {
    lambda: Client,
    function: String,
    pool_arn: String,
    /// By which what attach added is found again.
    pub(super) statement_id: String,
    statements: Vec<Value>,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Stays,
    Comes,
    Goes,
}

impl Permission {
    /// Asks Lambda.
    ///
    /// # Errors
    /// A caller that may not look, with the IAM action.
    pub(super) async fn read(
        lambda: Client,
        function: &str,
        pool: &str,
        pool_arn: &str,
    ) -> Result<Self, Failure> {
        let answer = lambda.get_policy().function_name(function).send().await;
        let policy = match answer {
            Ok(answer) => answer.policy.unwrap_or_default(),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(GetPolicyError::ResourceNotFoundException(_))
                ) =>
            {
                String::new()
            }
            Err(error) => {
                return Err(format!(
                    "who may invoke {function} cannot be read (lambda:GetPolicy): {}",
                    refusal(&error)
                )
                .into());
            }
        };
        let policy: Value = serde_json::from_str(&policy).unwrap_or_default();
        Ok(Self {
            lambda,
            function: function.to_owned(),
            pool_arn: pool_arn.to_owned(),
            statement_id: format!("cognito-sender-{pool}"),
            statements: one_or_more(&policy["Statement"]).to_vec(),
        })
    }

    /// Whether Cognito may invoke the function for the pool, by whatever
    /// statement.
    pub(super) fn granted(&self) -> bool {
        let account = self.pool_arn.split(':').nth(4).unwrap_or_default();
        let granting = |statement| grants(statement, &self.pool_arn, account);
        self.statements.iter().any(granting)
    }

    /// Whether the statement that attach adds is there.
    pub(super) fn is_ours(&self) -> bool {
        let ours = |statement: &Value| statement["Sid"] == *self.statement_id;
        self.statements.iter().any(ours)
    }

    /// # Errors
    /// What AWS answered.
    pub(super) async fn add(&self) -> Result<(), Failure> {
        let added = self
            .lambda
            .add_permission()
            .function_name(&self.function)
            .statement_id(&self.statement_id)
            .action(INVOKE)
            .principal(COGNITO)
            .source_arn(&self.pool_arn)
            .source_account(self.pool_arn.split(':').nth(4).unwrap_or_default())
            .send()
            .await;
        added.map(drop).map_err(|error| {
            let told = refusal(&error);
            format!("Cognito was not let in (lambda:AddPermission): {told}").into()
        })
    }

    /// # Errors
    /// What AWS answered.
    pub(super) async fn remove(&self) -> Result<(), Failure> {
        let removed = self
            .lambda
            .remove_permission()
            .function_name(&self.function)
            .statement_id(&self.statement_id)
            .send()
            .await;
        removed.map(drop).map_err(|error| {
            let told = refusal(&error);
            format!("Cognito's permission stays (lambda:RemovePermission): {told}").into()
        })
    }
}

/// A policy has a list, or its only element without one.
fn one_or_more(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        value => std::slice::from_ref(value),
    }
}

/// Whether a statement lets Cognito invoke for the pool. A condition that is
/// not understood here lets nobody in: attach then adds one that does.
fn grants(statement: &Value, pool_arn: &str, account: &str) -> bool {
    let lists = |value: &Value, wanted: &[&str]| {
        let mut listed = one_or_more(value).iter().filter_map(Value::as_str);
        listed.any(|listed| wanted.contains(&listed))
    };
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let mut conditions = conditions.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| (operator.as_str(), key.to_lowercase(), values))
    });
    statement["Effect"] == "Allow"
        && lists(&statement["Principal"]["Service"], &[COGNITO])
        && lists(&statement["Action"], &[INVOKE, "lambda:*"])
        && conditions.all(|(operator, key, values)| {
            let asked = match key.as_str() {
                "aws:sourcearn" => pool_arn,
                "aws:sourceaccount" => account,
                _ => return false,
            };
            let mut values = one_or_more(values).iter().filter_map(Value::as_str);
            match operator {
                "ArnLike" | "ArnEquals" | "StringLike" => values.any(|value| like(value, asked)),
                "StringEquals" => values.any(|value| value == asked),
                _ => false,
            }
        })
}

/// IAM's patterns: `*` is anything, `?` any character.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = text.chars();
    let mut pattern = pattern.chars();
    match pattern.next() {
        None => text.is_empty(),
        Some('*') => {
            let after = pattern.as_str();
            let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.any(|at| like(after, &text[at..]))
        }
        Some(c) => {
            rest.next().is_some_and(|next| c == '?' || c == next)
                && like(pattern.as_str(), rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POOL: &str = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEfGhI";

    fn granted(condition: Value) -> bool {
        let statement = json!({
            "Effect": "Allow", "Principal": { "Service": COGNITO }, "Action": INVOKE,
            "Condition": condition,
        });
        grants(&statement, POOL, "123456789012")
    }

    #[test]
    fn a_statement_for_the_pool_or_for_all_lets_cognito_in() {
        for condition in [
            json!({}),
            json!({"ArnLike": {"AWS:SourceArn": POOL}}),
            json!({"ArnLike": {"aws:SourceArn": [
                "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_Other0000", POOL]}}),
            json!({"ArnLike": {"AWS:SourceArn": "arn:aws:cognito-idp:*:123456789012:userpool/*"},
                "StringEquals": {"AWS:SourceAccount": "123456789012"}}),
            json!({"StringEquals": {"aws:sourceArn": POOL}}),
        ] {
            assert!(granted(condition.clone()), "{condition}");
        }
    }

    #[test]
    fn any_other_does_not() {
        for condition in [
            json!({"ArnLike": {"AWS:SourceArn": format!("{POOL}x")}}),
            json!({"StringEquals": {"AWS:SourceArn": "arn:aws:cognito-idp:*:*:userpool/*"}}),
            json!({"StringEquals": {"AWS:SourceAccount": "210987654321"}}),
            json!({"StringNotEquals": {"AWS:SourceAccount": "210987654321"}}),
            json!({"Bool": {"aws:SecureTransport": "true"}}),
        ] {
            assert!(!granted(condition.clone()), "{condition}");
        }
        let other = json!({"Effect": "Allow", "Action": INVOKE,
            "Principal": { "Service": "sns.amazonaws.com" }});
        assert!(!grants(&other, POOL, "123456789012"));
        let denied =
            json!({"Effect": "Deny", "Action": INVOKE, "Principal": { "Service": COGNITO }});
        assert!(!grants(&denied, POOL, "123456789012"));
    }
}
