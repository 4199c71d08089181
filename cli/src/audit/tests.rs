//! The command over real databases: logs that are as they must be, and logs that are not.

use chrono::TimeDelta;
use dev_servers::TestServers;
use shared::{
    domain::{
        DishId, DomainEvent, Money, ProducerId, UserId,
        order::{DeliveryType, OrderCreated, OrderEvent, OrderItem, OrderReady, PriceSource},
    },
    runtime::{Secret, postgres::migrate},
};
use sqlx::PgPool;
use uuid::Uuid;

use super::*;

async fn database() -> (PgPool, Secret) {
    let servers = TestServers::shared().await;
    let name = servers.create_database(None).await.unwrap();
    let url = Secret::new(servers.postgres_url(&name));
    let db = connect_pool(&url, PoolOptions::new("test", 2)).await.unwrap();
    migrate(&db).await.unwrap();
    (db, url)
}

const CUSTOMER: UserId = UserId(Uuid::from_u128(2));

fn created() -> OrderEvent {
    let price = Money::rub(20_000);
    OrderCreated {
        customer_id: CUSTOMER,
        producer_id: ProducerId(Uuid::from_u128(3)),
        items: vec![OrderItem {
            line_no: 1,
            dish_id: DishId(Uuid::from_u128(4)),
            dish_name: "Borscht".to_owned(),
            unit_price: price,
            quantity: 1,
            line_total: price,
            price_version: 1,
            price_source: PriceSource::Catalog,
        }],
        delivery_type: DeliveryType::Building,
        delivery_fee: Money::rub(0),
        total_price: price,
        gift: None,
        amount_due: price,
        commission_bps: 1_000,
        payment_deadline: Utc::now() + TimeDelta::minutes(30),
        requested_for: None,
        pii_sealed: None,
        portions_taken: Vec::new(),
    }
    .into()
}

/// Writes the next event of an order as if somebody had appended it.
async fn write(db: &PgPool, order: Uuid, sequence: i64, event: OrderEvent) {
    let event = DomainEvent::Order(event);
    let mut tx = db.begin().await.unwrap();
    let head = concat!("UPDATE ", "log_head SET position = position + 1 RETURNING position");
    let position: i64 = sqlx::query_scalar(head).fetch_one(&mut *tx).await.unwrap();
    let insert = concat!(
        "INSERT INTO ",
        "events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position,
        event_id, correlation_id, causation_id, actor, occurred_at, recorded_at, slice)
        VALUES ('order', $1::uuid::text, $2, $3, $4, $5::json, format('{\"command_id\":\"%s\"}', $6::uuid)::json, $7, $8,
                $1, $6, $9, now(), now(), 0)"
    );
    sqlx::query(insert)
        .bind(order)
        .bind(sequence)
        .bind(event.type_name())
        .bind(event.schema_version().to_string())
        .bind(serde_json::to_string(&event).unwrap())
        .bind(Uuid::now_v7())
        .bind(position)
        .bind(Uuid::now_v7())
        .bind(format!("customer:{CUSTOMER}"))
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn audited(url: &Secret) -> Result<()> {
    let order_payable_min_minor = DomainSettings::default().order_payable_min_minor;
    run(AuditArgs { database: DatabaseArgs::of(url), at_rest: false, now: None, order_payable_min_minor, json: true })
        .await
}

#[tokio::test]
async fn a_log_that_is_as_it_must_be_ends_well() {
    let (db, url) = database().await;
    audited(&url).await.unwrap();
    for _ in 0..3 {
        write(&db, Uuid::now_v7(), 1, created()).await;
    }
    audited(&url).await.unwrap();
}

#[tokio::test]
async fn a_broken_log_ends_with_its_own_code_and_the_first_offending_position() {
    let (db, url) = database().await;
    let order = Uuid::now_v7();
    write(&db, order, 1, created()).await;
    // Nobody paid, accepted or cooked it.
    write(&db, order, 2, OrderReady { note: None }.into()).await;
    write(&db, Uuid::now_v7(), 1, created()).await;
    let error = audited(&url).await.unwrap_err();
    let exit = error.downcast_ref::<Exit>().unwrap();
    assert_eq!(exit.code, exit::PARTLY_FAILED);
    assert_eq!(exit.code, 6);
    assert!(exit.to_string().ends_with("the first at position 2"), "{exit}");
}

#[tokio::test]
async fn a_log_whose_end_is_gone_is_not_judged_whole() {
    let (db, url) = database().await;
    write(&db, Uuid::now_v7(), 1, created()).await;
    let promise = concat!("UPDATE ", "log_head SET position = position + 1");
    sqlx::raw_sql(promise).execute(&db).await.unwrap();
    let error = audited(&url).await.unwrap_err();
    assert!(format!("{error:#}").ends_with("the event log ends at position 1, and its head is 2"), "{error:#}");
}
