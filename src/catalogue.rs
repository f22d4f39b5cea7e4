//! The texts: one TOML file a locale, built in (`src/messages/`) or of one's
//! own (`MESSAGES_DIR`), and how one is found and rendered.
//!
//! A key is looked up in the app client's own file, in the deployment's own and
//! in the built-in one of the locale; then in those of the nearest other one,
//! and of English. A text of one's
//! own that does not render, or would lose the code, is passed over: a code
//! must still go out. What was passed over is told ([`Broken`]).

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::locale;

macro_rules! built_in {
    ($($locale:literal),* $(,)?) => {
        /// The locales that are built in.
        pub const BUILT_IN: &[&str] = &[$($locale),*];
        static SOURCES: &[&str] = &[$(include_str!(concat!("messages/", $locale, ".toml"))),*];
        static PARSED: [OnceLock<Catalogue>; BUILT_IN.len()] =
            [const { OnceLock::new() }; BUILT_IN.len()];
    };
}

built_in![
    "en", "ar", "cs", "da", "de", "el", "es", "fi", "fr", "he", "hi", "id", "it", "ja", "ko", "nb",
    "nl", "pl", "pt", "pt-BR", "ru", "sv", "th", "tr", "uk", "vi", "zh-Hans", "zh-Hant",
];

/// One file's texts, by key: `sms.sign_up`, `email.sign_up.subject`.
#[derive(Debug, Default)]
pub struct Catalogue {
    file: String,
    texts: HashMap<String, Text>,
}

/// A text's variants, longest first; most have one.
#[derive(Debug)]
pub struct Text {
    /// Where it stands in its file, from 1.
    pub line: usize,
    /// The templates.
    pub variants: Vec<String>,
}

/// A text that cannot be used: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The file, relative to the folder of texts.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What is wrong. Quotes nothing but the file.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl Catalogue {
    /// Reads a file. What is neither a text, a list of texts nor a table is
    /// left out and told.
    ///
    /// # Errors
    /// A file that is no TOML.
    pub fn parse(file: &str, toml: &str) -> Result<(Self, Vec<Broken>), Broken> {
        // Found once, not for each text: that was 0.7 million instructions of a first event.
        let newlines: Vec<usize> = toml.match_indices('\n').map(|(at, _)| at).collect();
        let line_of = |at: usize| 1 + newlines.partition_point(|newline| *newline < at);
        let broken = |at: usize, what: String| Broken {
            file: file.to_owned(),
            line: line_of(at),
            what,
        };
        let table = DeTable::parse(toml).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            broken(at, error.message().to_owned())
        })?;
        let mut catalogue = Self {
            file: file.to_owned(),
            texts: HashMap::new(),
        };
        let mut odd = Vec::new();
        gather(
            table.get_ref(),
            "",
            &mut |key, value: &Spanned<DeValue<'_>>| {
                let at = value.span().start;
                match variants(value.get_ref()) {
                    Some(variants) => {
                        let line = line_of(at);
                        catalogue.texts.insert(key, Text { line, variants });
                    }
                    None => odd.push(broken(
                        at,
                        format!("{key} is neither a text nor a list of texts"),
                    )),
                }
            },
        );
        Ok((catalogue, odd))
    }

    /// The built-in texts of a locale of [`BUILT_IN`].
    pub fn built_in(locale: &str) -> Option<&'static Self> {
        let index = BUILT_IN.iter().position(|known| *known == locale)?;
        Some(PARSED[index].get_or_init(|| {
            // Every built-in file is parsed in a test.
            Self::parse(&format!("{locale}.toml"), SOURCES[index])
                .map(|(catalogue, _)| catalogue)
                .unwrap_or_default()
        }))
    }

    /// The text under a key.
    pub fn get(&self, key: &str) -> Option<&Text> {
        self.texts.get(key)
    }

    /// All keys and texts, in no order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.texts.iter().map(|(key, text)| (key.as_str(), text))
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }
}

fn gather<'t, 'i>(
    table: &'t DeTable<'i>,
    prefix: &str,
    found: &mut impl FnMut(String, &'t Spanned<DeValue<'i>>),
) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => gather(inner, &format!("{key}."), found),
            _ => found(key, value),
        }
    }
}

fn variants(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(vec![text.to_string()]),
        DeValue::Array(list) if !list.is_empty() => list
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// The texts of a deployment's own folder.
#[derive(Debug, Default)]
pub struct Own {
    /// By app client, if any, and locale.
    catalogues: HashMap<(Option<String>, String), Catalogue>,
    /// What cannot be used of them.
    pub broken: Vec<Broken>,
}

impl Own {
    /// Reads `<locale>.toml` and `clients/<clientId>/<locale>.toml` of a
    /// folder.
    pub fn read(folder: &Path) -> Self {
        let mut own = Self::default();
        own.read_folder(folder, folder, None);
        if let Ok(clients) = std::fs::read_dir(folder.join("clients")) {
            for client in clients.flatten() {
                let name = client.file_name().to_string_lossy().into_owned();
                own.read_folder(folder, &client.path(), Some(name));
            }
        }
        if own.catalogues.is_empty() && own.broken.is_empty() {
            own.broken.push(Broken {
                file: folder.display().to_string(),
                line: 0,
                what: "no <locale>.toml, such as en.toml, can be read here".to_owned(),
            });
        }
        own
    }

    fn read_folder(&mut self, root: &Path, folder: &Path, client: Option<String>) {
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
            .collect();
        paths.sort();
        for path in paths {
            let file = path.strip_prefix(root).unwrap_or(&path);
            let file = file.display().to_string();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let Some(locale) = locale::canonical(&stem) else {
                self.broken.push(Broken {
                    file,
                    line: 0,
                    what: "never read: name it by its language, such as pt-BR.toml".to_owned(),
                });
                continue;
            };
            let parsed = std::fs::read_to_string(&path)
                .map_err(|error| Broken {
                    file: file.clone(),
                    line: 0,
                    what: format!("cannot be read: {error}"),
                })
                .and_then(|toml| Catalogue::parse(&file, &toml));
            match parsed {
                Ok((catalogue, odd)) => {
                    let key = (client.clone(), locale);
                    if let Some(other) = self.catalogues.insert(key, catalogue) {
                        self.broken.push(Broken {
                            file: other.file,
                            line: 0,
                            what: format!("never read: {file} is the same language"),
                        });
                    }
                    self.broken.extend(odd);
                }
                Err(broken) => self.broken.push(broken),
            }
        }
    }

    fn get(&self, client: Option<&str>, locale: &str) -> Option<&Catalogue> {
        let key = (client.map(str::to_owned), locale.to_owned());
        self.catalogues.get(&key)
    }

    /// Every file that was read.
    pub fn catalogues(&self) -> impl Iterator<Item = (Option<&str>, &str, &Catalogue)> {
        self.catalogues
            .iter()
            .map(|((client, locale), catalogue)| (client.as_deref(), locale.as_str(), catalogue))
    }

    /// The locales that an app client's users can be written in.
    pub(crate) fn locales<'a>(&'a self, client: Option<&str>) -> Vec<&'a str> {
        let own = self
            .catalogues
            .keys()
            .filter(|(of, _)| of.is_none() || of.as_deref() == client);
        let own = own.map(|(_, locale)| locale.as_str());
        let mut all: Vec<&str> = BUILT_IN.iter().copied().chain(own).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Where a text is looked up, in order: in the locale, in the nearest other
    /// one (French for `fr-CA`), in English.
    pub(crate) fn chain<'a>(&'a self, client: Option<&str>, locale: &str) -> Vec<&'a Catalogue> {
        let mut locales = vec![locale];
        // What is built in lacks no key, so nothing near is needed.
        if !BUILT_IN.contains(&locale) {
            let mut others = self.locales(client);
            others.retain(|other| *other != locale);
            locales.extend(locale::best(&[locale.to_owned()], &others));
        }
        if !locales.contains(&"en") {
            locales.push("en");
        }
        let files = locales.into_iter().flat_map(|locale| {
            [
                client.and_then(|client| self.get(Some(client), locale)),
                self.get(None, locale),
                Catalogue::built_in(locale),
            ]
        });
        files.flatten().collect()
    }
}

/// Renders templates: an unknown variable is an error, HTML is escaped where
/// the name says so.
pub(crate) struct Renderer(Environment<'static>);

impl Renderer {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        // A text of one's own that never ends must not keep a code from going
        // out; the longest built-in one takes a few hundred.
        environment.set_fuel(Some(20_000));
        // It would make a text of any size at once.
        environment.remove_filter("indent");
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name.ends_with(".html") {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        Self(environment)
    }

    /// A text as it is to be read.
    pub(crate) fn text(&self, template: &str, values: &Value) -> Result<String, String> {
        self.render("text", template, values)
    }

    /// HTML, in which every value is escaped.
    pub(crate) fn html(&self, template: &str, values: &Value) -> Result<String, String> {
        self.render("text.html", template, values)
    }

    /// A value as it stands in HTML.
    pub(crate) fn escaped(&self, value: &str) -> String {
        let values = Value::from_pairs([("value", value)]);
        self.html("{{ value }}", &values).unwrap_or_default()
    }

    /// The error says what is wrong with the template, without any value.
    fn render(&self, name: &str, template: &str, values: &Value) -> Result<String, String> {
        // Most texts have no more than a variable or two; many have none.
        if !template.contains('{') {
            return Ok(template.to_owned());
        }
        self.0
            .render_named_str(name, template, values)
            .map_err(|error| error.kind().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_is_read_whole() {
        for (locale, source) in BUILT_IN.iter().zip(SOURCES) {
            let (catalogue, odd) = Catalogue::parse(locale, source).unwrap();
            assert_eq!(odd, [], "{locale}");
            assert!(catalogue.get("sms.sign_up").is_some(), "{locale}");
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        let broken = Catalogue::parse("en.toml", "[sms]\nsign_up = \n").unwrap_err();
        assert_eq!((broken.file.as_str(), broken.line), ("en.toml", 2));
        let (_, odd) = Catalogue::parse("en.toml", "[sms]\n\nsign_up = 3\n").unwrap();
        assert_eq!(
            odd[0].to_string(),
            "en.toml:3: sms.sign_up is neither a text nor a list of texts"
        );
    }
}
