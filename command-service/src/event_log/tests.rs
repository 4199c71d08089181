//! The log under races, repetitions and faults, on a real Postgres.

mod portions;

use std::{panic::AssertUnwindSafe, str::FromStr, sync::Arc};

use chrono::{DateTime, Utc};
use dev_servers::TestServers;
use futures::FutureExt;
use shared::{
    domain::{Actor, AggregateType, DomainEvent, order::OrderPreparationStarted},
    follow::LogFeed,
    log::{LogReader, Metadata},
    runtime::postgres::migrate,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;

pub(super) struct Log {
    pub queue: AppendQueue,
    feed: LogFeed,
    db: PgPool,
    pub options: PgConnectOptions,
}

pub(super) async fn log() -> Log {
    let servers = TestServers::shared().await;
    let template = servers
        .template("event_log", |url| async move {
            let db = PgPool::connect(&url).await?;
            migrate(&db).await?;
            db.close().await;
            Ok(())
        })
        .await
        .unwrap();
    let database = servers.create_database(Some(&template)).await.unwrap();
    log_of(&PgConnectOptions::from_str(&servers.postgres_url(&database)).unwrap()).await
}

/// A process on a log.
pub(super) async fn log_of(options: &PgConnectOptions) -> Log {
    let db = PgPool::connect_with(options.clone()).await.unwrap();
    let feed = LogFeed::new(LogReader::new(db.clone()));
    let queue = start(options, &feed, AppendQueueOptions::default());
    Log { queue, feed, db, options: options.clone() }
}

fn start(options: &PgConnectOptions, feed: &LogFeed, limits: AppendQueueOptions) -> AppendQueue {
    let (queue, mut writer) = AppendQueue::new(options.clone(), feed.clone(), limits);
    tokio::spawn(async move { writer.run(CancellationToken::new()).await });
    queue
}

pub(super) fn event() -> NewEvent {
    let event = DomainEvent::Order(OrderPreparationStarted { note: Some("a note".to_owned()) }.into());
    NewEvent {
        event_id: Uuid::now_v7(),
        payload: Arc::from(serde_json::to_string(&event).unwrap()),
        event,
        occurred_at: "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap(),
        correlation_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        actor: Actor::system("test"),
        metadata: Metadata::default(),
    }
}

pub(super) fn append(id: Uuid, sequence: u64, after: Option<Uuid>, events: Vec<NewEvent>) -> AppendRequest {
    AppendRequest {
        command_id: Uuid::now_v7(),
        receipt: None,
        stream: Some(StreamAppend {
            aggregate_type: AggregateType::Order,
            aggregate_id: id,
            expected: Expected { sequence, event_id: after },
            events,
        }),
        timers: Vec::new(),
        portions: None,
        ticket: None,
    }
}

fn with_receipt(mut request: AppendRequest, command_id: Uuid, data: &str) -> AppendRequest {
    request.command_id = command_id;
    let sequence = request.stream.as_ref().map_or(0, |stream| stream.expected.sequence + stream.events.len() as u64);
    request.receipt =
        Some(ReceiptDraft { fingerprint: [7; 32], status: Some(201), data: Some(Arc::from(data)), sequence });
    request
}

async fn positions(db: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("SELECT position FROM events ORDER BY position").fetch_all(db).await.unwrap()
}

#[tokio::test]
async fn two_writers_give_out_positions_without_a_hole() {
    let log = log().await;
    let other = start(&log.options, &LogFeed::new(LogReader::new(log.db.clone())), AppendQueueOptions::default());
    let appends = (0..400).map(|n| {
        let queue = if n % 2 == 0 { log.queue.clone() } else { other.clone() };
        async move { queue.append(append(Uuid::now_v7(), 0, None, vec![event(), event()])).await.unwrap() }
    });
    let outcomes = futures::future::join_all(appends).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, AppendOutcome::Appended(_))));
    assert_eq!(positions(&log.db).await, (1..=800).collect::<Vec<_>>());
    assert_eq!(LogReader::new(log.db.clone()).head().await.unwrap(), 800);
}

#[tokio::test]
async fn a_chain_of_decisions_goes_into_one_batch_and_falls_together() {
    let log = log().await;
    let id = Uuid::now_v7();
    let links: Vec<NewEvent> = (0..4).map(|_| event()).collect();
    let mut requests: Vec<AppendRequest> = (0..4_usize)
        .map(|n| {
            let before = n.checked_sub(1).map(|before| links[before].event_id);
            append(id, n as u64, before, vec![links[n].clone()])
        })
        .collect();
    // The second link repeats a command that was done long ago, so it falls, and with it all that follow.
    let done = Uuid::now_v7();
    log.queue.append(with_receipt(append(Uuid::now_v7(), 0, None, vec![event()]), done, "old")).await.unwrap();
    requests[1] = with_receipt(append(id, 1, Some(links[0].event_id), vec![links[1].clone()]), done, "new");
    let pending: Vec<_> = requests.into_iter().map(|request| log.queue.enqueue(request).unwrap()).collect();
    let mut outcomes = Vec::new();
    for outcome in pending {
        outcomes.push(outcome.await.unwrap().unwrap());
    }
    assert!(matches!(outcomes[0], AppendOutcome::Appended(_)), "{outcomes:?}");
    assert!(matches!(&outcomes[1], AppendOutcome::ReceiptFound(receipt) if receipt.data.as_deref() == Some("old")));
    assert!(matches!(outcomes[2], AppendOutcome::Conflict));
    assert!(matches!(outcomes[3], AppendOutcome::Conflict));
    assert_eq!(positions(&log.db).await, [1, 2]);
}

#[tokio::test]
async fn a_step_built_on_one_that_fell_is_refused_even_if_the_version_fits_again() {
    let log = log().await;
    let id = Uuid::now_v7();
    log.queue.append(append(id, 0, None, vec![event()])).await.unwrap();
    let never_appended = Uuid::now_v7();
    let outcome = log.queue.append(append(id, 1, Some(never_appended), vec![event()])).await.unwrap();
    assert!(matches!(outcome, AppendOutcome::Conflict));
}

#[tokio::test]
async fn a_thousand_twins_leave_one_event_and_get_one_answer() {
    let log = log().await;
    let command_id = Uuid::now_v7();
    let twins = (0..1_000).map(|n| {
        let data = format!("answer {n}");
        let request = with_receipt(append(Uuid::now_v7(), 0, None, vec![event()]), command_id, &data);
        let queue = log.queue.clone();
        async move { (data, queue.append(request).await.unwrap()) }
    });
    let outcomes = futures::future::join_all(twins).await;
    let mut done: Vec<&String> = Vec::new();
    let mut replayed = Vec::new();
    for (data, outcome) in &outcomes {
        match outcome {
            AppendOutcome::Appended(_) => done.push(data),
            AppendOutcome::ReceiptFound(receipt) => replayed.push(receipt),
            AppendOutcome::Conflict | AppendOutcome::ShortOfPortions => panic!("a twin lost a race"),
        }
    }
    assert_eq!(done.len(), 1);
    assert_eq!(replayed.len(), 999);
    assert!(replayed.iter().all(|receipt| receipt.data.as_deref() == Some(done[0].as_str()) && receipt.position == 1));
    assert_eq!(positions(&log.db).await, [1]);
    assert_eq!(find_receipt(&log.db, command_id).await.unwrap().as_ref(), Some(replayed[0]));
}

#[tokio::test]
async fn a_receipt_alone_does_not_hinder_its_neighbours() {
    let log = log().await;
    let known = Uuid::now_v7();
    let alone = |command_id| {
        let mut request = with_receipt(append(Uuid::nil(), 0, None, vec![]), command_id, "refused");
        request.stream = None;
        request
    };
    log.queue.append(alone(known)).await.unwrap();
    let pending: Vec<_> = [known, Uuid::now_v7()].into_iter().map(|id| log.queue.enqueue(alone(id)).unwrap()).collect();
    let outcomes = futures::future::join_all(pending).await;
    assert!(matches!(outcomes[0], Ok(Ok(AppendOutcome::ReceiptFound(_)))));
    assert!(matches!(outcomes[1], Ok(Ok(AppendOutcome::Appended(_)))));
}

#[tokio::test]
async fn a_late_answer_is_fixed_by_the_first_who_gives_it() {
    let log = log().await;
    let command_id = Uuid::now_v7();
    let mut request = with_receipt(append(Uuid::now_v7(), 0, None, vec![event()]), command_id, "");
    request.receipt = Some(ReceiptDraft { fingerprint: [7; 32], status: None, data: None, sequence: 1 });
    log.queue.append(request).await.unwrap();
    let first = log.queue.answer(command_id, 201, Arc::from("first")).await.unwrap().unwrap();
    let second = log.queue.answer(command_id, 202, Arc::from("second")).await.unwrap().unwrap();
    assert_eq!((first.status, first.data.as_deref()), (Some(201), Some("first")));
    assert_eq!(second, first);
}

#[tokio::test]
async fn a_poisoned_request_falls_alone() {
    let log = log().await;
    let mut poison = event();
    poison.payload = Arc::from("no json");
    let requests = [
        append(Uuid::now_v7(), 0, None, vec![event()]),
        append(Uuid::now_v7(), 0, None, vec![poison]),
        append(Uuid::now_v7(), 0, None, vec![event()]),
    ];
    let pending: Vec<_> = requests.into_iter().map(|request| log.queue.enqueue(request).unwrap()).collect();
    let outcomes = futures::future::join_all(pending).await;
    assert!(matches!(outcomes[0], Ok(Ok(AppendOutcome::Appended(_)))));
    assert!(matches!(outcomes[1], Ok(Err(AppendError::Rejected(_)))));
    assert!(matches!(outcomes[2], Ok(Ok(AppendOutcome::Appended(_)))));
    assert_eq!(positions(&log.db).await, [1, 2]);
}

#[tokio::test]
async fn a_full_queue_and_a_large_request_are_refused_at_once() {
    let log = log().await;
    let limits = AppendQueueOptions { waiting_max: 2, ..AppendQueueOptions::default() };
    let (queue, _writer) = AppendQueue::new(log.options.clone(), log.feed.clone(), limits);
    let _first = queue.enqueue(append(Uuid::now_v7(), 0, None, vec![event()])).unwrap();
    let _second = queue.enqueue(append(Uuid::now_v7(), 0, None, vec![event()])).unwrap();
    let third = queue.enqueue(append(Uuid::now_v7(), 0, None, vec![event()]));
    assert!(matches!(third, Err(AppendError::Full)));
    let mut large = event();
    large.payload = Arc::from("x".repeat(limits.request_bytes_max + 1));
    let large = log.queue.enqueue(append(Uuid::now_v7(), 0, None, vec![large]));
    assert!(matches!(large, Err(AppendError::TooLarge { .. })));
}

#[tokio::test]
async fn the_feed_gives_every_event_once_and_in_order_from_memory_and_from_the_log() {
    let log = log().await;
    for _ in 0..3 {
        log.queue.append(append(Uuid::now_v7(), 0, None, vec![event(), event()])).await.unwrap();
    }
    let late = LogFeed::new(LogReader::new(log.db.clone()));
    late.note_head(6);
    for feed in [&log.feed, &late] {
        let mut seen = Vec::new();
        while seen.len() < 6 {
            let events = feed.read_after(seen.len() as u64, 4).await.unwrap();
            seen.extend(events.iter().map(|event| event.position));
        }
        assert_eq!(seen, (1..=6).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn history_cannot_be_changed_by_anybody() {
    let log = log().await;
    log.queue.append(append(Uuid::now_v7(), 0, None, vec![event()])).await.unwrap();
    for change in ["UPDATE events SET event_type = 'x'", "DELETE FROM events", "TRUNCATE events"] {
        let error = sqlx::query(change).execute(&log.db).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{change}");
    }
}

#[tokio::test]
async fn old_receipts_are_swept_in_bounded_batches() {
    let log = log().await;
    for _ in 0..5 {
        let request = with_receipt(append(Uuid::now_v7(), 0, None, vec![event()]), Uuid::now_v7(), "x");
        log.queue.append(request).await.unwrap();
    }
    let later = Utc::now() + chrono::Duration::hours(1);
    assert_eq!(sweep_receipts(&log.db, later, 3).await.unwrap(), 3);
    assert_eq!(sweep_receipts(&log.db, later, 3).await.unwrap(), 2);
}

#[tokio::test]
async fn a_writer_that_panics_can_be_run_again_and_loses_nobody() {
    let log = log().await;
    let (queue, writer) = AppendQueue::new(log.options.clone(), log.feed.clone(), AppendQueueOptions::default());
    let first = std::sync::atomic::AtomicBool::new(true);
    let mut writer = writer.observed_by(Box::new(move |_, _| {
        assert!(!first.swap(false, std::sync::atomic::Ordering::Relaxed), "a bug");
    }));
    let command_id = Uuid::now_v7();
    let keyed = || with_receipt(append(Uuid::now_v7(), 0, None, vec![event()]), command_id, "done");
    let in_hand = queue.enqueue(keyed()).unwrap();
    let running = tokio::spawn(async move {
        while AssertUnwindSafe(writer.run(CancellationToken::new())).catch_unwind().await.is_err() {}
    });
    assert!(matches!(outcome(in_hand).await, Err(AppendError::OutcomeUnknown(_))));
    // It had been appended, and whoever asks again under the same name is told so.
    let again = queue.append(keyed()).await.unwrap();
    assert!(matches!(again, AppendOutcome::ReceiptFound(receipt) if receipt.position == 1));
    assert!(!running.is_finished());
    assert_eq!(positions(&log.db).await, [1]);
}

#[tokio::test]
async fn a_batch_that_is_given_up_may_still_land_and_is_not_done_twice() {
    let log = log().await;
    let limits = AppendQueueOptions {
        statement_timeout: std::time::Duration::from_millis(300),
        ..AppendQueueOptions::default()
    };
    let impatient = start(&log.options, &log.feed, limits);
    let command_id = Uuid::now_v7();
    let id = Uuid::now_v7();
    let keyed = || with_receipt(append(id, 0, None, vec![event()]), command_id, "done");
    let mut blocker = log.db.begin().await.unwrap();
    sqlx::query("SELECT position FROM log_head FOR UPDATE").execute(&mut *blocker).await.unwrap();
    let given_up = impatient.append(keyed()).await;
    assert!(matches!(given_up, Err(AppendError::OutcomeUnknown(_))), "{given_up:?}");
    blocker.rollback().await.unwrap();
    // Who is told that nobody knows asks again under the same name, as often as that.
    let asked_again = async {
        loop {
            match impatient.append(keyed()).await {
                Err(AppendError::OutcomeUnknown(_)) => {}
                told => break told,
            }
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(60), asked_again).await.expect("it is told once");
    let outcomes = [told.unwrap(), log.queue.append(keyed()).await.unwrap()];
    assert!(matches!(outcomes[1], AppendOutcome::ReceiptFound(_)), "{outcomes:?}");
    assert_eq!(positions(&log.db).await, [1]);
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_has_refused_no_request() {
    let log = log().await;
    let elsewhere = start(&log.options.clone().database("no_such_database"), &log.feed, AppendQueueOptions::default());
    let requests = (0..3).map(|_| elsewhere.append(append(Uuid::now_v7(), 0, None, vec![event()])));
    for outcome in futures::future::join_all(requests).await {
        assert!(matches!(outcome, Err(AppendError::OutcomeUnknown(_))), "{outcome:?}");
    }
}
