//! Portions are taken and given back with the events, by each request of a batch for itself.

use shared::domain::{DishId, Portion, PortionMove};

use super::*;

const BORSCHT: Uuid = Uuid::from_u128(0xb0);
const SOLYANKA: Uuid = Uuid::from_u128(0x50);
const KITCHEN: Uuid = Uuid::from_u128(0x10);

async fn menu(db: &PgPool, dishes: &[(Uuid, Option<i32>)]) {
    let kitchen = "INSERT INTO producers (id, user_id, name, city) VALUES ($1, $1, 'a kitchen', 'a city')";
    sqlx::query(kitchen).bind(KITCHEN).execute(db).await.unwrap();
    for (id, left) in dishes {
        let dish = "INSERT INTO dishes (id, producer_id, name, price_minor, portions_left) VALUES ($1, $2, 'x', 1, $3)";
        sqlx::query(dish).bind(id).bind(KITCHEN).bind(left).execute(db).await.unwrap();
    }
}

/// What is left of a dish, what is taken, and what the claims say of that.
async fn pot(db: &PgPool, dish: Uuid) -> (Option<i32>, i32, i64) {
    let pot = "
        SELECT portions_left, portions_taken,
            (SELECT coalesce(sum(quantity), 0) FROM portion_claims WHERE dish_id = $1 AND state = 'TAKEN')
        FROM dishes WHERE id = $1";
    sqlx::query_as(pot).bind(dish).fetch_one(db).await.unwrap()
}

fn taking(portions: &[(Uuid, u32)]) -> AppendRequest {
    let portion = |&(dish, quantity): &(Uuid, u32)| Portion { dish_id: DishId(dish), quantity };
    let mut request = append(Uuid::now_v7(), 0, None, vec![event()]);
    request.portions = Some(PortionMove::Take(portions.iter().map(portion).collect()));
    request
}

fn stream(request: &AppendRequest) -> (Uuid, Uuid) {
    let stream = request.stream.as_ref().unwrap();
    (stream.aggregate_id, stream.events.last().unwrap().event_id)
}

/// The event after the one of `request`, giving its portions back.
fn giving_back(request: &AppendRequest) -> AppendRequest {
    let (id, after) = stream(request);
    AppendRequest { portions: Some(PortionMove::GiveBack), ..append(id, 1, Some(after), vec![event()]) }
}

/// Has all of them judged in one batch.
async fn in_one_batch(log: &Log, requests: Vec<AppendRequest>) -> Vec<char> {
    let (queue, mut writer) = AppendQueue::new(log.options.clone(), log.feed.clone(), AppendQueueOptions::default());
    let waiting: Vec<_> = requests.into_iter().map(|request| queue.enqueue(request).unwrap()).collect();
    tokio::spawn(async move { writer.run(CancellationToken::new()).await });
    let outcomes = futures::future::join_all(waiting.into_iter().map(outcome)).await;
    outcomes.into_iter().map(|outcome| letter(&outcome.unwrap())).collect()
}

fn letter(outcome: &AppendOutcome) -> char {
    match outcome {
        AppendOutcome::Appended(_) => 'A',
        AppendOutcome::Conflict => 'C',
        AppendOutcome::ShortOfPortions => 'S',
        AppendOutcome::ReceiptFound(_) => 'D',
    }
}

#[tokio::test]
async fn of_a_batch_for_too_few_portions_the_first_get_them_and_nobody_else_is_hindered() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(5))]).await;
    let mut requests: Vec<_> = (0..20).map(|_| taking(&[(BORSCHT, 1)])).collect();
    requests.insert(10, append(Uuid::now_v7(), 0, None, vec![event(), event()]));
    let outcomes: String = in_one_batch(&log, requests).await.into_iter().collect();
    assert_eq!(outcomes, "AAAAASSSSSASSSSSSSSSS");
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(0), 5, 5));
    assert_eq!(positions(&log.db).await, (1..=7).collect::<Vec<_>>());
    assert_eq!(LogReader::new(log.db.clone()).head().await.unwrap(), 7);
}

#[tokio::test]
async fn two_writers_sell_no_portion_twice() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(50))]).await;
    let other = start(&log.options, &LogFeed::new(LogReader::new(log.db.clone())), AppendQueueOptions::default());
    let wishes = (0..200).map(|n| {
        let queue = if n % 2 == 0 { log.queue.clone() } else { other.clone() };
        async move { letter(&queue.append(taking(&[(BORSCHT, 1)])).await.unwrap()) }
    });
    let outcomes = futures::future::join_all(wishes).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == 'A').count(), 50);
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(0), 50, 50));
}

#[tokio::test]
async fn an_order_takes_all_its_dishes_or_none() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(3)), (SOLYANKA, Some(1))]).await;
    let requests = vec![taking(&[(BORSCHT, 2), (SOLYANKA, 2)]), taking(&[(BORSCHT, 3), (SOLYANKA, 1)])];
    assert_eq!(in_one_batch(&log, requests).await, ['S', 'A']);
    assert_eq!((pot(&log.db, BORSCHT).await, pot(&log.db, SOLYANKA).await), ((Some(0), 3, 3), (Some(0), 1, 1)));
}

#[tokio::test]
async fn a_repetition_takes_nothing_and_a_lost_race_takes_nothing() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(5))]).await;
    let command_id = Uuid::now_v7();
    let keyed = || with_receipt(taking(&[(BORSCHT, 2)]), command_id, "placed");
    assert_eq!(letter(&log.queue.append(keyed()).await.unwrap()), 'A');
    assert_eq!(letter(&log.queue.append(keyed()).await.unwrap()), 'D');
    assert_eq!(in_one_batch(&log, vec![keyed(), keyed(), keyed()]).await, ['D', 'D', 'D']);
    let mut late = taking(&[(BORSCHT, 2)]);
    late.stream.as_mut().unwrap().expected.sequence = 7;
    assert_eq!(letter(&log.queue.append(late).await.unwrap()), 'C');
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(3), 2, 2));
}

#[tokio::test]
async fn portions_come_back_once_however_often_that_is_asked() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(5)), (SOLYANKA, Some(5))]).await;
    let order = taking(&[(BORSCHT, 2), (SOLYANKA, 1)]);
    let back = giving_back(&order);
    let (id, last) = stream(&back);
    let again = AppendRequest { portions: Some(PortionMove::GiveBack), ..append(id, 2, Some(last), vec![event()]) };
    let lost = AppendRequest { portions: Some(PortionMove::GiveBack), ..append(id, 1, None, vec![event()]) };
    log.queue.append(order).await.unwrap();
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(3), 2, 2));
    for (request, wanted) in [(back, 'A'), (lost, 'C'), (again, 'A')] {
        assert_eq!(letter(&log.queue.append(request).await.unwrap()), wanted);
        assert_eq!(pot(&log.db, BORSCHT).await, (Some(5), 0, 0));
    }
    assert_eq!(pot(&log.db, SOLYANKA).await, (Some(5), 0, 0));
}

#[tokio::test]
async fn what_comes_back_in_a_batch_is_there_for_the_others_in_it() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(2))]).await;
    let first = taking(&[(BORSCHT, 2)]);
    let back = giving_back(&first);
    log.queue.append(first).await.unwrap();
    assert_eq!(in_one_batch(&log, vec![taking(&[(BORSCHT, 2)]), back]).await, ['A', 'A']);
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(0), 2, 2));
}

#[tokio::test]
async fn an_order_placed_and_called_off_in_one_batch_leaves_the_pot_as_it_was() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(2))]).await;
    let order = taking(&[(BORSCHT, 2)]);
    let back = giving_back(&order);
    assert_eq!(in_one_batch(&log, vec![order, back]).await, ['A', 'A']);
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(2), 0, 0));
}

#[tokio::test]
async fn what_was_decided_on_an_order_without_portions_falls_with_it() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, Some(1))]).await;
    let order = taking(&[(BORSCHT, 2)]);
    let back = giving_back(&order);
    let other = append(Uuid::now_v7(), 0, None, vec![event()]);
    assert_eq!(in_one_batch(&log, vec![order, back, other, taking(&[(BORSCHT, 1)])]).await, ['S', 'C', 'A', 'A']);
    assert_eq!(positions(&log.db).await, [1, 2]);
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(0), 1, 1));
}

#[tokio::test]
async fn a_dish_that_lost_its_limit_gives_what_is_wanted_and_one_that_is_not_there_nothing() {
    let log = log().await;
    menu(&log.db, &[(BORSCHT, None)]).await;
    let order = taking(&[(BORSCHT, 99)]);
    let back = giving_back(&order);
    assert_eq!(letter(&log.queue.append(order).await.unwrap()), 'A');
    assert_eq!(pot(&log.db, BORSCHT).await, (None, 99, 99));
    // The kitchen counts again: four are left besides those that are sold.
    sqlx::query("UPDATE dishes SET portions_left = 4 WHERE id = $1").bind(BORSCHT).execute(&log.db).await.unwrap();
    assert_eq!(letter(&log.queue.append(back).await.unwrap()), 'A');
    assert_eq!(pot(&log.db, BORSCHT).await, (Some(103), 0, 0));
    assert_eq!(letter(&log.queue.append(taking(&[(SOLYANKA, 1)])).await.unwrap()), 'S');
}

#[tokio::test]
async fn services_of_the_release_before_append_as_they_did() {
    let log = log().await;
    let nothing = vec!["'{}'"; 35].join(", ");
    let called = sqlx::query(&format!("SELECT * FROM append_events({nothing})")).fetch_all(&log.db).await;
    assert!(called.unwrap().is_empty());
}
