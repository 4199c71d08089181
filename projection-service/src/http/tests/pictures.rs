//! A version is one thing, what a caller is shown of it another: 304 only for who would be shown the same again.

use chrono::{Duration, TimeDelta};
use serde_json::json;
use shared::{
    domain::{
        OrderId,
        order::{OrderCompleted, OrderPolicy, Viewer},
    },
    sealing::OrderContact,
    web::Role,
};
use uuid::Uuid;

use super::{ANNA, COOK, KITCHEN, Test};
use crate::{
    engine::Fold,
    http::{OrderView, order_view::shows_contact},
    projections::{
        orders::{OrderRow, Orders},
        samples::{self, Log},
    },
};

type Headers = Vec<(&'static str, String)>;

fn knowing(headers: &Headers, version: u64) -> Headers {
    headers.iter().cloned().chain([("if-none-match", format!("\"v{version}\""))]).collect()
}

#[tokio::test]
async fn who_is_shown_something_else_of_a_version_shares_no_answer() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let cook = test.headers(COOK, &[Role::Producer]);
    let path = format!("/api/v1/orders/{id}");
    for headers in [&anna, &cook, &knowing(&anna, 1), &knowing(&cook, 1)] {
        let (status, answer, _) = test.get(&path, headers).await;
        assert!(status == 200 || status == 304);
        for (name, value) in [("etag", "\"v1\""), ("vary", "authorization"), ("cache-control", "private, no-cache")] {
            assert_eq!(answer[name], value);
        }
    }
    let views = [test.get(&path, &anna).await.2, test.get(&path, &cook).await.2];
    assert_ne!(views[0]["data"], views[1]["data"]);
}

#[tokio::test]
async fn a_version_in_which_an_action_ended_with_its_time_is_answered_again() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = knowing(&test.commit(ANNA, &[Role::Customer]).await, 1);
    let path = format!("/api/v1/orders/{id}");
    assert_eq!(test.get(&path, &anna).await.0, 304);
    test.app.platform.clock.advance(Duration::minutes(31));
    let (status, answer, body) = test.get(&path, &anna).await;
    assert_eq!((status, &answer["etag"], &body["meta"]["version"]), (200, &"\"v1\"".parse().unwrap(), &json!(1)));
    let actions = body["data"]["allowed_actions"].as_array().unwrap();
    assert!(!actions.contains(&json!("pay")), "{actions:?}");
}

#[tokio::test]
async fn a_version_out_of_which_a_person_was_erased_is_answered_again() {
    let mut test = Test::start().await;
    let id = Uuid::now_v7();
    let mut created = samples::created(ANNA, KITCHEN);
    created.pii_sealed = Some(test.app.state.sealer.seal(ANNA, &OrderContact::default()).await.unwrap());
    test.log.push(id, created);
    let anna = knowing(&test.commit(ANNA, &[Role::Customer]).await, 1);
    let path = format!("/api/v1/orders/{id}");
    assert_eq!(test.get(&path, &anna).await.0, 304);
    test.app.state.sealer.erase(ANNA, "admin:test", "asked for it").await.unwrap();
    let (status, _, body) = test.get(&path, &anna).await;
    assert_eq!((status, &body["data"]["contact"]), (200, &json!(null)));
}

/// Every version of a row that these events lead to.
fn versions(log: &Log, id: Uuid) -> Vec<OrderRow> {
    let mut fold = Fold::<Orders>::new(Default::default());
    let row = |event| {
        fold.take(event).unwrap();
        fold.row(&OrderId(id)).cloned().unwrap()
    };
    log.events.iter().map(|event| &**event).map(row).collect()
}

#[test]
fn what_time_changes_in_a_version_never_comes_back() {
    let (mut log, id) = (Log::new(), Uuid::now_v7());
    log.push(id, samples::created(ANNA, KITCHEN));
    log.push(id, samples::paid(id));
    log.push(id, samples::accepted());
    log.push(id, samples::started());
    log.push(id, samples::ready());
    log.push(id, samples::dispatched());
    log.push(id, samples::delivered());
    log.push(id, OrderCompleted { payout_due_at: chrono::Utc::now() + Duration::hours(48) });
    let mut changes = 0;
    for row in versions(&log, id) {
        for viewer in [Viewer::Customer, Viewer::Producer, Viewer::Admin] {
            let at = |hours| row.updated_at + TimeDelta::hours(hours);
            let policy = OrderPolicy::default();
            let view = |at| (OrderView::new(row.clone(), viewer, policy, at), shows_contact(&row, viewer, &policy, at));
            let mut pictures: Vec<_> = (0..24 * 40).map(|hours| view(at(hours))).collect();
            pictures.dedup();
            changes += pictures.len() - 1;
            for (nth, picture) in pictures.iter().enumerate() {
                assert!(!pictures[..nth].contains(picture), "{viewer:?} sees {picture:?} again");
            }
        }
    }
    assert!(changes > 5, "time changes nothing in these: {changes}");
}
