//! Every subject, stream and consumer name on NATS.

use uuid::Uuid;

use crate::domain::AggregateType;

/// The JetStream stream that mirrors the log: message sequence == log position.
pub const EVENTS_STREAM: &str = "EVENTS";
/// What the mirror listens to.
pub const EVENTS_SUBJECTS: &str = "homefood.events.>";
/// The JetStream stream of parked events.
pub const DEAD_LETTERS_STREAM: &str = "DEAD_LETTERS";

/// The subject of an event: `homefood.events.<aggregate>.<aggregate_id>.<event>`.
pub fn event(aggregate_type: AggregateType, aggregate_id: Uuid, event_type: &str) -> String {
    event_pattern(aggregate_type, &aggregate_id.to_string(), event_type)
}

/// The same for any aggregate, whatever stands for its id.
pub fn event_pattern(aggregate_type: AggregateType, aggregate_id: &str, event_type: &str) -> String {
    format!("homefood.events.{}.{aggregate_id}.{event_type}", aggregate_type.as_str())
}

/// The subject of a parked event: `homefood.dlq.<handler>.<aggregate>.<aggregate_id>`.
pub fn dead_letter(handler: &str, aggregate_type: AggregateType, aggregate_id: Uuid) -> String {
    format!("homefood.dlq.{handler}.{}.{aggregate_id}", aggregate_type.as_str())
}

/// The core subject on which a user's new feed entries are called out: `homefood.feed.<user_id>`.
pub fn feed(user_id: Uuid) -> String {
    format!("homefood.feed.{user_id}")
}

/// The names of one installation on a NATS that it may share with others: tests run side by side on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    root: String,
    suffix: String,
    site: String,
}

impl Default for Names {
    /// The names of production: those above.
    fn default() -> Self {
        Self { root: "homefood".to_owned(), suffix: String::new(), site: "http://localhost:8080".to_owned() }
    }
}

impl Names {
    /// Names of an installation of its own; `id` is letters, digits and `_`.
    pub fn of(id: &str) -> Self {
        Self { root: format!("homefood_{id}"), suffix: format!("_{id}"), ..Self::default() }
    }

    /// The same of an installation that the outside world reaches at `public_url`.
    pub fn at(self, public_url: &str) -> Self {
        Self { site: public_url.trim_end_matches('/').to_owned(), ..self }
    }

    /// Where the schema of a payload is.
    pub fn schema(&self, event_type: &str, version: u16) -> String {
        format!("{}/schemas/{event_type}/{version}", self.site)
    }

    /// See [`EVENTS_STREAM`].
    pub fn events_stream(&self) -> String {
        format!("{EVENTS_STREAM}{}", self.suffix)
    }

    /// See [`DEAD_LETTERS_STREAM`].
    pub fn dead_letters_stream(&self) -> String {
        format!("{DEAD_LETTERS_STREAM}{}", self.suffix)
    }

    /// A subject or pattern of production under this installation's root.
    pub fn subject(&self, of_production: &str) -> String {
        match of_production.split_once('.') {
            Some((_, rest)) => format!("{}.{rest}", self.root),
            None => self.root.clone(),
        }
    }

    /// See [`event`].
    pub fn event(&self, aggregate_type: AggregateType, aggregate_id: Uuid, event_type: &str) -> String {
        format!("{}.events.{}.{aggregate_id}.{event_type}", self.root, aggregate_type.as_str())
    }

    /// See [`dead_letter`].
    pub fn dead_letter(&self, handler: &str, aggregate_type: AggregateType, aggregate_id: Uuid) -> String {
        format!("{}.dlq.{handler}.{}.{aggregate_id}", self.root, aggregate_type.as_str())
    }

    /// See [`feed`].
    pub fn feed(&self, user_id: Uuid) -> String {
        format!("{}.feed.{user_id}", self.root)
    }
}
