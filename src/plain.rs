//! Texts from outside, made harmless: for a header, for an SMS, for a reader.

use crate::sms_length::plain_form;

/// What is left of a hostile text: words on one line, at most `longest`
/// characters, without control and direction characters, and nothing that a
/// mail program or a phone would make a link of: no address, no domain, no
/// telephone number.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut after_dot = false;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let separates = c.is_whitespace() || c.is_control() || "/\\@".contains(c);
        if separates || after_dot && c.is_alphabetic() {
            line.push(' ');
        }
        if !separates {
            line.push(c);
        }
        after_dot = matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &&str| word.chars().all(|c| c.is_numeric() || "+-().".contains(c));
    let digits = |words: &[&str]| -> usize {
        let digits = |word: &&str| word.chars().filter(|c| c.is_numeric()).count();
        words.iter().map(digits).sum()
    };
    // Words that are numbers and follow each other may be one number.
    let runs = words.chunk_by(|before, after| is_number(before) && is_number(after));
    let kept: Vec<&str> = runs
        .filter(|run| digits(run) < 7)
        .flatten()
        .copied()
        .collect();
    let line = kept.join(" ");
    line.chars().take(longest).collect()
}

/// Characters that change how others are read: marks and overrides of
/// direction, zero-width ones, tags, the byte order mark.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Without the characters that turn a text message into UCS-2 for nothing.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_form(c) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(c),
        }
    }
    folded
}

/// A text without line breaks, for a header.
pub(crate) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Undoes, once, the HTML escaping that Cognito puts on temporary passwords
/// (Cognito guide, "Custom email sender": `&lt;` for `<`, and so on). In one
/// pass, so that `&amp;lt;` becomes `&lt;`.
pub(crate) fn unescaped(text: &str) -> String {
    const ENTITIES: [(&str, char); 5] = [
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&amp;", '&'),
        ("&quot;", '"'),
        ("&#39;", '\''),
    ];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (taken, meant) = ENTITIES
            .into_iter()
            .find(|(entity, _)| rest.starts_with(entity))
            .map_or((character.len_utf8(), character), |(entity, meant)| {
                (entity.len(), meant)
            });
        plain.push(meant);
        rest = &rest[taken..];
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_password_is_unescaped_once() {
        assert_eq!(unescaped("a&lt;b&gt;&amp;&quot;&#39;"), "a<b>&\"'");
        assert_eq!(unescaped("&amp;lt;"), "&lt;");
        assert_eq!(
            unescaped("&amp;amp;&notanentity; é&"),
            "&amp;&notanentity; é&"
        );
    }

    #[test]
    fn hostile_text_becomes_plain_words() {
        assert_eq!(plain("New\r\nYork\u{202e}", 80), "New York");
        assert_eq!(
            plain("see http://evil.example/x", 80),
            "see http: evil. example x"
        );
        assert_eq!(plain("www.evil。com a@b.c", 80), "www. evil。 com a b. c");
        assert_eq!(plain("call +18885550199 now", 80), "call now");
        assert_eq!(
            plain("call +1 888 555 0199 or (888) 555 0199", 80),
            "call or"
        );
        assert_eq!(plain("call ٠١٢٣٤٥٦٧٨٩ 1 2 3", 80), "call");
        assert_eq!(
            plain("Chrome 126.0.1, Windows 10", 80),
            "Chrome 126.0.1, Windows 10"
        );
        assert_eq!(plain(&"x".repeat(2048), 80).len(), 80);
    }

    #[test]
    fn a_header_is_one_line() {
        assert_eq!(one_line("a\r\nBcc: b\u{2028} c "), "a Bcc: b c");
    }

    #[test]
    fn what_makes_an_sms_dear_is_replaced() {
        assert_eq!(
            folded("\u{201c}A\u{2019}s\u{201d}\u{a0}\u{2014}\u{2026}"),
            "\"A's\" -..."
        );
    }
}
