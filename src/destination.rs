//! Where a message goes: a phone number or an e-mail address, parsed once.
//!
//! Both print masked, in `Display` and in `Debug`, so that no log line, error
//! or metric can hold a full destination by accident. The full value is had
//! by [`PhoneNumber::expose`] and [`EmailAddress::expose`] alone.

use std::fmt;

use crate::country::Country;

/// A phone number in E.164 form: `+` and 7 to 15 digits, the first not 0.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

/// An e-mail address that SES can take: ASCII, a local part of at most 64
/// characters, a domain of at most 255 with at least one dot.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// Why a text is no destination. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidDestination {
    /// Not E.164.
    PhoneNumber,
    /// Not an address that SES can take.
    EmailAddress,
}

impl fmt::Display for InvalidDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PhoneNumber => "not a phone number in E.164 form, such as +12065550100",
            Self::EmailAddress => "not an e-mail address that SES can take",
        })
    }
}

impl std::error::Error for InvalidDestination {}

impl PhoneNumber {
    /// Reads an E.164 number, as Cognito stores them.
    ///
    /// # Errors
    /// Anything but `+` and 7 to 15 digits.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let valid = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        valid
            .then(|| Self(text.to_owned()))
            .ok_or(InvalidDestination::PhoneNumber)
    }

    /// The whole number, with its `+`. For the wire, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The country that the number belongs to; `None` for numbers of no
    /// country (satellite, international freephone) and unassigned codes.
    pub fn country(&self) -> Option<Country> {
        Country::of_number(&self.0[1..])
    }
}

impl fmt::Display for PhoneNumber {
    /// `+1206•••0100`: at most four leading and four last digits, at least
    /// three hidden, however short the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = &self.0[1..];
        let tail = if digits.len() >= 9 { 4 } else { 3 };
        let head = digits.len().saturating_sub(tail + 3).min(4);
        write!(
            f,
            "+{}•••{}",
            &digits[..head],
            &digits[digits.len() - tail..]
        )
    }
}

impl EmailAddress {
    /// Reads an address. Quoted local parts, comments, address literals and
    /// non-ASCII addresses are refused: SES does not take them, and they are
    /// where header injection lives.
    ///
    /// # Errors
    /// Anything that SES could not take as one recipient.
    pub fn parse(text: &str) -> Result<Self, InvalidDestination> {
        text.rsplit_once('@')
            .filter(|(local, domain)| is_local_part(local) && is_domain(domain))
            .map(|_| Self(text.to_owned()))
            .ok_or(InvalidDestination::EmailAddress)
    }

    /// The whole address. For the wire, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub(crate) fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for EmailAddress {
    /// `u•••@example.com`: the first character and the domain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local_part();
        let head = if local.len() > 1 { &local[..1] } else { "" };
        write!(f, "{head}•••@{}", self.domain())
    }
}

fn is_local_part(text: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    (1..=64).contains(&text.len())
        && text.bytes().all(atom)
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..")
}

/// Whether the text is a host name with at least one dot. Also what
/// `APP_DOMAIN` must be.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 255 && text.contains('.') && text.split('.').all(label)
}

macro_rules! debug_as_display {
    ($($name:ty),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
debug_as_display!(PhoneNumber, EmailAddress);
