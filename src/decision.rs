//! What the account's state means for one message: whether it goes out, from
//! where, and what stayed open. The function decides so, and `doctor --to`
//! tells it beforehand.

use crate::config::OriginationIdentity;
use crate::outcome::Reason;
use crate::report::Doubt;
use crate::routing::Route;
use crate::sandbox::Verdict;

/// From where an SMS goes; `None`: SNS chooses. `doubt` hears of what the
/// account did not tell.
///
/// # Errors
/// Why it is withheld.
pub fn sms(
    verdict: Verdict,
    route: Route,
    opted_out: Option<bool>,
    mut doubt: impl FnMut(Doubt),
) -> Result<Option<OriginationIdentity>, Reason> {
    heed(verdict, &mut doubt)?;
    let from = match route {
        Route::From(identity) => Some(identity),
        Route::ChosenBySns => None,
        Route::Unknown => {
            doubt(Doubt::OriginationUnknown);
            None
        }
        Route::Unreachable => return Err(Reason::NoOriginationNumber),
    };
    if opted_out == Some(true) {
        return Err(Reason::OptedOut);
    }
    Ok(from)
}

/// Whether an e-mail goes out. `doubt` hears of what the account did not tell.
///
/// # Errors
/// Why it is withheld.
pub fn email(
    verdict: Verdict,
    suppressed: Option<bool>,
    mut doubt: impl FnMut(Doubt),
) -> Result<(), Reason> {
    heed(verdict, &mut doubt)?;
    if suppressed == Some(true) {
        return Err(Reason::Suppressed);
    }
    Ok(())
}

fn heed(verdict: Verdict, doubt: &mut impl FnMut(Doubt)) -> Result<(), Reason> {
    match verdict {
        Verdict::Deliverable => Ok(()),
        Verdict::Unverified => Err(Reason::UnverifiedDestination),
        Verdict::Unknown => {
            doubt(Doubt::SandboxUnknown);
            Ok(())
        }
    }
}
