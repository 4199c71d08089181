//! Streams that are folded whole and copied in: whatever their length, their kind, and wherever one is refused.

use shared::domain::{AggregateType, DomainEvent, order::OrderEtaChanged};

use super::*;
use crate::projections::{disputes::Disputes, gifts::Gifts, orders::Orders, payments::Payments};

/// Events of a page; streams of the tests are longer and shorter.
const PAGE: u32 = 16;

fn promise(minutes: u32) -> OrderEtaChanged {
    let ready_by = chrono::DateTime::from_timestamp(1_800_000_000 + i64::from(minutes) * 60, 0).unwrap();
    OrderEtaChanged { eta_minutes: minutes, ready_by }
}

/// Makes a stream long.
fn lengthen(log: &mut Log, id: Uuid, events: u32) {
    log.push(id, samples::accepted());
    for minutes in 1..=events {
        log.push(id, promise(minutes));
    }
}

#[tokio::test]
async fn a_stream_of_many_pages_is_one_row_also_after_a_kill_in_the_middle_of_it() {
    let mut test = Test::with_orders(40).await;
    for (at, events) in [(0, 3), (7, 700), (8, 200), (39, 15)] {
        lengthen(&mut test.log, test.ids[at], events);
    }
    test.append().await;
    let _running = test.fold::<Orders>().await;
    let before = test.rows("orders").await;
    let id = test.rebuild("orders").await;
    for killed in 1..=4 {
        let working = test.worker(PAGE);
        eventually("it goes on", || async { test.find(id).await.progress.done > killed * 20 }).await;
        drop(working);
    }
    let _working = test.worker(PAGE);
    test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(test.rows("orders").await, before);
}

#[tokio::test]
async fn a_stream_that_is_refused_in_the_middle_keeps_the_row_of_what_went_before() {
    let mut test = Test::with_orders(3).await;
    let refused = test.ids[1];
    lengthen(&mut test.log, refused, 150);
    // No order is placed twice.
    test.log.push(refused, samples::created(CUSTOMER, KITCHEN));
    test.log.push(refused, samples::ready());
    test.append().await;
    test.park_at_once();
    let _running = test.fold::<Orders>().await;
    let before = test.rows("orders").await;
    let _working = test.worker(PAGE);
    let id = test.rebuild("orders").await;
    let ended = test.becomes(id, OperationState::Succeeded).await;
    assert_eq!(ended.result.unwrap()["refused_aggregates"], 1);
    assert_eq!(test.rows("orders").await, before);
}

/// The released sample of an event.
fn sample(kind: AggregateType, event_type: &str) -> DomainEvent {
    let path = dev_servers::workspace_dir().join(format!("schemas/{event_type}/1.sample.json"));
    DomainEvent::decode(kind, event_type, &std::fs::read(path).unwrap()).unwrap()
}

#[tokio::test]
async fn rows_of_every_kind_are_copied_as_they_are_stored() {
    let mut test = Test::with_orders(1).await;
    let openings = [
        (AggregateType::Payment, "payment_initiated"),
        (AggregateType::Gift, "gift_created"),
        (AggregateType::Dispute, "dispute_opened"),
    ];
    for (kind, event_type) in openings {
        for _ in 0..3 {
            let (id, event) = (Uuid::now_v7(), sample(kind, event_type));
            test.log.push_in_flow((id, id), event);
        }
    }
    test.append().await;
    let _payments = test.fold::<Payments>().await;
    let _gifts = test.fold::<Gifts>().await;
    let _disputes = test.fold::<Disputes>().await;
    let _working = test.worker(PAGE);
    for table in ["payments", "gifts", "disputes"] {
        let before = test.rows(table).await;
        assert_eq!(before.len(), 3, "{table}");
        let id = test.rebuild(table).await;
        test.becomes(id, OperationState::Succeeded).await;
        assert_eq!(test.rows(table).await, before);
    }
}
