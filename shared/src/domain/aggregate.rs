//! What every aggregate has in common.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::{
    Actor, DecodeError, PortionMove, Rejection, dispute::DisputeEvent, gift::GiftEvent, order::OrderEvent,
    payment::PaymentEvent,
};

/// The kinds of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AggregateType {
    /// What is owed for a meal.
    Order,
    /// One attempt to move money through a provider.
    Payment,
    /// What one person pays for and another one spends.
    Gift,
    /// A disagreement about an order.
    Dispute,
}

impl AggregateType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Order, Self::Payment, Self::Gift, Self::Dispute];

    /// The stable name, in the log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Gift => "gift",
            Self::Dispute => "dispute",
        }
    }

    /// Every type of event that happens to it, with the version and the schema of today's payload.
    pub fn event_schemas(self) -> Vec<(&'static str, u16, schemars::Schema)> {
        match self {
            Self::Order => OrderEvent::schemas(),
            Self::Payment => PaymentEvent::schemas(),
            Self::Gift => GiftEvent::schemas(),
            Self::Dispute => DisputeEvent::schemas(),
        }
    }

    /// Every type of event that happens to it, and what it says happened.
    pub fn event_meanings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Order => OrderEvent::MEANINGS,
            Self::Payment => PaymentEvent::MEANINGS,
            Self::Gift => GiftEvent::MEANINGS,
            Self::Dispute => DisputeEvent::MEANINGS,
        }
    }

    /// The aggregate type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregate_type| aggregate_type.as_str() == name)
    }
}

/// A command with what a pure decision may not look up by itself: who asks and what time it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent<C> {
    /// Who asks.
    pub actor: Actor,
    /// The domain's time, UTC, whole microseconds.
    pub now: DateTime<Utc>,
    /// What is asked.
    pub command: C,
}

/// An aggregate of this system: a cqrs-es aggregate whose decision is pure and synchronous.
pub trait EventSourced:
    cqrs_es::Aggregate<Command = Intent<Self::Action>, Error: Rejection> + Clone + PartialEq + std::fmt::Debug + 'static
{
    /// What can be asked of it.
    type Action: Clone + Send + Sync + 'static;

    /// The kind of stream it lives in.
    const AGGREGATE_TYPE: AggregateType;

    /// What the command makes happen, or why not. An empty list means that the work was done before.
    fn decide(&self, intent: &Intent<Self::Action>) -> Result<Vec<Self::Event>, Self::Error>;

    /// What these events, decided on this state, take of the kitchens' pots or give back.
    fn portions(&self, _events: &[Self::Event]) -> Option<PortionMove> {
        None
    }

    /// The refusal of a decision whose portions are gone; `None` for aggregates that take none.
    fn short_of_portions() -> Option<Self::Error> {
        None
    }

    /// Wraps one of its events for the log.
    fn to_domain_event(event: Self::Event) -> DomainEvent;

    /// Unwraps one of its events from the log; `None` for another aggregate's.
    fn from_domain_event(event: &DomainEvent) -> Option<&Self::Event>;
}

/// Makes a type an aggregate of this system: its name, command, event and error, and in braces what else it overrides.
/// The module has a `decide::decide`, and the type an `evolve`.
macro_rules! event_sourced {
    ($aggregate:ident, $name:literal, $command:ty, $event:ty, $error:ty, { $($more:tt)* }) => {
        impl cqrs_es::Aggregate for $aggregate {
            const TYPE: &'static str = $name;
            type Command = $crate::domain::Intent<$command>;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(
                &mut self,
                intent: Self::Command,
                (): &Self::Services,
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                for event in $crate::domain::EventSourced::decide(self, &intent)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.evolve(event);
            }
        }

        impl $crate::domain::EventSourced for $aggregate {
            type Action = $command;

            const AGGREGATE_TYPE: $crate::domain::AggregateType = $crate::domain::AggregateType::$aggregate;

            fn decide(&self, intent: &Self::Command) -> Result<Vec<Self::Event>, Self::Error> {
                decide::decide(self, intent)
            }

            fn to_domain_event(event: Self::Event) -> $crate::domain::DomainEvent {
                $crate::domain::DomainEvent::$aggregate(event)
            }

            fn from_domain_event(event: &$crate::domain::DomainEvent) -> Option<&Self::Event> {
                let $crate::domain::DomainEvent::$aggregate(event) = event else { return None };
                Some(event)
            }

            $($more)*
        }
    };
}
pub(super) use event_sourced;

/// An event of any aggregate.
#[derive(Debug, Clone, PartialEq)]
pub enum DomainEvent {
    /// Of an order.
    Order(OrderEvent),
    /// Of a payment.
    Payment(PaymentEvent),
    /// Of a gift.
    Gift(GiftEvent),
    /// Of a dispute.
    Dispute(DisputeEvent),
}

impl DomainEvent {
    /// Reads a payload of the current schema version.
    pub fn decode(aggregate_type: AggregateType, event_type: &str, payload: &[u8]) -> Result<Self, DecodeError> {
        match aggregate_type {
            AggregateType::Order => OrderEvent::decode(event_type, payload).map(Self::Order),
            AggregateType::Payment => PaymentEvent::decode(event_type, payload).map(Self::Payment),
            AggregateType::Gift => GiftEvent::decode(event_type, payload).map(Self::Gift),
            AggregateType::Dispute => DisputeEvent::decode(event_type, payload).map(Self::Dispute),
        }
    }

    /// The kind of aggregate it belongs to.
    pub fn aggregate_type(&self) -> AggregateType {
        match self {
            Self::Order(_) => AggregateType::Order,
            Self::Payment(_) => AggregateType::Payment,
            Self::Gift(_) => AggregateType::Gift,
            Self::Dispute(_) => AggregateType::Dispute,
        }
    }

    /// The stable name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Order(event) => event.type_name(),
            Self::Payment(event) => event.type_name(),
            Self::Gift(event) => event.type_name(),
            Self::Dispute(event) => event.type_name(),
        }
    }

    /// The version of its payload's schema.
    pub fn schema_version(&self) -> u16 {
        match self {
            Self::Order(event) => event.schema_version(),
            Self::Payment(event) => event.schema_version(),
            Self::Gift(event) => event.schema_version(),
            Self::Dispute(event) => event.schema_version(),
        }
    }
}

impl Serialize for DomainEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Order(event) => event.serialize(serializer),
            Self::Payment(event) => event.serialize(serializer),
            Self::Gift(event) => event.serialize(serializer),
            Self::Dispute(event) => event.serialize(serializer),
        }
    }
}
