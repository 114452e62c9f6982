//! What was given for each keyword, and by whom: layers that fill what those before them left open.

use std::collections::BTreeMap;
use std::time::Duration;

use super::environment::Environment;
use super::keyword::{self, KEYWORDS, Support};
use super::{conninfo, service, url};
use crate::error::{Code, Failure};

/// The effective value of each keyword. It has no `Debug`, since one of them is the password.
pub(super) struct Given(BTreeMap<&'static str, Value>);

struct Value {
    text: String,
    origin: String,
}

impl Given {
    /// Collects the layers: the URL or connection string, the service, the variables.
    pub fn collect(url: Option<&str>, env: &Environment) -> Result<Self, Failure> {
        let mut given = Given(BTreeMap::new());
        match (url, env.get("DATABASE_URL")) {
            (Some(text), _) => given.fill(parse(text, "the connection URL")?, "the connection URL")?,
            (None, Some(text)) if !text.is_empty() => given.fill(parse(text, "DATABASE_URL")?, "DATABASE_URL")?,
            (None, _) => {}
        }
        let named = |name: &str, variable: &str| given.text(name).or_else(|| env.get(variable)).map(str::to_owned);
        let (name, file) = (named("service", "PGSERVICE"), named("servicefile", "PGSERVICEFILE"));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let service = service::find(&name, file.as_deref(), env)?;
            given.fill(service.pairs, &format!("service \"{name}\" in {}", service.file.display()))?;
        }
        for keyword in KEYWORDS {
            if let Some((variable, text)) = keyword.variable.and_then(|variable| Some((variable, env.get(variable)?))) {
                given.fill(vec![(keyword.name.to_owned(), text.to_owned())], variable)?;
            }
        }
        given.refuse_unsupported()?;
        Ok(given)
    }

    /// The text of a keyword; an empty one counts as not given, as in libpq.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }

    /// The elements of a comma list, empty ones included.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    /// A whole number.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| self.invalid(name, "it must be a whole number"))
    }

    /// A number of seconds above zero; zero and less mean what leaving it out means.
    pub fn seconds(&self, name: &'static str) -> Result<Option<Duration>, Failure> {
        Ok(self
            .number(name)?
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|n| *n > 0)
            .map(Duration::from_secs))
    }

    /// One of several words.
    pub fn choice<T: Copy>(&self, name: &'static str, default: T, words: &[(&str, T)]) -> Result<T, Failure> {
        let Some(text) = self.text(name) else { return Ok(default) };
        words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.invalid(name, &format!("it must be one of {}", words.join(", ")))
        })
    }

    /// Says what is wrong with a value and where it is from, without the value: it may be a misplaced password.
    pub fn invalid(&self, name: &'static str, why: &str) -> Failure {
        let origin = self.0.get(name).map_or("the defaults", |value| &value.origin);
        Failure::new(Code::ConfigInvalid, format!("the connection setting {name} from {origin} is not valid"))
            .hint(format!("correct {name}: {why}"))
    }

    /// Adds a layer: within it the last of two equal keys holds, but earlier layers hold over it.
    fn fill(&mut self, pairs: Vec<(String, String)>, origin: &str) -> Result<(), Failure> {
        let mut layer = BTreeMap::new();
        for (key, text) in pairs {
            let keyword = keyword::find(&key).ok_or_else(|| unknown(&key, origin))?;
            layer.insert(keyword.name, Value { text, origin: origin.to_owned() });
        }
        for (name, value) in layer {
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }

    fn refuse_unsupported(&self) -> Result<(), Failure> {
        for keyword in KEYWORDS {
            let Support::Only(accepted) = keyword.support else { continue };
            if self.text(keyword.name).is_none_or(|text| accepted.contains(&text)) {
                continue;
            }
            let origin = self.0.get(keyword.name).map_or("", |value| &value.origin);
            let name = keyword.name;
            let advice = match accepted {
                [] => format!("leave {name} out"),
                some => format!("leave {name} out, or set it to {}", some.join(" or ")),
            };
            return Err(Failure::new(
                Code::ConfigInvalid,
                format!("the connection setting {name} from {origin} asks for something that tenantctl does not do"),
            )
            .hint(advice));
        }
        Ok(())
    }
}

/// Names an unknown keyword, unless it is more than a word: a whole URL with its password may end up as a key.
fn unknown(key: &str, origin: &str) -> Failure {
    let a_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = if a_word { format!(" \"{key}\"") } else { String::new() };
    Failure::new(Code::ConfigInvalid, format!("{origin} has an unknown connection setting{name}"))
        .hint("only libpq's keywords are known; a parameter meant for another driver has to be left out")
}

/// Reads a URL or a connection string.
fn parse(text: &str, origin: &str) -> Result<Vec<(String, String)>, Failure> {
    match url::strip_scheme(text) {
        Some(rest) => url::parse(rest, origin),
        None if text.split_once('=').is_some_and(|(key, _)| !key.contains("://")) => conninfo::parse(text, origin),
        None => Err(Failure::new(Code::ConfigInvalid, format!("{origin} is neither a URL nor a connection string"))
            .hint("write postgresql://user@host:port/dbname or host=... dbname=... user=...")),
    }
}
