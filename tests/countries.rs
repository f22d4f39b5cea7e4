//! The table of country prefixes: made from libphonenumber's answers, and proven against them.
//!
//! libphonenumber's metadata are patterns, one for each country and type of number, and the crate does not show them. So the
//! table is found by asking: in every calling code that countries share, numbers are tried prefix by prefix, deeper where
//! the answers differ, and the shortest prefixes that give the same answers are kept. No randomness: two runs on one version of the
//! crate write the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use cognito_sender::country::{Country, UnknownCountry};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/country/table.rs");

const TYPES: [PhoneNumberType; 10] = [
    PhoneNumberType::Mobile,
    PhoneNumberType::FixedLine,
    PhoneNumberType::TollFree,
    PhoneNumberType::PremiumRate,
    PhoneNumberType::SharedCost,
    PhoneNumberType::VoIP,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
    PhoneNumberType::UAN,
    PhoneNumberType::VoiceMail,
];

// --- What people rely on ------------------------------------------------------------------------

#[track_caller]
fn check(digits: &str, country: &str) {
    let found = Country::of_number(digits).map_or("none".to_owned(), |country| country.to_string());
    assert_eq!(found, country, "+{digits}");
}

#[test]
fn area_codes_of_north_america_are_told_apart() {
    for (digits, country) in [
        ("12065550100", "US"), // Seattle
        ("13105550100", "US"), // Los Angeles; seven-digit 310 numbers are Canada's
        ("12125550100", "US"),
        ("19075550100", "US"), // Alaska
        ("18085550100", "US"), // Hawaii; +808 is a calling code of no country
        ("14165550100", "CA"),
        ("18675550100", "CA"),
        ("16715550100", "GU"),
        ("17875550100", "PR"),
        ("19395550100", "PR"),
        ("13405550100", "VI"),
        ("16845550100", "AS"),
        ("16705550100", "MP"),
        ("18765550100", "JM"),
        ("16585550100", "JM"),
        ("18095550100", "DO"),
        ("18295550100", "DO"),
        ("18495550100", "DO"),
        ("12425550100", "BS"),
        ("17215550100", "SX"),
        ("14415550100", "BM"),
        ("18685550100", "TT"),
    ] {
        check(digits, country);
    }
}

#[test]
fn numbers_of_north_america_without_a_place_are_the_us_or_canada() {
    for toll_free in ["800", "833", "844", "855", "866", "877", "888"] {
        check(&format!("1{toll_free}5550100"), "US");
    }
    for other in ["500", "521", "533", "588", "900"] {
        check(&format!("1{other}5550100"), "US");
    }
    for other in ["600", "622", "633"] {
        check(&format!("1{other}5550100"), "CA");
    }
}

#[test]
fn neighbours_on_one_calling_code_are_told_apart() {
    for (digits, country) in [
        ("79161234567", "RU"),
        ("74951234567", "RU"),
        ("77012345678", "KZ"),
        ("77172123456", "KZ"),
        ("447400123456", "GB"),
        ("447781123456", "GG"),
        ("447797712345", "JE"),
        ("447524123456", "IM"),
        ("447624123456", "IM"),
        ("441624756789", "IM"),
        ("4740612345", "NO"),
        ("4779123456", "SJ"),
        ("61412345678", "AU"),
        ("61891621234", "CC"),
        ("61891641234", "CX"),
        ("212650123456", "MA"),
        ("262692123456", "RE"),
        ("262639012345", "YT"),
        ("358412345678", "FI"),
        ("35818123456", "AX"),
        ("393123456789", "IT"),
        ("390669812345", "VA"),
        ("390612345678", "IT"),
        ("590690001234", "GP"),
        ("590590271234", "BL"),
        ("590590871234", "BL"),
        ("59995181234", "CW"),
        ("5993181234", "BQ"),
        ("29051234", "SH"),
        ("2908999", "TA"),
        ("672381234", "NF"),
        ("38343201234", "XK"),
    ] {
        check(digits, country);
    }
}

#[test]
fn what_no_country_has_is_of_no_country() {
    for digits in [
        "80012345678",
        "80812345678",
        "870301234567",
        "878101234567890",
        "881612345678",
        "8821234567",
        "883510012345",
        "88812345678",
        "979123456789", // no country's calling codes
        "210123456",
        "384123456",
        "9991234567",
        "2",
        "21", // nobody's, or too short to say
        "12115550100",
        "14115550100",
        "19115550100",
        "1",
        "12",
        "120", // nobody's area codes, or too short to say
        "",
        "0",
        "012065550100",
        "0012065550100",
        "+12065550100",
        "1206555010a",
        "1 2065550100",
        "١٢٠٦٥٥٥٠١٠٠",
        "US",
    ] {
        check(digits, "none");
    }
    check(&"1206".repeat(100), "US"); // its length is the business of who parses numbers
}

#[test]
fn a_country_is_two_capital_letters_of_a_country_with_numbers() {
    for code in ["US", "GB", "GU", "EH", "XK", "TA", "ZW", "AC"] {
        let country: Country = code.parse().unwrap();
        assert_eq!(
            (
                country.as_str(),
                country.to_string(),
                format!("{country:?}")
            ),
            (code, code.to_owned(), code.to_owned())
        );
    }
    for code in [
        "", "U", "us", "Us", "USA", "UK", "EU", "ZZ", "001", "*", " US", "1€", "ß",
    ] {
        assert_eq!(code.parse::<Country>(), Err(UnknownCountry), "{code}");
    }
    assert_eq!("GB".parse().ok(), Country::of_number("447400123456"));
    assert!(
        UnknownCountry
            .to_string()
            .contains("GB for the United Kingdom")
    );
}

// --- Against libphonenumber ---------------------------------------------------------------------

/// The answer of libphonenumber for a whole number in E.164: none where it is not valid, `World` where it is of no country.
fn answer(e164: &str) -> Option<Region> {
    if e164.starts_with("+1") && e164.len() != "+12065550100".len() {
        return None; // 310-xxxx: see `Plan::lengths`
    }
    let number: PhoneNumber = e164.parse().ok()?;
    let region = PHONE_NUMBER_UTIL.get_region_for_number(&number)?;
    PHONE_NUMBER_UTIL
        .is_valid_number_for_region(&number, region)
        .then_some(region)
}

/// Ours for the same number, in the same words.
fn ours(e164: &str) -> Option<Region> {
    Some(
        Country::of_number(&e164[1..])
            .map_or(Region::World, |country| country.as_str().parse().unwrap()),
    )
}

#[test]
fn example_numbers_of_every_country_and_type_agree() {
    let mut tried = 0;
    let mut theirs_is_a_neighbours = BTreeSet::new();
    let regions: BTreeSet<Region> = PHONE_NUMBER_UTIL.get_supported_regions().collect();
    for &region in &regions {
        for of_type in TYPES {
            let Some(e164) = example(region, of_type) else {
                continue;
            };
            let Some(theirs) = answer(&e164) else {
                continue;
            };
            assert_eq!(
                ours(&e164),
                Some(theirs),
                "{e164}, an example of {region}'s {of_type:?}"
            );
            tried += 1;
            if theirs != region
                && matches!(
                    of_type,
                    PhoneNumberType::Mobile | PhoneNumberType::FixedLine
                )
            {
                theirs_is_a_neighbours.insert(format!("{region} {of_type:?}: {theirs}"));
            }
        }
    }
    assert!(
        tried > 1000 && regions.len() > 240,
        "{tried} examples of {} countries",
        regions.len()
    );
    // The ranges that libphonenumber itself gives to a neighbour; `src/country.rs` tells of them.
    let documented = [
        "AX Mobile: FI",
        "BL Mobile: GP",
        "CC Mobile: AU",
        "CX Mobile: AU",
        "EH FixedLine: MA",
        "EH Mobile: MA",
        "IM Mobile: GB",
        "MF FixedLine: BL",
        "MF Mobile: GP",
        "SJ Mobile: NO",
        "VA Mobile: IT",
    ];
    assert_eq!(Vec::from_iter(&theirs_is_a_neighbours), documented);
}

#[test]
fn calling_codes_of_no_country_and_of_nobody_agree() {
    let mut nobodys = 0;
    for first in 200..=999 {
        let first = first.to_string();
        let regions = |calling_code: &str| {
            let regions = PHONE_NUMBER_UTIL
                .get_regions_for_country_calling_code(calling_code.parse().unwrap())?;
            regions.min().filter(|&region| region != Region::World)
        };
        let number = format!("{first}222222222");
        if (1..=3).any(|length| regions(&first[..length]).is_some()) {
            assert!(Country::of_number(&number).is_some(), "+{number}");
        } else {
            check(&number, "none");
            nobodys += 1;
        }
    }
    assert!(nobodys > 50, "{nobodys}");
}

#[test]
fn random_numbers_of_every_prefix_and_every_area_code_agree() {
    let mut digits = Digits::seeded_by("prefixes");
    for (prefix, region) in kept_prefixes() {
        let lengths = Vec::from_iter(
            TYPES
                .iter()
                .filter_map(|&of_type| example(region, of_type))
                .map(|e164| e164.len()),
        );
        let drawn = (0..4000).filter_map(|draw| {
            let e164 = digits.fill(&format!("+{prefix}"), lengths[draw % lengths.len()]);
            Some((answer(&e164)?, e164))
        });
        let mut of_its_country = 0;
        for (theirs, e164) in drawn.take(5) {
            assert_eq!(ours(&e164), Some(theirs), "{e164}");
            of_its_country += usize::from(theirs == region);
        }
        assert!(
            of_its_country > 0,
            "no number of {region} found in +{prefix}"
        );
    }
    for area_code in 200..=999 {
        for _ in 0..5 {
            let e164 = digits.fill(&format!("+1{area_code}"), "+12065550100".len());
            if let Some(theirs) = answer(&e164) {
                assert_eq!(ours(&e164), Some(theirs), "{e164}");
            }
        }
    }
}

/// The prefixes of `table.rs` and their countries.
fn kept_prefixes() -> BTreeMap<u32, Region> {
    let text = std::fs::read_to_string(TABLE).unwrap();
    let prefixes: BTreeMap<_, _> = text
        .split('(')
        .filter_map(|entry| entry.split_once(", *b\""))
        .filter_map(|(prefix, rest)| Some((prefix.parse().ok()?, rest[..2].parse().unwrap())))
        .collect();
    assert!(prefixes.len() > 700, "{}", prefixes.len());
    prefixes
}

/// An example number in E.164.
fn example(region: Region, of_type: PhoneNumberType) -> Option<String> {
    let number = PHONE_NUMBER_UTIL
        .get_example_number_for_type_and_region(region, of_type)
        .ok()?;
    Some(
        PHONE_NUMBER_UTIL
            .format(&number, PhoneNumberFormat::E164)
            .into_owned(),
    )
}

#[test]
fn random_valid_numbers_of_shared_calling_codes_agree() {
    const EACH: usize = 2500;
    thread::scope(|scope| {
        for plan in plans().into_iter().filter(|plan| plan.countries.len() > 1) {
            scope.spawn(move || plan.agrees_on(EACH));
        }
    });
}

impl Plan {
    /// Compares valid numbers made from each country's examples, mobile first, by keeping some digits and drawing the others.
    fn agrees_on(&self, wanted: usize) {
        let examples: Vec<String> = self
            .countries
            .iter()
            .flat_map(|&region| TYPES.map(|of_type| (region, of_type)))
            .filter_map(|(region, of_type)| {
                let repeated = if of_type == PhoneNumberType::Mobile {
                    4
                } else {
                    1
                };
                Some(vec![example(region, of_type)?; repeated])
            })
            .flatten()
            .collect();
        let code = self.calling_code.to_string().len();
        let mut digits = Digits::seeded_by(&format!("sample {}", self.calling_code));
        let mut compared = 0;
        for example in examples.iter().cycle().take(wanted * 10) {
            let kept = 1 + code + digits.below(7) as usize;
            let e164 = digits.fill(
                &example.chars().take(kept).collect::<String>(),
                example.len(),
            );
            if let Some(theirs) = answer(&e164) {
                assert_eq!(ours(&e164), Some(theirs), "{e164}");
                compared += 1;
            }
            if compared == wanted {
                return;
            }
        }
        panic!("only {compared} valid numbers in +{}", self.calling_code);
    }
}

// --- The table is what libphonenumber's answers make --------------------------------------------

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "how its author asks for a new table"
)]
fn the_table_is_what_libphonenumber_answers() {
    let made = table();
    if std::env::var_os("UPDATE_COUNTRIES").is_some_and(|set| set == "1") {
        std::fs::write(TABLE, &made).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(TABLE).unwrap();
    let difference = kept
        .lines()
        .zip(made.lines())
        .find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "{} differs from what libphonenumber answers (first in {difference:?}): UPDATE_COUNTRIES=1 cargo test countries",
        Path::new(TABLE).display()
    );
}

/// The text of `table.rs`.
fn table() -> String {
    let mut prefixes = BTreeMap::new();
    thread::scope(|scope| {
        let plans: Vec<_> = plans()
            .into_iter()
            .map(|plan| scope.spawn(move || plan.prefixes()))
            .collect();
        for plan in plans {
            prefixes.extend(plan.join().unwrap());
        }
    });
    let known: BTreeSet<Region> = PHONE_NUMBER_UTIL.get_supported_regions().collect();

    let mut text = String::from(
        "//! Made from libphonenumber's metadata by `tests/countries.rs`; do not edit. `cargo test countries` says when it is\n\
         //! out of date, and `UPDATE_COUNTRIES=1 cargo test countries` writes it anew.\n",
    );
    write!(
        text,
        "\n/// The countries that have phone numbers, sorted.\n#[rustfmt::skip]\npub(super) static KNOWN: [[u8; 2]; {}] = [",
        known.len()
    )
    .unwrap();
    rows(
        &mut text,
        12,
        known.iter().map(|region| {
            (
                region.to_string()[..1].to_owned(),
                format!("*b\"{region}\","),
            )
        }),
    );
    write!(
        text,
        "];\n\n/// A number belongs to the country of its longest prefix here. Sorted by prefix.\n#[rustfmt::skip]\n\
         pub(super) static PREFIXES: [(u32, [u8; 2]); {}] = [",
        prefixes.len()
    )
    .unwrap();
    rows(
        &mut text,
        6,
        prefixes.iter().map(|(prefix, region)| {
            (
                prefix.to_string().chars().take(2).collect(),
                format!("({prefix}, *b\"{region}\"),"),
            )
        }),
    );
    text.push_str("];\n");
    text
}

/// Writes items in rows of at most `width`, a new row for each group, so that a change touches few lines.
fn rows(text: &mut String, width: usize, items: impl Iterator<Item = (String, String)>) {
    let (mut group, mut column) = (None, 0);
    for (of, item) in items {
        if group.as_ref() != Some(&of) || column == width {
            (group, column) = (Some(of), 0);
            text.push_str("\n   ");
        }
        column += 1;
        text.push(' ');
        text.push_str(&item);
    }
    text.push('\n');
}

/// A calling code and the countries that have numbers in it, the main one first.
struct Plan {
    calling_code: i32,
    countries: Vec<Region>,
}

/// Every calling code of a country.
fn plans() -> Vec<Plan> {
    PHONE_NUMBER_UTIL
        .get_supported_calling_codes()
        .filter_map(|calling_code| {
            let regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(calling_code)?;
            let countries: Vec<_> = regions.filter(|&region| region != Region::World).collect();
            (!countries.is_empty()).then_some(Plan {
                calling_code,
                countries,
            })
        })
        .collect()
}

impl Plan {
    /// North America has no default: an area code is a country's, or nobody's.
    const NORTH_AMERICA: i32 = 1;

    /// The shortest prefixes, in digits after the plus, that tell this plan's countries apart.
    fn prefixes(&self) -> BTreeMap<u32, Region> {
        let mut found = BTreeMap::new();
        let calling_code = self.calling_code.to_string();
        if self.countries.len() == 1 {
            found.insert(calling_code.parse().unwrap(), self.countries[0]);
            return found;
        }
        let tree = self.explore("", &self.lengths());
        if self.calling_code == Self::NORTH_AMERICA {
            tree.write_below(&calling_code, 3, &mut found);
        } else {
            found.insert(calling_code.parse().unwrap(), self.countries[0]);
            tree.write(&calling_code, Some(self.countries[0]), &mut found);
        }
        found
    }

    /// The lengths that valid national numbers have.
    fn lengths(&self) -> Vec<usize> {
        if self.calling_code == Self::NORTH_AMERICA {
            // Canada's 310-xxxx, seven digits and for callers in Canada only, must not hide Los Angeles' area code 310.
            return vec![10];
        }
        let mut digits = Digits::seeded_by(&self.calling_code.to_string());
        let mut valid = |start: u32, length| {
            let number = self.number(&digits.fill(&format!("{start:02}"), length));
            PHONE_NUMBER_UTIL.is_valid_number(&number)
        };
        (4..=13)
            .filter(|&length| (0..800).any(|draw| valid(draw % 100, length)))
            .collect()
    }

    /// Which countries have numbers that begin with `prefix`, and where below it they part.
    fn explore(&self, prefix: &str, lengths: &[usize]) -> Tree {
        let mut tree = Tree::default();
        let mut live = BTreeSet::new();
        if prefix.len() >= 2 {
            // Two more digits in turn, two of the lengths with each, and what follows at random.
            let mut digits = Digits::seeded_by(&format!("{}{prefix}", self.calling_code));
            let fitting: Vec<_> = lengths
                .iter()
                .filter(|&&length| length >= prefix.len())
                .collect();
            for next in 0..100 {
                for &&length in fitting.iter().cycle().skip(next).take(fitting.len().min(2)) {
                    let national = digits.fill(&format!("{prefix}{next:02}"), length);
                    if let Some(country) = self.country(&national) {
                        tree.countries.insert(country);
                        live.insert(length);
                    }
                }
            }
        }
        let parted = tree.countries.len() > 1;
        assert!(
            !parted || prefix.len() < 7,
            "+{}{prefix} is of several countries: {:?}",
            self.calling_code,
            tree.countries
        );
        let below = if prefix.len() < 2 {
            lengths.to_vec()
        } else {
            live.into_iter().collect()
        };
        if parted || prefix.len() < 2 || (prefix.len() == 2 && !tree.countries.is_empty()) {
            tree.below = (0..10)
                .map(|digit| self.explore(&format!("{prefix}{digit}"), &below))
                .collect();
            tree.countries.extend(
                tree.below
                    .iter()
                    .flat_map(|below| &below.countries)
                    .copied()
                    .collect::<Vec<_>>(),
            );
        }
        tree
    }

    /// libphonenumber's answer for a national number; none where no country has it.
    fn country(&self, national: &str) -> Option<Region> {
        PHONE_NUMBER_UTIL.get_region_for_number(&self.number(national))
    }

    /// A national number as libphonenumber has it, without the cost of parsing.
    fn number(&self, national: &str) -> PhoneNumber {
        let zeros = national.bytes().take_while(|&digit| digit == b'0').count();
        PhoneNumber {
            country_code: self.calling_code,
            national_number: national.parse().unwrap(),
            italian_leading_zero: (zeros > 0).then_some(true),
            number_of_leading_zeros: i32::try_from(zeros).ok().filter(|&zeros| zeros > 0),
            ..PhoneNumber::default()
        }
    }
}

/// The countries seen below a prefix; ten branches, one a digit, where it was looked into further.
#[derive(Default)]
struct Tree {
    countries: BTreeSet<Region>,
    below: Vec<Tree>,
}

impl Tree {
    /// What it takes from here down where `inherited` holds for numbers without a prefix of their own: how many prefixes, and
    /// the country to hold from here on.
    fn cheapest(&self, inherited: Option<Region>) -> (usize, Option<Region>) {
        if self
            .countries
            .iter()
            .all(|&country| inherited == Some(country))
        {
            return (0, inherited);
        }
        if self.below.is_empty() {
            return (1, self.countries.first().copied());
        }
        let cost = |country: Option<Region>| {
            let below: usize = self.below.iter().map(|tree| tree.cheapest(country).0).sum();
            (below + usize::from(country != inherited), country)
        };
        let choices = std::iter::once(inherited).chain(self.countries.iter().copied().map(Some));
        choices
            .map(cost)
            .min_by_key(|&(prefixes, country)| (prefixes, country != inherited))
            .unwrap()
    }

    fn write(&self, prefix: &str, inherited: Option<Region>, found: &mut BTreeMap<u32, Region>) {
        let (_, country) = self.cheapest(inherited);
        if let Some(country) = country.filter(|_| country != inherited) {
            found.insert(prefix.parse().unwrap(), country);
        }
        for (digit, tree) in self.below.iter().enumerate() {
            tree.write(&format!("{prefix}{digit}"), country, found);
        }
    }

    /// As [`Tree::write`], with nothing to hold for the first `levels` digits.
    fn write_below(&self, prefix: &str, levels: usize, found: &mut BTreeMap<u32, Region>) {
        if levels == 0 {
            return self.write(prefix, None, found);
        }
        for (digit, tree) in self.below.iter().enumerate() {
            tree.write_below(&format!("{prefix}{digit}"), levels - 1, found);
        }
    }
}

/// Digits that look random and are the same in every run: `SplitMix64`.
struct Digits(u64);

impl Digits {
    fn seeded_by(text: &str) -> Self {
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// `start`, cut or filled up to `length` digits.
    fn fill(&mut self, start: &str, length: usize) -> String {
        let mut number: String = start.chars().take(length).collect();
        let mut random = self.below(u64::MAX);
        while number.len() < length {
            number.push(char::from(b'0' + (random % 10) as u8));
            random /= 10;
        }
        number
    }
}
