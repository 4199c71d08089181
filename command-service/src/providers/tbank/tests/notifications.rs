//! Notifications: who is believed, what they are about, and what is kept.

use serde_json::{Map, Value, json};
use shared::domain::payment::ProviderStatus;

use super::*;

fn body(changes: Value) -> Map<String, Value> {
    let mut body = json!({
        "TerminalKey": TERMINAL, "OrderId": "ref-01", "Success": true, "Status": "CONFIRMED", "PaymentId": 8_742_591,
        "ErrorCode": "0", "Amount": 9855, "CardId": 322_264, "Pan": "430000******0777", "ExpDate": "1122",
        "RebillId": 101_709, "Data": { "Source": "cards" },
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.as_object().cloned().unwrap()
}

fn signed(changes: Value, password: &str) -> Vec<u8> {
    let mut body = body(changes);
    let token = fake_bank::token_of(&body, password);
    body.insert("Token".to_owned(), token.into());
    Value::Object(body).to_string().into_bytes()
}

fn tbank() -> Tbank {
    Tbank::new(options("http://127.0.0.1:1/v2"), Clock::system()).unwrap()
}

#[test]
fn a_genuine_notification_is_read() {
    for password in [PASSWORD, PREVIOUS] {
        let read = tbank().read_notification(&signed(json!({}), password)).unwrap();
        assert_eq!(read.kind, NotificationKind::Payment);
        assert_eq!((read.order_ref.as_str(), read.provider_payment_id.as_str()), ("ref-01", "8742591"));
        assert_eq!((read.status, read.amount), (Some(ProviderStatus::Confirmed), Some(Money::rub(9_855))));
        assert_eq!(read.error_code, None);
    }
}

#[test]
fn nobody_else_is_believed() {
    let good = signed(json!({}), PASSWORD);
    for bad in [
        signed(json!({}), "another password"),
        signed(json!({ "TerminalKey": "AnotherTerminal" }), PASSWORD),
        Value::Object(body(json!({}))).to_string().into_bytes(),
        String::from_utf8(good.clone()).unwrap().replace("9855", "9856").into_bytes(),
        [&good[..], b"x"].concat(),
        b"{}".to_vec(),
        b"null".to_vec(),
        vec![0xff; 100],
    ] {
        assert_eq!(tbank().read_notification(&bad), Err(Forged), "{}", String::from_utf8_lossy(&bad));
    }
}

#[test]
fn the_same_news_has_the_same_fingerprint_and_other_news_another() {
    let fingerprint = |changes, password| tbank().read_notification(&signed(changes, password)).unwrap().fingerprint;
    let one = fingerprint(json!({}), PASSWORD);
    assert_eq!(one, fingerprint(json!({}), PREVIOUS), "the password is no part of the news");
    assert_ne!(one, fingerprint(json!({ "Status": "REFUNDED" }), PASSWORD));
    // The Token is the same; the news is not.
    assert_ne!(one, fingerprint(json!({ "Amount": 98_553, "CardId": 22_264 }), PASSWORD));
}

#[test]
fn other_notifications_are_told_apart() {
    for (changes, kind) in [
        (json!({ "Status": "RECEIPT", "FiscalNumber": 7, "ErrorMessage": "" }), NotificationKind::Receipt),
        (json!({ "NotificationType": "LINKCARD", "Status": "COMPLETED" }), NotificationKind::Card),
        (json!({ "NotificationType": "LINKACCOUNT", "AccountToken": "x" }), NotificationKind::Qr),
        (json!({ "Status": "UNHEARD_OF" }), NotificationKind::Payment),
    ] {
        let read = tbank().read_notification(&signed(changes.clone(), PASSWORD)).unwrap();
        assert_eq!((read.kind, read.status), (kind, None), "{changes}");
    }
}

#[test]
fn nothing_of_the_card_is_kept() {
    let kept = tbank().read_notification(&signed(json!({}), PASSWORD)).unwrap().facts;
    for secret in ["430000", "1122", "322264", "101709", "Token", TERMINAL] {
        assert!(!kept.contains(secret), "{kept}");
    }
    assert!(kept.contains("CONFIRMED") && kept.contains("9855"), "{kept}");
}

#[test]
fn only_the_banks_networks_may_notify() {
    let tbank = tbank();
    for (address, allowed) in [
        ("91.194.226.1", true),
        ("91.194.227.255", true),
        ("91.194.228.1", false),
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("127.0.0.1", false),
        ("::1", false),
    ] {
        assert_eq!(tbank.is_from_its_networks(address.parse().unwrap()), allowed, "{address}");
    }
}

#[test]
fn every_word_of_the_bank_means_what_the_business_says() {
    for (word, status) in [
        ("NEW", ProviderStatus::New),
        ("FORM_SHOWED", ProviderStatus::FormShown),
        ("3DS_CHECKED", ProviderStatus::Processing),
        ("AUTHORIZED", ProviderStatus::Authorized),
        ("CONFIRMING", ProviderStatus::Confirming),
        ("CONFIRMED", ProviderStatus::Confirmed),
        ("ASYNC_REFUNDING", ProviderStatus::Refunding),
        ("PARTIAL_REFUNDED", ProviderStatus::PartiallyRefunded),
        ("REFUNDED", ProviderStatus::Refunded),
        ("CANCELED", ProviderStatus::Cancelled),
        ("DEADLINE_EXPIRED", ProviderStatus::Expired),
        ("AUTH_FAIL", ProviderStatus::AuthFailed),
        ("REJECTED", ProviderStatus::Declined),
        ("REVERSED", ProviderStatus::Voided),
    ] {
        assert_eq!(super::super::words::status_of(word), Some(status), "{word}");
    }
    for word in ["PARTIAL_REVERSED", "CHECKING", "CHECKED", "COMPLETING", "COMPLETED", "UNKNOWN", "", "confirmed"] {
        assert_eq!(super::super::words::status_of(word), None, "{word}");
    }
}
