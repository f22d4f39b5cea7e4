//! How long a text message is: its encoding, its units, its segments.

use std::fmt;

use serde::Serialize;

/// The encoding that a text needs on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// Seven bits a character, the basic alphabet of GSM 03.38 and its extension.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// Sixteen bits a unit: one character outside GSM 03.38 turns the whole text into it.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        })
    }
}

/// How long a text is, as carriers count and bill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SmsLength {
    /// The encoding of the whole text.
    pub encoding: Encoding,
    /// GSM-7 septets (extension characters are two) or UTF-16 units.
    pub units: usize,
    /// Parts on the air: one of 160 or 70 units, else of 153 or 67.
    pub segments: usize,
}

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
    ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

impl SmsLength {
    /// Measures `text`. Source: 3GPP TS 23.038; the limits are those SNS documents.
    ///
    /// A character of two units that falls on a border moves whole into the next part, so the parts are filled one by one.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let septets = |c| match c {
            c if BASIC.contains(c) => Some(1),
            c if EXTENSION.contains(c) => Some(2),
            _ => None,
        };
        let (encoding, widths, whole, part): (_, Vec<usize>, _, _) =
            match text.chars().map(septets).collect() {
                Some(widths) => (Encoding::Gsm7, widths, 160, 153),
                None => (
                    Encoding::Ucs2,
                    text.chars().map(char::len_utf16).collect(),
                    70,
                    67,
                ),
            };
        let units = widths.iter().sum();
        let mut segments = 1;
        if units > whole {
            let mut filled = 0;
            for width in widths {
                filled += width;
                if filled > part {
                    segments += 1;
                    filled = width;
                }
            }
        }
        Self {
            encoding,
            units,
            segments,
        }
    }
}

/// The plain form of a typographic character that GSM-7 lacks: curly quotes,
/// dashes, the ellipsis, unusual spaces. One of them turns a text into UCS-2.
pub fn plain_form(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{2018}'..='\u{201b}' | '\u{2032}' => "'",
        '\u{201c}'..='\u{201f}' | '\u{2033}' => "\"",
        '\u{2010}'..='\u{2015}' => "-",
        '\u{2026}' => "...",
        '\t' | '\u{a0}' | '\u{2007}' | '\u{2009}' | '\u{202f}' => " ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(text: &str) -> (Encoding, usize, usize) {
        let length = SmsLength::of(text);
        (length.encoding, length.units, length.segments)
    }

    #[test]
    fn a_part_holds_160_septets_and_153_when_split() {
        assert_eq!(measure(""), (Encoding::Gsm7, 0, 1));
        assert_eq!(measure(&"a".repeat(160)), (Encoding::Gsm7, 160, 1));
        assert_eq!(measure(&"a".repeat(161)), (Encoding::Gsm7, 161, 2));
        assert_eq!(measure(&"a".repeat(306)), (Encoding::Gsm7, 306, 2));
        assert_eq!(measure(&"a".repeat(307)), (Encoding::Gsm7, 307, 3));
    }

    #[test]
    fn extension_characters_count_twice_and_are_never_split() {
        assert_eq!(measure(&"€".repeat(80)), (Encoding::Gsm7, 160, 1));
        assert_eq!(measure(&"€".repeat(81)), (Encoding::Gsm7, 162, 2));
        // 76 fit into 153 septets with one left over: 153 of them need three parts, though 306 septets would be two.
        assert_eq!(measure(&"[".repeat(153)), (Encoding::Gsm7, 306, 3));
    }

    #[test]
    fn one_foreign_character_makes_it_ucs_2() {
        assert_eq!(
            measure(&format!("{}’", "a".repeat(69))),
            (Encoding::Ucs2, 70, 1)
        );
        assert_eq!(
            measure(&format!("{}’", "a".repeat(70))),
            (Encoding::Ucs2, 71, 2)
        );
        assert_eq!(measure("😀"), (Encoding::Ucs2, 2, 1));
    }
}
