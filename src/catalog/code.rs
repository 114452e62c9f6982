//! What a piece of SQL or PL/pgSQL seems to do to tables: read from its words alone, so it is a guess, never a proof.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::QualifiedName;

/// What a text does that a new column disturbs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Tables that it reads or writes.
    #[serde(default)]
    pub mentions: Vec<Mention>,
    /// Statements that mean all columns, whatever they are then.
    #[serde(default)]
    pub stars: Vec<Star>,
    /// What it calls that leaves the database, for example `pg_notify`.
    #[serde(default)]
    pub reaches_out: Vec<String>,
    /// Unique keys by which it tells a row that is there already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
}

/// A table as a text names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Mention {
    /// The schema, where the text names one.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

impl Mention {
    /// Whether this table may be meant.
    pub fn may_be(&self, table: &QualifiedName) -> bool {
        self.name == table.name.as_str() && self.schema.as_ref().is_none_or(|schema| schema == table.schema.as_str())
    }
}

/// A statement that means all columns of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Star {
    /// How it says so.
    pub form: Form,
    /// The table.
    pub table: Mention,
}

/// How a statement means all columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `SELECT *`.
    Select,
    /// `RETURNING *`.
    Returning,
    /// `INSERT` without a list of columns.
    Insert,
    /// `COPY` without a list of columns.
    Copy,
}

impl Form {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Select => "SELECT *",
            Form::Returning => "RETURNING *",
            Form::Insert => "INSERT without a column list",
            Form::Copy => "COPY without a column list",
        }
    }
}

/// An `INSERT ... ON CONFLICT` that names a unique key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Conflict {
    /// The table.
    pub table: Mention,
    /// What names the key.
    pub target: Target,
}

/// What names a unique key behind `ON CONFLICT`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Its columns: every name within the parentheses, those of functions too.
    Names(Vec<String>),
    /// The constraint.
    Constraint(String),
}

/// Functions that send something out of the database: notifications, web requests, other servers.
const CALLS_OUT: [&str; 10] = [
    "pg_notify",
    "dblink",
    "dblink_exec",
    "dblink_send_query",
    "dblink_connect",
    "http_get",
    "http_post",
    "http_put",
    "http_delete",
    "pg_logical_emit_message",
];

/// Schemas of extensions that do the same.
const SCHEMAS_OUT: [&str; 4] = ["net", "aws_lambda", "amqp", "pgmq"];

/// Reads a text.
pub fn read(text: &str) -> Reading {
    let words = words(text);
    let mut reading = Reading::default();
    for statement in words.split(|word| word == ";") {
        read_statement(statement, &mut reading);
    }
    reading.reaches_out =
        words.windows(2).filter(|pair| leaves(&pair[0], &pair[1])).map(|pair| pair[0].clone()).collect();
    reading.reaches_out.sort();
    reading.reaches_out.dedup();
    reading.mentions.sort();
    reading.mentions.dedup();
    reading.stars.sort();
    reading.stars.dedup();
    reading.conflicts.sort();
    reading.conflicts.dedup();
    reading
}

/// The variables that a PL/pgSQL text declares.
pub fn declared(text: &str) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = words[at..].iter().position(|word| word == "declare") {
        let block = &words[at + start + 1..];
        let end = block.iter().position(|word| word == "begin").unwrap_or(block.len());
        found.extend(block[..end].split(|word| word == ";").filter_map(|line| line.first()).cloned());
        at += start + 1 + end;
    }
    found
}

/// Whether the word, with what follows it, leaves the database.
fn leaves(word: &str, next: &str) -> bool {
    (next == "(" && CALLS_OUT.contains(&word)) || (next == "." && SCHEMAS_OUT.contains(&word)) || word == "notify"
}

fn read_statement(words: &[String], reading: &mut Reading) {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let (mut named, mut written) = (Vec::new(), None);
    let mut stars = Vec::new();
    for at in 0..words.len() {
        match word(at) {
            // What follows is `SET`, no table.
            "update" if at > 0 && word(at - 1) == "do" => {}
            "conflict" if at > 0 && word(at - 1) == "on" => {
                let conflict = |target| Some(Conflict { table: written.clone()?, target });
                reading.conflicts.extend(target(&words[at + 1..]).and_then(conflict));
            }
            "from" | "join" | "update" | "into" | "copy" | "only" => {
                let Some((table, end)) = mention(words, at + 1) else { continue };
                let form = match word(at) {
                    "into" if at > 0 && word(at - 1) == "insert" && lists_no_columns(words, end) => Some(Form::Insert),
                    "copy" if matches!(word(end), "from" | "to") => Some(Form::Copy),
                    _ => None,
                };
                reading.stars.extend(form.map(|form| Star { form, table: table.clone() }));
                if word(at) == "update" || (at > 0 && matches!(word(at - 1), "insert" | "delete")) {
                    written = Some(table.clone());
                }
                named.push(table);
            }
            "*" if at > 0 => match word(at - 1) {
                "returning" => stars.push(Form::Returning),
                "select" | "all" | "distinct" | "." => stars.push(Form::Select),
                _ => {}
            },
            _ => {}
        }
    }
    for form in stars {
        match form {
            Form::Returning => reading.stars.extend(written.iter().cloned().map(|table| Star { form, table })),
            _ => reading.stars.extend(named.iter().cloned().map(|table| Star { form, table })),
        }
    }
    reading.mentions.append(&mut named);
}

/// What stands behind `ON CONFLICT`, where it names a key.
fn target(words: &[String]) -> Option<Target> {
    match words {
        [open, rest @ ..] if open == "(" => {
            let mut depth = 1;
            let inside = rest.iter().take_while(|word| {
                depth += i32::from(*word == "(") - i32::from(*word == ")");
                depth > 0
            });
            Some(Target::Names(inside.filter(|word| is_name(word)).cloned().collect()))
        }
        [on, constraint, name, ..] if on == "on" && constraint == "constraint" => {
            Some(Target::Constraint(name.clone()))
        }
        _ => None,
    }
}

fn is_name(word: &str) -> bool {
    word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Whether no list of columns follows the table of an INSERT.
fn lists_no_columns(words: &[String], mut at: usize) -> bool {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    if word(at) == "as" {
        at += 2;
    }
    let first = if word(at) == "(" { word(at + 1) } else { word(at) };
    matches!(first, "values" | "select" | "table" | "with")
}

/// The table that is named there, and where the text goes on.
fn mention(words: &[String], at: usize) -> Option<(Mention, usize)> {
    let first = words
        .get(at)
        .filter(|word| is_name(word))
        .filter(|word| !matches!(word.as_str(), "only" | "lateral" | "select"))?;
    match (words.get(at + 1).map(String::as_str), words.get(at + 2)) {
        (Some("."), Some(name)) => Some((Mention { schema: Some(first.clone()), name: name.clone() }, at + 3)),
        _ => Some((Mention { schema: None, name: first.clone() }, at + 1)),
    }
}

/// The words and signs of a text, names in lower case unless they are quoted; comments and strings are left out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
            words.push(rest[..end].trim_matches('"').to_owned());
            end
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            words.push(rest[..end].to_lowercase());
            end
        } else {
            if !first.is_whitespace() {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stars(text: &str) -> Vec<String> {
        read(text).stars.iter().map(|star| format!("{} {}", star.form.as_str(), star.table.name)).collect()
    }

    #[test]
    fn every_way_to_mean_all_columns_is_found() {
        assert_eq!(stars("SELECT * FROM public.orders WHERE total * 2 > 1"), ["SELECT * orders"]);
        assert_eq!(
            stars("select o.* from \"Orders\" as o join items using (id)"),
            ["SELECT * Orders", "SELECT * items"]
        );
        assert_eq!(stars("UPDATE orders SET a = 1 RETURNING *"), ["RETURNING * orders"]);
        let insert = "INSERT without a column list orders";
        for text in [
            "insert into orders values (1)",
            "insert into only_once.orders select 1",
            "INSERT INTO orders AS o VALUES ($1, $2)",
            "insert into orders (select 1)",
        ] {
            assert_eq!(stars(text), [insert], "{text}");
        }
        assert_eq!(stars("COPY orders FROM STDIN"), ["COPY without a column list orders"]);
    }

    #[test]
    fn columns_that_are_named_are_no_star() {
        for text in [
            "SELECT count(*) FROM orders",
            "SELECT a * b FROM orders",
            "INSERT INTO orders (id) VALUES (1)",
            "insert into orders(id) select 1",
            "COPY orders (id) TO STDOUT",
            "-- SELECT * FROM orders\nSELECT 'select * from orders', 1 /* returning * */",
        ] {
            assert_eq!(stars(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn the_key_behind_on_conflict_is_read_by_its_columns_or_by_its_name() {
        let conflicts = |text: &str| {
            let said = |conflict: &Conflict| match &conflict.target {
                Target::Names(names) => format!("{} ({})", conflict.table.name, names.join(" ")),
                Target::Constraint(name) => format!("{} {name}", conflict.table.name),
            };
            read(text).conflicts.iter().map(said).collect::<Vec<_>>()
        };
        let upsert = "INSERT INTO app.users AS u (email) VALUES ($1) ON CONFLICT (lower(email), \"Kind\") WHERE active
             DO UPDATE SET email = excluded.email RETURNING *";
        assert_eq!(conflicts(upsert), ["users (lower email Kind)"]);
        assert_eq!(stars(upsert), ["RETURNING * users"]);
        assert_eq!(
            conflicts("insert into users select 1 on conflict on constraint users_email_key do nothing; select 1"),
            ["users users_email_key"]
        );
        assert_eq!(conflicts("insert into users values (1) on conflict do nothing -- on conflict (id)"), [""; 0]);
    }

    #[test]
    fn variables_and_ways_out_are_found() {
        let text =
            "declare tenant_id int; Other text := 'x'; begin perform pg_notify('a', 'b'); perform net.http_post(); end";
        assert_eq!(declared(text), ["tenant_id", "other"]);
        assert_eq!(read(text).reaches_out, ["http_post", "net", "pg_notify"]);
        assert_eq!(read("select network from notified").reaches_out, [""; 0]);
    }
}
