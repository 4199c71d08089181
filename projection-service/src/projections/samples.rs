//! Events for tests: a log in memory that can be written to a database.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use shared::{
    domain::{
        Actor, DishId, DomainEvent, Money, PaymentId, ProducerId, UserId,
        dispute::DisputeEvent,
        order::{
            CancelReason, DeliveryType, Funds, OrderAccepted, OrderCancelled, OrderCreated, OrderDelivered,
            OrderDispatched, OrderEvent, OrderItem, OrderPaid, OrderPreparationStarted, OrderReady, OrderStatus,
            PriceSource,
        },
        payment::PaymentEvent,
    },
    log::{Metadata, RecordedEvent, StoredEvent},
};
use sqlx::PgPool;
use uuid::Uuid;

/// A log under construction: positions and sequences are given out as the append queue would.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) events: Vec<Arc<RecordedEvent>>,
    sequences: HashMap<Uuid, u64>,
    written: usize,
    start: DateTime<Utc>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let start = DateTime::from_timestamp_micros(Utc::now().timestamp_micros()).unwrap() - Duration::hours(1);
        Self { events: Vec::new(), sequences: HashMap::new(), written: 0, start }
    }

    pub(crate) fn push(&mut self, id: Uuid, event: impl Into<DomainSample>) -> Arc<RecordedEvent> {
        let event = event.into().0;
        let payload = serde_json::to_string(&event).unwrap();
        self.push_raw(id, &event, &payload)
    }

    /// An event of a dispute, which belongs to the flow of its order, by this actor.
    pub(crate) fn push_dispute(
        &mut self,
        (id, order): (Uuid, Uuid),
        actor: Actor,
        event: impl Into<DisputeEvent>,
    ) -> Arc<RecordedEvent> {
        let pushed = self.push_in_flow((id, order), DomainEvent::Dispute(event.into()));
        self.replace_last(RecordedEvent { actor, ..RecordedEvent::clone(&pushed) })
    }

    /// An event of a stream in a flow that is named after another.
    pub(crate) fn push_in_flow(&mut self, (id, flow): (Uuid, Uuid), event: DomainEvent) -> Arc<RecordedEvent> {
        let payload = serde_json::to_string(&event).unwrap();
        let pushed = self.push_raw(id, &event, &payload);
        self.replace_last(RecordedEvent { correlation_id: flow, ..RecordedEvent::clone(&pushed) })
    }

    fn replace_last(&mut self, event: RecordedEvent) -> Arc<RecordedEvent> {
        let last = self.events.last_mut().unwrap();
        *last = Arc::new(event);
        last.clone()
    }

    /// An event that happened when the test says.
    pub(crate) fn push_at(
        &mut self,
        id: Uuid,
        event: impl Into<DomainSample>,
        at: DateTime<Utc>,
    ) -> Arc<RecordedEvent> {
        let mut event = RecordedEvent::clone(&self.push(id, event));
        event.occurred_at = at;
        let event = Arc::new(event);
        self.events.pop();
        self.events.push(event.clone());
        event
    }

    pub(crate) fn push_payment(&mut self, id: Uuid, event: impl Into<PaymentEvent>) -> Arc<RecordedEvent> {
        let event = DomainEvent::Payment(event.into());
        let payload = serde_json::to_string(&event).unwrap();
        self.push_raw(id, &event, &payload)
    }

    /// An event whose payload may be anything.
    pub(crate) fn push_raw(&mut self, id: Uuid, event: &DomainEvent, payload: &str) -> Arc<RecordedEvent> {
        let position = self.events.len() as u64 + 1;
        let sequence = self.sequences.entry(id).or_default();
        *sequence += 1;
        let at = self.start + Duration::milliseconds(position as i64);
        let recorded = StoredEvent {
            position,
            event_id: Uuid::now_v7(),
            aggregate_type: event.aggregate_type(),
            aggregate_id: id,
            sequence: *sequence,
            event_type: event.type_name().to_owned(),
            schema_version: event.schema_version(),
            occurred_at: at,
            recorded_at: at,
            correlation_id: id,
            causation_id: Uuid::now_v7(),
            actor: Actor::system("test"),
            metadata: Metadata::default(),
            payload: Arc::from(payload),
        };
        let event = Arc::new(RecordedEvent::from(recorded));
        self.events.push(event.clone());
        event
    }

    /// Appends what was pushed since the last time.
    pub(crate) async fn write(&mut self, db: &PgPool) {
        let mut tx = db.begin().await.unwrap();
        let new = &self.events[self.written..];
        for chunk in new.chunks(1_000) {
            insert(&mut tx, chunk).await;
        }
        sqlx::query("UPDATE log_head SET position = $1")
            .bind(self.events.len() as i64)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.written = self.events.len();
    }
}

async fn insert(tx: &mut sqlx::PgConnection, events: &[Arc<RecordedEvent>]) {
    let column = |read: fn(&RecordedEvent) -> String| events.iter().map(|event| read(event)).collect::<Vec<_>>();
    sqlx::query(
        "
        INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
            position, event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
        SELECT a, b, c, d, e, f::json, g::json, h, i, j, k, l, m, m, 0
        FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
                    $9::uuid[], $10::uuid[], $11::uuid[], $12::text[], $13::timestamptz[])
            AS r (a, b, c, d, e, f, g, h, i, j, k, l, m)
        ",
    )
    .bind(column(|event| event.aggregate_type.as_str().to_owned()))
    .bind(column(|event| event.aggregate_id.to_string()))
    .bind(events.iter().map(|event| event.sequence as i64).collect::<Vec<_>>())
    .bind(column(|event| event.event_type.to_string()))
    .bind(column(|event| event.schema_version.to_string()))
    .bind(column(|event| event.payload.to_string()))
    .bind(column(|event| serde_json::to_string(&event.metadata).unwrap()))
    .bind(events.iter().map(|event| event.position as i64).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.event_id).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.correlation_id).collect::<Vec<_>>())
    .bind(events.iter().map(|event| event.causation_id).collect::<Vec<_>>())
    .bind(column(|event| event.actor.to_string()))
    .bind(events.iter().map(|event| event.occurred_at).collect::<Vec<_>>())
    .execute(tx)
    .await
    .unwrap();
}

/// An event of any aggregate, from the struct of its payload.
pub(crate) struct DomainSample(pub(crate) DomainEvent);

impl<E: Into<OrderEvent>> From<E> for DomainSample {
    fn from(event: E) -> Self {
        Self(DomainEvent::Order(event.into()))
    }
}

pub(crate) fn created(customer_id: UserId, producer_id: ProducerId) -> OrderCreated {
    OrderCreated {
        customer_id,
        producer_id,
        items: vec![OrderItem {
            line_no: 1,
            dish_id: DishId(Uuid::from_u128(7)),
            dish_name: "Borscht".to_owned(),
            unit_price: Money::rub(10_000),
            quantity: 2,
            line_total: Money::rub(20_000),
            price_version: 1,
            price_source: PriceSource::Catalog,
        }],
        delivery_type: DeliveryType::Building,
        delivery_fee: Money::rub(0),
        total_price: Money::rub(20_000),
        gift: None,
        amount_due: Money::rub(20_000),
        commission_bps: 1_000,
        payment_deadline: Utc::now() + Duration::minutes(30),
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    }
}

pub(crate) fn paid(order_id: Uuid) -> OrderPaid {
    OrderPaid {
        payment_id: Some(PaymentId::of_order_attempt(order_id.into(), 1)),
        card_amount: Money::rub(20_000),
        gift_amount: Money::rub(0),
        funds: Funds::Captured,
        accept_deadline: Utc::now() + Duration::minutes(15),
    }
}

pub(crate) fn accepted() -> OrderAccepted {
    OrderAccepted { eta_minutes: 40, ready_by: Utc::now() + Duration::minutes(40) }
}

pub(crate) fn started() -> OrderPreparationStarted {
    OrderPreparationStarted { note: None }
}

pub(crate) fn ready() -> OrderReady {
    OrderReady { note: Some("hot".to_owned()) }
}

pub(crate) fn dispatched() -> OrderDispatched {
    OrderDispatched { note: None }
}

pub(crate) fn delivered() -> OrderDelivered {
    OrderDelivered { proof_ref: None, auto_complete_at: Utc::now() + Duration::hours(24) }
}

pub(crate) fn cancelled(from_status: OrderStatus) -> OrderCancelled {
    OrderCancelled {
        reason_code: CancelReason::CustomerRequest,
        reason_text: None,
        cancelled_by: "customer".to_owned(),
        from_status,
        refund_required: from_status != OrderStatus::WaitingForPayment,
    }
}
