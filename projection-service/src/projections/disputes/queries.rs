//! What is asked of disputes.

use shared::domain::{DisputeId, OrderId, ProducerId, UserId, dispute::DisputeStatus};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::row::DisputeRow;
use crate::projections::{PageStart, newest_first, read_doc};

/// Which disputes a list shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DisputeFilter {
    /// Of this customer.
    pub customer_id: Option<UserId>,
    /// Of this kitchen.
    pub producer_id: Option<ProducerId>,
    /// That stand here.
    pub status: Option<DisputeStatus>,
    /// About this order.
    pub order_id: Option<OrderId>,
}

/// One dispute.
pub async fn find(db: &PgPool, id: DisputeId) -> Result<Option<DisputeRow>, sqlx::Error> {
    let row = sqlx::query("SELECT doc FROM disputes WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(read_doc).transpose()
}

/// Newest first. Only the conditions that are asked for are written, so that each has its index.
pub async fn list(
    db: &PgPool,
    filter: &DisputeFilter,
    page: (Option<PageStart>, i64),
) -> Result<Vec<DisputeRow>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT doc FROM disputes WHERE true");
    if let Some(UserId(id)) = filter.customer_id {
        query.push(" AND customer_id = ").push_bind(id);
    }
    if let Some(ProducerId(id)) = filter.producer_id {
        query.push(" AND producer_id = ").push_bind(id);
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(OrderId(id)) = filter.order_id {
        query.push(" AND order_id = ").push_bind(id);
    }
    newest_first(db, query, "opened_at", page).await
}
