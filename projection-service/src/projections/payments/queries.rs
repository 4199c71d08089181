//! What is asked of payments.

use shared::domain::{PaymentId, ProducerId, UserId};
use sqlx::{PgPool, Row, types::Json};

use super::row::PaymentRow;

/// A payment and the parties of what it pays.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedPayment {
    /// The payment.
    pub payment: PaymentRow,
    /// Who pays: who ordered, or buys the gift; unknown until that is folded too.
    pub customer_id: Option<UserId>,
    /// Who cooks.
    pub producer_id: Option<ProducerId>,
}

/// One payment, with the parties that its order or gift names.
pub async fn find(db: &PgPool, id: PaymentId) -> Result<Option<OwnedPayment>, sqlx::Error> {
    let row = sqlx::query(
        "
        SELECT p.doc, COALESCE(o.customer_id, g.buyer_id) AS customer_id, o.producer_id
        FROM payments p
        LEFT JOIN orders o ON o.id = p.order_id
        LEFT JOIN gifts g ON g.id = (p.doc -> 'purpose' ->> 'gift_id')::uuid
        WHERE p.id = $1
        ",
    )
    .bind(id.0)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let Json(payment) = row.try_get("doc")?;
    Ok(Some(OwnedPayment {
        payment,
        customer_id: row.try_get::<Option<_>, _>("customer_id")?.map(UserId),
        producer_id: row.try_get::<Option<_>, _>("producer_id")?.map(ProducerId),
    }))
}

/// How many payments stand still until two administrators have agreed what to do.
pub async fn on_hold(db: &PgPool) -> Result<i64, sqlx::Error> {
    // The words of `payments_on_hold_idx`.
    sqlx::query_scalar("SELECT count(*) FROM payments WHERE doc ->> 'integrity_hold' = 'true'").fetch_one(db).await
}
