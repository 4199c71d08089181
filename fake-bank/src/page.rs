//! The page to pay on, for people: pay, be refused, or walk away.

use axum::{
    Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;

use crate::{FakeBank, Payment, Telling};

pub(crate) fn router() -> Router<FakeBank> {
    Router::new().route("/pay/{id}", get(show)).route("/pay/{id}/{choice}", post(choose))
}

impl FakeBank {
    fn look_at(&self, id: u64) -> Option<Payment> {
        let now = self.now();
        let mut books = self.books();
        let payment = books.by_id(id)?;
        if payment.word(now) == "NEW" {
            "FORM_SHOWED".clone_into(&mut payment.status);
        }
        let word = payment.word(now).to_owned();
        Some(Payment { status: word, ..payment.clone() })
    }
}

async fn show(State(bank): State<FakeBank>, Path(id): Path<u64>) -> Response {
    match bank.look_at(id) {
        Some(payment) => Html(page(&payment)).into_response(),
        None => (StatusCode::NOT_FOUND, "no such payment").into_response(),
    }
}

async fn choose(State(bank): State<FakeBank>, Path((id, choice)): Path<(u64, String)>) -> Response {
    let Some(payment) = bank.look_at(id) else { return (StatusCode::NOT_FOUND, "no such payment").into_response() };
    let done = match choice.as_str() {
        "card" => bank.pay(&payment.order_id, Telling::default()).await,
        "sbp" => bank.pay_by_sbp(&payment.order_id, Telling::default()).await,
        "decline" => bank.decline(&payment.order_id, "1051", Telling::default()).await,
        // Whoever walks away tells nobody.
        "leave" => return Redirect::to(&payment.fail_url).into_response(),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let to = match done.as_deref() {
        Ok("CONFIRMED" | "AUTHORIZED") => payment.success_url,
        Ok("REJECTED" | "AUTH_FAIL") => payment.fail_url,
        // Checked first, or too late: the page says what it is.
        _ => format!("/pay/{id}"),
    };
    Redirect::to(&to).into_response()
}

fn page(payment: &Payment) -> String {
    let is_open = matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED" | "3DS_CHECKING");
    let button = |choice: &str, label: &str| {
        format!("<form method=post action=\"/pay/{}/{choice}\"><button>{label}</button></form>", payment.id)
    };
    let buttons = match (is_open, payment.status.as_str()) {
        (true, "3DS_CHECKING") => {
            button("card", "Enter the code from the SMS") + &button("decline", "Enter a wrong code")
        }
        (true, _) => {
            button("card", "Pay by card")
                + &button("sbp", "Pay by faster payments")
                + &button("decline", "Be declined")
                + &button("leave", "Walk away")
        }
        (false, _) => "<p>Nothing can be paid here any more.</p>".to_owned(),
    };
    let (roubles, kopecks) = (payment.amount / 100, payment.amount % 100);
    let order_id: String = payment.order_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>The fake bank</title>\
         <style>body{{font:16px sans-serif;max-width:26rem;margin:3rem auto}}button{{width:100%;margin:.3rem 0;\
         padding:.7rem;font-size:1rem}}</style><h1>{roubles}.{kopecks:02} ₽</h1><p>Order {order_id}<br>Status \
         <b>{}</b></p>{buttons}<p><small>A bank for development: no money moves.</small></p></html>",
        payment.status
    )
}
