//! The AsyncAPI document of the event log on NATS, from the events' own types.

use serde_json::{Map, Value, json};

use crate::{domain::AggregateType, follow::cloud_event::EVENT_HEADERS, subjects};

/// AsyncAPI 3: a channel and a message for every type of event.
pub fn document(version: &str) -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    let mut schemas = Map::new();
    for aggregate_type in AggregateType::ALL {
        let meanings = aggregate_type.event_meanings();
        for (name, schema_version, schema) in aggregate_type.event_schemas() {
            let meaning = meanings.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning.trim());
            let payload = lifted(schema.to_value(), &mut schemas);
            channels.insert(name.to_owned(), channel(aggregate_type, name));
            operations.insert(format!("on_{name}"), operation(name, meaning));
            messages.insert(name.to_owned(), message(aggregate_type, (name, schema_version), meaning, payload));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "HomeFood events",
            "version": version,
            "description": "Everything that happens, as CloudEvents 1.0 in binary mode on NATS JetStream. The message \
                            sequence is the event's position in the log.",
            "license": { "name": "MIT" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "messageTraits": { "cloud_event": { "headers": headers() } },
        },
    })
}

fn channel(aggregate_type: AggregateType, name: &str) -> Value {
    json!({
        "address": subjects::event_pattern(aggregate_type, "{aggregate_id}", name),
        "parameters": { "aggregate_id": { "description": format!("The {} it happens to.", aggregate_type.as_str()) } },
        "messages": { (name): { "$ref": format!("#/components/messages/{name}") } },
    })
}

fn operation(name: &str, meaning: &str) -> Value {
    json!({
        "action": "send",
        "channel": { "$ref": format!("#/channels/{name}") },
        "summary": meaning,
        "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
    })
}

fn message(aggregate_type: AggregateType, (name, version): (&str, u16), meaning: &str, payload: Value) -> Value {
    json!({
        "name": format!("homefood.{}.{name}.v{version}", aggregate_type.as_str()),
        "title": name,
        "summary": meaning,
        "contentType": "application/json",
        "traits": [{ "$ref": "#/components/messageTraits/cloud_event" }],
        "payload": payload,
    })
}

fn headers() -> Value {
    let described =
        |(name, meaning): &(&str, &str)| ((*name).to_owned(), json!({ "type": "string", "description": meaning }));
    json!({ "type": "object", "properties": EVENT_HEADERS.iter().map(described).collect::<Map<_, _>>() })
}

/// The schema with its definitions moved to where the document keeps everybody's.
fn lifted(mut schema: Value, schemas: &mut Map<String, Value>) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
        if let Some(Value::Object(definitions)) = members.remove("$defs") {
            for (name, definition) in definitions {
                let definition = pointing_up(definition);
                schemas.entry(name).or_insert(definition);
            }
        }
    }
    pointing_up(schema)
}

fn pointing_up(schema: Value) -> Value {
    match schema {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(target) if name == "$ref" => {
                        (name, json!(target.replace("#/$defs/", "#/components/schemas/")))
                    }
                    value => (name, pointing_up(value)),
                })
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(pointing_up).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(target) if name == "$ref" => found.push(target.clone()),
                        member => targets(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_event_has_a_channel_and_every_reference_leads_somewhere() {
        let document = document("1");
        for (name, _, _) in AggregateType::ALL.into_iter().flat_map(AggregateType::event_schemas) {
            let address = document["channels"][name]["address"].as_str().unwrap();
            assert!(address.contains("{aggregate_id}") && address.ends_with(name), "{address}");
            assert!(document["components"]["messages"][name]["payload"]["properties"].is_object(), "{name}");
        }
        let mut found = Vec::new();
        targets(&document, &mut found);
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    #[test]
    fn definitions_of_one_name_are_the_same_everywhere() {
        let mut known = Map::new();
        for (name, _, schema) in AggregateType::ALL.into_iter().flat_map(AggregateType::event_schemas) {
            let schema = schema.to_value();
            for (definition, value) in schema["$defs"].as_object().into_iter().flatten() {
                let first = known.entry(definition.clone()).or_insert_with(|| value.clone());
                assert_eq!(first, value, "{definition} in {name}");
            }
        }
    }
}
