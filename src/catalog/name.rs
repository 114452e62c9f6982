//! Names as PostgreSQL sees them: any characters, at most 63 bytes. How a name is written in SQL is `sql::quote`'s work.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name that PostgreSQL keeps, in bytes (`NAMEDATALEN` - 1); it cuts longer ones silently, we refuse them.
pub const MAX_NAME_BYTES: usize = 63;

/// One identifier, exactly as the catalog spells it: no quotes, case kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Ident(String);

impl Ident {
    /// Takes a name as it stands in the catalog.
    ///
    /// # Errors
    /// A text that no PostgreSQL object can be called: empty, longer than 63 bytes, or with a NUL.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            Err(NameError::Empty)
        } else if name.len() > MAX_NAME_BYTES {
            Err(NameError::TooLong(name))
        } else if name.contains('\0') {
            Err(NameError::Nul)
        } else {
            Ok(Ident(name))
        }
    }

    /// Makes a name of our own from parts, joined by `_`. One that would be too long is cut and gets a hash of the
    /// whole, so that two long names stay two names.
    pub fn derived(parts: &[&str]) -> Self {
        let whole = parts.join("_").replace('\0', "");
        if whole.len() <= MAX_NAME_BYTES && !whole.is_empty() {
            return Ident(whole);
        }
        let hash = format!("_{:08x}", fnv1a(whole.as_bytes()));
        let cut = floor_char_boundary(&whole, MAX_NAME_BYTES - hash.len());
        Ident(format!("{}{hash}", &whole[..cut]))
    }

    /// The bare text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// FNV-1a, 32 bits: short, stable between releases, and not for security.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl TryFrom<String> for Ident {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Ident::new(name)
    }
}

impl From<Ident> for String {
    fn from(ident: Ident) -> String {
        ident.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Schema and name of a relation, function or type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "(Ident, Ident)", into = "(Ident, Ident)")]
pub struct QualifiedName {
    /// The schema.
    pub schema: Ident,
    /// The object in it.
    pub name: Ident,
}

impl From<(Ident, Ident)> for QualifiedName {
    fn from((schema, name): (Ident, Ident)) -> Self {
        QualifiedName { schema, name }
    }
}

impl From<QualifiedName> for (Ident, Ident) {
    fn from(name: QualifiedName) -> Self {
        (name.schema, name.name)
    }
}

/// For people: `schema.name`, a part with a dot, space or quote in it in quotes. Not for SQL.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |ident: &Ident| {
            let text = ident.as_str();
            let odd = text.chars().any(|c| c == '.' || c == '"' || c.is_whitespace() || c.is_control());
            if odd { format!("{text:?}") } else { text.to_owned() }
        };
        write!(f, "{}.{}", part(&self.schema), part(&self.name))
    }
}

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    TooLong(String),
    /// PostgreSQL's text holds no NUL.
    Nul,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("a name cannot be empty"),
            NameError::TooLong(name) => {
                write!(f, "the name {name:?} has {} bytes, PostgreSQL keeps {MAX_NAME_BYTES}", name.len())
            }
            NameError::Nul => f.write_str("a name cannot contain a NUL character"),
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_63_bytes_is_kept_and_one_of_64_is_refused() {
        assert_eq!(Ident::new("x".repeat(63)).unwrap().as_str().len(), 63);
        assert_eq!(Ident::new("x".repeat(64)), Err(NameError::TooLong("x".repeat(64))));
    }

    #[test]
    fn long_derived_names_stay_apart_and_are_cut_between_characters() {
        let one = Ident::derived(&[&"é".repeat(40), "a"]);
        let two = Ident::derived(&[&"é".repeat(40), "b"]);
        assert_ne!(one, two);
        assert!(one.as_str().len() <= MAX_NAME_BYTES && one.as_str().starts_with("éé"));
    }
}
