//! `tenantctl.toml`: the example tells the truth, and a mistake is named with its line, its key and the way out.

use std::collections::BTreeSet;

use tenantctl::config::{self, Config, Scope, Source};
use tenantctl::error::Code;
use toml::{Table, Value};

fn example() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tenantctl.toml.example")).unwrap()
}

/// The example with its commented examples switched on.
fn whole_example() -> String {
    let setting = |line: &&str| line.starts_with(|first: char| first == '[' || first.is_ascii_lowercase());
    let line = |line| str::strip_prefix(line, '#').filter(setting).unwrap_or(line);
    example().lines().map(line).collect::<Vec<_>>().join("\n")
}

fn parsed(text: &str) -> Config {
    config::parse(text, "tenantctl.toml").unwrap()
}

/// The problems that a text has, one a line.
fn problems(text: &str) -> String {
    let failure = config::parse(text, "t.toml").unwrap_err();
    assert_eq!(failure.code, Code::ConfigInvalid);
    assert!(failure.hint.unwrap().contains("tenantctl.toml.example"));
    failure.message
}

#[test]
fn the_example_says_what_holds_without_it() {
    let (mut example, mut nothing) = (parsed(&example()), parsed(""));
    // They are written on different lines, that is all.
    (example.tenants.line, nothing.tenants.line) = (0, 0);
    assert_eq!(format!("{example:#?}"), format!("{nothing:#?}"));
}

#[test]
fn the_example_shows_every_key_and_no_other() {
    let table: Table = whole_example().parse().unwrap();
    let mut shown = BTreeSet::new();
    shown_keys("", &Value::Table(table), &mut shown);
    assert_eq!(shown, known_keys("").into_iter().collect());
}

/// The keys in a text; tables are the operator's, so their names and values of other columns do not count.
fn shown_keys(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) if !["system_tenant.values", "tables.*.unique", "tables.*.references"].contains(&path) => {
            for (key, value) in table {
                let key = if path == "tables" { "*" } else { key };
                shown_keys(format!("{path}.{key}").trim_start_matches('.'), value, found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

/// The keys below a section, as the program tells them when it is given one that does not exist.
fn known_keys(section: &str) -> Vec<String> {
    let within = section.replace('*', "any");
    let answer = config::parse(format!("{within}.nonsense = 0").trim_start_matches('.'), "t.toml");
    let message = answer.map_or_else(|failure| failure.message, |_| String::new());
    let Some((_, expected)) = message.split_once("unknown field `nonsense`, expected ") else {
        return vec![section.to_owned()];
    };
    let names = expected.split('`').skip(1).step_by(2);
    let below = names.map(|name| if name == "tables" { "tables.*".to_owned() } else { format!("{section}.{name}") });
    below.flat_map(|key| known_keys(key.trim_start_matches('.'))).collect()
}

#[test]
fn the_examples_of_tables_mean_what_they_say() {
    let config = parsed(&whole_example());
    let tables: Vec<String> =
        config.tables.iter().map(|rule| format!("{} {}", rule.key, decision(&rule.scope))).collect();
    let expected = ["projects system", "tasks parent", "invoices column", "events sql", "countries shared"];
    assert_eq!(tables, expected);
}

fn decision(scope: &Scope) -> &'static str {
    match scope {
        Scope::Tenant(owner) => match owner.source {
            Source::System => "system",
            Source::Parent { .. } => "parent",
            Source::Column { .. } => "column",
            Source::Sql { .. } => "sql",
        },
        Scope::Shared | Scope::Ignored => scope.as_str(),
    }
}

#[test]
fn a_mistake_is_named_with_its_line_its_key_and_the_fix() {
    for (text, expected) in [
        (
            "schema = []",
            "1: schema: unknown field `schema`, expected one of `schemas`, `publications_ready`, `connection`, `tenants`, `tenant_column`, `system_tenant`, `tables`, `backfill`, `locks`, `throttle`, `server`, `audit`",
        ),
        (
            "\n[backfill]\nbach = \"1s\"",
            "3: bach: unknown field `bach`, expected one of `batch`, `min_blocks`, `max_blocks`, `pause`, `workers`, `synchronous_commit`, `wal_compression`, `failing_row`",
        ),
        (
            "[tables.orders]\nscope = \"tenants\"",
            "2: scope: unknown variant `tenants`, expected one of `tenant`, `shared`, `ignored`",
        ),
        ("[tables.orders]\nsource = \"system\"", "1: tables.orders: missing field `scope`"),
        ("[locks]\nattempts = \"60\"", "2: attempts: invalid type: a string, expected u32"),
        ("[tenants\nid = 1", "1: tenants: unclosed table, expected `]`"),
        (
            "[locks]\ntimeout = \"500\"",
            r#"2: locks.timeout: time unit needed, for example 500sec or 500ms; write a time with its unit, such as "250ms" or "5s""#,
        ),
        (
            "[locks]\n\nmax_wait = \"1 fortnight\"",
            r#"3: locks.max_wait: unknown time unit "fortnight", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations); write a time with its unit, such as "250ms" or "5s""#,
        ),
        (
            "[locks]\ntimeout = \"0s\"",
            "2: locks.timeout: must be at least 1ms (0 would wait for ever, and the application behind us)",
        ),
        ("[backfill]\nmax_blocks = 4", "2: backfill.max_blocks: min_blocks is 8, which must be at most max_blocks, 4"),
        ("[backfill]\nmin_blocks = 0", "2: backfill.min_blocks: must be at least 1"),
        (
            "[throttle]\nreplica_lag = \"10\"",
            r#"2: throttle.replica_lag: time unit needed, for example 10sec or 10ms; write a time with its unit, such as "10s", or "off""#,
        ),
        (
            "[throttle]\nsnapshot = \"0s\"",
            r#"2: throttle.snapshot: must be more than nothing; "off" does not look at it"#,
        ),
        (
            "[throttle]\nslot_wal = \"big\"",
            r#"2: throttle.slot_wal: not a size; write it with its unit, such as "512MiB", or "off""#,
        ),
        (
            "[throttle]\nlock_waiters = \"none\"",
            r#"2: throttle.lock_waiters: a whole number or "off" is expected, not string"#,
        ),
        (
            "[throttle]\narchive_backlog = 0",
            r#"2: throttle.archive_backlog: must be at least 1; "off" does not look at it"#,
        ),
        (
            "[throttle]\nautovacuum = \"120%\"",
            r#"2: throttle.autovacuum: not a part of the time; write "1%" to "100%", or "off""#,
        ),
        (
            "[throttle]\nevery = \"1ms\"",
            "2: throttle.every: must be from 100ms to 1m: looking costs the server a little, and what is not seen is not heeded",
        ),
        (
            "[throttle]\nmax_pause = \"0s\"",
            r#"2: throttle.max_pause: must be at least throttle.every, for example "10m""#,
        ),
        ("[throttle.probe]\nsql = \"SELECT 1\"", "1: throttle.probe: missing field `limit`"),
        ("[throttle.probe]\nsql = \"SELECT 1\"\nlimit = -1", "3: throttle.probe.limit: must be a number above 0"),
        (
            "[throttle.probe]\nsql = \" ; \"\nlimit = 1",
            "2: throttle.probe.sql: is empty; write a SELECT that answers one number",
        ),
        (
            "[server]\nfree_disk = \"much\"",
            r#"2: server.free_disk: not a size; write it with its unit, such as "200GiB" or "1.5TB""#,
        ),
        ("schemas = []", r#"1: schemas: the list is empty; name at least one schema, for example ["public"]"#),
        ("schemas = [\"public\",\n\"\"]", "2: schemas: a name cannot be empty"),
        (
            "[tenants]\nid = \"text\"\nprefix = \"\"",
            r#"3: tenants.prefix: a text id needs a prefix, for example "ten_""#,
        ),
        ("[system_tenant]\nid = [1]", "2: system_tenant.id: a text, number or boolean is expected, not array"),
        (
            "[tables.\"a.b.c\"]\nscope = \"shared\"",
            r#"1: tables.a.b.c: not a table's name; write "table" or "schema.table" (a dot inside a name: '"a.b"')"#,
        ),
        (
            "[tables.orders]\nscope = \"tenant\"\nsource = \"parent\"",
            r#"1: tables.orders: source = "parent" needs a line such as parent = "orders""#,
        ),
        (
            "[tables.orders]\nscope = \"tenant\"\nsource = \"column\"",
            r#"1: tables.orders: source = "column" needs a line such as column = "org_id""#,
        ),
        (
            "[tables.orders]\nscope = \"tenant\"\nsource = \"sql\"",
            r#"1: tables.orders: source = "sql" needs a line such as expression = "...""#,
        ),
        (
            "[tables.orders]\nscope = \"tenant\"\nparent = \"customers\"",
            r#"1: tables.orders: parent goes with source = "parent"; set it, or drop parent"#,
        ),
        (
            "[tables.plans]\nscope = \"shared\"\nunowned = \"stop\"",
            r#"1: tables.plans: rows of a table with scope = "shared" have no owner; leave only the scope, or set scope = "tenant""#,
        ),
    ] {
        assert_eq!(problems(text), format!("t.toml:{expected}"), "{text}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = "[locks]\nattempts = 0\ntimeout = \"soon\"\n[tables.orders]\nscope = \"tenant\"\nsource = \"parent\"\n";
    assert_eq!(
        problems(text),
        "t.toml:2: locks.attempts: must be at least 1\n\
         t.toml:3: locks.timeout: expected number at 0; write a time with its unit, such as \"250ms\" or \"5s\"\n\
         t.toml:4: tables.orders: source = \"parent\" needs a line such as parent = \"orders\""
    );
}

#[test]
fn a_connection_string_in_the_wrong_place_is_not_repeated() {
    assert_eq!(
        problems("connection = \"postgresql://app:secret@db/app\""),
        "t.toml:1: connection: invalid type: a string, expected a section with keys of its own"
    );
    for text in [
        "[connection]\nurl \"postgresql://app:secret@db/app\"",
        "[connection]\nurl: \"postgresql://app:secret@db/app?sslmode=require\"",
        "[connection]\nurl = postgresql://app:secret@db/app",
        "schemas = \"postgresql://app:secret@db/app\"",
        "[connection]\npassword = \"secret\"",
    ] {
        let message = problems(text);
        assert!(!message.contains("secret"), "{message}");
    }
}
