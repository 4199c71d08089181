//! The columns of a view, from the JSON Schema of a payload.

use serde_json::{Map, Value};

/// Words that programs write, and names on menus. Any other text without a format may have been written by a person, or
/// lead to one, and is left out until somebody adds its name here.
const WRITTEN_BY_PROGRAMS: &[&str] = &[
    "actual",
    "cancelled_by",
    "code",
    "dish_name",
    "expected",
    "field",
    "provider_error_code",
    "provider_order_ref",
    "provider_payment_id",
    "provider_status",
];

/// How deep objects are laid out as columns; what is deeper stays JSON.
const DEPTH_MAX: usize = 2;

/// A column of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is worked out from.
    pub expression: String,
    /// What it says.
    pub comment: String,
}

/// A schema with the definitions that it refers to.
pub(super) struct Payload<'a> {
    root: &'a Value,
}

impl<'a> Payload<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root }
    }

    /// Every column, in order of the fields' names.
    pub(super) fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        self.lay_out(self.root, &[], &mut columns);
        columns
    }

    fn lay_out(&self, schema: &Value, path: &[&str], columns: &mut Vec<Column>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        for (name, property) in properties {
            let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            let comment = self.comment(property, name);
            let resolved = self.resolve(property);
            if is_money(property) || resolved.get("properties").is_some_and(is_amount) {
                columns.extend(money(&path, &comment));
            } else if resolved.get("properties").is_some() && path.len() < DEPTH_MAX {
                self.lay_out(resolved, &path, columns);
            } else if let Some(kind) = self.kind(name, resolved) {
                columns.push(Column { name: path.join("_"), expression: read(&path, kind), comment });
            }
        }
    }

    /// The type in Postgres; none for what is left out.
    fn kind(&self, name: &str, schema: &Value) -> Option<&'static str> {
        if !self.is_impersonal(name, schema) {
            return None;
        }
        let types = types_of(schema);
        let kind = match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => "uuid",
            Some("date-time") => "timestamptz",
            Some("date") => "date",
            _ if types.contains(&"integer") => "bigint",
            _ if types.contains(&"boolean") => "boolean",
            _ if types.contains(&"number") => "numeric",
            _ if types.contains(&"string") || is_word(schema) => "text",
            _ => "jsonb",
        };
        Some(kind)
    }

    /// Whether no text in it may be a person's.
    fn is_impersonal(&self, name: &str, schema: &Value) -> bool {
        let schema = self.resolve(schema);
        if is_word(schema) || schema.get("format").is_some() || schema.get("properties").is_some_and(is_amount) {
            return true;
        }
        if types_of(schema).contains(&"string") {
            return WRITTEN_BY_PROGRAMS.contains(&name);
        }
        // An object of which nothing is said may hold anything.
        if types_of(schema).contains(&"object") && schema.get("properties").is_none() {
            return false;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten().all(|(name, field)| self.is_impersonal(name, field));
        let items = schema.get("items").is_none_or(|items| self.is_impersonal(name, items));
        let variants = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema.get(*key)?.as_array());
        fields && items && variants.flatten().all(|variant| self.is_impersonal(name, variant))
    }

    /// The schema behind references and behind "or nothing".
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(name.trim_start_matches('#'));
            return target.map_or(schema, |target| self.resolve(target));
        }
        let choices = schema.get("anyOf").and_then(Value::as_array);
        let is_something = |choice: &&Value| choice.get("type").and_then(Value::as_str) != Some("null");
        let something: Vec<&Value> = choices.into_iter().flatten().filter(is_something).collect();
        match something[..] {
            [only] => self.resolve(only),
            _ => schema,
        }
    }

    fn comment(&self, property: &Value, name: &str) -> String {
        let said = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let words = said(property).or_else(|| said(self.resolve_any(property)));
        words.unwrap_or_else(|| format!("{name} of the payload.")).replace('`', "")
    }

    fn resolve_any<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        target.and_then(|name| self.root.pointer(name.trim_start_matches('#'))).unwrap_or(schema)
    }
}

fn is_money(schema: &Value) -> bool {
    schema.get("$ref").and_then(Value::as_str) == Some("#/$defs/Money")
}

/// Money's own fields and no others.
fn is_amount(properties: &Value) -> bool {
    let names = properties.as_object().map(Map::keys).into_iter().flatten();
    names.map(String::as_str).eq(["amount", "currency"])
}

fn types_of(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// One of a few words that the schema lists.
fn is_word(schema: &Value) -> bool {
    let is_const =
        |variant: &Value| variant.get("const").is_some_and(Value::is_string) || variant.get("enum").is_some();
    let variants = schema.get("oneOf").and_then(Value::as_array);
    is_const(schema) || variants.is_some_and(|variants| !variants.is_empty() && variants.iter().all(is_const))
}

fn money(path: &[&str], comment: &str) -> [Column; 2] {
    let part = |part: &'static str, kind, what: &str| {
        let path: Vec<&str> = path.iter().copied().chain([part]).collect();
        Column { name: path.join("_"), expression: read(&path, kind), comment: format!("{comment} {what}") }
    };
    [part("amount", "numeric", "The amount."), part("currency", "text", "The ISO 4217 code.")]
}

/// Takes a field out of the payload.
fn read(path: &[&str], kind: &str) -> String {
    let Some((last, parents)) = path.split_last() else { return "NULL".to_owned() };
    let parents: String = parents.iter().map(|name| format!(" -> '{name}'")).collect();
    match kind {
        "jsonb" => format!("(payload{parents} -> '{last}')::jsonb"),
        "text" => format!("payload{parents} ->> '{last}'"),
        _ => format!("(payload{parents} ->> '{last}')::{kind}"),
    }
}
