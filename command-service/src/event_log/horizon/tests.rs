//! What a process may conclude from what it has seen, on a real log with two processes.

use futures::future::join_all;

use super::*;
use crate::event_log::tests::{Log, append, event, log, log_of};

/// Appends events to a stream that stands at `at`, and returns where it stands then.
async fn appended(log: &Log, id: Uuid, at: Expected, count: usize) -> Expected {
    let events: Vec<_> = (0..count).map(|_| event()).collect();
    let last = events.last().map(|event| event.event_id);
    log.queue.append(append(id, at.sequence, at.event_id, events)).await.unwrap();
    Expected { sequence: at.sequence + count as u64, event_id: last }
}

const NOTHING: Expected = Expected { sequence: 0, event_id: None };

#[tokio::test]
async fn what_this_process_appended_last_is_the_newest() {
    let log = log().await;
    let id = Uuid::now_v7();
    let first = appended(&log, id, NOTHING, 1).await;
    let second = appended(&log, id, first, 1).await;
    let horizon = log.queue.horizon();
    assert_eq!(horizon.look().await.unwrap(), 2);
    assert_eq!(horizon.newest(id, second, 0), Some(2));
    assert_eq!(horizon.newest(id, first, 0), None, "the second event is missing");
}

#[tokio::test]
async fn what_another_process_appends_is_missed_by_no_look() {
    let here = log().await;
    let there = log_of(&here.options).await;
    let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let at = appended(&here, ours, NOTHING, 1).await;
    let as_of = here.queue.horizon().look().await.unwrap();
    appended(&there, theirs, NOTHING, 1).await;
    let horizon = here.queue.horizon();
    horizon.look().await.unwrap();
    assert_eq!(horizon.newest(ours, at, as_of), Some(2), "nothing happened to it");
    appended(&there, ours, at, 1).await;
    // Our own batches go on in between, so the log is known in parts only.
    appended(&here, Uuid::from_u128(3), NOTHING, 1).await;
    assert_eq!(horizon.look().await.unwrap(), 4);
    assert_eq!(horizon.newest(ours, at, 2), None);
    assert_eq!(horizon.newest(theirs, NOTHING, 1), None, "its birth was seen");
}

#[tokio::test]
async fn after_more_than_one_look_takes_in_nothing_is_sure_but_what_comes_next() {
    let here = log().await;
    let there = log_of(&here.options).await;
    let ours = Uuid::now_v7();
    let at = appended(&here, ours, NOTHING, 1).await;
    here.queue.horizon().look().await.unwrap();
    let others = (0..SEEN_MAX.div_ceil(50) as u128).map(|n| appended(&there, Uuid::from_u128(n), NOTHING, 50));
    join_all(others).await;
    let horizon = here.queue.horizon();
    let head = horizon.look().await.unwrap();
    assert_eq!(head, 1 + SEEN_MAX as u64);
    assert_eq!(horizon.newest(ours, at, 1), None);
    assert_eq!(horizon.newest(ours, at, head), Some(head), "it was read after the look");
    let next = appended(&here, ours, at, 1).await;
    horizon.look().await.unwrap();
    assert_eq!(horizon.newest(ours, next, 1), Some(head + 1));
}

#[tokio::test]
async fn a_look_that_was_given_up_leaves_the_next_one_unharmed() {
    let log = log().await;
    let horizon = log.queue.horizon();
    for _ in 0..50 {
        let mut given_up = Box::pin(horizon.look());
        assert!(futures::poll!(&mut given_up).is_pending());
    }
    let id = Uuid::now_v7();
    let at = appended(&log, id, NOTHING, 1).await;
    let looks = join_all((0..100).map(|_| horizon.look())).await;
    assert!(looks.into_iter().all(|looked| looked.is_ok_and(|position| position == 1)));
    assert_eq!(horizon.newest(id, at, 0), Some(1));
}
