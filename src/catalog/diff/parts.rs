//! The parts of a table, each found again by its name.

use super::{Change, Difference, Object, about, list};
use crate::catalog::{
    Action, Check, Column, Firing, ForeignKey, Ident, Index, Key, KeyDetails, Matching, QualifiedName,
    ReferenceDetails, Trigger,
};

/// When a key is checked.
const DEFERRED: &str = "checked at the end of a transaction";
const IMMEDIATE: &str = "checked at once";

/// A part of a table.
pub(super) trait Part: PartialEq {
    /// Its name in the table.
    fn name(&self) -> &Ident;
    /// What it is.
    fn object(&self) -> Object;
    /// What it is, for people, with its name.
    fn describe(&self) -> String;
    /// What `now` is that this one was not, each as a predicate: `is NOT NULL`.
    fn changes(&self, now: &Self) -> Vec<String>;
}

/// The parts that are gone, changed and new.
pub(super) fn compare_parts<P: Part>(table: &QualifiedName, was: &[P], now: &[P]) -> Vec<Difference> {
    let say = |part: &P, change: Change, how: &str| {
        about(table, part.object(), change, format!("{table}: {} {how}", part.describe()))
    };
    let mut found = Vec::new();
    for part in was {
        match now.iter().find(|other| other.name() == part.name()) {
            None => found.push(say(part, Change::Gone, "is gone")),
            Some(other) => {
                found.extend(part.changes(other).iter().map(|how| say(part, Change::Changed, how)));
            }
        }
    }
    let new = now.iter().filter(|part| !was.iter().any(|other| other.name() == part.name()));
    found.extend(new.map(|part| say(part, Change::New, "is new")));
    found
}

/// A predicate for a flag that is another one.
fn flag(was: bool, now: bool, yes: &str, no: &str) -> Option<String> {
    (was != now).then(|| format!("is {} now", if now { yes } else { no }))
}

/// A predicate for a value that is another one.
fn value(what: &str, was: &str, now: &str) -> Option<String> {
    (was != now).then(|| format!("has {what} {now} now, it was {was}"))
}

impl Part for Column {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::Column(self.name.clone())
    }

    fn describe(&self) -> String {
        format!("column {} {}", self.name, self.data_type)
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let Column { name: _, data_type, not_null, default, generated, sequence } = self;
        let mut words = Vec::new();
        words.extend(value("the type", data_type, &now.data_type));
        words.extend(flag(*not_null, now.not_null, "NOT NULL", "nullable"));
        words.extend(flag(*generated, now.generated, "generated", "an ordinary column"));
        // A generated column's expression cannot always be read.
        let unread = *generated && now.generated && (default.is_none() || now.default.is_none());
        if *default != now.default && !unread {
            let of = |default: &Option<String>| default.clone().unwrap_or_else(|| "none".to_owned());
            words.extend(value("the default", &of(default), &of(&now.default)));
        }
        if *sequence != now.sequence {
            words.push(match &now.sequence {
                Some(sequence) => format!("is fed by the sequence {sequence} now"),
                None => "is fed by no sequence any more".to_owned(),
            });
        }
        words
    }
}

impl Part for Key {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::Key(self.name.clone())
    }

    fn describe(&self) -> String {
        let kind = if self.primary { "primary key" } else { "unique constraint" };
        format!("{kind} {} ({})", self.name, list(&self.columns))
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let Key { name: _, primary, columns, deferrable, period, details } = self;
        let mut words = Vec::new();
        words.extend(flag(*primary, now.primary, "the primary key", "a unique constraint"));
        words.extend(value("the columns", &list(columns), &list(&now.columns)));
        words.extend(flag(*deferrable, now.deferrable, "deferrable", "not deferrable"));
        words.extend(flag(*period, now.period, "WITHOUT OVERLAPS", "without a period"));
        if let (Some(was), Some(now)) = (details, &now.details) {
            let KeyDetails { initially_deferred, inherited: _ } = was;
            words.extend(flag(*initially_deferred, now.initially_deferred, DEFERRED, IMMEDIATE));
        }
        words
    }
}

impl Part for ForeignKey {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::ForeignKey(self.name.clone())
    }

    fn describe(&self) -> String {
        format!("foreign key {} ({}) to {}", self.name, list(&self.columns), self.parent)
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let ForeignKey {
            name: _,
            columns,
            parent,
            parent_columns,
            validated,
            enforced,
            triggers_enabled,
            deferrable,
            period,
            details,
        } = self;
        let mut words = Vec::new();
        words.extend(value("the columns", &list(columns), &list(&now.columns)));
        let to = |parent: &QualifiedName, columns: &[Ident]| format!("{parent} ({})", list(columns));
        words.extend(value("the target", &to(parent, parent_columns), &to(&now.parent, &now.parent_columns)));
        words.extend(flag(*validated, now.validated, "validated", "not validated"));
        words.extend(flag(*enforced, now.enforced, "enforced", "not enforced"));
        words.extend(flag(*triggers_enabled, now.triggers_enabled, "checked", "unchecked: its triggers are off"));
        words.extend(flag(*deferrable, now.deferrable, "deferrable", "not deferrable"));
        words.extend(flag(*period, now.period, "over a PERIOD", "without a period"));
        if let (Some(was), Some(now)) = (details, &now.details) {
            words.extend(detail_changes(was, now));
        }
        words
    }
}

fn detail_changes(was: &ReferenceDetails, now: &ReferenceDetails) -> Vec<String> {
    // The index is one of those that are compared by themselves; another one may do as well.
    let ReferenceDetails { matching, on_update, on_delete, set_columns, initially_deferred, inherited: _, index: _ } =
        was;
    let on_delete_of = |action: Action, columns: &[Ident]| match columns {
        [] => action.as_sql().to_owned(),
        columns => format!("{} ({})", action.as_sql(), list(columns)),
    };
    let mut words = Vec::new();
    words.extend(flag(*matching == Matching::Full, now.matching == Matching::Full, "MATCH FULL", "MATCH SIMPLE"));
    words.extend(value("ON UPDATE", on_update.as_sql(), now.on_update.as_sql()));
    let (before, after) = (on_delete_of(*on_delete, set_columns), on_delete_of(now.on_delete, &now.set_columns));
    words.extend(value("ON DELETE", &before, &after));
    words.extend(flag(*initially_deferred, now.initially_deferred, DEFERRED, IMMEDIATE));
    words
}

impl Part for Check {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::Check(self.name.clone())
    }

    fn describe(&self) -> String {
        format!("constraint {}", self.name)
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let Check { name: _, definition, validated } = self;
        let mut words = Vec::new();
        // A definition that could not be read is no other one.
        if let (Some(was), Some(now)) = (definition, &now.definition) {
            words.extend(value("the definition", was, now));
        }
        words.extend(flag(*validated, now.validated, "validated", "not validated"));
        words
    }
}

impl Part for Index {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::Index(self.name.clone())
    }

    fn describe(&self) -> String {
        format!("{}index {} ({})", if self.unique { "unique " } else { "" }, self.name, columns(&self.columns))
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        // A catalog that was kept by an earlier version knows nothing of the other columns, nor of the definition.
        let Index { name: _, method, columns: over, other_columns: _, unique, valid, partial, part_of: _, definition } =
            self;
        let mut words = Vec::new();
        words.extend(value("the method", method, &now.method));
        words.extend(value("the columns", &columns(over), &columns(&now.columns)));
        words.extend(flag(*unique, now.unique, "unique", "not unique"));
        words.extend(flag(*valid, now.valid, "valid", "not valid"));
        words.extend(flag(*partial, now.partial, "partial", "over every row"));
        if let (Some(was), Some(now)) = (definition, &now.definition) {
            words.extend(value("the definition", &format!("({}", was.tail), &format!("({}", now.tail)));
        }
        words
    }
}

fn columns(columns: &[Option<Ident>]) -> String {
    let word = |column: &Option<Ident>| column.as_ref().map_or_else(|| "an expression".to_owned(), Ident::to_string);
    columns.iter().map(word).collect::<Vec<_>>().join(", ")
}

impl Part for Trigger {
    fn name(&self) -> &Ident {
        &self.name
    }

    fn object(&self) -> Object {
        Object::Trigger(self.name.clone())
    }

    fn describe(&self) -> String {
        format!("trigger {} calling {}", self.name, self.function)
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let Trigger { name: _, function, firing, on_update, before_row } = self;
        let mut words = Vec::new();
        words.extend(value("the function", &function.to_string(), &now.function.to_string()));
        words.extend(value("the mode", mode(*firing), mode(now.firing)));
        words.extend(flag(*on_update, now.on_update, "fired by UPDATE", "not fired by UPDATE"));
        words.extend(flag(*before_row, now.before_row, "a BEFORE ROW trigger", "no BEFORE ROW trigger"));
        words
    }
}

fn mode(firing: Firing) -> &'static str {
    match firing {
        Firing::Origin => "ENABLE",
        Firing::Replica => "ENABLE REPLICA",
        Firing::Always => "ENABLE ALWAYS",
        Firing::Disabled => "DISABLE",
    }
}
