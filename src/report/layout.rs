//! Text in lines and columns, for a page of 100 columns.

/// How wide a line of text may be; statements are never broken.
pub(super) const WIDTH: usize = 100;

/// Breaks a text between words into lines of at most [`WIDTH`]. The first one begins with `indent` spaces and `label`, the
/// others stand under its text. A word that is longer than a line stays whole.
pub(super) fn hang(label: &str, text: &str, indent: usize) -> String {
    hang_within(WIDTH, label, text, indent)
}

/// Like [`hang`], for a page of another width.
pub(super) fn hang_within(page: usize, label: &str, text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let hanging = " ".repeat(indent + width(label));
    let (mut lines, mut line) = (Vec::new(), format!("{margin}{label}"));
    let mut at_start = true;
    for word in text.split_whitespace() {
        if !at_start && width(&line) + 1 + width(word) > page {
            lines.push(std::mem::replace(&mut line, hanging.clone()));
            at_start = true;
        }
        if !at_start {
            line.push(' ');
        }
        line.push_str(word);
        at_start = false;
    }
    lines.push(line);
    lines.join("\n") + "\n"
}

/// Every line of a text behind `indent` spaces; an empty one stays empty.
pub(super) fn indented(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
    text.lines().map(line).collect()
}

/// Rows of cells as aligned lines, two spaces between the columns; the last cell of a row is not filled up.
pub(super) fn columns<const N: usize>(rows: &[[String; N]], indent: usize) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|i| rows.iter().map(|row| width(&row[i])).max().unwrap_or(0));
    let margin = " ".repeat(indent);
    let cell = |(text, wide): (&String, usize)| format!("{text}{}", " ".repeat(wide - width(text)));
    let line = |row: &[String; N]| row.iter().zip(widths).map(cell).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| format!("{margin}{}", line(row)).trim_end().to_owned()).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_breaks_between_words_and_hangs_under_its_label() {
        let text = "word ".repeat(30);
        let lines: Vec<String> = hang("label  ", &text, 2).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  label  word") && lines[1].starts_with("         word"));
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_word_longer_than_a_line_stays_whole() {
        let word = "x".repeat(120);
        assert_eq!(hang("", &word, 2), format!("  {word}\n"));
    }
}
