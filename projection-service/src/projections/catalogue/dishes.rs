//! Dishes on the menus.

use serde::{Deserialize, Serialize};
use shared::domain::{DishId, Money, ProducerId};
use sqlx::{PgPool, Postgres, QueryBuilder, Row, postgres::PgRow};
use utoipa::ToSchema;
use uuid::Uuid;

use super::money;

/// A dish on a menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DishView {
    /// The dish.
    pub id: DishId,
    /// Whose it is.
    pub producer_id: ProducerId,
    /// Its name.
    #[schema(example = "Borscht")]
    pub name: String,
    /// What it is.
    pub description: String,
    /// What one portion costs.
    pub price: Money,
    /// The version of the price; an order says which one it saw.
    pub price_version: i32,
    /// Whether its cook offers it at present.
    pub is_available: bool,
    /// Whether its kitchen takes orders at all; of one that does not, nothing can be ordered.
    pub producer_active: bool,
    /// How many are left; absent means as many as you like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub portions_left: Option<i32>,
    /// Its category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category_id: Option<Uuid>,
    /// A picture of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub photo_url: Option<String>,
    /// The version of this entry, which a change names in `If-Match`.
    pub version: i32,
    /// How often it was looked at; a few seconds late.
    pub views_count: i64,
}

/// Which dishes a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DishFilter {
    /// Of this kitchen.
    pub producer_id: Option<ProducerId>,
    /// Of this category.
    pub category_id: Option<Uuid>,
}

const COLUMNS: &str = "
    SELECT d.id, d.producer_id, d.name, d.description, d.price_minor, d.currency, d.price_version, d.is_available,
           d.portions_left, d.category_id, d.photo_url, d.version, coalesce(v.views, 0) AS views,
           p.active AS producer_active
    FROM dishes d
    JOIN producers p ON p.id = d.producer_id
    LEFT JOIN dish_views v ON v.dish_id = d.id";

/// One dish.
pub async fn find_dish(db: &PgPool, id: DishId) -> Result<Option<DishView>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE d.id = ").push_bind(id.0);
    query.build().fetch_optional(db).await?.as_ref().map(read_dish).transpose()
}

/// By name; `after` is the last dish of the page before.
pub async fn list_dishes(
    db: &PgPool,
    filter: &DishFilter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DishView>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    query.push(" WHERE true");
    if let Some(ProducerId(id)) = filter.producer_id {
        query.push(" AND d.producer_id = ").push_bind(id);
    }
    if let Some(id) = filter.category_id {
        query.push(" AND d.category_id = ").push_bind(id);
    }
    if let Some(id) = after {
        query.push(" AND (d.name, d.id) > (SELECT name, id FROM dishes WHERE id = ").push_bind(id).push(")");
    }
    query.push(" ORDER BY d.name, d.id LIMIT ").push_bind(limit);
    query.build().fetch_all(db).await?.iter().map(read_dish).collect()
}

fn read_dish(row: &PgRow) -> Result<DishView, sqlx::Error> {
    Ok(DishView {
        id: DishId(row.try_get("id")?),
        producer_id: ProducerId(row.try_get("producer_id")?),
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        price: money(row.try_get("price_minor")?, row.try_get("currency")?)?,
        price_version: row.try_get("price_version")?,
        is_available: row.try_get("is_available")?,
        producer_active: row.try_get("producer_active")?,
        portions_left: row.try_get("portions_left")?,
        category_id: row.try_get("category_id")?,
        photo_url: row.try_get("photo_url")?,
        version: row.try_get("version")?,
        views_count: row.try_get("views")?,
    })
}
