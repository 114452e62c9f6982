//! The published schema of the plan's JSON: what it says of the types, and that plans are as it says.

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use tenantctl::commands::planning;
use tenantctl::pg::{Access, Session};
use tenantctl::report::Format;
use tenantctl::report::plan::Detail;
use tenantctl::sql::Document;

use super::{blocked, converted, written};
use crate::support::run::config;
use crate::support::schema::{Closed, complaints, undescribed};
use crate::support::{Database, plan};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/plan.schema.json");

/// The schema as the types give it.
fn derived() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(Closed);
    let schema = settings.into_generator().into_root_schema_for::<Document>();
    let mut schema = schema.as_value().clone();
    schema["title"] = "A plan of tenantctl".into();
    // The one type that is not ours.
    let time = &mut schema["$defs"]["Duration"];
    time["description"] = "A time.".into();
    time["properties"]["secs"]["description"] = "Whole seconds.".into();
    time["properties"]["nanos"]["description"] = "The rest, in billionths of a second.".into();
    schema
}

fn published() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&derived()).unwrap()
}

#[test]
fn the_published_schema_is_the_one_of_the_types() {
    if std::env::var("INSTA_UPDATE").is_ok_and(|wish| wish == "always") {
        std::fs::write(FILE, serde_json::to_string_pretty(&derived()).unwrap() + "\n").unwrap();
    }
    assert!(
        published() == derived(),
        "the plan's JSON has changed: raise FORMAT in src/sql/script.rs if plans of that format were ever released, then \
         write docs/plan.schema.json anew by running this test with INSTA_UPDATE=always"
    );
}

#[tokio::test]
async fn plans_are_as_the_schema_says() {
    let mut documents: Vec<Document> =
        [plan::small(), plan::hostile(), blocked(), converted()].iter().map(plan::document).collect();
    let database = Database::saas25(300).await;
    let session = Session::open(&database.settings(), Access::Read).await.unwrap();
    for file in ["tenantctl.toml", "tenantctl.org.toml"] {
        documents.push(planning::plan(&session, &config(file)).await.unwrap().into_document());
    }
    let validator = validator();
    for document in documents {
        assert_eq!(complaints(&validator, &serde_json::to_value(document).unwrap()), [""; 0]);
    }
}

#[test]
fn the_schema_refuses_what_it_does_not_name_another_type_and_another_format() {
    let validator = validator();
    let right: Value = serde_json::from_str(&written(&blocked(), Format::Json, Detail::Brief)).unwrap();
    for (place, value) in [
        ("", json!("new")),
        ("/tables/0", json!("new")),
        ("/migrations/0", json!("new")),
        ("/migrations/0/steps/0", json!("new")),
        ("/migrations/0/steps/0/cost", json!("new")),
        ("/catalog/server", json!("new")),
    ] {
        let mut wrong = right.clone();
        wrong.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("more".to_owned(), value);
        assert!(!validator.is_valid(&wrong), "{place}");
    }
    for (place, value) in [
        ("/format", json!(1)),
        ("/major", json!("17")),
        ("/tables/0/scope", json!("mine")),
        ("/tables/0/source/kind", json!("guess")),
        ("/migrations/0/phase", json!("contract")),
        ("/migrations/0/steps/0/lock", json!("gentle")),
    ] {
        let mut wrong = right.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert!(!validator.is_valid(&wrong), "{place}");
    }
}

#[test]
fn every_property_is_described() {
    assert_eq!(undescribed(&derived()), [""; 0]);
}
