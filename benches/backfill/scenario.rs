//! What is converted: a table of tasks that belong to projects, which belong to organizations, the tenants.
//!
//! A task gets its owner from its project, which is the usual case: the table that is large has no column of its own
//! that says whose the row is.

use std::fmt;

use anyhow::{Context, bail};
use serde::Serialize;

/// Tasks of one project.
const TASKS: u64 = 30;
/// Tenants.
const ORGANIZATIONS: u64 = 500;
/// Projects without tasks, which the writer's own tasks go to: so that one can tell them from the first ones.
const SPARE_PROJECTS: u64 = 1000;

/// One layout of the tables, with so many rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// How the operator called it.
    pub name: String,
    /// Rows of the large table.
    pub rows: u64,
    width: Width,
    key: Key,
    layout: Layout,
    indexes: usize,
    wal_compression: WalCompression,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Width {
    /// About 230 bytes with everything that PostgreSQL adds.
    Wide,
    /// 40 bytes, of which 24 are the header: two keys.
    Narrow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Key {
    Bigint,
    Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Layout {
    /// The tasks of a project lie all over the table.
    Scattered,
    /// They lie side by side, as when they were inserted with it.
    Together,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum WalCompression {
    Off,
    Lz4,
}

impl Scenario {
    /// Reads words that are joined with `+`, such as `narrow+uuid+6-indexes`; what they leave open is as in `wide`.
    ///
    /// # Errors
    /// An unknown word.
    pub fn parse(name: &str, rows: u64) -> anyhow::Result<Self> {
        let mut scenario = Scenario {
            name: name.to_owned(),
            rows,
            width: Width::Wide,
            key: Key::Bigint,
            layout: Layout::Scattered,
            indexes: 3,
            wal_compression: WalCompression::Off,
        };
        for word in name.split('+') {
            match word {
                "wide" => scenario.width = Width::Wide,
                "narrow" => scenario.width = Width::Narrow,
                "bigint" => scenario.key = Key::Bigint,
                "uuid" => scenario.key = Key::Uuid,
                "scattered" => scenario.layout = Layout::Scattered,
                "together" => scenario.layout = Layout::Together,
                "lz4" => scenario.wal_compression = WalCompression::Lz4,
                _ => scenario.indexes = indexes(word).with_context(|| format!("scenario {name}: {word}?"))?,
            }
        }
        Ok(scenario)
    }

    /// The type of every key, and so of the owner.
    pub fn key_type(&self) -> &'static str {
        match self.key {
            Key::Bigint => "bigint",
            Key::Uuid => "uuid",
        }
    }

    /// A key before all others.
    pub fn lowest_key(&self) -> &'static str {
        match self.key {
            Key::Bigint => "0",
            Key::Uuid => "00000000-0000-0000-0000-000000000000",
        }
    }

    /// The key of a table's row of that number, as an SQL expression.
    pub fn key(&self, table: &str, number: &str) -> String {
        match self.key {
            Key::Bigint => format!("({number})::bigint"),
            Key::Uuid => format!("md5('{table}' || {number})::uuid"),
        }
    }

    /// How many projects have tasks.
    pub fn projects(&self) -> u64 {
        (self.rows / TASKS).max(1)
    }

    /// How many projects have none at first.
    pub fn spare_projects(&self) -> u64 {
        SPARE_PROJECTS
    }

    /// The columns of a task, without its owner.
    pub fn columns(&self) -> &'static [&'static str] {
        match self.width {
            Width::Wide => &["id", "project_id", "kind", "body", "created_at", "code"],
            Width::Narrow => &["id", "project_id"],
        }
    }

    /// A change that a writer makes to a task, outside of every index.
    pub fn change(&self) -> &'static str {
        match self.width {
            Width::Wide => "body = reverse(body)",
            Width::Narrow => "project_id = project_id",
        }
    }

    /// What a writer gives for the columns of a new task, its id aside; `project` is an expression.
    pub fn new_task(&self, project: &str) -> String {
        match self.width {
            Width::Wide => format!("{project}, 1, repeat(md5('new'), 4), now(), 'new'"),
            Width::Narrow => project.to_owned(),
        }
    }

    /// The settings of the database.
    pub fn settings(&self) -> &'static [&'static str] {
        match self.wal_compression {
            WalCompression::Off => &["wal_compression = off"],
            WalCompression::Lz4 => &["wal_compression = lz4"],
        }
    }

    /// The statements that make the tables and fill them.
    pub fn schema(&self) -> Vec<String> {
        let (key, rows, projects) = (self.key_type(), self.rows, self.projects());
        let id = match self.key {
            Key::Bigint => "bigserial PRIMARY KEY",
            Key::Uuid => "uuid PRIMARY KEY DEFAULT gen_random_uuid()",
        };
        let number = match self.layout {
            Layout::Scattered => format!("1 + (g::bigint * 7919) % {projects}"),
            Layout::Together => format!("least({projects}, 1 + g / {TASKS})"),
        };
        let (more, values) = match self.width {
            Width::Wide => (
                ", kind int, body text, created_at timestamptz, code text",
                ", g % 10, repeat(md5(g::text), 4), now() - g * interval '1 second', 'c' || g",
            ),
            Width::Narrow => ("", ""),
        };
        let task = self.key("task", "g");
        let project = self.key("project", &format!("({number})"));
        let mut statements = vec![
            format!("CREATE TABLE org (id {id}, name text NOT NULL, slug text NOT NULL UNIQUE)"),
            format!(
                "INSERT INTO org SELECT {}, 'Organization ' || g, 'org-' || g FROM generate_series(1, {ORGANIZATIONS}) AS g",
                self.key("org", "g")
            ),
            format!(
                "CREATE TABLE project (id {key} PRIMARY KEY, org_id {key} NOT NULL REFERENCES org, number bigint NOT NULL)"
            ),
            format!(
                "INSERT INTO project SELECT {}, {}, g FROM generate_series(1, {}) AS g",
                self.key("project", "g"),
                self.key("org", &format!("(1 + g % {ORGANIZATIONS})")),
                projects + SPARE_PROJECTS
            ),
            format!("CREATE TABLE task (id {id}, project_id {key} NOT NULL{more})"),
            format!("INSERT INTO task SELECT {task}, {project}{values} FROM generate_series(1, {rows}) AS g"),
            "ALTER TABLE task ADD FOREIGN KEY (project_id) REFERENCES project".to_owned(),
        ];
        if self.key == Key::Bigint {
            let next = |table: &str| format!("SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))");
            statements.extend([next("org"), next("task")]);
        }
        statements.extend(self.index_statements("task"));
        statements.push("VACUUM (ANALYZE)".to_owned());
        statements
    }

    /// The statements that make the secondary indexes on `table`.
    pub fn index_statements(&self, table: &str) -> Vec<String> {
        let keys = match self.width {
            Width::Wide => {
                ["project_id", "created_at", "code", "kind, created_at", "project_id, kind", "created_at, id"]
            }
            Width::Narrow => {
                ["project_id", "project_id, id", "id, project_id", "id DESC", "project_id DESC", "project_id DESC, id"]
            }
        };
        keys.iter().take(self.indexes).map(|key| format!("CREATE INDEX ON {table} ({key})")).collect()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = match self.width {
            Width::Wide => "wide rows (about 230 bytes)",
            Width::Narrow => "narrow rows (40 bytes)",
        };
        let layout = match self.layout {
            Layout::Scattered => "a parent's rows scattered",
            Layout::Together => "a parent's rows together",
        };
        let compression = match self.wal_compression {
            WalCompression::Off => "",
            WalCompression::Lz4 => ", wal_compression = lz4",
        };
        let (indexes, key) = (self.indexes, self.key_type());
        let plural = if indexes == 1 { "index" } else { "indexes" };
        write!(f, "{width}, {key} keys, {indexes} secondary {plural}, {layout}{compression}")
    }
}

/// Reads `1-index` to `6-indexes`.
fn indexes(word: &str) -> anyhow::Result<usize> {
    match word.split_once('-').map(|(number, noun)| (number.parse(), noun)) {
        Some((Ok(number @ 1..=6), "index" | "indexes")) => Ok(number),
        _ => bail!(
            "a scenario is made of wide, narrow, bigint, uuid, scattered, together, 1-index to 6-indexes and lz4, joined with +"
        ),
    }
}
