//! What differs between two states, field by field.

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
    let mut names: Vec<String> = [before, after].into_iter().flatten().flat_map(names).collect();
    if names.is_empty() {
        return found.push(FieldChange { pointer: pointer.to_owned(), before: before.cloned(), after: after.cloned() });
    }
    // What is replaced by another kind of thing is named itself, too: a number that becomes an object.
    for (side, is_before) in [(before, true), (after, false)] {
        if let Some(value) = side.filter(|value| self::names(value).is_empty() && !is_container(value)) {
            let value = Some(value.clone());
            let (before, after) = if is_before { (value, None) } else { (None, value) };
            found.push(FieldChange { pointer: pointer.to_owned(), before, after });
        }
    }
    names.sort_by_key(|name| (name.parse::<usize>().unwrap_or(0), name.clone()));
    names.dedup();
    for name in names {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        let (before, after) =
            (before.and_then(|value| member(value, &name)), after.and_then(|value| member(value, &name)));
        compare(&format!("{pointer}/{escaped}"), before, after, found);
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|at| at.to_string()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
