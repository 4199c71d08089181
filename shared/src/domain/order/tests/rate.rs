//! The customer's marks.

use super::*;

fn rating(at: DateTime<Utc>, change: impl FnOnce(&mut Rate)) -> (Actor, DateTime<Utc>, OrderCommand) {
    let mut marks = Rate {
        rating: 5,
        per_item: vec![DishRating { dish_id: DISH, rating: 4 }],
        comment: Some("good".into()),
        policy: policy(),
    };
    change(&mut marks);
    (customer(), at, OrderCommand::Rate(marks))
}

fn rated() -> OrderEvent {
    let per_item = vec![DishRating { dish_id: DISH, rating: 4 }];
    OrderRated { rating: 5, per_item, comment: Some("good".into()) }.into()
}

#[test]
fn a_completed_order_is_rated_once() {
    let mut given = history(OrderStatus::Completed);
    check(&given, rating(minute(201), |_| {}), Ok(vec![rated()]));
    given.push(rated());
    check(&given, rating(minute(201), |_| {}), Err(OrderError::AlreadyRated));
}

#[test]
fn only_a_completed_order_is_rated() {
    for status in OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::Completed) {
        assert_eq!(names(&history(status), rating(minute(201), |_| {})), Err("invalid_transition"), "{status:?}");
    }
}

#[test]
fn marks_are_taken_for_thirty_days() {
    let given = history(OrderStatus::Completed);
    let last = minute(200) + TimeDelta::days(30);
    assert_eq!(names(&given, rating(last, |_| {})), Ok(vec!["order_rated"]));
    let late = last + TimeDelta::microseconds(1);
    assert_eq!(names(&given, rating(late, |_| {})), Err("rating_window_closed"));
}

#[test]
fn marks_are_one_to_five_and_for_dishes_of_the_order() {
    let given = history(OrderStatus::Completed);
    let range = |pointer| Err(OrderError::OutOfRange { pointer, min: 1, max: 5 });
    check(&given, rating(minute(201), |it| it.rating = 0), range("/rating"));
    check(&given, rating(minute(201), |it| it.rating = 6), range("/rating"));
    let mark = |index, field| Err(OrderError::InvalidMark { index, field });
    check(&given, rating(minute(201), |it| it.per_item[0].rating = 6), mark(0, "rating"));
    let stray = DishId(Uuid::from_u128(99));
    check(&given, rating(minute(201), |it| it.per_item[0].dish_id = stray), mark(0, "dish_id"));
    check(&given, rating(minute(201), |it| it.per_item = vec![it.per_item[0].clone(); 2]), mark(1, "dish_id"));
    let long = Err(OrderError::TooLong { pointer: "/comment", max: 500 });
    check(&given, rating(minute(201), |it| it.comment = Some("ы".repeat(501))), long);
    assert_eq!(names(&given, rating(minute(201), |it| it.comment = Some("ы".repeat(500)))), Ok(vec!["order_rated"]));
}
