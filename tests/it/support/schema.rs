//! What the tests of the published JSON schemas share.

use jsonschema::Validator;
use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value};

/// Refuses every property that is not named.
#[derive(Clone)]
pub struct Closed;

impl Transform for Closed {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let is_object = schema.get("properties").is_some();
        let choices = ["oneOf", "anyOf", "allOf"].into_iter().find(|word| schema.get(*word).is_some());
        match choices {
            // The properties of the variants stand beside the object's own, so only the whole can be closed.
            Some(choices) if is_object => {
                for variant in schema.get_mut(choices).and_then(Value::as_array_mut).into_iter().flatten() {
                    variant.as_object_mut().map(|variant| variant.remove("additionalProperties"));
                }
                schema.insert("unevaluatedProperties".to_owned(), false.into());
            }
            _ if is_object => {
                schema.insert("additionalProperties".to_owned(), false.into());
            }
            _ => {}
        }
    }
}

/// What a schema refuses in a document.
pub fn complaints(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The places of properties without a description; a constant, such as the word for a variant, says what it is.
pub fn undescribed(schema: &Value) -> Vec<String> {
    let mut bare = Vec::new();
    look(schema, "", &mut bare);
    bare
}

fn look(schema: &Value, place: &str, bare: &mut Vec<String>) {
    let properties: &Map<String, Value> = &Map::new();
    let properties = schema["properties"].as_object().unwrap_or(properties);
    for (name, property) in properties {
        let has = |schema: &Value| schema.get("description").is_some() || schema.get("const").is_some();
        // A variant with one property is described where the property would be.
        let lone = properties.len() == 1 && has(schema);
        if !has(property) && !lone {
            bare.push(format!("{place}/{name}"));
        }
    }
    match schema {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| look(member, &format!("{place}/{name}"), bare));
        }
        Value::Array(members) => members.iter().for_each(|member| look(member, place, bare)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
