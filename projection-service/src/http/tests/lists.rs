//! Lists: filters, roles, pages that are stable while orders come in.

use shared::{
    domain::{ProducerId, order::OrderStatus},
    web::Role,
};
use uuid::Uuid;

use super::{ANNA, BORIS, COOK, KITCHEN, Test};
use crate::projections::samples;

/// A range that ends before it begins.
const BACKWARDS: &str = "from=2026-11-23T00:00:00Z&to=2026-11-22T00:00:00Z";

#[tokio::test]
async fn pages_are_stable_while_orders_come_in() {
    let mut test = Test::start().await;
    let mut mine: Vec<Uuid> = (0..25).map(|_| test.order(ANNA)).collect();
    mine.reverse();
    test.order(BORIS);
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/orders?limit=10".to_owned();
    loop {
        let (status, _, body) = test.get(&path, &anna).await;
        assert_eq!(status, 200, "{body}");
        let ids = body["data"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().parse::<Uuid>());
        seen.extend(ids.map(Result::unwrap));
        let Some(cursor) = body["meta"]["next_cursor"].as_str() else { break };
        path = format!("/api/v1/orders?limit=10&cursor={cursor}");
        // Newer orders do not shift what comes next.
        test.order(ANNA);
        test.log.write(&test.app.db).await;
    }
    assert_eq!(seen, mine);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_filter_and_its_owner() {
    let mut test = Test::start().await;
    for _ in 0..3 {
        test.order(ANNA);
    }
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let (_, _, body) = test.get("/api/v1/orders?limit=1", &anna).await;
    let cursor = body["meta"]["next_cursor"].as_str().unwrap();
    let changed = format!("/api/v1/orders?limit=1&status=PAID&cursor={cursor}");
    assert_eq!(test.get(&changed, &anna).await.0, 400);
    let boris = test.headers(BORIS, &[Role::Customer]);
    assert_eq!(test.get(&format!("/api/v1/orders?limit=1&cursor={cursor}"), &boris).await.0, 400);
    for wrong in ["limit=0", "limit=101", "status=EATEN", "cursor=x", "colour=red", "from=yesterday", BACKWARDS] {
        assert_eq!(test.get(&format!("/api/v1/orders?{wrong}"), &anna).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn filters_and_roles_decide_what_a_list_shows() {
    let mut test = Test::start().await;
    let (first, second) = (test.order(ANNA), test.order(BORIS));
    test.log.push(first, samples::paid(first));
    test.log.push(second, samples::cancelled(OrderStatus::WaitingForPayment));
    let anna = test.commit(ANNA, &[Role::Customer]).await;
    let cook = test.headers(COOK, &[Role::Producer]);
    let admin = test.headers(BORIS, &[Role::Admin]);
    let stranger = ProducerId(Uuid::from_u128(0xE));
    for (headers, query, expected) in [
        (&anna, "?status=PAID", 1),
        (&anna, "?status=CANCELLED", 0),
        (&anna, "?from=2100-01-01T00:00:00Z", 0),
        (&anna, "?to=2100-01-01T00:00:00Z", 1),
        (&cook, "", 2),
        (&cook, &format!("?producer_id={KITCHEN}"), 2),
        (&cook, &format!("?producer_id={stranger}"), 0),
        (&admin, "", 2),
        (&admin, "?status=CANCELLED", 1),
        (&admin, &format!("?producer_id={stranger}"), 0),
    ] {
        let (status, _, body) = test.get(&format!("/api/v1/orders{query}"), headers).await;
        assert_eq!((status, body["data"].as_array().map(Vec::len)), (200, Some(expected)), "{query}: {body}");
    }
    let analyst = test.headers(BORIS, &[Role::Analyst]);
    assert_eq!(test.get("/api/v1/orders", &analyst).await.0, 403);
}
