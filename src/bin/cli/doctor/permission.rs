//! Whether a function's policy lets Cognito invoke it for a pool.
//!
//! Understands what `lambda add-permission`, SAM, CDK and Terraform write:
//! principals, actions, and conditions on `aws:SourceArn` and
//! `aws:SourceAccount` (IAM guide, "Policy evaluation logic").

use serde_json::Value;

/// What the policy says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
    /// It hangs on a condition of another kind.
    Unclear,
}

const COGNITO: &str = "cognito-idp.amazonaws.com";

/// Reads the policy's JSON; an empty text is no policy.
pub(crate) fn may_invoke(policy: &str, pool_arn: &str, account: &str) -> Verdict {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut verdict = Verdict::NotAllowed;
    for statement in many(&policy["Statement"]) {
        let principal = &statement["Principal"];
        let concerns = texts(principal).any(|who| who == "*")
            || texts(&principal["Service"]).any(|who| who == COGNITO || who == "*")
            || texts(&principal["AWS"]).any(|who| who == "*");
        let invokes = texts(&statement["Action"])
            .any(|action| fits(&action.to_lowercase(), "lambda:invokefunction"));
        if !concerns || !invokes {
            continue;
        }
        let denies = statement["Effect"] == "Deny";
        match (denies, holds(&statement["Condition"], pool_arn, account)) {
            (true, Some(true)) => return Verdict::Denied,
            (false, Some(true)) => verdict = Verdict::Allowed,
            (_, None) if verdict == Verdict::NotAllowed => verdict = Verdict::Unclear,
            _ => (),
        }
    }
    verdict
}

/// Whether all conditions hold; `None`: one of another kind decides.
fn holds(conditions: &Value, pool_arn: &str, account: &str) -> Option<bool> {
    let mut all = Some(true);
    for (operator, keys) in conditions.as_object().into_iter().flatten() {
        let operator = operator.trim_end_matches("IfExists");
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let told = match key.to_lowercase().as_str() {
                "aws:sourcearn" => pool_arn,
                "aws:sourceaccount" => account,
                _ => {
                    all = None;
                    continue;
                }
            };
            let one = match operator {
                "StringEquals" => texts(wanted).any(|wanted| wanted == told),
                "StringLike" | "ArnLike" | "ArnEquals" => {
                    texts(wanted).any(|wanted| fits(wanted, told))
                }
                _ => {
                    all = None;
                    continue;
                }
            };
            if !one {
                return Some(false);
            }
        }
    }
    all
}

/// One value, or a list of them.
fn many(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    many(value).iter().filter_map(Value::as_str)
}

/// Whether `text` is what `pattern` means: `*` is any characters, `?` one.
fn fits(pattern: &str, text: &str) -> bool {
    fn from(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', pattern @ ..], text) => (0..=text.len()).any(|at| from(pattern, &text[at..])),
            ([b'?', pattern @ ..], [_, text @ ..]) => from(pattern, text),
            ([wanted, pattern @ ..], [byte, text @ ..]) if wanted == byte => from(pattern, text),
            _ => false,
        }
    }
    from(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POOL: &str = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_a";

    fn verdict(statements: &Value) -> Verdict {
        let policy = json!({"Statement": statements}).to_string();
        may_invoke(&policy, POOL, "123456789012")
    }

    fn allow(condition: Value) -> Value {
        json!({
            "Effect": "Allow", "Principal": {"Service": COGNITO},
            "Action": "lambda:InvokeFunction", "Condition": condition,
        })
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "abc"),
            ("a*c", "abbc"),
            ("a*", "a"),
            ("a*b*c", "aXbYc"),
            ("a**c", "ac"),
            ("a?c", "abc"),
            ("*b", "ab"),
            ("*/us-east-1_*", "userpool/us-east-1_a"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("a*c", "ab"),
            ("a?", "a"),
            ("*ab", "b"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_the_tools_write_is_understood() {
        for condition in [
            json!({}),
            json!({"StringEquals": {"AWS:SourceAccount": "123456789012"}}),
            json!({"ArnLike": {"AWS:SourceArn": POOL}}),
            json!({"ArnLike": {"aws:SourceArn": ["x", "arn:aws:cognito-idp:*:*:userpool/*"]}}),
        ] {
            assert_eq!(
                verdict(&json!([allow(condition.clone())])),
                Verdict::Allowed,
                "{condition}"
            );
        }
        let other = json!({"ArnLike": {"AWS:SourceArn": POOL.replace("_a", "_b")}});
        assert_eq!(verdict(&json!([allow(other)])), Verdict::NotAllowed);
        let account = json!({"StringEquals": {"AWS:SourceAccount": "999999999999"}});
        assert_eq!(verdict(&json!(allow(account))), Verdict::NotAllowed);
        let odd = json!({"Bool": {"aws:SecureTransport": "true"}});
        assert_eq!(verdict(&json!([allow(odd)])), Verdict::Unclear);
        assert_eq!(verdict(&json!([])), Verdict::NotAllowed);
        assert_eq!(may_invoke("", POOL, "1"), Verdict::NotAllowed);
        let mut deny = allow(json!({}));
        deny["Effect"] = json!("Deny");
        assert_eq!(verdict(&json!([allow(json!({})), deny])), Verdict::Denied);
    }

    #[test]
    fn others_statements_are_no_permission() {
        let mut other = allow(json!({}));
        other["Principal"] = json!({"Service": "s3.amazonaws.com"});
        assert_eq!(verdict(&json!([other])), Verdict::NotAllowed);
        let mut other = allow(json!({}));
        other["Action"] = json!("lambda:GetFunction");
        assert_eq!(verdict(&json!([other])), Verdict::NotAllowed);
    }
}
