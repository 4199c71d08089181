//! The control API: acts of customers and clerks, rules for what goes wrong, and the books.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::{Chaos, FakeBank, FaultRule, Payment, Refused, Telling};

pub(crate) fn router() -> Router<FakeBank> {
    Router::new()
        .route("/control/payments", get(payments))
        .route("/control/payments/{order_ref}/{act}", post(act))
        .route("/control/registry", get(registry))
        .route("/control/mischief", get(mischief))
        .route("/control/release", post(release))
        .route("/control/faults", post(misbehave))
        .route("/control/chaos", post(chaos))
}

async fn payments(State(bank): State<FakeBank>) -> Json<Vec<Payment>> {
    Json(bank.payments())
}

async fn registry(State(bank): State<FakeBank>) -> String {
    bank.registry()
}

async fn mischief(State(bank): State<FakeBank>) -> Json<BTreeMap<&'static str, u32>> {
    Json(bank.mischief())
}

async fn release(State(bank): State<FakeBank>) -> Json<usize> {
    Json(bank.release().await)
}

/// How an act is done.
#[derive(Debug, Default, Deserialize)]
struct Manner {
    /// Kopecks, for a clerk's refund.
    amount: Option<i64>,
    /// The code of a refusal.
    code: Option<String>,
    /// Notifications; the kopecks decide if left out.
    webhooks: Option<u32>,
    #[serde(default)]
    delay_ms: u64,
    #[serde(default)]
    reorder: bool,
    #[serde(default)]
    forged: bool,
    #[serde(default)]
    malleated: bool,
    #[serde(default)]
    held_back: bool,
    #[serde(default)]
    wrong_amount: bool,
    /// The amount that the notification names.
    named_amount: Option<i64>,
}

async fn act(
    State(bank): State<FakeBank>,
    Path((order_ref, act)): Path<(String, String)>,
    Query(manner): Query<Manner>,
) -> Response {
    let telling = Telling {
        deliveries: manner.webhooks,
        delay_ms: manner.delay_ms,
        reorder: manner.reorder,
        forged: manner.forged,
        malleated: manner.malleated,
        amount: manner.named_amount,
        held_back: manner.held_back,
        wrong_amount: manner.wrong_amount,
    };
    let done = match act.as_str() {
        "complete" => bank.pay(&order_ref, telling).await,
        "complete-by-sbp" => bank.pay_by_sbp(&order_ref, telling).await,
        "decline" => bank.decline(&order_ref, manner.code.as_deref().unwrap_or("1005"), telling).await,
        "expire" => bank.expire(&order_ref, telling).await,
        "refund" => bank.refund_in_cabinet(&order_ref, manner.amount, telling).await,
        "charge-back" => bank.charge_back(&order_ref, manner.amount.unwrap_or(0)).map(|()| "charged back".to_owned()),
        "redeliver" => Ok(bank.redeliver(&order_ref).await.to_string()),
        "repeat" => {
            bank.repeat_everything(&order_ref).await;
            Ok("repeated".to_owned())
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match done {
        Ok(word) => Json(json!({ "status": word })).into_response(),
        Err(refused @ Refused::Unknown) => (StatusCode::NOT_FOUND, refused.to_string()).into_response(),
        Err(refused @ Refused::NotNow(_)) => (StatusCode::CONFLICT, refused.to_string()).into_response(),
    }
}

async fn misbehave(State(bank): State<FakeBank>, Json(rule): Json<FaultRule>) -> StatusCode {
    bank.misbehave(rule);
    StatusCode::NO_CONTENT
}

async fn chaos(State(bank): State<FakeBank>, Json(chaos): Json<Option<Chaos>>) -> StatusCode {
    bank.set_chaos(chaos);
    StatusCode::NO_CONTENT
}
