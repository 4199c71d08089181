//! Kitchens and categories.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::domain::{Money, ProducerId};
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::money;

/// A kitchen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProducerView {
    /// The kitchen.
    pub id: ProducerId,
    /// Its name.
    #[schema(example = "Olga's kitchen")]
    pub name: String,
    /// Where it is.
    #[schema(example = "Moscow")]
    pub city: String,
    /// What it mostly cooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub main_category_id: Option<Uuid>,
    /// Whether it sells at all.
    pub active: bool,
    /// The zone of its opening hours.
    #[schema(example = "Europe/Moscow")]
    pub timezone: String,
    /// By weekday (`mon` … `sun`), each a list of `["09:00", "21:00"]`; no weekday at all means always open.
    #[schema(value_type = Object, example = json!({"mon": [["09:00", "21:00"]]}))]
    pub opening_hours: Value,
    /// How it hands meals over: `BUILDING`, `PICKUP`, `ADDRESS`.
    pub delivery_types: Vec<String>,
    /// What bringing a meal costs.
    pub delivery_fee: Money,
    /// How long it declares to take.
    pub delivery_time_minutes: i32,
    /// The marketplace's share of what it earns, in hundredths of a percent; its cook and administrators see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1000)]
    pub commission_bps: Option<i32>,
    /// The version of this entry.
    pub version: i32,
}

/// Which kitchens a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProducerFilter {
    /// Of this main category.
    pub category_id: Option<Uuid>,
    /// In this city.
    pub city: Option<String>,
}

const COLUMNS: &str = "
    SELECT id, name, city, main_category_id, active, timezone, opening_hours, delivery_types, delivery_fee_minor,
           currency, delivery_time_minutes, commission_bps, version
    FROM producers";

/// One kitchen, with its share.
pub async fn find_producer(db: &PgPool, id: ProducerId) -> Result<Option<ProducerView>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE id = ").push_bind(id.0);
    query.build().fetch_optional(db).await?.as_ref().map(read_producer).transpose()
}

/// Active kitchens by name, as everybody sees them; `after` is the last one of the page before.
pub async fn list_producers(
    db: &PgPool,
    filter: &ProducerFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ProducerView>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE active");
    if let Some(id) = filter.category_id {
        query.push(" AND main_category_id = ").push_bind(id);
    }
    if let Some(city) = &filter.city {
        query.push(" AND city = ").push_bind(city.clone());
    }
    if let Some(id) = after {
        query.push(" AND (name, id) > (SELECT name, id FROM producers WHERE id = ").push_bind(id).push(")");
    }
    query.push(" ORDER BY name, id LIMIT ").push_bind(limit);
    query.build().fetch_all(db).await?.iter().map(|row| Ok(read_producer(row)?.for_everybody())).collect()
}

impl ProducerView {
    /// Without what is between the kitchen and the marketplace.
    pub fn for_everybody(self) -> Self {
        Self { commission_bps: None, ..self }
    }
}

fn read_producer(row: &PgRow) -> Result<ProducerView, sqlx::Error> {
    Ok(ProducerView {
        id: ProducerId(row.try_get("id")?),
        name: row.try_get("name")?,
        city: row.try_get("city")?,
        main_category_id: row.try_get("main_category_id")?,
        active: row.try_get("active")?,
        timezone: row.try_get("timezone")?,
        opening_hours: row.try_get("opening_hours")?,
        delivery_types: row.try_get("delivery_types")?,
        delivery_fee: money(row.try_get("delivery_fee_minor")?, row.try_get("currency")?)?,
        delivery_time_minutes: row.try_get("delivery_time_minutes")?,
        commission_bps: row.try_get("commission_bps")?,
        version: row.try_get("version")?,
    })
}

/// A kind of food.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CategoryView {
    /// The category.
    pub id: Uuid,
    /// Its name.
    #[schema(example = "Soups")]
    pub name: String,
}

/// By name; `after` is the last one of the page before.
pub async fn list_categories(db: &PgPool, after: Option<Uuid>, limit: i64) -> Result<Vec<CategoryView>, sqlx::Error> {
    let rows = sqlx::query(
        "
        SELECT id, name
        FROM categories
        WHERE $1::uuid IS NULL OR (name, id) > (SELECT name, id FROM categories WHERE id = $1)
        ORDER BY name, id
        LIMIT $2
        ",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(CategoryView { id: row.try_get("id")?, name: row.try_get("name")? })).collect()
}
