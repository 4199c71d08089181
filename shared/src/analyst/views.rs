//! The views, and the statements that make them.

use std::fmt::Write;

use super::columns::{Column, Payload};
use crate::domain::AggregateType;

/// What every view begins with: names, what they are worked out from, and what they say.
const ENVELOPE: &[(&str, &str, &str)] = &[
    ("position", "position", "The place in the whole log: 1, 2, 3, …"),
    ("version", "sequence", "The place in the stream of its aggregate: 1, 2, 3, …"),
    ("event_id", "event_id", "The event's own id."),
    ("event_version", "event_version::int", "The version of the schema that the event was written with."),
    ("occurred_at", "occurred_at", "When it happened."),
    ("recorded_at", "recorded_at", "When it was recorded."),
    ("actor", "actor", "Who caused it: a kind and an id."),
    ("correlation_id", "correlation_id", "The business flow it belongs to."),
    ("causation_id", "causation_id", "The command or event that caused it."),
];

/// The view of one type of event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// The event's type, and the view's name.
    pub name: &'static str,
    /// The kind of aggregate it happens to.
    pub aggregate_type: AggregateType,
    /// What it says.
    pub comment: String,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// A view for every type of event that there is.
pub fn event_views() -> Vec<EventView> {
    AggregateType::ALL.into_iter().flat_map(views_of).collect()
}

fn views_of(aggregate_type: AggregateType) -> Vec<EventView> {
    let meanings = aggregate_type.event_meanings();
    let view = |(name, _, schema): (&'static str, u16, schemars::Schema)| {
        let meaning = meanings.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning.trim());
        let comment =
            format!("{meaning} One row per event; what the version it was written with does not have is NULL.");
        EventView { name, aggregate_type, comment, columns: columns(aggregate_type, &schema.to_value()) }
    };
    aggregate_type.event_schemas().into_iter().map(view).collect()
}

fn columns(aggregate_type: AggregateType, schema: &serde_json::Value) -> Vec<Column> {
    let column = |name: &str, expression: &str, comment: &str| Column {
        name: name.to_owned(),
        expression: expression.to_owned(),
        comment: comment.to_owned(),
    };
    let id = format!("{}_id", aggregate_type.as_str());
    let mut columns = vec![column(&id, "aggregate_id::uuid", "The aggregate it happened to.")];
    columns.extend(ENVELOPE.iter().map(|(name, expression, comment)| column(name, expression, comment)));
    let payload = Payload::new(schema).columns();
    let known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    columns.extend(payload.into_iter().filter(|column| !known.contains(&column.name)));
    columns
}

impl EventView {
    /// The statements that make it, whatever was there before, and open it to analysts.
    pub fn sql(&self) -> String {
        let Self { name, aggregate_type, comment, columns } = self;
        let selected: Vec<String> =
            columns.iter().map(|column| format!("{} AS \"{}\"", column.expression, column.name)).collect();
        let mut sql = format!(
            "DROP VIEW IF EXISTS analytics.\"{name}\";\n\
             CREATE VIEW analytics.\"{name}\" WITH (security_barrier) AS SELECT {}\n\
             FROM public.events WHERE aggregate_type = '{}' AND event_type = '{name}';\n\
             GRANT SELECT ON analytics.\"{name}\" TO homefood_analyst;\n\
             COMMENT ON VIEW analytics.\"{name}\" IS {};\n",
            selected.join(",\n    "),
            aggregate_type.as_str(),
            quoted(comment),
        );
        for column in columns {
            let comment = quoted(&column.comment);
            // Writing to a String cannot fail.
            let _ = writeln!(sql, "COMMENT ON COLUMN analytics.\"{name}\".\"{}\" IS {comment};", column.name);
        }
        sql
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
