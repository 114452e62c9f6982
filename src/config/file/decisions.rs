//! Which keys count within each tenant, and which for all of them.

use std::collections::BTreeMap;

use toml::Spanned;

use super::Reader;
use crate::config::{KeyDecision, KeyScope};

/// What a decision looks like.
const HOW: &str = "write \"scoped\", or { scope = \"global\", reason = \"why it holds for all tenants\" }";

/// Keys as they are written, by their names.
type Written = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

impl Reader<'_> {
    /// The decisions of a section, by its path.
    pub(super) fn decisions(&mut self, section: &str, written: &Written) -> Vec<KeyDecision> {
        let mut decisions = Vec::new();
        for (name, value) in written {
            let key = format!("{section}.{}", name.get_ref());
            match key_scope(value.get_ref()) {
                Ok(scope) => {
                    let (name, line) = (self.ident(&key, name), self.line(name));
                    decisions.push(KeyDecision { name, scope, line });
                }
                Err(what) => self.wrong(value, &key, what),
            }
        }
        decisions
    }
}

fn key_scope(value: &toml::Value) -> Result<KeyScope, String> {
    let (word, reason) = match value {
        toml::Value::String(word) => (word.as_str(), None),
        toml::Value::Table(table) => {
            if let Some(other) = table.keys().find(|key| !["scope", "reason"].contains(&key.as_str())) {
                return Err(format!("there is no key {other:?} here; {HOW}"));
            }
            let text = |key: &str| table.get(key).and_then(toml::Value::as_str);
            (text("scope").ok_or_else(|| HOW.to_owned())?, text("reason"))
        }
        _ => return Err(HOW.to_owned()),
    };
    match (word, reason.map(str::trim)) {
        ("scoped", _) => Ok(KeyScope::Scoped),
        ("global", Some(reason)) if !reason.is_empty() => Ok(KeyScope::Global { reason: reason.to_owned() }),
        ("global", _) => Err(format!("a key that holds for all tenants needs a reason; {HOW}")),
        (word, _) => Err(format!("{word:?} is no decision; {HOW}")),
    }
}
