//! The fold of a gift's events into its row, and how rows are loaded and stored.

use std::collections::HashMap;

use shared::{
    domain::{
        AggregateType, DomainEvent, GiftId, PaymentId, RefundId,
        gift::{GiftEvent, GiftStatus, Pot, Purse},
        payment::FailureReason,
    },
    log::RecordedEvent,
};
use smallvec::smallvec;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::row::{
    GiftAttemptRow, GiftAttemptStatus, GiftRefundRow, GiftRefundStatus, GiftRow, GiftUseRow, GiftUseStatus,
};
use crate::engine::{Changes, CopyRows, FoldError, Keys, Projection, ReadModel, Replay, Sources, to_json};

/// The projection of gifts.
#[derive(Debug)]
pub struct Gifts;

impl Projection for Gifts {
    const NAME: &'static str = crate::projections::GIFTS;
    type Key = GiftId;
    type Row = GiftRow;

    fn keys(event: &RecordedEvent) -> Keys<GiftId> {
        match event.aggregate_type {
            AggregateType::Gift => smallvec![GiftId(event.aggregate_id)],
            AggregateType::Order | AggregateType::Payment | AggregateType::Dispute => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.sequence > 1
    }

    fn apply(row: Option<GiftRow>, event: &RecordedEvent, domain: &DomainEvent) -> Result<Option<GiftRow>, FoldError> {
        let DomainEvent::Gift(gift_event) = domain else { return Ok(row) };
        match (row, gift_event) {
            (None, GiftEvent::GiftCreated(created)) => Ok(Some(GiftRow::new(event, created))),
            (None, _) => Err(FoldError::out_of_place(domain, "does not exist")),
            (Some(row), GiftEvent::GiftCreated(_)) => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(row), _) if event.sequence <= row.version => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(mut row), gift_event) => {
                row.take(event, gift_event).map_err(|found| FoldError::out_of_place(domain, found))?;
                row.set_spent();
                row.version = event.sequence;
                row.updated_at = event.occurred_at;
                Ok(Some(row))
            }
        }
    }
}

/// What an event says of something that is not there.
type Misplaced = Result<(), &'static str>;

impl GiftRow {
    fn take(&mut self, event: &RecordedEvent, gift_event: &GiftEvent) -> Misplaced {
        let at = event.occurred_at;
        match gift_event {
            // Handled where rows are born.
            GiftEvent::GiftCreated(_) => {}
            GiftEvent::GiftPaymentRequested(requested) => self.attempts.push(GiftAttemptRow {
                payment_id: requested.payment_id,
                status: GiftAttemptStatus::Active,
                failure: None,
            }),
            GiftEvent::GiftPaymentAttemptFailed(failed) => {
                return self.attempt(failed.payment_id, GiftAttemptStatus::Failed, Some(failed.reason));
            }
            GiftEvent::GiftIssued(issued) => {
                self.status = GiftStatus::Issued;
                self.purse = Purse::filled(issued.value);
                self.last4 = Some(issued.last4.clone());
                (self.issued_at, self.expires_at) = (Some(at), Some(issued.expires_at));
                return self.attempt(issued.payment_id, GiftAttemptStatus::Paid, None);
            }
            GiftEvent::GiftDelivered(_) => self.delivered_at = Some(at),
            // Told by the feed; nothing that is shown changes.
            GiftEvent::GiftReminded(_) => {}
            GiftEvent::GiftActivated(activated) => {
                self.status = GiftStatus::Activated;
                (self.activated_by, self.activated_at) = (Some(activated.activated_by), Some(at));
                self.order_id = activated.order_id;
            }
            GiftEvent::GiftActivationReverted(_) => {
                self.status = GiftStatus::Issued;
                (self.activated_by, self.activated_at, self.order_id) = (None, None, None);
            }
            GiftEvent::GiftConverted(converted) => self.kind = converted.to,
            GiftEvent::GiftReserved(reserved) => {
                self.purse.shift(Pot::Available, Pot::Reserved, reserved.amount);
                self.uses.push(GiftUseRow {
                    reservation_id: reserved.reservation_id,
                    order_id: reserved.order_id,
                    amount: reserved.amount,
                    status: GiftUseStatus::Reserved,
                    credited: shared::domain::Money::zero(reserved.amount.currency()),
                    reserved_at: at,
                });
            }
            GiftEvent::GiftRedeemed(redeemed) => {
                self.was_redeemed = true;
                self.purse.shift(Pot::Reserved, Pot::Redeemed, redeemed.amount);
                return self.usage(redeemed.reservation_id, GiftUseStatus::Redeemed);
            }
            GiftEvent::GiftReservationReleased(released) => {
                self.purse.shift(Pot::Reserved, Pot::Available, released.amount);
                return self.usage(released.reservation_id, GiftUseStatus::Released);
            }
            GiftEvent::GiftCredited(credited) => {
                self.purse.shift(Pot::Redeemed, Pot::Available, credited.amount);
                let usage = self.uses.iter_mut().find(|usage| usage.order_id == credited.order_id);
                let usage = usage.ok_or("has no such order")?;
                usage.credited = usage.credited.add(credited.amount).map_err(|_| "has another currency")?;
            }
            GiftEvent::GiftExpired(_) => self.status = GiftStatus::Expired,
            GiftEvent::GiftCancelled(cancelled) => {
                self.status = GiftStatus::Cancelled;
                self.cancel_reason = Some(cancelled.reason_code);
            }
            GiftEvent::GiftRefundRequested(requested) => {
                self.purse.shift(Pot::Available, Pot::Refunding, requested.amount);
                self.refunds.push(GiftRefundRow {
                    refund_id: requested.refund_id,
                    amount: requested.amount,
                    cause: requested.cause,
                    status: GiftRefundStatus::Requested,
                    requested_at: at,
                });
            }
            GiftEvent::GiftRefundSettled(refund) => {
                self.purse.shift(Pot::Refunding, Pot::Refunded, refund.amount);
                return self.refund(refund.refund_id, GiftRefundStatus::Settled);
            }
            GiftEvent::GiftRefundReverted(refund) => {
                self.purse.shift(Pot::Refunding, Pot::Available, refund.amount);
                return self.refund(refund.refund_id, GiftRefundStatus::Reverted);
            }
            GiftEvent::GiftBlocked(_) => self.is_blocked = true,
            GiftEvent::GiftUnblocked(_) => self.is_blocked = false,
        }
        Ok(())
    }

    fn attempt(&mut self, id: PaymentId, status: GiftAttemptStatus, failure: Option<FailureReason>) -> Misplaced {
        let attempt = self.attempts.iter_mut().find(|attempt| attempt.payment_id == id);
        let attempt = attempt.ok_or("has no such attempt")?;
        (attempt.status, attempt.failure) = (status, failure);
        Ok(())
    }

    fn usage(&mut self, reservation_id: Uuid, status: GiftUseStatus) -> Misplaced {
        let usage = self.uses.iter_mut().find(|usage| usage.reservation_id == reservation_id);
        usage.ok_or("has no such reservation")?.status = status;
        Ok(())
    }

    fn refund(&mut self, refund_id: RefundId, status: GiftRefundStatus) -> Misplaced {
        let refund = self.refunds.iter_mut().find(|refund| refund.refund_id == refund_id);
        refund.ok_or("has no such refund")?.status = status;
        Ok(())
    }
}

impl ReadModel for Gifts {
    type Written = ();
    const REPLAY: Replay = Replay::ByStream(AggregateType::Gift);
    const SOURCES: Option<Sources> = Sources::stream(&[AggregateType::Gift], Self::TABLES);

    async fn load(db: &PgPool, keys: &[GiftId]) -> Result<HashMap<GiftId, GiftRow>, sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
        let rows = sqlx::query("SELECT doc FROM gifts WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get::<Json<GiftRow>, _>("doc").map(|Json(gift)| (gift.id, gift))).collect()
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let rows: Vec<&GiftRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        sqlx::query(
            "
            INSERT INTO gifts (id, buyer_id, recipient_id, created_at, version, doc)
            SELECT id, buyer_id, recipient_id, created_at, version, doc::json
            FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::bigint[], $6::text[])
                AS r (id, buyer_id, recipient_id, created_at, version, doc)
            ON CONFLICT (id) DO UPDATE
            SET recipient_id = EXCLUDED.recipient_id, version = EXCLUDED.version, doc = EXCLUDED.doc
            ",
        )
        .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.buyer_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.recipient().map(|id| id.0)).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.created_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(to_json).collect::<Result<Vec<_>, _>>()?)
        .execute(tx)
        .await?;
        Ok(())
    }

    fn copy(rows: &[GiftRow]) -> Result<Vec<CopyRows>, sqlx::Error> {
        let mut copy = CopyRows::new(
            "COPY gifts (id, buyer_id, recipient_id, created_at, version, doc) FROM STDIN (FORMAT binary)",
            6,
        );
        for row in rows {
            let fields = copy.row().uuid(row.id.0).uuid(row.buyer_id.0).optional_uuid(row.recipient().map(|id| id.0));
            fields.timestamp(row.created_at).bigint(row.version as i64).json(row)?;
        }
        Ok(vec![copy])
    }
}
