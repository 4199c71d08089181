//! Users are told once, in order, whatever becomes of the letters of the feed when its generations change.

use super::*;
use crate::projections::feed::Feed;

/// Who was told of which version of an order, in order of their feeds.
async fn told(test: &Test, order: Uuid) -> Vec<(Uuid, i64)> {
    let told = "SELECT f.user_id, e.sequence FROM feed_entries f JOIN events e ON e.position = f.position
                WHERE e.aggregate_id = $1 ORDER BY f.user_id, f.id";
    sqlx::query_as(told).bind(order.to_string()).fetch_all(&test.db).await.unwrap()
}

/// What an order that was paid, accepted, begun and, if `ready`, cooked has to tell.
fn due(ready: bool) -> Vec<(Uuid, i64)> {
    let (cook, customer) = (COOK, CUSTOMER.0);
    let mut due = vec![(customer, 2), (customer, 3), (customer, 4)];
    due.extend(ready.then_some([(customer, 5), (customer, 5)]).into_iter().flatten());
    due.extend([(cook, 2), (cook, 2), (cook, 3), (cook, 4)]);
    due.extend(ready.then_some((cook, 5)));
    due.sort_by_key(|(user, _)| *user);
    due
}

async fn statuses(test: &Test) -> Vec<String> {
    sqlx::query_scalar("SELECT status FROM dead_letters ORDER BY position").fetch_all(&test.db).await.unwrap()
}

async fn push_ready(test: &mut Test, order: Uuid) {
    test.log.push(order, samples::ready());
    test.append().await;
    test.caught_up("feed").await;
}

/// A person has the heads of all queues tried again, and all of them are taken.
async fn redriven(test: &Test) {
    sqlx::query("UPDATE dead_letters SET status = 'PENDING', next_retry_at = now() WHERE status = 'PARKED'")
        .execute(&test.db)
        .await
        .unwrap();
    eventually("the queues are empty", || async { statuses(test).await.iter().all(|it| it == "REDRIVEN") }).await;
}

async fn swapped(test: &Test, kind: OperationKind) {
    let _working = test.worker(16);
    let id = test.begin(kind, "feed", json!({"swap": "verified"})).await;
    test.becomes(id, OperationState::Succeeded).await;
}

async fn ids_are_dense(test: &Test) {
    for user in [CUSTOMER.0, COOK] {
        let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM feed_entries WHERE user_id = $1 ORDER BY id")
            .bind(user)
            .fetch_all(&test.db)
            .await
            .unwrap();
        assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_swap_of_the_feed_tells_what_its_letters_held_back() {
    let mut test = Test::with_orders(6).await;
    test.park_at_once();
    let poisoned = test.ids[3];
    test.parts.failpoints.set_fold("feed", poisoned);
    let _running = test.fold::<Feed>().await;
    assert_eq!((told(&test, test.ids[2]).await, told(&test, poisoned).await), (due(false), vec![]));
    test.parts.failpoints.clear_fold("feed", poisoned);
    swapped(&test, OperationKind::Rebuild).await;
    assert_eq!(statuses(&test).await, ["REDRIVEN"; 4]);
    for id in test.ids.clone() {
        assert_eq!(told(&test, id).await, due(false));
    }
    push_ready(&mut test, poisoned).await;
    assert_eq!(told(&test, poisoned).await, due(true));
    ids_are_dense(&test).await;
}

#[tokio::test]
async fn what_users_were_told_of_is_folded_in_silence_once_a_new_generation_has_refused_it() {
    let mut test = Test::with_orders(6).await;
    test.park_at_once();
    let _running = test.fold::<Feed>().await;
    let refused = test.ids[1];
    test.parts.failpoints.set_fold("feed", refused);
    swapped(&test, OperationKind::Rebuild).await;
    assert_eq!(statuses(&test).await, ["PARKED", "BLOCKED", "BLOCKED", "BLOCKED"]);
    push_ready(&mut test, refused).await;
    // The feed may have been swept meanwhile; that is no reason to tell of it again.
    sqlx::query("DELETE FROM feed_entries WHERE user_id = $1").bind(COOK).execute(&test.db).await.unwrap();
    test.parts.failpoints.clear_fold("feed", refused);
    redriven(&test).await;
    let mut expected = due(true);
    expected.retain(|told| told.0 != COOK || told.1 == 5);
    assert_eq!(told(&test, refused).await, expected);
}

#[tokio::test]
async fn a_generation_that_comes_back_tells_nobody_twice() {
    let mut test = Test::with_orders(6).await;
    test.park_at_once();
    let poisoned = test.ids[4];
    test.parts.failpoints.set_fold("feed", poisoned);
    let _running = test.fold::<Feed>().await;
    test.parts.failpoints.clear_fold("feed", poisoned);
    swapped(&test, OperationKind::Rebuild).await;
    push_ready(&mut test, poisoned).await;
    assert_eq!(told(&test, poisoned).await, due(true));
    swapped(&test, OperationKind::Rollback).await;
    redriven(&test).await;
    assert_eq!(told(&test, poisoned).await, due(true));
    ids_are_dense(&test).await;
    test.log.push(poisoned, samples::dispatched());
    test.append().await;
    test.caught_up("feed").await;
    assert_eq!(told(&test, poisoned).await.len(), due(true).len() + 2);
}

#[tokio::test]
async fn what_waits_for_its_first_telling_is_told_however_often_generations_change() {
    let mut test = Test::with_orders(3).await;
    test.park_at_once();
    let _running = test.fold::<Feed>().await;
    let late = test.ids[0];
    test.parts.failpoints.set_fold("feed", late);
    push_ready(&mut test, late).await;
    // The new generation stops earlier than the one before: some of its letters were told of, the last one was not.
    swapped(&test, OperationKind::Rebuild).await;
    assert_eq!(statuses(&test).await, ["PARKED", "BLOCKED", "BLOCKED", "BLOCKED", "BLOCKED"]);
    test.parts.failpoints.clear_fold("feed", late);
    swapped(&test, OperationKind::Rebuild).await;
    assert_eq!((statuses(&test).await, told(&test, late).await), (vec!["REDRIVEN".to_owned(); 5], due(true)));
    ids_are_dense(&test).await;
}
