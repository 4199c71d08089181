//! What a test wants to know beside what HTTP tells.

use std::sync::Arc;

use shared::{
    domain::{AggregateType, order::OrderStatus},
    log::{LogReader, RecordedEvent},
};
use uuid::Uuid;

use super::{
    client::Client,
    system::TestSystem,
    wait::{SOON_SECS, eventually},
};

impl TestSystem {
    pub fn log(&self) -> LogReader {
        LogReader::new(self.db.clone())
    }

    pub async fn head(&self) -> u64 {
        self.log().head().await.unwrap()
    }

    /// Every event.
    pub async fn events(&self) -> Vec<Arc<RecordedEvent>> {
        let mut events: Vec<Arc<RecordedEvent>> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.position);
            let page = self.log().page(after, 5_000).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }

    /// The types of an order's events.
    pub async fn order_events(&self, order: Uuid) -> Vec<String> {
        self.types_of(AggregateType::Order, order).await
    }

    /// The types of a payment's events.
    pub async fn payment_events(&self, payment: Uuid) -> Vec<String> {
        self.types_of(AggregateType::Payment, payment).await
    }

    /// The types of a dispute's events.
    pub async fn dispute_events(&self, dispute: Uuid) -> Vec<String> {
        self.types_of(AggregateType::Dispute, dispute).await
    }

    /// Waits until a dispute has an event of that type.
    #[track_caller]
    pub fn dispute_gets(&self, dispute: Uuid, event_type: &str) -> impl Future<Output = Vec<String>> {
        eventually(SOON_SECS, move || async move {
            let types = self.dispute_events(dispute).await;
            if types.iter().any(|found| found == event_type) { Ok(types) } else { Err(format!("{types:?}")) }
        })
    }

    async fn types_of(&self, aggregate_type: AggregateType, id: Uuid) -> Vec<String> {
        let events = self.log().stream(aggregate_type, id, 0, 10_000).await.unwrap();
        events.into_iter().map(|event| event.event_type.into_owned()).collect()
    }

    /// The payload of the newest event of that type in a stream.
    pub async fn payload(&self, id: Uuid, event_type: &str) -> serde_json::Value {
        let events = self.events().await;
        let found = events.iter().rev().find(|event| event.aggregate_id == id && event.event_type == event_type);
        let found = found.unwrap_or_else(|| panic!("{id} has no {event_type}"));
        serde_json::from_str(&found.payload).unwrap()
    }

    /// Waits until the order stands there for whoever asks.
    #[track_caller]
    pub fn order_reaches(&self, order: Uuid, status: OrderStatus) -> impl Future<Output = serde_json::Value> {
        let admin: Client = self.admin();
        eventually(SOON_SECS, move || {
            let admin = admin.clone();
            async move {
                let answer = admin.order(order).await;
                let found = if answer.status == 200 { answer.data() } else { answer.json() };
                if found["status"] == status.as_str() {
                    return Ok(found);
                }
                Err(format!("the order is not {} but {found}", status.as_str()))
            }
        })
    }

    /// Waits until a payment has an event of that type.
    #[track_caller]
    pub fn payment_gets(&self, payment: Uuid, event_type: &str) -> impl Future<Output = Vec<String>> {
        eventually(SOON_SECS, move || async move {
            let types = self.payment_events(payment).await;
            if types.iter().any(|found| found == event_type) { Ok(types) } else { Err(format!("{types:?}")) }
        })
    }

    /// Waits until an order has an event of that type.
    #[track_caller]
    pub fn order_gets(&self, order: Uuid, event_type: &str) -> impl Future<Output = Vec<String>> {
        eventually(SOON_SECS, move || async move {
            let types = self.order_events(order).await;
            if types.iter().any(|found| found == event_type) { Ok(types) } else { Err(format!("{types:?}")) }
        })
    }

    /// Waits until the order's last attempt is over: another may be opened, or the order is.
    #[track_caller]
    pub fn order_is_free_to_pay(&self, order: Uuid) -> impl Future<Output = ()> {
        eventually(SOON_SECS, move || async move {
            let types = self.order_events(order).await;
            let count = |wanted: &str| types.iter().filter(|found| *found == wanted).count();
            let free = count("order_payment_requested") == count("order_payment_attempt_failed");
            if free { Ok(()) } else { Err(format!("{types:?}")) }
        })
    }

    /// Waits until a counter with this label has counted so far.
    #[track_caller]
    pub fn metric_reaches(&self, name: &str, label: &str, wanted: u64) -> impl Future<Output = ()> {
        eventually(SOON_SECS, move || async move {
            let text = self.nobody().get("/metrics").await.text();
            let line = text.lines().find(|line| line.starts_with(name) && line.contains(label)).unwrap_or_default();
            let counted = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0);
            if counted >= wanted as f64 { Ok(()) } else { Err(format!("{name} {label}: {line:?}")) }
        })
    }

    /// Waits until the order's payment deadline was put off: it fired, and another is armed.
    #[track_caller]
    pub fn timer_is_put_off(&self, order: Uuid) -> impl Future<Output = ()> {
        eventually(SOON_SECS, move || async move {
            let ahead = "SELECT count(*) FROM timers WHERE aggregate_id = $1 AND due_at > $2";
            let ahead = sqlx::query_scalar::<_, i64>(ahead).bind(order).bind(self.setup.clock.now());
            let ahead = ahead.fetch_one(&self.db).await.unwrap();
            let due = "SELECT count(*) FROM timers WHERE aggregate_id = $1 AND due_at <= $2";
            let due = sqlx::query_scalar::<_, i64>(due).bind(order).bind(self.setup.clock.now());
            match (ahead, due.fetch_one(&self.db).await.unwrap()) {
                (1, 0) => Ok(()),
                other => Err(format!("timers ahead and due: {other:?}")),
            }
        })
    }

    /// A paid order and its payment, which knows that it paid for it.
    pub async fn paid_order(&self, dish: Uuid, quantity: u32) -> (Uuid, Uuid) {
        let customer = self.customer();
        let order = customer.place(dish, quantity).await;
        let payment = customer.pay(order).await;
        customer.complete_at_bank(payment).await;
        self.order_reaches(order, OrderStatus::Paid).await;
        self.payment_gets(payment, "payment_applied").await;
        (order, payment)
    }

    /// Takes a paid order through the kitchen up to the customer's door.
    pub async fn deliver(&self, order: Uuid) {
        for act in ["accept", "start-preparation", "ready", "dispatch", "deliver"] {
            self.producer().act(order, act).await.expect(200);
        }
    }

    /// A delivered order, its payment, and the customer's dispute about it.
    pub async fn disputed_order(&self, complaint: &serde_json::Value) -> (Uuid, Uuid, Uuid) {
        let (order, payment) = self.paid_order(super::catalogue::scenario_dish(0), 5).await;
        self.deliver(order).await;
        let answer = self.customer().dispute(order, complaint).await.expect(201);
        (order, payment, super::verbs::id_of(&answer.data()["id"]))
    }
}
