//! The bank's own examples, and where its Token is weak.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use shared::runtime::Secret;

use super::super::{
    fields::Fields,
    token::{is_genuine, token},
};

const V1_PASSWORD: &str = "usaf8fw8fsw21g";
const V1_TOKEN: &str = "0024a00af7c350a3a67ca168ce06502aa72772456662e38696d48b56ee9c97d9";
const V2_PASSWORD: &str = "Dfsfh56dgKl";
const V2_TOKEN: &str = "b906d28e76c6428e37b25fcf86c0adc52c63d503013fdd632e300593d165766b";

fn v1() -> Value {
    json!({
        "TerminalKey": "MerchantTerminalKey", "Amount": 19200, "OrderId": "21090",
        "Description": "Подарочная карта на 1000 рублей",
        "DATA": { "Phone": "+71234567890", "Email": "a@test.com" },
        "Receipt": { "Email": "a@test.ru", "Items": [{ "Name": "Наименование товара 1", "Price": 10000 }] },
    })
}

fn v2(amount: &Value, card_id: &Value) -> Value {
    json!({
        "TerminalKey": "1321054611234DEMO", "OrderId": "201709", "Success": true, "Status": "AUTHORIZED",
        "PaymentId": 8742591, "ErrorCode": "0", "Amount": amount, "CardId": card_id, "Pan": "430000******0777",
        "ExpDate": "1122", "RebillId": 101709, "Data": { "Route": "ACQ" }, "Nothing": null, "List": [1],
    })
}

#[track_caller]
fn check(body: &Value, password: &str, expected: &str) {
    let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
    assert_eq!(token(fields.scalars(), &Secret::new(password)), expected);
    // The bank's implementation is not ours.
    assert_eq!(fake_bank::token_of(body.as_object().unwrap(), password), expected);
}

#[test]
fn a_request_as_the_bank_documents_it() {
    check(&v1(), V1_PASSWORD, V1_TOKEN);
}

#[test]
fn a_notification_as_the_bank_documents_it() {
    check(&v2(&json!(9855), &json!(322_264)), V2_PASSWORD, V2_TOKEN);
    check(&v2(&json!("9855"), &json!("322264")), V2_PASSWORD, V2_TOKEN);
}

#[test]
fn digits_that_move_from_one_value_to_the_next_keep_the_token() {
    check(&v2(&json!(98_553), &json!(22_264)), V2_PASSWORD, V2_TOKEN);
    check(&v2(&json!(9_855_322_264_i64), &json!(null)), V2_PASSWORD, V2_TOKEN);
}

#[test]
fn a_password_at_the_root_of_a_body_replaces_nothing() {
    let mut body = v2(&json!(9855), &json!(322_264));
    body["Password"] = json!("mine");
    check(&body, V2_PASSWORD, V2_TOKEN);
}

fn genuine(token: &str, passwords: &[&str]) -> bool {
    let mut body = v2(&json!(9855), &json!(322_264));
    body["Token"] = json!(token);
    let fields = Fields::parse(body.to_string().as_bytes()).unwrap();
    let passwords: Vec<Secret> = passwords.iter().map(|password| Secret::new(*password)).collect();
    is_genuine(&fields, &passwords)
}

#[test]
fn either_password_proves_a_notification_while_it_is_being_changed() {
    assert!(genuine(V2_TOKEN, &["new", V2_PASSWORD]));
    assert!(genuine(&V2_TOKEN.to_uppercase(), &[V2_PASSWORD, "new"]));
    assert!(!genuine(V2_TOKEN, &["new"]));
    assert!(!genuine("", &[V2_PASSWORD]));
    assert!(!genuine(&V2_TOKEN[1..], &[V2_PASSWORD]));
}

#[test]
fn numbers_count_as_they_were_written() {
    let body = br#"{"A": 1.50, "B": 10000000000000000000001, "C": 1e2, "D": "\u0041"}"#;
    let fields = Fields::parse(body).unwrap();
    let scalars: Vec<(&str, Cow<'_, str>)> = fields.scalars().collect();
    let expected = [("A", "1.50"), ("B", "10000000000000000000001"), ("C", "1e2"), ("D", "A")];
    assert_eq!(scalars, expected.map(|(name, text)| (name, Cow::Borrowed(text))));
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    assert!(Fields::parse(br#"{"Amount": 1, "Amount": 2}"#).is_err());
    assert!(Fields::parse(b"[]").is_err());
    assert!(Fields::parse(b"{}{}").is_err());
    assert!(Fields::parse(b"").is_err());
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::Null),
        Just(json!({ "nested": 1 })),
        Just(json!([1, "2"])),
    ]
}

proptest! {
    #[test]
    fn two_implementations_agree(body in prop::collection::btree_map("[A-Za-z]{1,12}", scalars(), 0..12), password in ".{0,20}") {
        let body: Map<String, Value> = body.into_iter().collect();
        let fields = Fields::parse(Value::Object(body.clone()).to_string().as_bytes()).unwrap();
        prop_assert_eq!(token(fields.scalars(), &Secret::new(password.as_str())), fake_bank::token_of(&body, &password));
    }
}
