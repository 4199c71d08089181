//! What of a payment a person has to look at.
//!
//! The system opens a case, with an alarm, and closes it when the matter is cleared up. Where nothing clears it up an
//! administrator closes it and says why; every act is kept.

mod table;

use std::time::Duration;

use shared::{domain::PaymentId, runtime::Clock};
use sqlx::PgPool;
use uuid::Uuid;

pub use table::{Case, CaseAct, CaseActKind, CaseFilter, CasePageStart, CaseStatus};

use table::Act;

/// Who opens cases and clears them up.
const SYSTEM: &str = "system";

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RefundAmbiguous, Self::RefundRefused, Self::NeverEnded, Self::BooksDiffer];

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

/// A wish to close a case.
#[derive(Debug, Clone)]
pub struct CloseCase {
    /// The case.
    pub case_id: Uuid,
    /// The version that was looked at, if the caller says so.
    pub expected_version: Option<u64>,
    /// Who closes it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Names the act: it is done once.
    pub command_id: Uuid,
}

/// What became of closing a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Closed {
    /// It is closed now.
    Now(Case),
    /// It was closed by this very act before.
    Before(Case),
    /// There is no such case.
    NotFound,
    /// It is at another version.
    Changed {
        /// Which.
        current: u64,
    },
    /// Somebody else closed it, or it was cleared up.
    AlreadyClosed,
    /// The name of the act stands for another one.
    NameReused,
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

    /// Raises the alarm and writes the case down; one that is open already stays as it is. The case may be the last that
    /// remembers the payment, so a database that is away for half a minute is waited for. Says whether it is written.
    pub async fn open(&self, payment_id: PaymentId, kind: CaseKind, detail: &str) -> bool {
        tracing::error!(event = "payment_case", payment.id = %payment_id, kind = kind.as_str(), detail, "a person has to look at a payment");
        let act = Act { actor: SYSTEM, reason: detail, command_id: None, at: self.clock.now() };
        for rest_ms in [20, 100, 500, 1_000, 2_000, 5_000, 5_000, 5_000, 5_000, 5_000] {
            match table::open(&self.db, payment_id, kind, &act).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::warn!(payment.id = %payment_id, %error, rest_ms, "a case is not written down yet")
                }
            }
            tokio::time::sleep(Duration::from_millis(rest_ms)).await;
        }
        tracing::error!(payment.id = %payment_id, kind = kind.as_str(), "the case could not be written down");
        false
    }

    /// What was unclear is clear.
    pub async fn clear_up(&self, payment_id: PaymentId, kind: CaseKind) {
        let act = Act { actor: SYSTEM, reason: "cleared up", command_id: None, at: self.clock.now() };
        if let Err(error) = table::clear_up(&self.db, payment_id, kind, &act).await {
            tracing::warn!(payment.id = %payment_id, %error, "the case could not be closed");
        }
    }

    /// Has an administrator close a case.
    pub async fn close(&self, wish: &CloseCase) -> Result<Closed, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let Some(case) = table::lock(&mut tx, wish.case_id).await? else { return Ok(Closed::NotFound) };
        if let Some((case_id, reason)) = table::act_named(&mut tx, wish.command_id).await? {
            let is_same = (case_id, reason.as_str()) == (wish.case_id, wish.reason.as_str());
            return Ok(if is_same { Closed::Before(case) } else { Closed::NameReused });
        }
        let current = case.version;
        if wish.expected_version.is_some_and(|expected| expected != current) {
            return Ok(Closed::Changed { current });
        }
        if case.status == CaseStatus::Closed {
            return Ok(Closed::AlreadyClosed);
        }
        let (actor, reason) = (wish.actor.as_str(), wish.reason.as_str());
        let act = Act { actor, reason, command_id: Some(wish.command_id), at: self.clock.now() };
        let case = table::close(&mut tx, wish.case_id, &act).await?;
        tx.commit().await?;
        tracing::info!(event = "payment_case_closed", payment.id = %case.payment_id, actor, reason, "a case was closed by hand");
        Ok(Closed::Now(case))
    }

    /// A page of the cases, the newest first.
    pub async fn list(
        &self,
        filter: &CaseFilter,
        after: Option<CasePageStart>,
        limit: i64,
    ) -> Result<Vec<Case>, sqlx::Error> {
        table::list(&self.db, filter, after, limit).await
    }

    /// A case with everything that was done about it, the first first.
    pub async fn find(&self, case_id: Uuid) -> Result<Option<(Case, Vec<CaseAct>)>, sqlx::Error> {
        let Some(case) = table::find(&self.db, case_id).await? else { return Ok(None) };
        Ok(Some((case, table::acts(&self.db, case_id).await?)))
    }

    /// How many are open, of each kind.
    pub async fn open_counts(&self) -> Result<[(CaseKind, i64); 4], sqlx::Error> {
        let counts = table::open_counts(&self.db).await?;
        Ok(CaseKind::ALL.map(|kind| (kind, counts.get(kind.as_str()).copied().unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests;
