//! The question before something that costs, or cannot be undone.

use std::io::{IsTerminal as _, Write as _, stderr, stdin};

use crate::Failure;

/// Whether the person says yes, now or beforehand by `--yes`. Without a
/// terminal nobody can be asked, and that is a no.
///
/// # Errors
/// The terminal cannot be read.
pub(crate) fn confirmed(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        eprintln!("not done: {question} Nobody is here to ask; say so with --yes");
        return Ok(false);
    }
    eprint!("{question} [y/N] ");
    stderr().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    let yes = matches!(answer.as_str(), "y" | "yes");
    if !yes {
        eprintln!("not done");
    }
    Ok(yes)
}
