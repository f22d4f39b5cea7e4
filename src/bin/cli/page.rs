//! What fits a terminal: 80 columns.

/// The columns of a terminal that nobody has made wider.
pub(crate) const WIDTH: usize = 80;

/// The text in lines of at most `width` characters; a longer word has a line to
/// itself.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// The text behind a label, wrapped below itself.
pub(crate) fn labelled(label: &str, column: usize, text: &str) -> String {
    let margin = " ".repeat(column);
    let text = wrapped(text, WIDTH - column).replace('\n', &format!("\n{margin}"));
    format!("{label:column$}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_behind_its_label() {
        let text = "word ".repeat(20);
        let page = labelled("missing", 10, &text);
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("missing   word"));
        assert!(lines[1].starts_with("          word"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
    }
}
