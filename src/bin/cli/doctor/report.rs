//! Findings -> what a person reads, and what a machine does.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::finding::{Check, Finding, Mend, Standing};
use crate::page::wrapped;

/// A terminal's width.
const WIDTH: usize = 80;
/// Where a finding's words begin, behind its standing.
const INDENT: &str = "           ";

/// What was found, and of what.
pub(crate) struct Report {
    /// `function cognito-sender in us-east-1`.
    pub(crate) subject: String,
    /// In the order of areas.
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// How many findings stand so.
    pub(crate) fn count(&self, standing: Standing) -> usize {
        let findings = self.findings.iter();
        findings.filter(|found| found.standing == standing).count()
    }

    /// For a terminal of 80 columns.
    pub(crate) fn text(&self, colour: bool) -> String {
        let mut text = format!("{}\n", self.subject);
        let mut area = None;
        for finding in &self.findings {
            if area.replace(finding.check.area()) != Some(finding.check.area()) {
                let name = finding.check.area().name();
                let _ = write!(text, "\n{}\n", painted(name, "1", colour));
            }
            finding_text(&mut text, finding, colour);
        }
        let _ = writeln!(text, "\n{}", self.closing());
        text
    }

    /// `2 failures, 1 warning and 30 ok`.
    fn closing(&self) -> String {
        let counts = Standing::ALL.map(|standing| (standing, self.count(standing)));
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(standing, count)| *count > 0 || *standing == Standing::Failure)
            .map(|(standing, count)| match (standing, count) {
                (Standing::Failure, 0) => "no failure".to_owned(),
                (Standing::Failure | Standing::Warning | Standing::Note, 2..) => {
                    format!("{count} {}s", standing.name())
                }
                _ => format!("{count} {}", standing.name()),
            })
            .collect();
        format!("{}.", counts.join(", "))
    }

    /// One object; its members are stable.
    pub(crate) fn json(&self) -> Value {
        let counts: Map<String, Value> = Standing::ALL
            .into_iter()
            .map(|standing| (standing.name().to_owned(), json!(self.count(standing))))
            .collect();
        let findings: Vec<Value> = self.findings.iter().map(finding_json).collect();
        json!({"subject": self.subject, "counts": counts, "findings": findings})
    }

    /// Whether AWS told nothing at all.
    pub(crate) fn saw_nothing(&self) -> bool {
        let of_aws = self
            .findings
            .iter()
            .filter(|found| found.check != Check::Settings);
        of_aws.clone().count() > 0
            && of_aws
                .clone()
                .all(|found| found.standing == Standing::Unknown)
    }
}

fn finding_text(text: &mut String, finding: &Finding, colour: bool) {
    let standing = finding.standing;
    let code = match standing {
        Standing::Ok => "32",
        Standing::Note => "36",
        Standing::Warning => "33",
        Standing::Failure => "1;31",
        Standing::Unknown => "35",
    };
    let word = painted(&format!("{:<8}", standing.name()), code, colour);
    let mut what = paragraphs(&finding.what);
    let first = if what.is_empty() {
        String::new()
    } else {
        what.remove(0)
    };
    let _ = writeln!(text, "  {word} {first}");
    let why = finding.why.as_deref().map(|why| format!("Why: {why}"));
    for line in what
        .into_iter()
        .chain(paragraphs(why.as_deref().unwrap_or_default()))
    {
        let _ = writeln!(text, "{INDENT}{line}");
    }
    match &finding.mend {
        None => (),
        Some(Mend::Advice(advice)) => {
            for line in paragraphs(&format!("Do: {advice}")) {
                let _ = writeln!(text, "{INDENT}{line}");
            }
        }
        Some(Mend::Commands(commands)) => {
            for command in commands {
                let _ = writeln!(text, "{INDENT}$ {}", broken(&plain(command)));
            }
        }
    }
}

/// The lines of a text beside the standing.
fn paragraphs(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let lines = wrapped(&plain(text), WIDTH - INDENT.len());
    lines.lines().map(str::to_owned).collect()
}

/// A command over several lines, where it is too long for one: broken before
/// options alone, and never inside of quotes, so that it can be pasted.
fn broken(command: &str) -> String {
    let room = WIDTH - INDENT.len() - 4;
    let mut lines = vec![String::new()];
    for part in options(command) {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.chars().count() + part.chars().count() < room => {
                line.push_str(&part);
            }
            _ => lines.push(part.trim_start().to_owned()),
        }
    }
    lines.join(&format!(" \\\n{INDENT}    "))
}

/// A command, cut before each ` --` outside of single quotes.
fn options(command: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for (at, c) in command.char_indices() {
        quoted ^= c == '\'';
        if !quoted && command[at..].starts_with(" --") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// What a service said is not to steer the terminal.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

fn painted(word: &str, code: &str, colour: bool) -> String {
    if colour {
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

fn finding_json(finding: &Finding) -> Value {
    let mend = match &finding.mend {
        None => Value::Null,
        Some(Mend::Commands(commands)) => json!({"commands": commands}),
        Some(Mend::Advice(advice)) => json!({"advice": advice}),
    };
    json!({
        "check": finding.check.id(),
        "area": finding.check.area().name(),
        "standing": finding.standing.name(),
        "what": finding.what,
        "why": finding.why,
        "mend": mend,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_broken_where_it_can_be_pasted() {
        let policy = r#"'{"Statement": "a --b"}'"#;
        let command = format!(
            "aws iam put-role-policy --role-name cognito-sender-Role --policy-name more \
             --policy-document {policy}"
        );
        let broken = broken(&command);
        assert!(broken.contains(policy));
        assert_eq!(broken.replace(&format!(" \\\n{INDENT}    "), " "), command);
        assert!(broken.lines().count() > 1);
    }
}
