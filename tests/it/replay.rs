//! The log belongs to nobody: a plain cqrs-es program reads it and comes to the same orders.

use cqrs_es::{AggregateContext, EventStore, persist::PersistedEventStore};
use postgres_es::PostgresEventRepository;
use shared::{
    domain::{AggregateType, EventSourced, order::Order, payment::Payment},
    log::upcasters,
};
use uuid::Uuid;

use crate::harness::{TestSystem, scenario_dish};

/// As our own code replays it.
async fn ours<A: EventSourced>(system: &TestSystem, aggregate_type: AggregateType, id: Uuid) -> A {
    let mut aggregate = A::default();
    for event in system.log().stream(aggregate_type, id, 0, 1_000).await.unwrap() {
        aggregate.apply(A::from_domain_event(event.event.as_ref().unwrap()).unwrap().clone());
    }
    aggregate
}

/// As postgres-es and cqrs-es replay it by themselves.
async fn theirs<A: EventSourced>(system: &TestSystem, id: Uuid) -> (A, usize) {
    let repository = PostgresEventRepository::new(system.db.clone());
    let store = PersistedEventStore::<_, A>::new_event_store(repository).with_upcasters(upcasters());
    let mut context = store.load_aggregate(&id.to_string()).await.unwrap();
    (context.aggregate().clone(), context.current_sequence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_postgres_es_program_replays_an_order_and_its_payment() {
    let system = TestSystem::start().await;
    let (order, payment) = system.paid_order(scenario_dish(0), 2).await;
    system.deliver(order).await;
    system.customer().act(order, "complete").await.expect(200);
    system.payment_gets(payment, "payment_applied").await;
    let (replayed, versions) = theirs::<Order>(&system, order).await;
    assert_eq!(replayed, ours::<Order>(&system, AggregateType::Order, order).await);
    assert_eq!(versions, system.order_events(order).await.len());
    let (replayed, _) = theirs::<Payment>(&system, payment).await;
    assert_eq!(replayed, ours::<Payment>(&system, AggregateType::Payment, payment).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_up_to_a_version_is_what_happened_up_to_it() {
    let system = TestSystem::start().await;
    let (order, _) = system.paid_order(scenario_dish(0), 1).await;
    system.deliver(order).await;
    system.audit().await;
    let types = system.order_events(order).await;
    for version in 1..=types.len() {
        let path = format!("/api/v1/orders/{order}/history?to_version={version}");
        let history = system.customer().get(&path).await.expect(200).data();
        let told: Vec<&str> = history.as_array().unwrap().iter().filter_map(|e| e["event_type"].as_str()).collect();
        assert_eq!(told, types[..version]);
    }
    let history = system.customer().get(&format!("/api/v1/orders/{order}/history")).await.text();
    assert!(!history.contains("pii_sealed") && !history.contains("79990000001"), "{history}");
    system.finish().await;
}
