//! A recorded event as a CloudEvents 1.0 message in binary mode: attributes in headers, the payload as it was stored.

use std::{fmt::Write, sync::Arc};

use async_nats::{HeaderMap, HeaderName, HeaderValue, header::NATS_MESSAGE_ID};
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use crate::{
    domain::{Actor, AggregateType},
    log::{Metadata, RecordedEvent, StoredEvent},
    subjects::Names,
};

const SPEC_VERSION: HeaderName = HeaderName::from_static("ce-specversion");
const ID: HeaderName = HeaderName::from_static("ce-id");
const SOURCE: HeaderName = HeaderName::from_static("ce-source");
const TYPE: HeaderName = HeaderName::from_static("ce-type");
const SUBJECT: HeaderName = HeaderName::from_static("ce-subject");
const TIME: HeaderName = HeaderName::from_static("ce-time");
const RECORDED_TIME: HeaderName = HeaderName::from_static("ce-recordedtime");
const CONTENT_TYPE: HeaderName = HeaderName::from_static("ce-datacontenttype");
const SCHEMA: HeaderName = HeaderName::from_static("ce-dataschema");
const SEQUENCE: HeaderName = HeaderName::from_static("ce-sequence");
const STREAM_VERSION: HeaderName = HeaderName::from_static("ce-streamversion");
const PARTITION_KEY: HeaderName = HeaderName::from_static("ce-partitionkey");
const CORRELATION_ID: HeaderName = HeaderName::from_static("ce-correlationid");
const CAUSATION_ID: HeaderName = HeaderName::from_static("ce-causationid");
const TRACEPARENT: HeaderName = HeaderName::from_static("ce-traceparent");
const ACTOR: HeaderName = HeaderName::from_static("homefood-actor");
const COMMAND_ID: HeaderName = HeaderName::from_static("homefood-command-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("homefood-request-id");
const SCHEMA_VERSION: HeaderName = HeaderName::from_static("homefood-schema-version");

/// Every header of a message, and what it says; the last three only if there is something to say.
pub const EVENT_HEADERS: &[(&str, &str)] = &[
    ("ce-specversion", "The version of CloudEvents: 1.0."),
    ("ce-id", "The event's own id."),
    ("ce-source", "Where it comes from: the log."),
    ("ce-type", "What happened, with the version of its schema."),
    ("ce-subject", "What it happened to: kind and id of the aggregate."),
    ("ce-time", "When it happened, in the domain's time."),
    ("ce-recordedtime", "When it was recorded, in the database's time."),
    ("ce-datacontenttype", "application/json."),
    ("ce-dataschema", "The URL of the schema of the payload."),
    ("ce-sequence", "The position in the log, padded to 20 digits."),
    ("ce-streamversion", "The place in the stream of its aggregate."),
    ("ce-partitionkey", "The aggregate."),
    ("ce-correlationid", "The business flow it belongs to."),
    ("ce-causationid", "The command or event that caused it."),
    ("Nats-Msg-Id", "The event's own id, for NATS."),
    ("homefood-actor", "Who caused it: a kind and an id."),
    ("homefood-command-id", "The command that made it happen."),
    ("homefood-schema-version", "The version of the payload's schema."),
    ("homefood-request-id", "The HTTP request behind the command."),
    ("ce-traceparent", "The W3C trace context in which it was made."),
];

/// The message is not an event of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventError {
    /// A header that every event has is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header does not hold what it should.
    #[error("the header {0} cannot be read")]
    Unreadable(&'static str),
    /// JSON is UTF-8.
    #[error("the payload is not UTF-8")]
    Payload,
}

/// The headers under which the relay publishes `event`.
pub fn to_headers(names: &Names, event: &RecordedEvent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| headers.insert(name, HeaderValue::from(value));
    let mut text = String::with_capacity(80);
    let mut written = |args: std::fmt::Arguments<'_>, name: HeaderName| {
        text.clear();
        // Writing into a String cannot fail.
        let _ = text.write_fmt(args);
        put(name, &text);
    };
    let aggregate = event.aggregate_type.as_str();
    written(format_args!("{}", event.event_id), ID);
    written(format_args!("{}", event.event_id), NATS_MESSAGE_ID);
    written(format_args!("homefood.{aggregate}.{}.v{}", event.event_type, event.schema_version), TYPE);
    written(format_args!("{}", names.schema(&event.event_type, event.schema_version)), SCHEMA);
    written(format_args!("{aggregate}/{}", event.aggregate_id), SUBJECT);
    // CloudEvents' own integers have 32 bits; padded text sorts as the numbers do.
    written(format_args!("{:020}", event.position), SEQUENCE);
    written(format_args!("{}", event.sequence), STREAM_VERSION);
    written(format_args!("{}", event.aggregate_id), PARTITION_KEY);
    written(format_args!("{}", event.correlation_id), CORRELATION_ID);
    written(format_args!("{}", event.causation_id), CAUSATION_ID);
    written(format_args!("{}", event.actor), ACTOR);
    written(format_args!("{}", event.metadata.command_id), COMMAND_ID);
    written(format_args!("{}", event.schema_version), SCHEMA_VERSION);
    put(SPEC_VERSION, "1.0");
    put(SOURCE, "/homefood/log");
    put(CONTENT_TYPE, "application/json");
    put(TIME, &event.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true));
    put(RECORDED_TIME, &event.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true));
    put_foreign(&mut headers, REQUEST_ID, event.metadata.request_id.as_deref());
    put_foreign(&mut headers, TRACEPARENT, event.metadata.traceparent.as_deref());
    headers
}

/// A text that came from outside must not be able to start a header of its own.
fn put_foreign(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| value.parse::<HeaderValue>().ok()) {
        headers.insert(name, value);
    }
}

/// The event that `to_headers` and its payload were made of.
pub fn from_message(headers: &HeaderMap, payload: &[u8]) -> Result<StoredEvent, CloudEventError> {
    let aggregate_id: Uuid = read(headers, PARTITION_KEY, "ce-partitionkey")?;
    let (aggregate_type, event_type) = split_type(required(headers, TYPE, "ce-type")?)?;
    Ok(StoredEvent {
        position: read(headers, SEQUENCE, "ce-sequence")?,
        event_id: read(headers, ID, "ce-id")?,
        aggregate_type,
        aggregate_id,
        sequence: read(headers, STREAM_VERSION, "ce-streamversion")?,
        event_type: event_type.to_owned(),
        schema_version: read(headers, SCHEMA_VERSION, "homefood-schema-version")?,
        occurred_at: read_time(headers, TIME, "ce-time")?,
        recorded_at: read_time(headers, RECORDED_TIME, "ce-recordedtime")?,
        correlation_id: read(headers, CORRELATION_ID, "ce-correlationid")?,
        causation_id: read(headers, CAUSATION_ID, "ce-causationid")?,
        actor: read::<Actor>(headers, ACTOR, "homefood-actor")?,
        metadata: Metadata {
            command_id: read(headers, COMMAND_ID, "homefood-command-id")?,
            request_id: optional(headers, REQUEST_ID),
            traceparent: optional(headers, TRACEPARENT),
        },
        payload: Arc::from(std::str::from_utf8(payload).map_err(|_| CloudEventError::Payload)?),
    })
}

/// `homefood.order.order_created.v1`
fn split_type(text: &str) -> Result<(AggregateType, &str), CloudEventError> {
    let wrong = CloudEventError::Unreadable("ce-type");
    let mut parts = text.splitn(4, '.');
    let (Some("homefood"), Some(aggregate), Some(event_type), Some(_)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong);
    };
    Ok((AggregateType::from_name(aggregate).ok_or(wrong)?, event_type))
}

fn required<'a>(headers: &'a HeaderMap, name: HeaderName, label: &'static str) -> Result<&'a str, CloudEventError> {
    headers.get(name).map(HeaderValue::as_str).ok_or(CloudEventError::Missing(label))
}

fn read<T: std::str::FromStr>(
    headers: &HeaderMap,
    name: HeaderName,
    label: &'static str,
) -> Result<T, CloudEventError> {
    required(headers, name, label)?.parse().map_err(|_| CloudEventError::Unreadable(label))
}

fn read_time(headers: &HeaderMap, name: HeaderName, label: &'static str) -> Result<DateTime<Utc>, CloudEventError> {
    read(headers, name, label)
}

fn optional(headers: &HeaderMap, name: HeaderName) -> Option<Arc<str>> {
    headers.get(name).map(|value| Arc::from(value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> RecordedEvent {
        let id = Uuid::now_v7();
        let at: DateTime<Utc> = "2026-05-01T10:00:00.123456Z".parse().unwrap();
        StoredEvent {
            position: 4_711,
            event_id: Uuid::now_v7(),
            aggregate_type: AggregateType::Order,
            aggregate_id: id,
            sequence: 3,
            event_type: "order_ready".to_owned(),
            schema_version: 1,
            occurred_at: at,
            recorded_at: at + chrono::Duration::microseconds(7),
            correlation_id: id,
            causation_id: Uuid::now_v7(),
            actor: Actor::system("order_payment"),
            metadata: Metadata {
                command_id: Uuid::now_v7(),
                request_id: Some(Arc::from("r-1")),
                traceparent: Some(Arc::from("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
            },
            payload: Arc::from(r#"{"note":"горячо"}"#),
        }
        .into()
    }

    #[test]
    fn an_event_survives_the_journey_whole() {
        let sent = event();
        let headers = to_headers(&Names::default(), &sent);
        let received: RecordedEvent = from_message(&headers, sent.payload.as_bytes()).unwrap().into();
        assert_eq!(format!("{received:?}"), format!("{sent:?}"));
        assert_eq!(headers.get("ce-type").unwrap().as_str(), "homefood.order.order_ready.v1");
        assert_eq!(headers.get("ce-sequence").unwrap().as_str(), "00000000000000004711");
        assert_eq!(headers.get("ce-time").unwrap().as_str(), "2026-05-01T10:00:00.123456Z");
    }

    #[test]
    fn a_message_without_its_position_is_no_event() {
        let headers: HeaderMap = to_headers(&Names::default(), &event())
            .iter()
            .filter(|(name, _)| name.as_ref() as &str != "ce-sequence")
            .map(|(name, values)| (name.clone(), values[0].clone()))
            .collect();
        assert_eq!(from_message(&headers, b"{}").unwrap_err(), CloudEventError::Missing("ce-sequence"));
    }

    #[test]
    fn a_line_break_from_outside_starts_no_header() {
        let mut event = event();
        event.metadata.request_id = Some(Arc::from("x\r\nce-id: forged"));
        assert!(to_headers(&Names::default(), &event).get("homefood-request-id").is_none());
    }
}
