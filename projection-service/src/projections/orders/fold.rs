//! The fold of an order's events into its row, and how rows are loaded and stored.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shared::{
    domain::{
        AggregateType, DomainEvent, OrderId, RefundId,
        order::{Funds, OrderEvent, OrderPaid, OrderPaymentAttemptFailed, OrderPaymentRequested, OrderStatus},
        payment::FailureReason,
    },
    log::RecordedEvent,
};
use smallvec::smallvec;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::row::{
    AttemptStatus, CancellationRow, OrderDisputeRow, OrderRow, PaymentSummary, PayoutRow, RatingRow, RefundRow,
    RefundStatus,
};
use crate::engine::{Changes, CopyRows, FoldError, Keys, Projection, ReadModel, Replay, Sources, to_json};

/// The projection of orders.
#[derive(Debug)]
pub struct Orders;

impl Projection for Orders {
    const NAME: &'static str = crate::projections::ORDERS;
    type Key = OrderId;
    type Row = OrderRow;

    fn keys(event: &RecordedEvent) -> Keys<OrderId> {
        match event.aggregate_type {
            AggregateType::Order => smallvec![OrderId(event.aggregate_id)],
            AggregateType::Payment | AggregateType::Dispute | AggregateType::Gift => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.sequence > 1
    }

    fn apply(
        row: Option<OrderRow>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<OrderRow>, FoldError> {
        let DomainEvent::Order(order_event) = domain else { return Ok(row) };
        match (row, order_event) {
            (None, OrderEvent::OrderCreated(created)) => Ok(Some(OrderRow::new(event, created))),
            (None, _) => Err(FoldError::out_of_place(domain, "does not exist")),
            (Some(row), OrderEvent::OrderCreated(_)) => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(row), _) if event.sequence <= row.version => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(mut row), order_event) => {
                row.take(event, order_event).map_err(|found| FoldError::out_of_place(domain, found))?;
                row.version = event.sequence;
                row.updated_at = event.occurred_at;
                Ok(Some(row))
            }
        }
    }
}

impl OrderRow {
    fn take(&mut self, event: &RecordedEvent, order_event: &OrderEvent) -> Result<(), &'static str> {
        let at = event.occurred_at;
        match order_event {
            // Handled where rows are born.
            OrderEvent::OrderCreated(_) => {}
            OrderEvent::OrderPaymentRequested(requested) => self.attempt_opened(requested),
            OrderEvent::OrderPaymentAttemptFailed(failed) => self.attempt_failed(failed),
            OrderEvent::OrderPaid(paid) => self.paid(paid, at),
            // Between the log and the cook.
            OrderEvent::OrderProducerReminded(_) => {}
            OrderEvent::OrderAccepted(accepted) => {
                (self.status, self.accepted_at) = (OrderStatus::Accepted, Some(at));
                (self.eta_minutes, self.ready_by) = (Some(accepted.eta_minutes), Some(accepted.ready_by));
            }
            OrderEvent::OrderEtaChanged(eta) => {
                (self.eta_minutes, self.ready_by) = (Some(eta.eta_minutes), Some(eta.ready_by));
            }
            OrderEvent::OrderPreparationStarted(started) => {
                (self.status, self.preparation_started_at) = (OrderStatus::Preparing, Some(at));
                self.set_note(&started.note);
            }
            OrderEvent::OrderReady(ready) => {
                (self.status, self.ready_at) = (OrderStatus::Ready, Some(at));
                self.set_note(&ready.note);
            }
            OrderEvent::OrderDispatched(dispatched) => {
                (self.status, self.dispatched_at) = (OrderStatus::OutForDelivery, Some(at));
                self.set_note(&dispatched.note);
            }
            OrderEvent::OrderDelivered(delivered) => {
                (self.status, self.delivered_at) = (OrderStatus::Delivered, Some(at));
                self.auto_complete_at = Some(delivered.auto_complete_at);
                self.proof_ref.clone_from(&delivered.proof_ref);
            }
            OrderEvent::OrderCompleted(completed) => {
                (self.status, self.completed_at) = (OrderStatus::Completed, Some(at));
                self.payout_due_at = Some(completed.payout_due_at);
            }
            OrderEvent::OrderCancelled(cancelled) => {
                (self.status, self.cancelled_at) = (OrderStatus::Cancelled, Some(at));
                self.cancellation = Some(CancellationRow::new(cancelled));
            }
            OrderEvent::OrderRefundAuthorized(authorized) => self.refunds.push(RefundRow::new(event, authorized)),
            OrderEvent::OrderRefundSettled(settled) => {
                self.refund(settled.refund_id)?.set(settled.part, RefundStatus::Settled, at);
            }
            OrderEvent::OrderRefundFailed(failed) => {
                self.refund(failed.refund_id)?.set(failed.part, RefundStatus::Failed, at);
            }
            OrderEvent::OrderPayoutFrozen(frozen) => self.disputes.push(OrderDisputeRow::new(frozen, at)),
            OrderEvent::OrderPayoutUnfrozen(unfrozen) => {
                self.auto_complete_at = unfrozen.auto_complete_at.or(self.auto_complete_at);
                for dispute in self.disputes.iter_mut().filter(|it| it.dispute_id == unfrozen.dispute_id) {
                    dispute.settle(unfrozen, at);
                }
            }
            OrderEvent::OrderPayoutReleased(payout) => self.payout = Some(PayoutRow::new(payout, at)),
            OrderEvent::OrderRated(rated) => self.rating = Some(RatingRow::new(rated, at)),
        }
        Ok(())
    }

    fn attempt_opened(&mut self, requested: &OrderPaymentRequested) {
        self.attempts_opened += 1;
        self.payment = Some(PaymentSummary {
            payment_id: Some(requested.payment_id),
            attempt_no: Some(requested.attempt_no),
            status: AttemptStatus::Pending,
            amount: requested.amount_due,
            gift_amount: None,
            reason: None,
        });
    }

    fn attempt_failed(&mut self, failed: &OrderPaymentAttemptFailed) {
        self.attempts_lost += u32::from(failed.reason != FailureReason::ProviderUnavailable);
        // An older attempt may fail after a newer one was opened; the summary is the newest's.
        if let Some(payment) = self.payment.as_mut().filter(|payment| payment.payment_id == Some(failed.payment_id)) {
            payment.status = AttemptStatus::Failed;
            payment.reason = Some(failed.reason);
        }
    }

    fn paid(&mut self, paid: &OrderPaid, at: DateTime<Utc>) {
        (self.status, self.paid_at) = (OrderStatus::Paid, Some(at));
        self.accept_deadline = Some(paid.accept_deadline);
        let attempt_no = self.payment.as_ref().filter(|payment| payment.payment_id == paid.payment_id);
        self.payment = Some(PaymentSummary {
            payment_id: paid.payment_id,
            attempt_no: attempt_no.and_then(|payment| payment.attempt_no),
            status: match paid.funds {
                Funds::Captured => AttemptStatus::Succeeded,
                Funds::Authorized => AttemptStatus::Authorized,
            },
            amount: paid.card_amount,
            gift_amount: paid.gift_amount.is_positive().then_some(paid.gift_amount),
            reason: None,
        });
    }

    fn refund(&mut self, refund_id: RefundId) -> Result<&mut RefundRow, &'static str> {
        self.refunds.iter_mut().find(|refund| refund.refund_id == refund_id).ok_or("knows no such refund")
    }

    fn set_note(&mut self, note: &Option<String>) {
        if note.is_some() {
            self.note.clone_from(note);
        }
    }
}

impl ReadModel for Orders {
    type Written = ();
    const REPLAY: Replay = Replay::ByStream(AggregateType::Order);
    const SOURCES: Option<Sources> = Sources::stream(&[AggregateType::Order], Self::TABLES);

    async fn load(db: &PgPool, keys: &[OrderId]) -> Result<HashMap<OrderId, OrderRow>, sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
        let rows = sqlx::query("SELECT doc FROM orders WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get::<Json<OrderRow>, _>("doc").map(|Json(row)| (row.id, row))).collect()
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let rows: Vec<&OrderRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        sqlx::query(
            "
            INSERT INTO orders (id, customer_id, producer_id, status, created_at, version, doc)
            SELECT id, customer_id, producer_id, status, created_at, version, doc::json
            FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::bigint[], $7::text[])
                AS r (id, customer_id, producer_id, status, created_at, version, doc)
            ON CONFLICT (id) DO UPDATE
            SET status = EXCLUDED.status, version = EXCLUDED.version, doc = EXCLUDED.doc
            ",
        )
        .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.customer_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.producer_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| status_name(row.status)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(to_json).collect::<Result<Vec<_>, _>>()?)
        .execute(tx)
        .await?;
        Ok(())
    }

    fn copy(rows: &[OrderRow]) -> Result<Vec<CopyRows>, sqlx::Error> {
        let mut copy = CopyRows::new(
            "COPY orders (id, customer_id, producer_id, status, created_at, version, doc) FROM STDIN (FORMAT binary)",
            7,
        );
        for row in rows {
            let fields = copy.row().uuid(row.id.0).uuid(row.customer_id.0).uuid(row.producer_id.0);
            fields.text(status_name(row.status)).timestamp(row.created_at).bigint(row.version as i64).json(row)?;
        }
        Ok(vec![copy])
    }
}

/// The stable name of a status, as in the API.
pub(crate) fn status_name(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::WaitingForPayment => "WAITING_FOR_PAYMENT",
        OrderStatus::Paid => "PAID",
        OrderStatus::Accepted => "ACCEPTED",
        OrderStatus::Preparing => "PREPARING",
        OrderStatus::Ready => "READY",
        OrderStatus::OutForDelivery => "OUT_FOR_DELIVERY",
        OrderStatus::Delivered => "DELIVERED",
        OrderStatus::Completed => "COMPLETED",
        OrderStatus::Cancelled => "CANCELLED",
    }
}
