//! SQL in pieces that are coloured. Our SQL writes key words, and nothing else without quotes, in capitals.

/// What a piece of SQL is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names, numbers, signs, spaces.
    Plain,
    /// A key word.
    Keyword,
    /// A value in quotes.
    Value,
}

/// A piece of SQL.
pub(super) struct Piece<'a> {
    pub kind: Kind,
    pub text: &'a str,
}

/// Cuts SQL into pieces; together they are the text.
pub(super) fn pieces(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut rest, mut plain) = (sql, 0);
    while let Some(first) = rest[plain..].chars().next() {
        let here = &rest[plain..];
        let (kind, length) = match first {
            '"' => (Kind::Plain, quoted(here, '"')),
            '\'' => (Kind::Value, quoted(here, '\'')),
            _ if is_word(first) => word(here),
            other => (Kind::Plain, other.len_utf8()),
        };
        if kind == Kind::Plain {
            plain += length;
            continue;
        }
        let (before, from) = rest.split_at(plain);
        let (text, after) = from.split_at(length);
        pieces.extend([Piece { kind: Kind::Plain, text: before }, Piece { kind, text }]);
        (rest, plain) = (after, 0);
    }
    pieces.push(Piece { kind: Kind::Plain, text: rest });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// The length of a text up to the quote that ends it; a doubled one only looks like an end, and a start.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

fn word(text: &str) -> (Kind, usize) {
    let length = text.find(|character| !is_word(character)).unwrap_or(text.len());
    let capital = text[..length].chars().all(|character| character.is_ascii_uppercase() || character == '_');
    (if capital && length > 1 { Kind::Keyword } else { Kind::Plain }, length)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_words_and_values_are_told_from_names_and_nothing_is_lost() {
        let sql = "UPDATE \"FROM 'x\" SET a = 'it''s', \"B\" = N'ä' WHERE fill$1 IS NULL;\n'open";
        let pieces = pieces(sql);
        let of = |kind| pieces.iter().filter(|piece| piece.kind == kind).map(|piece| piece.text).collect::<Vec<_>>();
        assert_eq!(of(Kind::Keyword), ["UPDATE", "SET", "WHERE", "IS", "NULL"]);
        assert_eq!(of(Kind::Value), ["'it'", "'s'", "'ä'", "'open"]);
        assert_eq!(pieces.iter().map(|piece| piece.text).collect::<String>(), sql);
    }
}
