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
    testing::eventually,
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

async fn falsify(test: &Test, id: Uuid) {
    let falsified =
        sqlx::query("UPDATE orders SET doc = replace(doc::text, 'WAITING_FOR_PAYMENT', 'READY')::json WHERE id = $1");
    assert_eq!(falsified.bind(id).execute(&test.app.db).await.unwrap().rows_affected(), 1);
}

async fn rebuild(test: &Test, swap: &str) {
    let body = json!({"reason": "a test", "swap": swap});
    let (status, headers, _) = test.app.operate("/api/v1/admin/projections/orders/rebuild", Some(&body)).await;
    assert_eq!(status, 202);
    let location = headers["operation-location"].to_str().unwrap();
    eventually("it is swapped", || async { test.app.operate(location, None).await.2["data"]["state"] == "succeeded" })
        .await;
}

#[tokio::test]
async fn a_version_that_was_put_right_is_answered_again() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let (path, known) = (format!("/api/v1/orders/{id}"), knowing(&anna, 1));
    let shown = async |headers: &Headers| {
        let (status, answer, body) = test.get(&path, headers).await;
        (status, answer["etag"].to_str().unwrap().to_owned(), body["data"]["status"].clone())
    };
    assert_eq!(shown(&known).await.0, 304);
    // What changes no row makes nobody ask again.
    rebuild(&test, "equal").await;
    assert_eq!(shown(&known).await.0, 304);

    falsify(&test, id).await;
    assert_eq!(shown(&anna).await.2, "READY");
    let heal = format!("/api/v1/admin/projections/orders/rows/{id}/heal");
    assert_eq!(test.app.operate(&heal, Some(&json!({"reason": "a test"}))).await.2["data"]["drifted"], true);
    let right = (200, "\"v1\"".to_owned(), json!("WAITING_FOR_PAYMENT"));
    assert_eq!(shown(&known).await, right);
}

#[tokio::test]
async fn a_version_that_a_rebuild_put_right_is_answered_again_and_what_comes_later_is_known() {
    let mut test = Test::start().await;
    let id = test.order(ANNA);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let path = format!("/api/v1/orders/{id}");
    assert_eq!(test.get(&path, &anna).await.0, 200);
    falsify(&test, id).await;
    assert_eq!(test.get(&path, &anna).await.2["data"]["status"], "READY");
    rebuild(&test, "verified").await;
    let (status, _, body) = test.get(&path, &knowing(&anna, 1)).await;
    assert_eq!((status, &body["data"]["status"]), (200, &json!("WAITING_FOR_PAYMENT")));
    test.log.push_at(id, samples::paid(id), test.app.platform.clock.now() + Duration::hours(1));
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    assert_eq!(test.get(&path, &knowing(&anna, 2)).await.0, 304);
}
