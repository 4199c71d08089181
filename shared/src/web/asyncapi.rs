//! The AsyncAPI document of the event log on NATS and of the socket, from the types of events and messages.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::socket::{FeedMessage, FromClient, FromServer};
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
    let said = [
        ("receive", Said::by::<FromClient>(&mut schemas)),
        ("send", Said::by::<FromServer>(&mut schemas)),
        ("send", Said::by::<FeedMessage>(&mut schemas)),
    ];
    let mut spoken = Map::new();
    for (action, said) in said.into_iter().flat_map(|(action, all)| all.into_iter().map(move |said| (action, said))) {
        let key = format!("socket_{}", said.name);
        operations.insert(key.clone(), said.operation(action, &key));
        spoken.insert(key.clone(), json!({ "$ref": format!("#/components/messages/{key}") }));
        messages.insert(key, said.message());
    }
    channels.insert(
        "socket".to_owned(),
        json!({
            "address": "/ws",
            "description": "A WebSocket of one user: the feed as it grows, and what was missed. JSON in text frames, \
                            each with its `type`. The upgrade takes a token or a ticket, as `/openapi.json` says.",
            "messages": spoken,
        }),
    );
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

/// A message on the socket: its `type`, what it means, and its shape.
struct Said {
    name: String,
    meaning: String,
    payload: Value,
}

impl Said {
    /// Every message that a type says: its variants.
    fn by<T: JsonSchema>(schemas: &mut Map<String, Value>) -> Vec<Self> {
        let mut schema = lifted(schemars::schema_for!(T).to_value(), schemas);
        let Value::Array(variants) = schema["oneOf"].take() else { return Vec::new() };
        let said = |payload: Value| Self {
            name: payload["properties"]["type"]["const"].as_str().unwrap_or_default().to_owned(),
            meaning: payload["description"].as_str().unwrap_or_default().to_owned(),
            payload,
        };
        variants.into_iter().map(said).collect()
    }

    fn message(self) -> Value {
        json!({
            "name": self.name,
            "title": self.name,
            "summary": self.meaning,
            "contentType": "application/json",
            "payload": self.payload,
        })
    }

    /// `receive` is what the service hears, `send` what it says.
    fn operation(&self, action: &str, key: &str) -> Value {
        json!({
            "action": action,
            "channel": { "$ref": "#/channels/socket" },
            "summary": self.meaning,
            "messages": [{ "$ref": format!("#/channels/socket/messages/{key}") }],
        })
    }
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
    fn every_message_on_the_socket_is_described() {
        let document = document("1");
        let heard = ["ping", "resume", "ack"];
        let said =
            ["hello", "pong", "resumed", "gap", "error", "token_expiring", "order_status_update", "notification"];
        let spoken = document["channels"]["socket"]["messages"].as_object().unwrap();
        assert_eq!(spoken.len(), heard.len() + said.len(), "{spoken:?}");
        for (action, names) in [("receive", &heard[..]), ("send", &said[..])] {
            for name in names {
                let key = format!("socket_{name}");
                assert_eq!(document["operations"][&key]["action"], action, "{name}");
                let message = &document["components"]["messages"][&key];
                assert_eq!(message["payload"]["properties"]["type"]["const"], *name, "{message}");
                assert!(!message["summary"].as_str().unwrap().is_empty(), "{name}");
            }
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
