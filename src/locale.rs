//! Which language a person reads.
//!
//! In order: what the app asked for (`clientMetadata.locale`), the user's own
//! `locale` attribute, the main language of a phone number's country, and
//! `DEFAULT_LOCALE`. The first that matches a language at hand wins; nothing
//! here can fail.

use icu_locale::{LanguageIdentifier, Locale, LocaleCanonicalizer, LocaleExpander};

use crate::country::Country;
use crate::event::Request;

/// The languages wished for, best first, as they were written.
pub fn wishes(request: &Request, country: Option<Country>, default: &str) -> Vec<String> {
    let metadata = request.client_metadata.get("locale");
    let attribute = request.attributes.get("locale");
    let of_country = country.and_then(main_language);
    [metadata, attribute, of_country, Some(default)]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// The best of `available` for the wishes, if any matches: the same language
/// and script; then the same region, or the one without a region, or any.
pub fn best<'a>(wishes: &[String], available: &[&'a str]) -> Option<&'a str> {
    let canonicalizer = LocaleCanonicalizer::new_common();
    let expander = LocaleExpander::new_common();
    let known: Vec<(&str, LanguageIdentifier, LanguageIdentifier)> = available
        .iter()
        .filter_map(|name| {
            let plain = parse(name, &canonicalizer)?;
            let full = expanded(plain.clone(), &expander);
            Some((*name, plain, full))
        })
        .collect();
    wishes.iter().find_map(|wish| {
        let wish = parse(wish, &canonicalizer)?;
        if let Some((name, _, _)) = known.iter().find(|(_, plain, _)| *plain == wish) {
            return Some(*name);
        }
        let wish = expanded(wish, &expander);
        let same = known
            .iter()
            .filter(|(_, _, full)| full.language == wish.language && full.script == wish.script);
        same.min_by_key(|(_, plain, _)| match plain.region {
            Some(region) if Some(region) == wish.region => 0,
            None => 1,
            Some(_) => 2,
        })
        .map(|(name, _, _)| *name)
    })
}

/// What RFC 5646 (section 4.4.1) bids readers to take.
const LONGEST_TAG: usize = 35;

/// `pt-BR`, `pt_BR` and `iw` (which is `he` today); `None` for anything else.
fn parse(tag: &str, canonicalizer: &LocaleCanonicalizer) -> Option<LanguageIdentifier> {
    if tag.len() > LONGEST_TAG {
        return None;
    }
    let tag = tag.replace('_', "-");
    // POSIX's `en_US.UTF-8` and `de_DE@euro`.
    let tag = tag.split(['.', '@']).next().unwrap_or_default();
    let mut locale = Locale::try_from_str(tag).ok()?;
    canonicalizer.canonicalize(&mut locale);
    let language = locale.id;
    // Some grow: Serbo-Croatian gets its script.
    let fits = language.to_string().len() <= LONGEST_TAG;
    (fits && language.language.as_str() != "und").then_some(language)
}

/// A language tag as this crate writes it, such as `pt-BR`; `None` for what is
/// no tag.
pub fn canonical(tag: &str) -> Option<String> {
    parse(tag, &LocaleCanonicalizer::new_common()).map(|language| language.to_string())
}

fn expanded(mut language: LanguageIdentifier, expander: &LocaleExpander) -> LanguageIdentifier {
    // Norwegian without saying which is nearly always Bokmål, and who reads
    // Nynorsk reads it too.
    if matches!(language.language.as_str(), "no" | "nn") {
        language.language = icu_locale::subtags::language!("nb");
    }
    expander.maximize(&mut language);
    language
}

/// The language that nearly everybody in a country reads, where there is one.
fn main_language(country: Country) -> Option<&'static str> {
    Some(match country.as_str() {
        "AT" | "DE" | "LI" => "de",
        "AE" | "BH" | "DZ" | "EG" | "IQ" | "JO" | "KW" | "LB" | "LY" | "MA" | "OM" | "PS"
        | "QA" | "SA" | "SD" | "SY" | "TN" | "YE" => "ar",
        "AR" | "BO" | "CL" | "CO" | "CR" | "CU" | "DO" | "EC" | "ES" | "GT" | "HN" | "MX"
        | "NI" | "PA" | "PE" | "PY" | "SV" | "UY" | "VE" => "es",
        "AO" | "MZ" | "PT" => "pt",
        "AU" | "GB" | "IE" | "NZ" | "US" => "en",
        "BR" => "pt-BR",
        "BY" | "RU" => "ru",
        "CN" => "zh-Hans",
        "CY" | "GR" => "el",
        "CZ" => "cs",
        "DK" => "da",
        "FI" => "fi",
        "FR" | "GP" | "GF" | "MC" | "MQ" | "RE" => "fr",
        "HK" | "MO" | "TW" => "zh-Hant",
        "ID" => "id",
        "IL" => "he",
        "IT" | "SM" | "VA" => "it",
        "JP" => "ja",
        "KR" => "ko",
        "NL" | "SR" => "nl",
        "NO" => "nb",
        "PL" => "pl",
        "SE" => "sv",
        "TH" => "th",
        "TR" => "tr",
        "UA" => "uk",
        "VN" => "vi",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVAILABLE: [&str; 9] = [
        "en", "de", "he", "nb", "pt", "pt-BR", "zh-Hans", "zh-Hant", "id",
    ];

    fn choice(wishes: &[&str]) -> Option<&'static str> {
        let wishes: Vec<String> = wishes.iter().map(|wish| (*wish).to_owned()).collect();
        best(&wishes, &AVAILABLE)
    }

    #[test]
    fn tags_of_every_spelling_find_their_language() {
        for (wish, found) in [
            ("en", "en"),
            ("en_US", "en"),
            ("EN-gb", "en"),
            ("de_DE.UTF-8", "de"),
            ("de-CH-1996", "de"),
            ("iw", "he"),
            ("in", "id"),
            ("no", "nb"),
            ("nn-NO", "nb"),
            ("pt", "pt"),
            ("pt-PT", "pt"),
            ("pt-AO", "pt"),
            ("pt-BR", "pt-BR"),
            ("pt_br", "pt-BR"),
            ("zh", "zh-Hans"),
            ("zh-CN", "zh-Hans"),
            ("zh-SG", "zh-Hans"),
            ("zh-TW", "zh-Hant"),
            ("zh-HK", "zh-Hant"),
            ("zh-Hant-MO", "zh-Hant"),
        ] {
            assert_eq!(choice(&[wish]), Some(found), "{wish}");
        }
    }

    #[test]
    fn what_is_no_language_at_hand_is_passed_over() {
        for wish in [
            "",
            "sw",
            "x",
            "../../etc/passwd",
            "en\"><script>",
            "und",
            "日本",
        ] {
            assert_eq!(choice(&[wish]), None, "{wish}");
            assert_eq!(choice(&[wish, "de"]), Some("de"), "{wish}");
        }
    }
}
