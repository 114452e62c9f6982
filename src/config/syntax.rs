//! What is wrong with a text that is no TOML, or has other keys and types than ours: the parser's message, with the line
//! and the key, and without any value.

use std::ops::Range;

use crate::error::{Code, Failure};

/// The failure of a text that does not parse.
pub fn failure(text: &str, path: &str, error: &toml::de::Error) -> Failure {
    let what = without_value(error.message().trim_end()).replace('\n', ", ");
    let message = match error.span() {
        Some(span) => {
            let key = written_key(text, &span).map_or_else(String::new, |key| format!("{key}: "));
            format!("{path}:{}: {key}{what}", line_of(text, span.start))
        }
        None => format!("{path}: {what}"),
    };
    Failure::new(Code::ConfigInvalid, message)
        .hint(format!("mend the line in {path}; tenantctl.toml.example shows every key with its default"))
}

/// Leaves out the text that serde found where it expected something else: it may be a connection string.
fn without_value(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}a string{}", &message[..start], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

/// The key on the line of a span, or the table's header there; nothing where the line has neither, because what stands
/// there instead may be a connection string.
fn written_key<'a>(text: &'a str, span: &Range<usize>) -> Option<&'a str> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next()?;
    let key = line.split('=').next()?.trim().trim_matches(['[', ']']);
    let plain = |c: char| c.is_alphanumeric() || "_-.'\"".contains(c);
    (!key.is_empty() && key.chars().all(plain)).then_some(key)
}

/// The line of a byte, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
