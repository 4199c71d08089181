//! Old versions of events, lifted to today's when they are read. What was written is never rewritten.

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use serde_json::{Value, json};

use crate::domain::{
    AggregateType, DecodeError, DomainEvent, dispute::DisputeEvent, gift::GiftEvent, order::OrderEvent,
    payment::PaymentEvent,
};

/// `order_paid` version 1 knew only money that had been taken; version 2 says how sure it is.
struct OrderPaidV1;

impl EventUpcaster for OrderPaidV1 {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "order_paid" && event_version == "1"
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        if let Value::Object(payload) = &mut event.payload {
            payload.insert("funds".to_owned(), json!("CAPTURED"));
        }
        event.event_version = "2".to_owned();
        event
    }
}

/// `order_created` version 1 took no portions; version 2 says which it took, and leaves it out if there are none.
struct OrderCreatedV1;

impl EventUpcaster for OrderCreatedV1 {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "order_created" && event_version == "1"
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        event.event_version = "2".to_owned();
        event
    }
}

/// `payment_refund_resolved` version 1 knew only money that we had sent ourselves; version 2 leaves the rest out then.
struct PaymentRefundResolvedV1;

impl EventUpcaster for PaymentRefundResolvedV1 {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "payment_refund_resolved" && event_version == "1"
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        event.event_version = "2".to_owned();
        event
    }
}

/// `payment_external_refund_recorded` version 1 stood for none of our refunds; version 2 leaves that out then.
struct PaymentExternalRefundRecordedV1;

impl EventUpcaster for PaymentExternalRefundRecordedV1 {
    fn can_upcast(&self, event_type: &str, event_version: &str) -> bool {
        event_type == "payment_external_refund_recorded" && event_version == "1"
    }

    fn upcast(&self, mut event: SerializedEvent) -> SerializedEvent {
        event.event_version = "2".to_owned();
        event
    }
}

/// Every upcaster, oldest first; also what a plain postgres-es program hands to its event store.
pub fn upcasters() -> Vec<Box<dyn EventUpcaster>> {
    vec![
        Box::new(OrderPaidV1),
        Box::new(OrderCreatedV1),
        Box::new(PaymentRefundResolvedV1),
        Box::new(PaymentExternalRefundRecordedV1),
    ]
}

/// Understands a stored payload. Today's version is read straight into its type; an older one goes through the
/// upcasters first.
pub fn upcast(
    aggregate_type: AggregateType,
    event_type: &str,
    schema_version: u16,
    payload: &str,
) -> Result<DomainEvent, DecodeError> {
    match current_version(aggregate_type, event_type) {
        Some(current) if schema_version < current => {
            let lifted = lift(aggregate_type, event_type, schema_version, payload)?;
            DomainEvent::decode(aggregate_type, event_type, lifted.to_string().as_bytes())
        }
        // A newer version may have added fields; readers tolerate those.
        _ => DomainEvent::decode(aggregate_type, event_type, payload.as_bytes()),
    }
}

fn lift(aggregate_type: AggregateType, event_type: &str, version: u16, payload: &str) -> Result<Value, DecodeError> {
    let payload = serde_json::from_str(payload)
        .map_err(|error| DecodeError::Payload { event_type: event_type.to_owned(), reason: error.to_string() })?;
    let mut event = SerializedEvent {
        aggregate_id: String::new(),
        sequence: 0,
        aggregate_type: aggregate_type.as_str().to_owned(),
        event_type: event_type.to_owned(),
        event_version: version.to_string(),
        payload,
        metadata: Value::Null,
    };
    for upcaster in upcasters() {
        if upcaster.can_upcast(&event.event_type, &event.event_version) {
            event = upcaster.upcast(event);
        }
    }
    Ok(event.payload)
}

fn current_version(aggregate_type: AggregateType, event_type: &str) -> Option<u16> {
    let types = match aggregate_type {
        AggregateType::Order => OrderEvent::TYPES,
        AggregateType::Payment => PaymentEvent::TYPES,
        AggregateType::Gift => GiftEvent::TYPES,
        AggregateType::Dispute => DisputeEvent::TYPES,
    };
    types.iter().find(|(name, _)| *name == event_type).map(|(_, version)| *version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Funds;

    #[test]
    fn the_golden_sample_of_order_paid_version_1_is_still_understood() {
        let sample = include_str!("../../../schemas/order_paid/1.sample.json");
        let event = upcast(AggregateType::Order, "order_paid", 1, sample).unwrap();
        let DomainEvent::Order(OrderEvent::OrderPaid(paid)) = event else { panic!("{event:?}") };
        assert_eq!(paid.funds, Funds::Captured);
        assert_eq!(paid.card_amount.to_string(), "700.00 RUB");
    }

    #[test]
    fn a_version_2_without_its_new_field_is_refused() {
        let sample = include_str!("../../../schemas/order_paid/1.sample.json");
        assert!(upcast(AggregateType::Order, "order_paid", 2, sample).is_err());
    }

    #[test]
    fn an_unknown_type_is_an_error_and_not_skipped() {
        let error = upcast(AggregateType::Order, "order_vanished", 1, "{}").unwrap_err();
        assert_eq!(error, DecodeError::UnknownType("order_vanished".to_owned()));
    }
}
