//! `key=value` connection strings.
//!
//! As with URLs, no message quotes a part of the text: an unquoted space in a password makes the rest look like a key.

use std::iter::Peekable;
use std::str::Chars;

use crate::error::{Code, Failure};

/// Cuts a connection string into keys and values, later ones overriding earlier ones.
pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<(String, String)>, Failure> {
    let bad = |why: &str| {
        Failure::new(Code::ConfigInvalid, format!("reading {origin}: {why}"))
            .hint("write key=value pairs with spaces between them, and a value with spaces as 'value', in which \\' is a quote")
    };
    let mut rest = text.chars().peekable();
    let mut pairs = Vec::new();
    loop {
        skip_spaces(&mut rest);
        if rest.peek().is_none() {
            return Ok(pairs);
        }
        let mut key = String::new();
        while let Some(next) = rest.next_if(|next| *next != '=' && !is_space(*next)) {
            key.push(next);
        }
        skip_spaces(&mut rest);
        if rest.next() != Some('=') || key.is_empty() {
            return Err(bad("a word has no = behind it"));
        }
        skip_spaces(&mut rest);
        let value = value(&mut rest).ok_or_else(|| bad("a quoted value does not end"))?;
        pairs.push((key, value));
    }
}

fn value(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match rest.next() {
            Some('\'') if quoted => return Some(value),
            Some(next) if !quoted && is_space(next) => return Some(value),
            Some('\\') => value.extend(rest.next()),
            Some(next) => value.push(next),
            None => return (!quoted).then_some(value),
        }
    }
}

fn skip_spaces(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|next| is_space(*next)).is_some() {}
}

/// C's `isspace`, which also counts the vertical tab.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}
