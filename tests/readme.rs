//! The README names what there is.

use std::cell::RefCell;

use cognito_sender::{Config, Reason};

fn readme() -> String {
    std::fs::read_to_string("README.md").unwrap()
}

#[test]
fn every_variable_is_explained() {
    let asked = RefCell::new(Vec::new());
    let _ = Config::read(|name| {
        asked.borrow_mut().push(name.to_owned());
        None
    });
    let readme = readme();
    for name in asked
        .into_inner()
        .iter()
        .filter(|name| !name.starts_with("AWS_"))
    {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_reason_has_its_row() {
    let readme = readme();
    for reason in Reason::ALL {
        assert!(
            readme.contains(&format!("\n| `{}` |", reason.name())),
            "{reason:?}"
        );
    }
}

#[test]
fn every_error_is_explained() {
    let source = std::fs::read_to_string("src/error.rs").unwrap();
    let names = source
        .split("pub fn name(&self)")
        .nth(1)
        .and_then(|rest| rest.split("\n    }\n").next())
        .unwrap();
    let names: Vec<&str> = names
        .split('"')
        .filter(|name| !name.is_empty() && name.chars().all(char::is_alphabetic))
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    let readme = readme();
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
