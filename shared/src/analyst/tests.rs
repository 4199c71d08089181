use super::{Column, EventView, event_views};

fn view(name: &str) -> EventView {
    event_views().into_iter().find(|view| view.name == name).expect(name)
}

fn column(view: &EventView, name: &str) -> Column {
    view.columns.iter().find(|column| column.name == name).cloned().unwrap_or_else(|| panic!("no {name}: {view:?}"))
}

#[test]
fn fields_have_the_types_of_the_schema() {
    let created = view("order_created");
    for (name, expression) in [
        ("order_id", "aggregate_id::uuid"),
        ("customer_id", "(payload ->> 'customer_id')::uuid"),
        ("total_price_amount", "(payload -> 'total_price' ->> 'amount')::numeric"),
        ("total_price_currency", "payload -> 'total_price' ->> 'currency'"),
        ("gift_amount_amount", "(payload -> 'gift' -> 'amount' ->> 'amount')::numeric"),
        ("gift_gift_id", "(payload -> 'gift' ->> 'gift_id')::uuid"),
        ("requested_for", "(payload ->> 'requested_for')::timestamptz"),
        ("commission_bps", "(payload ->> 'commission_bps')::bigint"),
        ("delivery_type", "payload ->> 'delivery_type'"),
        ("items", "(payload -> 'items')::jsonb"),
    ] {
        assert_eq!(column(&created, name).expression, expression, "{name}");
    }
    assert_eq!(
        column(&view("order_cancelled"), "refund_required").expression,
        "(payload ->> 'refund_required')::boolean"
    );
    assert_eq!(column(&view("payment_initiated"), "purpose").expression, "(payload -> 'purpose')::jsonb");
}

#[test]
fn what_people_write_is_left_out() {
    for (name, field) in [
        ("order_created", "pii_sealed"),
        ("order_cancelled", "reason_text"),
        ("order_rated", "comment"),
        ("order_ready", "note"),
        ("order_delivered", "proof_ref"),
        ("order_payment_requested", "return_url"),
        ("dispute_escalated", "cause"),
        ("payment_session_opened", "payment_url"),
    ] {
        assert!(view(name).columns.iter().all(|column| column.name != field), "{name}.{field}");
    }
}

#[test]
fn everything_has_a_comment_and_a_name_of_its_own() {
    for view in event_views() {
        assert!(view.comment.len() > 90, "{}: {}", view.name, view.comment);
        let mut names: Vec<_> = view.columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", view.name);
        for column in &view.columns {
            assert!(column.comment.ends_with(['.', '…', '"']) || column.comment.len() > 3, "{}: {column:?}", view.name);
            assert!(column.name.len() < 64, "{column:?}");
        }
    }
}
