//! The country that a phone number belongs to, by the longest prefix of a small table.
//!
//! Routing asks it of the destination, and of a number that the account owns. A phone number library answers that and
//! costs 22 to 100 ms of a cold start; the table is 6 kB of static data, costs nothing until it is asked and well below a
//! microsecond then. It is made from libphonenumber's metadata and proven against it by `tests/countries.rs`, which also
//! writes it anew: `UPDATE_COUNTRIES=1 cargo test countries`.
//!
//! # What the answer means
//!
//! It is the country that libphonenumber gives the number's range to, wherever the telephone is and whichever carrier has
//! the number now: prefixes cannot see a number ported or used across a border.
//!
//! - **No country** have the calling codes of none (+800, +808, +870, +878, +881, +882, +883, +888, +979), those that
//!   nobody has, and the area codes of +1 that are not in use. A new area code is thus of no country until the table is
//!   written anew: taken for the US's, it could have a Canadian's message withheld for want of an American number.
//! - **Numbers of +1 without a place**: toll-free (800, 833, 844, 855, 866, 877, 888), personal (5xx) and premium (900)
//!   numbers are the US's. Other countries of the plan may use them too, but it is American teams that own toll-free
//!   numbers to send from, under American rules. The non-geographic 6xx (600, 622, 633) are Canada's.
//! - Guam, Puerto Rico, the US Virgin Islands, American Samoa and the Northern Mariana Islands are **not the US**.
//! - Any other calling code's **unused ranges** are its main country's; nobody can be reached there.
//! - **Ranges that several countries use** are the main one's. So mobile numbers of Åland are Finland's (FI), of Svalbard
//!   Norway's (NO), of Vatican City Italy's (IT), of Christmas Island and the Cocos Islands Australia's (AU), of
//!   Saint-Barthélemy and Saint-Martin Guadeloupe's (GP); the Isle of Man's +44 7924 is the United Kingdom's (GB); Western
//!   Sahara has nothing that is not Morocco's (MA); and some fixed lines of Saint-Martin are Saint-Barthélemy's.
//! - `AC` (Ascension), `TA` (Tristan da Cunha) and `XK` (Kosovo) are known, as in libphonenumber, though ISO 3166-1 only
//!   reserves them or leaves them to users. Its `AQ`, `BV`, `GS`, `HM`, `PN`, `TF` and `UM` have no numbers of their own
//!   and are not known.

use std::fmt;
use std::str::FromStr;

mod table;

use table::{KNOWN, PREFIXES};

/// A country, by its two letters in ISO 3166-1 (`US`, `GB`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of a number in E.164, given without its plus sign.
    ///
    /// `None` where no country has the number: see the [module](self) for which those are. Anything but digits has none.
    ///
    /// ```
    /// use cognito_sender::country::Country;
    ///
    /// let country = |digits| Country::of_number(digits).map(|country| country.to_string());
    /// assert_eq!(country("12065550100").as_deref(), Some("US"));
    /// assert_eq!(country("16715550100").as_deref(), Some("GU"));
    /// assert_eq!(country("80012345678"), None);
    /// ```
    #[must_use]
    pub fn of_number(digits_after_plus: &str) -> Option<Self> {
        let digits = digits_after_plus.as_bytes();
        // A prefix is kept as a number, so a leading zero would be lost; no calling code begins with one.
        if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut prefix = digits
            .iter()
            .take(LONGEST)
            .fold(0, |prefix, digit| prefix * 10 + u32::from(digit - b'0'));
        while prefix > 0 {
            if let Ok(found) = PREFIXES.binary_search_by_key(&prefix, |&(prefix, _)| prefix) {
                return PREFIXES.get(found).map(|&(_, country)| Self(country));
            }
            prefix /= 10;
        }
        None
    }

    /// Whether numbers registered in the US are the ones to send from, as in the US itself: Puerto Rico, the US Virgin
    /// Islands, Guam and American Samoa (End User Messaging guide, "Requesting dedicated long codes").
    #[must_use]
    pub fn is_us_territory(&self) -> bool {
        matches!(&self.0, b"AS" | b"GU" | b"PR" | b"VI")
    }

    /// The two capital letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII letters get in, so there is always a text to give.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    /// Reads two capital letters, and only those of a country that has phone numbers: `UK` is a mistake, not a country.
    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let code = text.as_bytes().try_into().map_err(|_| UnknownCountry)?;
        KNOWN
            .binary_search(&code)
            .map(|_| Self(code))
            .map_err(|_| UnknownCountry)
    }
}

/// A text that names no country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCountry;

impl fmt::Display for UnknownCountry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a country code of ISO 3166-1: two capital letters, such as US, or GB for the United Kingdom")
    }
}

impl std::error::Error for UnknownCountry {}

/// How many digits the table's longest prefix has; nine digits always fit a `u32`.
const LONGEST: usize = {
    let (mut longest, mut at) = (0, 0);
    while at < PREFIXES.len() {
        assert!(
            at == 0 || PREFIXES[at - 1].0 < PREFIXES[at].0,
            "prefixes are sorted and each is there once"
        );
        let digits = PREFIXES[at].0.ilog10() as usize + 1;
        if longest < digits {
            longest = digits;
        }
        at += 1;
    }
    assert!(longest <= 9);
    longest
};
