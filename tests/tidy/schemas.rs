//! What was released of an event stays readable: its schema is committed, and a sample of it is still understood.
//!
//! `UPDATE_SCHEMAS=1 cargo test -p system-tests --test tidy` writes the schemas that are not there yet.

use std::{collections::BTreeSet, fs, path::PathBuf};

use schemars::Schema;
use serde_json::Value;
use shared::{
    domain::{AggregateType, dispute::DisputeEvent, gift::GiftEvent, order::OrderEvent, payment::PaymentEvent},
    log::upcast,
};

use super::tree::root;

struct Released {
    aggregate_type: AggregateType,
    name: &'static str,
    version: u16,
    schema: Schema,
}

fn events() -> Vec<Released> {
    let of = |aggregate_type, schemas: Vec<(&'static str, u16, Schema)>| {
        schemas.into_iter().map(move |(name, version, schema)| Released { aggregate_type, name, version, schema })
    };
    let orders = of(AggregateType::Order, OrderEvent::schemas());
    let payments = of(AggregateType::Payment, PaymentEvent::schemas());
    let gifts = of(AggregateType::Gift, GiftEvent::schemas());
    let disputes = of(AggregateType::Dispute, DisputeEvent::schemas());
    orders.chain(payments).chain(gifts).chain(disputes).collect()
}

fn file(event: &str, name: &str) -> PathBuf {
    root().join("schemas").join(event).join(name)
}

fn read(event: &str, name: &str) -> Option<String> {
    fs::read_to_string(file(event, name)).ok()
}

/// The schema without what is only said to people.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = |name: &str, value: &Value| ["description", "title"].contains(&name) && value.is_string();
            let kept = members.iter().filter(|(name, value)| !said(name, value));
            kept.map(|(name, value)| (name.clone(), bare(value))).collect()
        }
        Value::Array(items) => items.iter().map(bare).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_released_schema_does_not_change() {
    let updating = std::env::var("UPDATE_SCHEMAS").is_ok_and(|value| value == "1");
    for Released { name, version, schema, .. } in events() {
        let today = schema.to_value();
        let text = format!("{today:#}\n");
        let file_name = format!("{version}.json");
        let committed = read(name, &file_name);
        let Some(committed) = committed else {
            assert!(updating, "schemas/{name}/{file_name} is missing: write it with UPDATE_SCHEMAS=1");
            fs::create_dir_all(file(name, "")).expect("a folder");
            fs::write(file(name, &file_name), text).expect("a schema");
            continue;
        };
        let before: Value = serde_json::from_str(&committed).expect("JSON");
        assert_eq!(
            bare(&before),
            bare(&today),
            "{name} version {version} has changed: raise its version and add an upcaster; only if it never left this \
             machine, delete the file and write it anew with UPDATE_SCHEMAS=1"
        );
        if before != today {
            assert!(updating, "schemas/{name}/{file_name} says it in older words: write it with UPDATE_SCHEMAS=1");
            fs::write(file(name, &file_name), text).expect("a schema");
        }
    }
}

#[test]
fn every_released_version_has_a_schema_and_a_sample() {
    for Released { name, version, .. } in events() {
        for version in 1..=version {
            for file_name in [format!("{version}.json"), format!("{version}.sample.json")] {
                let text = read(name, &file_name).unwrap_or_else(|| panic!("schemas/{name}/{file_name} is missing"));
                serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{name}/{file_name}: {error}"));
            }
        }
    }
}

#[test]
fn every_released_schema_is_served() {
    for Released { name, version, .. } in events() {
        for version in 1..=version {
            let served = shared::web::contracts::released_schema(name, version);
            assert!(
                served.map(str::to_owned) == read(name, &format!("{version}.json")),
                "/schemas/{name}/{version}: a version that is not written any more stands in SUPERSEDED of contracts.rs"
            );
        }
    }
}

#[test]
fn a_released_event_is_never_removed() {
    let known: BTreeSet<String> = events().iter().map(|event| event.name.to_owned()).collect();
    let entries = fs::read_dir(root().join("schemas")).expect("schemas");
    let released = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    assert_eq!(released.collect::<BTreeSet<_>>(), known, "the folders of schemas/ are the events that there ever were");
}

#[test]
fn every_golden_sample_is_still_understood() {
    for Released { aggregate_type, name, version: current, .. } in events() {
        for version in 1..=current {
            let Some(sample) = read(name, &format!("{version}.sample.json")) else { continue };
            let event = upcast(aggregate_type, name, version, &sample);
            let event = event.unwrap_or_else(|error| panic!("{name} version {version}: {error}"));
            if version == current {
                let before: Value = serde_json::from_str(&sample).expect("JSON");
                assert_eq!(serde_json::to_value(&event).expect("JSON"), before, "{name}: a field got lost");
            }
        }
    }
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere() {
    let document: serde_json::Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(serde_json::Value::as_str) {
            let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            assert!(found.is_some(), "{reference} leads nowhere: mark the parameter #[param(inline)]");
        }
        match value {
            serde_json::Value::Object(members) => open.extend(members.values()),
            serde_json::Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}
