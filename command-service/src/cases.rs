//! What of a payment a person has to look at.

use shared::{domain::PaymentId, runtime::Clock};
use sqlx::PgPool;

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaseKind {
    /// Nobody knows whether a refund was done, and asking does not tell.
    RefundAmbiguous,
    /// The provider does not do a refund by itself.
    RefundRefused,
    /// The provider's last word came and the payment is not at an end.
    NeverEnded,
    /// The bank's registry says something else than our books.
    BooksDiffer,
}

impl CaseKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefundAmbiguous => "REFUND_AMBIGUOUS",
            Self::RefundRefused => "REFUND_REFUSED",
            Self::NeverEnded => "NEVER_ENDED",
            Self::BooksDiffer => "BOOKS_DIFFER",
        }
    }
}

/// The cases. Cheap to clone.
#[derive(Clone)]
pub struct Cases {
    db: PgPool,
    clock: Clock,
}

impl Cases {
    /// The cases of that database.
    pub fn new(db: PgPool, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Raises the alarm and writes the case down; one that is open already stays as it is.
    pub async fn open(&self, payment_id: PaymentId, kind: CaseKind, detail: &str) {
        tracing::error!(event = "payment_case", payment.id = %payment_id, kind = kind.as_str(), detail, "a person has to look at a payment");
        let opened = sqlx::query(
            "
            INSERT INTO payment_cases AS known (payment_id, kind, detail, opened_at)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (payment_id, kind) DO UPDATE
            SET detail = excluded.detail, opened_at = excluded.opened_at, closed_at = NULL
            WHERE known.closed_at IS NOT NULL
            ",
        )
        .bind(payment_id.0)
        .bind(kind.as_str())
        .bind(detail)
        .bind(self.clock.now())
        .execute(&self.db)
        .await;
        if let Err(error) = opened {
            tracing::error!(payment.id = %payment_id, %error, "the case could not be written down");
        }
    }

    /// What was unclear is clear.
    pub async fn close(&self, payment_id: PaymentId, kind: CaseKind) {
        let closed = sqlx::query(
            "UPDATE payment_cases SET closed_at = $3 WHERE payment_id = $1 AND kind = $2 AND closed_at IS NULL",
        )
        .bind(payment_id.0)
        .bind(kind.as_str())
        .bind(self.clock.now())
        .execute(&self.db)
        .await;
        if let Err(error) = closed {
            tracing::warn!(payment.id = %payment_id, %error, "the case could not be closed");
        }
    }

    /// Cases that are open.
    pub async fn open_count(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM payment_cases WHERE closed_at IS NULL").fetch_one(&self.db).await
    }
}
