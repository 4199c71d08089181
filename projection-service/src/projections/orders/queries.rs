//! What is asked of orders.

use chrono::{DateTime, Utc};
use shared::domain::{OrderId, ProducerId, UserId, order::OrderStatus};
use sqlx::{PgPool, Postgres, QueryBuilder, Row};

use super::{fold::status_name, row::OrderRow};
use crate::projections::{PageStart, newest_first, read_doc};

/// Which orders a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderFilter {
    /// Of this customer.
    pub customer_id: Option<UserId>,
    /// Of this kitchen.
    pub producer_id: Option<ProducerId>,
    /// That stand here.
    pub status: Option<OrderStatus>,
    /// Placed at or after this.
    pub from: Option<DateTime<Utc>>,
    /// Placed before this.
    pub to: Option<DateTime<Utc>>,
}

/// One order.
pub async fn find(db: &PgPool, id: OrderId) -> Result<Option<OrderRow>, sqlx::Error> {
    let row = sqlx::query("SELECT doc FROM orders WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(read_doc).transpose()
}

/// Newest first. Only the conditions that are asked for are written, so that each has its index.
pub async fn list(
    db: &PgPool,
    filter: &OrderFilter,
    page: (Option<PageStart>, i64),
) -> Result<Vec<OrderRow>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT doc FROM orders WHERE true");
    if let Some(UserId(id)) = filter.customer_id {
        query.push(" AND customer_id = ").push_bind(id);
    }
    if let Some(ProducerId(id)) = filter.producer_id {
        query.push(" AND producer_id = ").push_bind(id);
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status_name(status));
    }
    if let Some(from) = filter.from {
        query.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND created_at < ").push_bind(to);
    }
    newest_first(db, query, "created_at", page).await
}

/// How many orders stand where, for those that are not at their end.
pub async fn active_by_status(db: &PgPool) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT status, count(*) AS orders FROM orders
         WHERE status NOT IN ('COMPLETED', 'CANCELLED')
         GROUP BY status",
    );
    rows.fetch_all(db).await?.iter().map(|row| Ok((row.try_get("status")?, row.try_get("orders")?))).collect()
}
