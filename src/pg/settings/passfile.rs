//! The password file, `~/.pgpass`: which password fits which host, port, database and user.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A password. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(in crate::pg) fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The password itself, for the server only.
    pub(in crate::pg) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where a connection goes, as the password file asks for it.
pub(super) struct Login<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The lines of a password file.
#[derive(Debug, Clone, Default)]
pub(super) struct PassFile {
    path: Option<PathBuf>,
    lines: Vec<Secret>,
}

impl PassFile {
    /// Reads the file. One that is not there is empty; one that others can read is not believed, and why is returned.
    pub fn read(path: Option<PathBuf>) -> (Self, Option<String>) {
        let Some(path) = path else { return (PassFile::default(), None) };
        let nothing = PassFile { path: Some(path.clone()), lines: Vec::new() };
        let Ok(about) = fs::metadata(&path) else { return (nothing, None) };
        let ignored = |why: &str| Some(format!("the password file {} is ignored: {why}", path.display()));
        if !about.is_file() {
            return (nothing, ignored("it is not a plain file"));
        }
        if about.permissions().mode() & 0o077 != 0 {
            return (nothing, ignored("others may read it; run chmod 0600 on it"));
        }
        match fs::read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
                (PassFile { lines: lines.map(Secret::new).collect(), ..nothing }, None)
            }
            Err(error) => (nothing, ignored(&error.to_string())),
        }
    }

    /// The file that was looked at.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The password of the first line that fits.
    pub fn password(&self, login: &Login<'_>) -> Option<Secret> {
        let port = login.port.to_string();
        let wanted = [login.host, &port, login.database, login.user];
        self.lines
            .iter()
            .find_map(|line| {
                let mut fields = split(line.reveal());
                let fits =
                    wanted.iter().all(|wanted| fields.next().is_some_and(|(raw, text)| raw == "*" || text == *wanted));
                // An empty password is as good as none, as in libpq.
                if fits { fields.next().map(|(_, text)| text) } else { None }.map(Secret::new)
            })
            .filter(|secret| !secret.reveal().is_empty())
    }
}

/// The fields between unescaped colons, as written and with `\:` and `\\` resolved; `\*` is no wildcard.
fn split(line: &str) -> impl Iterator<Item = (&str, String)> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let field = rest.take()?;
        let mut text = String::new();
        let mut chars = field.char_indices();
        while let Some((at, next)) = chars.next() {
            match next {
                ':' => {
                    rest = Some(&field[at + 1..]);
                    return Some((&field[..at], text));
                }
                '\\' => text.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
                _ => text.push(next),
            }
        }
        Some((field, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &str, host: &str) -> Option<String> {
        let file = PassFile { path: None, lines: lines.lines().map(Secret::new).collect() };
        let login = Login { host, port: 5432, database: "shop", user: "ann" };
        file.password(&login).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn the_first_line_that_fits_in_every_field_decides() {
        assert_eq!(
            found("a:5432:shop:bob:1\na:5433:shop:ann:2\na:5432:shop:ann:3\n*:*:*:*:4", "a").as_deref(),
            Some("3")
        );
        assert_eq!(found("a:5432:shop:bob:1\n*:*:*:*:4", "b").as_deref(), Some("4"));
        assert_eq!(found("a:5432:shop:ann:1", "b"), None);
    }

    #[test]
    fn escapes_are_resolved_and_an_escaped_star_is_no_wildcard() {
        assert_eq!(found(r"\:\:1:5432:shop:ann:p\:a\\s:ignored", "::1").as_deref(), Some(r"p:a\s"));
        assert_eq!(found(r"\*:5432:shop:ann:1", "a"), None);
        assert_eq!(found(r"\*:5432:shop:ann:1", "*").as_deref(), Some("1"));
    }

    #[test]
    fn a_line_without_all_fields_or_with_an_empty_password_gives_none() {
        for line in ["", "*", "*:*:*:*", "*:*:*:*:", ":::::"] {
            assert_eq!(found(line, "a"), None, "{line}");
        }
    }
}
