//! The fold of a payment's events into its row, and how rows are loaded and stored.

use std::collections::HashMap;

use shared::{
    domain::{
        AggregateType, DomainEvent, Money, PaymentId, RefundId,
        payment::{PaymentEvent, PaymentRefundSucceeded, PaymentStatus, PaymentSucceeded},
    },
    log::RecordedEvent,
};
use smallvec::smallvec;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::row::{
    BankActKind, BankActRow, IntegrityProposalRow, PaymentFailureRow, PaymentRefundRow, PaymentRefundStatus,
    PaymentRow, PaymentUse, RefundProposalRow,
};
use crate::engine::{Changes, CopyRows, FoldError, Keys, Projection, ReadModel, Replay, Sources, to_json};

/// The projection of payments.
#[derive(Debug)]
pub struct Payments;

impl Projection for Payments {
    const NAME: &'static str = crate::projections::PAYMENTS;
    type Key = PaymentId;
    type Row = PaymentRow;

    fn keys(event: &RecordedEvent) -> Keys<PaymentId> {
        match event.aggregate_type {
            AggregateType::Payment => smallvec![PaymentId(event.aggregate_id)],
            AggregateType::Order | AggregateType::Dispute | AggregateType::Gift => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.sequence > 1
    }

    fn apply(
        row: Option<PaymentRow>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<PaymentRow>, FoldError> {
        let DomainEvent::Payment(payment_event) = domain else { return Ok(row) };
        match (row, payment_event) {
            (None, PaymentEvent::PaymentInitiated(initiated)) => Ok(Some(PaymentRow::new(event, initiated))),
            (None, _) => Err(FoldError::out_of_place(domain, "does not exist")),
            (Some(row), PaymentEvent::PaymentInitiated(_)) => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(row), _) if event.sequence <= row.version => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(mut row), payment_event) => {
                row.take(event, payment_event, domain)?;
                row.version = event.sequence;
                row.updated_at = event.occurred_at;
                Ok(Some(row))
            }
        }
    }
}

impl PaymentRow {
    fn take(
        &mut self,
        event: &RecordedEvent,
        payment_event: &PaymentEvent,
        domain: &DomainEvent,
    ) -> Result<(), FoldError> {
        match payment_event {
            // Handled where rows are born.
            PaymentEvent::PaymentInitiated(_) => {}
            PaymentEvent::PaymentSessionOpened(session) => {
                self.provider_payment_id = Some(session.provider_payment_id.clone());
                self.payment_url = Some(session.payment_url.clone());
                // The provider's report may have been faster than its answer to us.
                if self.status == PaymentStatus::Initiated {
                    self.status = PaymentStatus::AwaitingCustomer;
                }
            }
            PaymentEvent::PaymentProcessing(processing) => {
                self.status = PaymentStatus::Processing;
                self.provider_payment_id = Some(processing.provider_payment_id.clone());
            }
            PaymentEvent::PaymentAuthorized(authorized) => {
                self.status = PaymentStatus::Authorized;
                self.provider_payment_id = Some(authorized.provider_payment_id.clone());
                self.capture_before = Some(authorized.capture_before);
                self.late |= authorized.late;
            }
            // What was asked of the provider; what it did comes as an event of its own.
            PaymentEvent::PaymentCaptureRequested(_)
            | PaymentEvent::PaymentCapturePostponed(_)
            | PaymentEvent::PaymentAbortRequested(_)
            | PaymentEvent::PaymentAbortPostponed(_) => {}
            PaymentEvent::PaymentSucceeded(succeeded) => self.succeeded(succeeded),
            PaymentEvent::PaymentFailed(failed) => {
                self.status = PaymentStatus::Failed;
                self.failure = Some(PaymentFailureRow::new(failed));
            }
            PaymentEvent::PaymentApplied(_) => self.used = PaymentUse::Applied,
            PaymentEvent::PaymentUnapplied(unapplied) => {
                self.used = PaymentUse::Unapplied;
                self.unapplied_cause = Some(unapplied.cause);
            }
            PaymentEvent::PaymentRefundRequested(requested) => {
                self.refunds.push(PaymentRefundRow::new(requested, event.occurred_at));
            }
            PaymentEvent::PaymentRefundSubmitted(submitted) => {
                self.refund(submitted.refund_id, domain)?.set(PaymentRefundStatus::Submitted);
            }
            PaymentEvent::PaymentRefundUnknown(unknown) => {
                self.refund(unknown.refund_id, domain)?.set(PaymentRefundStatus::Unknown);
            }
            PaymentEvent::PaymentRefundSucceeded(succeeded) => self.refunded(succeeded, domain)?,
            PaymentEvent::PaymentRefundFailed(failed) => self.refund(failed.refund_id, domain)?.failed(failed),
            PaymentEvent::PaymentRefundResolutionProposed(proposed) => {
                let (finding, proposed_by) = (proposed.finding, proposed.proposed_by);
                let proposal = RefundProposalRow { finding, proposed_by };
                self.refund(proposed.refund_id, domain)?.proposal = Some(proposal);
            }
            PaymentEvent::PaymentRefundResolved(resolved) => {
                let refund = self.refund(resolved.refund_id, domain)?;
                refund.proposal = None;
                if resolved.back_already.is_some() {
                    refund.set(PaymentRefundStatus::BackAlready);
                }
            }
            PaymentEvent::PaymentIntegrityViolated(_) => self.integrity_hold = true,
            PaymentEvent::PaymentIntegrityResolutionProposed(proposed) => {
                let (decision, proposed_by) = (proposed.decision, proposed.proposed_by);
                self.integrity_proposal = Some(IntegrityProposalRow { decision, proposed_by });
            }
            PaymentEvent::PaymentIntegrityResolved(_) => {
                (self.integrity_hold, self.integrity_proposal) = (false, None);
            }
            PaymentEvent::PaymentChargebackRecorded(chargeback) => {
                let (kind, at) = (BankActKind::Chargeback, event.occurred_at);
                self.bank_acts.push(BankActRow::new(kind, chargeback.amount, &chargeback.registry_ref, at));
            }
            PaymentEvent::PaymentExternalRefundRecorded(refund) => {
                let (kind, at) = (BankActKind::Refund, event.occurred_at);
                self.bank_acts.push(BankActRow::new(kind, refund.amount, &refund.registry_ref, at));
                if let Some(refund_id) = refund.stands_for {
                    self.refund(refund_id, domain)?.set(PaymentRefundStatus::BackAlready);
                }
                self.gone_back(refund.amount)?;
            }
        }
        Ok(())
    }

    fn succeeded(&mut self, succeeded: &PaymentSucceeded) {
        self.status = PaymentStatus::Succeeded;
        self.provider_payment_id = Some(succeeded.provider_payment_id.clone());
        self.captured_amount = Some(succeeded.amount);
        self.late |= succeeded.late;
        self.failure = None;
    }

    fn refunded(&mut self, succeeded: &PaymentRefundSucceeded, domain: &DomainEvent) -> Result<(), FoldError> {
        self.refund(succeeded.refund_id, domain)?.set(PaymentRefundStatus::Succeeded);
        self.gone_back(succeeded.amount)
    }

    fn gone_back(&mut self, amount: Money) -> Result<(), FoldError> {
        self.refunded_amount = self.refunded_amount.add(amount)?;
        let all = self.captured_amount.is_none_or(|captured| self.refunded_amount.minor() >= captured.minor());
        self.status = if all { PaymentStatus::Refunded } else { PaymentStatus::PartiallyRefunded };
        Ok(())
    }

    fn refund(&mut self, refund_id: RefundId, domain: &DomainEvent) -> Result<&mut PaymentRefundRow, FoldError> {
        let refund = self.refunds.iter_mut().find(|refund| refund.refund_id == refund_id);
        refund.ok_or_else(|| FoldError::out_of_place(domain, "knows no such refund"))
    }
}

impl ReadModel for Payments {
    type Written = ();
    const REPLAY: Replay = Replay::ByStream(AggregateType::Payment);
    const SOURCES: Option<Sources> = Sources::stream(&[AggregateType::Payment], Self::TABLES);

    async fn load(db: &PgPool, keys: &[PaymentId]) -> Result<HashMap<PaymentId, PaymentRow>, sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
        let rows = sqlx::query("SELECT doc FROM payments WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get::<Json<PaymentRow>, _>("doc").map(|Json(row)| (row.id, row))).collect()
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let rows: Vec<&PaymentRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        sqlx::query(
            "
            INSERT INTO payments (id, order_id, version, doc)
            SELECT id, order_id, version, doc::json
            FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::text[]) AS r (id, order_id, version, doc)
            ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, doc = EXCLUDED.doc
            ",
        )
        .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.order_id().map(|id| id.0)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(to_json).collect::<Result<Vec<_>, _>>()?)
        .execute(tx)
        .await?;
        Ok(())
    }

    fn copy(rows: &[PaymentRow]) -> Result<Vec<CopyRows>, sqlx::Error> {
        let mut copy = CopyRows::new("COPY payments (id, order_id, version, doc) FROM STDIN (FORMAT binary)", 4);
        for row in rows {
            let order_id = row.order_id().map(|id| id.0);
            copy.row().uuid(row.id.0).optional_uuid(order_id).bigint(row.version as i64).json(row)?;
        }
        Ok(vec![copy])
    }
}
