//! What differs between two states, field by field.

use std::{collections::BTreeSet, mem::discriminant};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// The field, as a JSON pointer.
    #[schema(example = "/Placed/status")]
    pub pointer: String,
    /// What it was; absent if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Object)]
    pub before: Option<Value>,
    /// What it is; absent if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Object)]
    pub after: Option<Value>,
}

/// A field, and the event that gave it its value.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldOrigin {
    /// The field, as a JSON pointer.
    pub pointer: String,
    /// Its value.
    #[schema(value_type = Object)]
    pub value: Value,
    /// The version since which it has it.
    pub version: u64,
    /// The event's type.
    pub event_type: String,
    /// The event.
    pub event_id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
}

/// The fields that differ, in order of their names. Objects and lists are gone into; what is empty counts as a field.
pub fn difference(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(pointer: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let (old, new) = (before.map(names).unwrap_or_default(), after.map(names).unwrap_or_default());
    if old.is_empty() && new.is_empty() {
        return found.push(FieldChange { pointer: pointer.to_owned(), before: before.cloned(), after: after.cloned() });
    }
    // What is replaced by another kind of thing goes, and the other comes: a number that becomes an object, an empty list
    // that becomes a full one.
    if let (Some(one), Some(other)) = (before, after)
        && (discriminant(one) != discriminant(other) || old.is_empty() || new.is_empty())
    {
        compare(pointer, before, None, found);
        return compare(pointer, None, after, found);
    }
    let names: BTreeSet<Name<'_>> = old.into_iter().chain(new).collect();
    for name in names {
        let (before, after) =
            (before.and_then(|value| member(value, name)), after.and_then(|value| member(value, name)));
        if before != after {
            let escaped = match name {
                Name::Place(at) => at.to_string(),
                Name::Member(name) => name.replace('~', "~0").replace('/', "~1"),
            };
            compare(&format!("{pointer}/{escaped}"), before, after, found);
        }
    }
}

/// What a part of an object or a list is called; places come in order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Place(usize),
    Member(&'a str),
}

fn names(value: &Value) -> Vec<Name<'_>> {
    match value {
        Value::Object(members) => members.keys().map(|name| Name::Member(name)).collect(),
        Value::Array(items) => (0..items.len()).map(Name::Place).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn member<'a>(value: &'a Value, name: Name<'_>) -> Option<&'a Value> {
    match name {
        Name::Place(at) => value.as_array()?.get(at),
        Name::Member(name) => value.as_object()?.get(name),
    }
}
