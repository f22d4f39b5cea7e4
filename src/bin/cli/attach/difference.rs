//! What differs between two descriptions of a pool, for a person.

use std::fmt;

use serde_json::Value;

/// A setting that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Such as `LambdaConfig.CustomSMSSender`.
    pub(super) path: String,
    /// `None`: it was not there.
    from: Option<Value>,
    /// `None`: it is gone.
    to: Option<Value>,
}

/// Every difference, by path. An absent value, null, `{}` and `[]` are the
/// same, and the order of a list says nothing: Cognito keeps none of that.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(before, after, "", &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<Difference>) {
    if let (Value::Object(from), Value::Object(to)) = (before, after) {
        let new = to.keys().filter(|name| !from.contains_key(*name));
        for name in from.keys().chain(new) {
            let dot = if path.is_empty() { "" } else { "." };
            let path = format!("{path}{dot}{name}");
            compare(&before[name], &after[name], &path, found);
        }
    } else if canonical(before) != canonical(after) {
        found.push(Difference {
            path: path.to_owned(),
            from: canonical(before),
            to: canonical(after),
        });
    }
}

/// A value as it is compared; `None`: as good as absent.
fn canonical(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(members) => {
            let members = members.iter();
            let mut members: Vec<_> = members
                .filter_map(|(name, value)| Some((name.clone(), canonical(value)?)))
                .collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            (!members.is_empty()).then(|| members.into_iter().collect())
        }
        Value::Array(elements) => {
            let mut elements: Vec<_> = elements.iter().filter_map(canonical).collect();
            elements.sort_by_key(Value::to_string);
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        value => Some(value.clone()),
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, from, to } = self;
        match (from, to) {
            (None, Some(to)) => write!(f, "  + {path}\n      {}", shown(to)),
            (Some(from), None) => write!(f, "  - {path}\n      {}", shown(from)),
            (from, to) => {
                let shown = |side: &Option<Value>| side.as_ref().map(shown).unwrap_or_default();
                write!(f, "  ~ {path}\n      from {}", shown(from))?;
                write!(f, "\n      to   {}", shown(to))
            }
        }
    }
}

/// On one line, and not a page of it.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 160;
    let text = match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Object(members) if members.len() == 2 => {
            match (&value["LambdaArn"], &value["LambdaVersion"]) {
                (Value::String(arn), Value::String(version)) => format!("{arn} ({version})"),
                _ => value.to_string(),
            }
        }
        value => value.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(before: Value, after: Value) -> Vec<String> {
        let found = differences(&before, &after);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_means_the_same_is_no_difference() {
        let one = json!({"A": null, "B": {}, "C": [], "D": ["x", "y"], "E": {"F": {"G": null}}});
        assert_eq!(differences(&one, &json!({"D": ["y", "x"]})), []);
    }

    #[test]
    fn what_comes_goes_and_changes_is_named_by_its_path() {
        let sender = json!({"LambdaArn": "arn:a", "LambdaVersion": "V1_0"});
        let found = shown(
            json!({"L": {"KMSKeyID": "k", "Pre": "arn:p"}, "N": 0, "M": "OFF"}),
            json!({"L": {"Custom": sender, "Pre": "arn:p"}, "M": "ON\u{1b}[31m"}),
        );
        let expected = [
            "  + L.Custom\n      arn:a (V1_0)",
            "  - L.KMSKeyID\n      k",
            "  ~ M\n      from OFF\n      to   ON\\u{1b}[31m",
            "  - N\n      0",
        ];
        assert_eq!(found, expected);
    }
}
