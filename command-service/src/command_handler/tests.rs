//! Commands under races, repetitions and faults, on a real Postgres. Two processes are two handlers on one database.

use std::sync::Arc;

use futures::future::join_all;
use shared::domain::{
    Actor, OrderId,
    order::{Order, OrderCommand, OrderError},
};

use super::*;
use crate::event_log::Receipt;
use crate::testing::{CUSTOMER, Process, TestDatabase, cook, create, keyed, paid, pay, promise, sequences, submission};

fn done<A>(handled: Handled<A>) -> Done<A> {
    match handled {
        Handled::Done(done) => done,
        Handled::Replayed(receipt) => panic!("replayed {receipt:?}"),
    }
}

#[tokio::test]
async fn a_state_is_loaded_as_it_is_now_whoever_appended() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = OrderId(Uuid::now_v7());
    assert!(there.orders.load(order_id.0).await.unwrap().is_none());
    let customer = Actor::Customer(CUSTOMER);
    here.order(submission(order_id.0, customer.clone(), create(order_id))).await.unwrap();
    let loaded = there.orders.load(order_id.0).await.unwrap().expect("the other process placed it");
    assert_eq!(loaded.at.sequence, 1);
    here.order(submission(order_id.0, customer, pay(order_id))).await.unwrap();
    let loaded = there.orders.load(order_id.0).await.unwrap().unwrap();
    assert_eq!(loaded.at.sequence, 2);
    assert!(loaded.aggregate.active_payment().is_some());
    // What was in memory is enough for who needs no more.
    assert_eq!(there.orders.load_since(order_id.0, 2).await.unwrap().unwrap(), loaded);
}

#[tokio::test]
async fn a_refusal_is_given_on_what_another_process_appended_a_moment_ago() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    let ready = || submission(order_id.0, cook(), OrderCommand::MarkReady { note: None });
    let too_early = here.order(ready()).await;
    assert!(matches!(too_early, Err(CommandError::Refused(_))), "{too_early:?}");
    let started = submission(order_id.0, cook(), OrderCommand::StartPreparation { note: None });
    there.order(started).await.unwrap();
    assert_eq!(done(here.order(ready()).await.unwrap()).sequence, 6);
}

#[tokio::test]
async fn looking_for_a_thing_before_it_exists_does_not_change_the_flow_it_belongs_to() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = OrderId(Uuid::now_v7());
    let flow = Uuid::now_v7();
    assert!(process.orders.load(order_id.0).await.unwrap().is_none());
    let refused = process.order(submission(order_id.0, cook(), crate::testing::promise_command(5))).await;
    assert!(matches!(refused, Err(CommandError::Refused(OrderError::NotFound))), "{refused:?}");
    let mut first = submission(order_id.0, Actor::Customer(CUSTOMER), create(order_id));
    first.correlation_id = flow;
    assert_eq!(done(process.order(first).await.unwrap()).correlation_id, flow);
    assert_eq!(process.orders.load(order_id.0).await.unwrap().unwrap().correlation_id, flow);
}

#[tokio::test]
async fn a_state_that_fell_stays_forgotten_even_if_reading_it_anew_fails() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    here.orders.load(order_id.0).await.unwrap();
    there.order(promise(order_id, 10)).await.unwrap();
    // A step here on a state that is out of date falls, and nobody has read the order anew when the reading fails.
    let fallen = here.orders.aggregates.entry(order_id.0);
    drop(fallen.take_off());
    let phantom = fallen.state.lock().await.as_ref().unwrap().at;
    sqlx::query("ALTER TABLE events RENAME TO hidden").execute(&database.db).await.unwrap();
    here.order(promise(order_id, 11)).await.unwrap_err();
    sqlx::query("ALTER TABLE hidden RENAME TO events").execute(&database.db).await.unwrap();
    let now = here.orders.load_since(order_id.0, 1).await.unwrap().unwrap().at;
    assert_ne!(now, phantom);
    assert_eq!(now.sequence, 5);
}

fn replayed<A: std::fmt::Debug>(handled: Handled<A>) -> Receipt {
    match handled {
        Handled::Replayed(receipt) => receipt,
        Handled::Done(done) => panic!("done {done:?}"),
    }
}

/// Answers that show the version and the caller, so that two answers can be told apart.
struct Shown(usize);

impl Answers<Order> for Shown {
    fn success(&self, _: &Order, sequence: u64) -> (Option<u16>, Option<Arc<str>>) {
        (Some(201), Some(Arc::from(format!("{} at {sequence}", self.0))))
    }

    fn refusal(&self, error: &OrderError, sequence: u64) -> Option<(u16, Arc<str>)> {
        Some((422, Arc::from(format!("{} {error} at {sequence}", self.0))))
    }
}

#[tokio::test]
async fn the_receipt_of_a_command_that_changes_nothing_names_the_version_it_was_answered_at() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = OrderId(Uuid::now_v7());
    let customer = Actor::Customer(CUSTOMER);
    process.order(submission(order_id.0, customer.clone(), create(order_id))).await.unwrap();
    process.order(submission(order_id.0, customer.clone(), pay(order_id))).await.unwrap();
    // The second click finds the attempt of the first: nothing new happens, under a key of its own.
    let click = keyed(submission(order_id.0, customer, pay(order_id)), Uuid::now_v7());
    let first = done(process.orders.execute(click.clone(), &Shown(1)).await.unwrap());
    let again = replayed(process.orders.execute(click, &Shown(2)).await.unwrap());
    assert_eq!((first.sequence, first.position), (2, 2));
    assert_eq!((again.sequence, again.position, again.data.as_deref()), (2, 2, Some("1 at 2")));
}

#[tokio::test]
async fn thirty_two_writers_on_one_order_all_succeed_side_by_side() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = process.accepted_order().await;
    let before = transactions(&database).await;
    let writers = (0..32).map(|n| process.order(promise(order_id, 1 + n)));
    let mut versions: Vec<u64> =
        join_all(writers).await.into_iter().map(|outcome| done(outcome.unwrap()).sequence).collect();
    versions.sort_unstable();
    assert_eq!(versions, (5..=36).collect::<Vec<_>>());
    assert_eq!(sequences::<Order>(&database.db, order_id.0).await, (1..=36).collect::<Vec<_>>());
    assert_eq!(process.conflicts.get(), 0);
    let batches = transactions(&database).await - before;
    assert!(batches <= 8, "{batches} transactions for 32 commands");
}

/// Every transaction that appends stamps its events with one time.
async fn transactions(database: &TestDatabase) -> i64 {
    sqlx::query_scalar("SELECT count(DISTINCT recorded_at) FROM events").fetch_one(&database.db).await.unwrap()
}

#[tokio::test]
async fn two_processes_write_one_order_and_lose_nothing() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    let writers = (0..40).map(|n| {
        let process = if n % 2 == 0 { &here } else { &there };
        async move {
            loop {
                match process.order(promise(order_id, 1 + n)).await {
                    Ok(handled) => return done(handled).sequence,
                    Err(CommandError::LostRace) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let mut versions = join_all(writers).await;
    versions.sort_unstable();
    assert_eq!(versions, (5..=44).collect::<Vec<_>>());
    assert_eq!(sequences::<Order>(&database.db, order_id.0).await, (1..=44).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refusal_from_memory_is_checked_against_the_log() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = OrderId(Uuid::now_v7());
    let payment_id = shared::domain::PaymentId::of_order_attempt(order_id, 1);
    for command in [create(order_id), pay(order_id)] {
        here.order(submission(order_id.0, Actor::Customer(CUSTOMER), command)).await.unwrap();
    }
    // Here the order waits for its money; there it gets it.
    there.order(submission(order_id.0, Actor::system("test"), paid(payment_id))).await.unwrap();
    let accept = submission(order_id.0, cook(), shared::domain::order::OrderCommand::Accept { eta_minutes: 5 });
    assert_eq!(done(here.order(accept).await.unwrap()).sequence, 4);
    // And the other way round: what memory would allow, the log refuses.
    let accept = submission(order_id.0, cook(), shared::domain::order::OrderCommand::Accept { eta_minutes: 5 });
    let refused = there.order(accept).await;
    assert!(matches!(refused, Err(CommandError::Refused(OrderError::InvalidTransition))), "{refused:?}");
}

#[tokio::test]
async fn a_command_decided_on_an_old_state_is_decided_again() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    there.order(promise(order_id, 10)).await.unwrap();
    assert_eq!(done(here.order(promise(order_id, 11)).await.unwrap()).sequence, 6);
    assert_eq!(here.conflicts.get(), 1);
    // Who named the version it has seen is told that there is another one.
    let mut precise = promise(order_id, 12);
    precise.expected_version = Some(5);
    let refused = there.order(precise).await;
    assert!(matches!(refused, Err(CommandError::VersionMismatch { current: 6 })), "{refused:?}");
}

#[tokio::test]
async fn a_thousand_duplicates_of_one_command_have_one_effect_and_one_answer() {
    let database = TestDatabase::new().await;
    let (here, there) = (Process::start(&database).await, Process::start(&database).await);
    let order_id = here.accepted_order().await;
    let command_id = Uuid::now_v7();
    let twins = (0..1_000_usize).map(|n| {
        let process = if n % 2 == 0 { &here } else { &there };
        async move {
            let twin = keyed(promise(order_id, 7), command_id);
            loop {
                match process.orders.execute(twin.clone(), &Shown(n)).await {
                    Ok(Handled::Done(done)) => return (true, format!("{n} at {}", done.sequence), done.position),
                    Ok(Handled::Replayed(receipt)) => {
                        return (false, receipt.data.unwrap_or_default().to_string(), receipt.position);
                    }
                    Err(CommandError::LostRace) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    let answers = join_all(twins).await;
    let first = answers.iter().find(|(is_first, ..)| *is_first).expect("somebody did it").clone();
    assert_eq!(answers.iter().filter(|(is_first, ..)| *is_first).count(), 1);
    assert!(answers.iter().all(|(_, data, position)| (data, position) == (&first.1, &first.2)), "{first:?}");
    assert_eq!(sequences::<Order>(&database.db, order_id.0).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_refusal_that_is_kept_is_given_again_even_when_the_command_would_succeed() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = OrderId(Uuid::now_v7());
    let customer = Actor::Customer(CUSTOMER);
    process.order(submission(order_id.0, customer.clone(), create(order_id))).await.unwrap();
    let command_id = Uuid::now_v7();
    let accept = keyed(
        submission(order_id.0, cook(), shared::domain::order::OrderCommand::Accept { eta_minutes: 5 }),
        command_id,
    );
    let refused = process.orders.execute(accept.clone(), &Shown(1)).await;
    assert!(matches!(refused, Err(CommandError::Refused(OrderError::InvalidTransition))), "{refused:?}");
    process.order(submission(order_id.0, customer, pay(order_id))).await.unwrap();
    let payment_id = shared::domain::PaymentId::of_order_attempt(order_id, 1);
    process.order(submission(order_id.0, Actor::system("test"), paid(payment_id))).await.unwrap();
    let again = replayed(process.orders.execute(accept, &Shown(2)).await.unwrap());
    assert_eq!((again.status, again.sequence), (Some(422), 1));
    assert!(again.data.unwrap().starts_with("1 "));
    assert_eq!(sequences::<Order>(&database.db, order_id.0).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_command_whose_caller_has_left_is_done_all_the_same_and_its_order_goes_on() {
    let database = TestDatabase::new().await;
    let process = Process::start(&database).await;
    let order_id = process.accepted_order().await;
    for n in 0..50_u64 {
        let left = process.order(promise(order_id, 3));
        let limit = std::time::Duration::from_micros(n * 40);
        let _ = tokio::time::timeout(limit, left).await;
    }
    let version = done(process.order(promise(order_id, 4)).await.unwrap()).sequence;
    let expected: Vec<i64> = (1..=version as i64).collect();
    assert_eq!(sequences::<Order>(&database.db, order_id.0).await, expected);
    assert_eq!(process.orders.load(order_id.0).await.unwrap().unwrap().at.sequence, version);
}

/// Ten thousand events on one order, written by one process with a snapshot every 500.
async fn long_stream(database: &TestDatabase) -> OrderId {
    let process = Process::start(database).await;
    let order_id = process.accepted_order().await;
    for _ in 0..40 {
        let writers = (0..250).map(|n| process.order(promise(order_id, 1 + n)));
        assert!(join_all(writers).await.iter().all(Result::is_ok));
    }
    let written = async {
        while snapshot_at(database).await < Some(10_000) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), written).await.expect("the snapshot is written");
    order_id
}

async fn snapshot_at(database: &TestDatabase) -> Option<i64> {
    sqlx::query_scalar("SELECT sequence FROM snapshots").fetch_optional(&database.db).await.unwrap()
}

#[tokio::test]
async fn a_long_stream_is_loaded_from_its_snapshot_and_equals_the_full_replay() {
    let database = TestDatabase::new().await;
    let order_id = long_stream(&database).await;
    let process = Process::start(&database).await;
    let nothing = nothing::<Order>(Uuid::nil());
    let replayed = process.orders.read_on(order_id.0, nothing).await.unwrap();
    assert_eq!(replayed.at.sequence, 10_004);
    assert_eq!(process.orders.load(order_id.0).await.unwrap(), Some(replayed.clone()));
    // A plain cqrs-es program with postgres-es reads the same order from the same table.
    let repository = postgres_es::PostgresEventRepository::new(database.db.clone());
    let store = cqrs_es::persist::PersistedEventStore::<_, Order>::new_event_store(repository)
        .with_upcasters(shared::log::upcasters());
    let context = cqrs_es::EventStore::load_aggregate(&store, &order_id.0.to_string()).await.unwrap();
    assert_eq!(context.aggregate, replayed.aggregate);
    // Where events are missing, the snapshot has served.
    let hide = "ALTER TABLE events DISABLE TRIGGER ALL; DELETE FROM events WHERE sequence < 10000";
    sqlx::raw_sql(hide).execute(&database.db).await.unwrap();
    let process = Process::start(&database).await;
    assert_eq!(process.orders.load(order_id.0).await.unwrap(), Some(replayed.clone()));
    // A snapshot of another shape is passed over, and the events that are left give another order.
    sqlx::query("UPDATE snapshots SET state_version = state_version + 1").execute(&database.db).await.unwrap();
    let process = Process::start(&database).await;
    let other = process.orders.load(order_id.0).await.unwrap().unwrap();
    assert_eq!(other.aggregate, Order::default());
    assert_eq!(other.at, replayed.at);
}
