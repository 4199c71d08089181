//! The library's auditor beside the checks of this harness: it was written after them, from the same page.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use shared::{
    domain::{
        DishId,
        invariants::{Auditor, Outside, Pot, Rest},
    },
    log::RecordedEvent,
};

use sqlx::PgPool;
use uuid::Uuid;

use super::Leftovers;

/// Every invariant, at every event and at the end.
pub async fn check(db: &PgPool, events: &[Arc<RecordedEvent>], now: DateTime<Utc>, leftovers: &Leftovers) {
    let mut auditor = Auditor::default();
    for event in events {
        auditor.take(event);
    }
    let excused: HashSet<_> = leftovers.money_of.iter().copied().chain(flows_of(events, leftovers)).collect();
    auditor.judge_rest(&Rest { now: Some(now), excused });
    auditor.judge_outside(&Outside { pots: Some(pots(db).await), ..Outside::default() });
    let found: Vec<_> = auditor.report().examples().collect();
    let streams: HashSet<Uuid> = found.iter().filter_map(|(_, violation)| violation.aggregate_id).collect();
    assert!(found.is_empty(), "the log breaks invariants: {found:#?}\n{}", story(events, &streams).join("\n"));
}

/// What happened in the flows of these streams.
fn story(events: &[Arc<RecordedEvent>], streams: &HashSet<Uuid>) -> Vec<String> {
    let flows = events.iter().filter(|event| streams.contains(&event.aggregate_id)).map(|event| event.correlation_id);
    let flows: HashSet<Uuid> = flows.collect();
    let told = events.iter().filter(|event| flows.contains(&event.correlation_id)).map(|event| {
        let (at, id) = (event.occurred_at.format("%d %H:%M:%S"), event.aggregate_id);
        format!("{} {at} {id} {} by {}: {}", event.position, event.event_type, event.actor, event.payload)
    });
    told.collect()
}

async fn pots(db: &PgPool) -> BTreeMap<DishId, Pot> {
    let mut pots = BTreeMap::new();
    let dishes = "SELECT id, portions_left, portions_taken FROM dishes";
    let dishes: Vec<(Uuid, Option<i32>, i32)> = sqlx::query_as(dishes).fetch_all(db).await.unwrap();
    for (id, left, taken) in dishes {
        pots.insert(DishId(id), Pot { left: left.map(i64::from), taken: taken.into(), claimed: 0 });
    }
    let claims = "SELECT dish_id, quantity FROM portion_claims WHERE state = 'TAKEN'";
    let claims: Vec<(Uuid, i32)> = sqlx::query_as(claims).fetch_all(db).await.unwrap();
    for (id, quantity) in claims {
        pots.get_mut(&DishId(id)).unwrap().claimed += i64::from(quantity);
    }
    pots
}

/// What is left over of a payment is left over of its order too.
fn flows_of<'a>(events: &'a [Arc<RecordedEvent>], leftovers: &'a Leftovers) -> impl Iterator<Item = uuid::Uuid> + 'a {
    events.iter().filter(|event| leftovers.money_of.contains(&event.aggregate_id)).map(|event| event.correlation_id)
}
