//! The lines of registries that were imported.

use chrono::{DateTime, Utc};
use shared::domain::PaymentId;
use sqlx::{PgPool, Row, postgres::PgRow};

use super::lines::{Line, RegistryOperation};

/// A line as it was written down when it was first sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Names the operation at the bank.
    pub registry_ref: String,
    /// The stored name of what was done.
    pub operation: String,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Whether our books have it.
    pub is_booked: bool,
}

impl Written {
    /// Whether the line says the same now.
    pub fn is(&self, line: &Line) -> bool {
        self.operation == line.operation.as_str()
            && self.payment_id == line.payment_id
            && self.amount_minor == line.amount.minor()
    }
}

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct RegistryTable {
    db: PgPool,
}

impl RegistryTable {
    /// The table of that database.
    pub fn new(db: PgPool) -> Self {
        Self { db }
    }

    /// Writes lines down; those that are known stay as they are. Answers how each stands in the table.
    pub async fn put(&self, lines: &[Line], now: DateTime<Utc>) -> Result<Vec<Written>, sqlx::Error> {
        let refs: Vec<&str> = lines.iter().map(|line| line.registry_ref.as_str()).collect();
        sqlx::query(
            "
            INSERT INTO bank_registry (registry_ref, operation, payment_id, amount_minor, imported_at)
            SELECT registry_ref, operation, payment_id, amount_minor, $5
            FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::bigint[])
                AS line (registry_ref, operation, payment_id, amount_minor)
            ON CONFLICT (registry_ref) DO NOTHING
            ",
        )
        .bind(&refs)
        .bind(lines.iter().map(|line| line.operation.as_str()).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.payment_id.0).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.amount.minor()).collect::<Vec<_>>())
        .bind(now)
        .execute(&self.db)
        .await?;
        let rows = sqlx::query(
            "
            SELECT registry_ref, operation, payment_id, amount_minor, booked_as IS NOT NULL AS is_booked
            FROM bank_registry
            WHERE registry_ref = ANY ($1)
            ",
        )
        .bind(&refs)
        .fetch_all(&self.db)
        .await?;
        let written = |row: &PgRow| {
            Ok(Written {
                registry_ref: row.try_get("registry_ref")?,
                operation: row.try_get("operation")?,
                payment_id: PaymentId(row.try_get("payment_id")?),
                amount_minor: row.try_get("amount_minor")?,
                is_booked: row.try_get("is_booked")?,
            })
        };
        rows.iter().map(written).collect()
    }

    /// What the bank says to have given back of a payment, in minor units, in all registries so far.
    pub async fn given_back_minor(&self, payment_id: PaymentId) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(
            "
            SELECT coalesce(sum(amount_minor), 0)::bigint
            FROM bank_registry
            WHERE payment_id = $1 AND operation = $2
            ",
        )
        .bind(payment_id.0)
        .bind(RegistryOperation::Refund.as_str())
        .fetch_one(&self.db)
        .await
    }

    /// The line fits our books now.
    pub async fn booked(&self, registry_ref: &str, as_what: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE bank_registry SET booked_as = $2 WHERE registry_ref = $1")
            .bind(registry_ref)
            .bind(as_what)
            .execute(&self.db)
            .await?;
        Ok(())
    }
}
