//! The published form of the log for machines: what it says of the types, and that the lines of runs are as it says.

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use tenantctl::event::{Event, Observer};
use tenantctl::ui::{LogFormat, LogLine, Ui, Verbosity};

use super::{run, spoken};
use crate::support::cli::{Cli, Ran};
use crate::support::schema::{Closed, complaints, undescribed};
use crate::support::{Database, fixture, server};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/log.schema.json");

/// The schema as the types give it.
fn derived() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(Closed);
    let schema = settings.into_generator().into_root_schema_for::<LogLine<'static>>();
    let mut schema = schema.as_value().clone();
    schema["title"] = "A line of tenantctl's log".into();
    // A line's time stands beside what happened, so that only the whole can be closed.
    for part in ["Event", "Message"] {
        for variant in schema["$defs"][part]["oneOf"].as_array_mut().unwrap() {
            variant.as_object_mut().unwrap().remove("additionalProperties");
        }
    }
    schema
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&derived()).unwrap()
}

/// The lines of a log; each must be as the schema says.
fn lines(log: &str) -> Vec<Value> {
    let validator = validator();
    let line = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(complaints(&validator, &object), [""; 0], "{line}");
        object
    };
    log.lines().map(line).collect()
}

#[test]
fn the_published_schema_of_the_log_is_the_one_of_the_types() {
    if std::env::var("INSTA_UPDATE").is_ok_and(|wish| wish == "always") {
        std::fs::write(FILE, serde_json::to_string_pretty(&derived()).unwrap() + "\n").unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert!(
        published == derived(),
        "the log's JSON has changed: write docs/log.schema.json anew by running this test with INSTA_UPDATE=always"
    );
}

#[test]
fn every_field_of_the_log_is_described() {
    assert_eq!(undescribed(&derived()), [""; 0]);
}

#[test]
fn a_line_has_its_time_its_event_and_nothing_that_the_schema_does_not_name() {
    let text = spoken(Verbosity::Normal, LogFormat::Json, |ui: &Ui| {
        run(ui);
        ui.observe(&Event::Pressure { level: 0.5, reason: None, resting: std::time::Duration::from_millis(20) });
        ui.note("by the way");
    });
    let lines = lines(&text);
    let right = &lines[0];
    assert_eq!(right["event"], "run-started");
    let validator = validator();
    for (field, value) in [("more", json!(1)), ("event", json!("run-begun")), ("at", json!(12)), ("run", json!("3"))] {
        let mut wrong = right.clone();
        wrong[field] = value;
        assert!(!validator.is_valid(&wrong), "{field}");
    }
    for field in ["at", "since_start_seconds", "event", "fingerprint"] {
        let mut wrong = right.clone();
        wrong.as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&wrong), "{field}");
    }
}

#[tokio::test]
async fn a_real_run_is_told_line_by_line_as_the_schema_says() {
    let database = Database::saas25(300).await;
    database.run("ANALYZE").await;
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let Ran { stderr, .. } = cli.run("migrate --yes --log-format json").exits(0);
    let lines = lines(&stderr);
    let told = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    for event in ["run-started", "migration-started", "step-started", "batch-done", "step-done", "migration-done"] {
        assert!(told(event) > 0, "{event}");
    }
    assert!(lines[0]["rows_expected"].as_u64().unwrap() > 0 && lines[0]["expected_seconds"].as_f64().unwrap() > 0.0);
    let seconds: Vec<f64> = lines.iter().map(|line| line["since_start_seconds"].as_f64().unwrap()).collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
}

/// A table whose rows hold a word that nothing else holds, and a trigger that says it when it fires.
const TALKATIVE: &str = "
CREATE TABLE customers (id bigint PRIMARY KEY, email text);
INSERT INTO customers SELECT i, 'zebra-' || i FROM generate_series(4711, 5000) AS i;
ANALYZE customers;
CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE WARNING 'saw %', NEW.email;
    IF NEW.id = 4999 THEN RAISE EXCEPTION 'will not have %', NEW.email USING DETAIL = NEW.email; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER talk BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION talk();
ALTER TABLE customers ENABLE ALWAYS TRIGGER talk;";

#[tokio::test]
async fn no_value_of_a_row_is_in_a_log_but_the_key_of_one_that_is_to_be_mended() {
    let database = server().database().await;
    database.run(TALKATIVE).await;
    let cli = Cli::to(&database.url()).config("[tables.customers]\nscope = \"tenant\"\nbackfill = \"batched\"\n");
    let Ran { stderr, stdout, .. } = cli.run("migrate --yes --log-format json").exits(1);
    let failed = lines(&stderr);
    assert_eq!(failed.last().unwrap()["event"], "failure");
    let keyed = failed.iter().filter(|line| line.to_string().contains("4999"));
    assert_eq!(keyed.map(|line| line["event"].clone()).collect::<Vec<_>>(), ["row-failed", "failure"]);
    database.run("ALTER TABLE customers DISABLE TRIGGER talk").await;
    let again = cli.run("migrate --yes --log-format json").exits(0);
    assert!(lines(&again.stderr).iter().any(|line| line["event"] == "batch-done"));
    assert!(!again.stderr.contains("4999"), "{}", again.stderr);
    for text in [stderr, stdout, again.stderr, again.stdout] {
        assert!(!text.contains("zebra"), "{text}");
    }
}

#[test]
fn with_a_log_for_machines_mistakes_are_objects_and_nothing_is_asked() {
    for arguments in
        ["migrate --nonsense --log-format json", "--log-format=json nonsense", "init --interactive --log-format json"]
    {
        let Ran { stderr, .. } = Cli::nowhere().config("").run(arguments).exits(2);
        let lines = lines(&stderr);
        assert_eq!(lines.len(), 1, "{stderr}");
        assert_eq!((&lines[0]["event"], &lines[0]["error"]["code"]), (&"failure".into(), &"usage-invalid".into()));
    }
}

#[tokio::test]
async fn with_a_log_for_machines_migrate_refuses_to_ask_and_quiet_leaves_only_what_went_wrong() {
    let database = Database::saas25(60).await;
    let cli = Cli::to(&database.url()).config(&fixture("tenantctl.toml"));
    let Ran { stderr, .. } = cli.run("migrate --log-format json").exits(2);
    let asked = lines(&stderr);
    assert!(asked.last().unwrap()["error"]["message"].as_str().unwrap().contains("nobody can answer"), "{stderr}");
    assert_eq!(asked.last().unwrap()["error"]["hint"], "answer with --yes, or leave out --log-format json");
    assert_eq!(cli.run("migrate --yes --quiet --log-format json").exits(0).stderr, "");
}
