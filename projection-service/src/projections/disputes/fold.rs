//! The fold of a dispute's events into its row, and how rows are loaded and stored.

use std::collections::HashMap;

use shared::{
    domain::{
        AggregateType, DisputeId, DomainEvent,
        dispute::{
            DecidedBy, DisputeEvent, DisputeOfferMade, DisputeResolutionProposed, DisputeResolved, DisputeResponded,
            DisputeSide, DisputeStatus,
        },
    },
    log::RecordedEvent,
};
use smallvec::smallvec;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use super::row::{DisputeRow, EvidenceRow, OfferRow, OfferStatus, ProposalRow, ResolutionRow, SealedWords};
use crate::engine::{Changes, CopyRows, FoldError, Keys, Projection, ReadModel, Replay, Sources, to_json};

/// The projection of disputes.
#[derive(Debug)]
pub struct Disputes;

impl Projection for Disputes {
    const NAME: &'static str = crate::projections::DISPUTES;
    type Key = DisputeId;
    type Row = DisputeRow;

    fn keys(event: &RecordedEvent) -> Keys<DisputeId> {
        match event.aggregate_type {
            AggregateType::Dispute => smallvec![DisputeId(event.aggregate_id)],
            AggregateType::Order | AggregateType::Payment | AggregateType::Gift => smallvec![],
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.sequence > 1
    }

    fn apply(
        row: Option<DisputeRow>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<DisputeRow>, FoldError> {
        let DomainEvent::Dispute(dispute_event) = domain else { return Ok(row) };
        match (row, dispute_event) {
            (None, DisputeEvent::DisputeOpened(opened)) => Ok(Some(DisputeRow::new(event, opened))),
            (None, _) => Err(FoldError::out_of_place(domain, "does not exist")),
            (Some(row), DisputeEvent::DisputeOpened(_)) => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(row), _) if event.sequence <= row.version => {
                Err(FoldError::out_of_place(domain, format!("is at version {}", row.version)))
            }
            (Some(mut row), dispute_event) => {
                row.take(event, dispute_event);
                row.version = event.sequence;
                row.updated_at = event.occurred_at;
                Ok(Some(row))
            }
        }
    }
}

impl DisputeRow {
    fn take(&mut self, event: &RecordedEvent, dispute_event: &DisputeEvent) {
        let at = event.occurred_at;
        match dispute_event {
            // Handled where rows are born.
            DisputeEvent::DisputeOpened(_) => {}
            DisputeEvent::DisputeEvidenceSubmitted(submitted) => {
                self.producer_spoke |= submitted.side == DisputeSide::Producer;
                let subject = event.actor.user_id();
                self.evidence.push(EvidenceRow::new(submitted.side, subject, &submitted.evidence, at));
            }
            DisputeEvent::DisputeResponded(responded) => self.responded(event, responded),
            DisputeEvent::DisputeEscalated(escalated) => {
                (self.status, self.decision_due) = (DisputeStatus::UnderReview, Some(escalated.decision_due));
                (self.escalated_by, self.escalated_at) = (Some(escalated.by), Some(at));
                self.escalation_cause.clone_from(&escalated.cause);
            }
            DisputeEvent::DisputeOfferMade(made) => self.offered(event, made),
            DisputeEvent::DisputeOfferDeclined(_) => self.end_offer(OfferStatus::Declined),
            DisputeEvent::DisputeResolutionProposed(proposed) => {
                let DisputeResolutionProposed { outcome, refund_amount, fault, comment, proposed_by } =
                    proposed.clone();
                self.proposal = Some(ProposalRow { outcome, refund_amount, fault, comment, proposed_by });
            }
            DisputeEvent::DisputeSlaBreached(_) => self.is_late = true,
            DisputeEvent::DisputeResolved(resolved) => self.resolved(event, resolved),
        }
    }

    fn responded(&mut self, event: &RecordedEvent, responded: &DisputeResponded) {
        (self.status, self.decision_due) = (DisputeStatus::UnderReview, Some(responded.decision_due));
        (self.producer_spoke, self.responded_at) = (true, Some(event.occurred_at));
        let sealed = responded.message_sealed.clone();
        self.response = event.actor.user_id().map(|subject| SealedWords { subject, sealed });
    }

    fn offered(&mut self, event: &RecordedEvent, made: &DisputeOfferMade) {
        self.producer_spoke = true;
        let words = event.actor.user_id().zip(made.message_sealed.clone());
        self.offers.push(OfferRow {
            offer_id: made.offer_id,
            amount: made.amount,
            message: words.map(|(subject, sealed)| SealedWords { subject, sealed }),
            status: OfferStatus::Pending,
            made_at: event.occurred_at,
        });
    }

    fn end_offer(&mut self, status: OfferStatus) {
        for offer in self.offers.iter_mut().filter(|offer| offer.status == OfferStatus::Pending) {
            offer.status = status;
        }
    }

    fn resolved(&mut self, event: &RecordedEvent, resolved: &DisputeResolved) {
        let agreed = resolved.decided_by == DecidedBy::Agreement;
        self.end_offer(if agreed { OfferStatus::Accepted } else { OfferStatus::Lapsed });
        (self.status, self.proposal) = (DisputeStatus::Resolved, None);
        self.resolution = Some(ResolutionRow {
            outcome: resolved.outcome,
            refund_amount: resolved.refund_amount,
            fault: resolved.fault,
            decided_by: resolved.decided_by,
            comment: resolved.comment.clone(),
            resolved_at: event.occurred_at,
        });
    }
}

impl ReadModel for Disputes {
    type Written = ();
    const REPLAY: Replay = Replay::ByStream(AggregateType::Dispute);
    const SOURCES: Option<Sources> = Sources::stream(&[AggregateType::Dispute], Self::TABLES);

    async fn load(db: &PgPool, keys: &[DisputeId]) -> Result<HashMap<DisputeId, DisputeRow>, sqlx::Error> {
        let ids: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
        let rows = sqlx::query("SELECT doc FROM disputes WHERE id = ANY($1)").bind(ids).fetch_all(db).await?;
        rows.iter().map(|row| row.try_get::<Json<DisputeRow>, _>("doc").map(|Json(row)| (row.id, row))).collect()
    }

    async fn store(tx: &mut PgConnection, changes: &Changes<Self>) -> Result<(), sqlx::Error> {
        let rows: Vec<&DisputeRow> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
        sqlx::query(
            "
            INSERT INTO disputes (id, order_id, customer_id, producer_id, status, opened_at, version, doc)
            SELECT id, order_id, customer_id, producer_id, status, opened_at, version, doc::json
            FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[],
                        $8::text[]) AS r (id, order_id, customer_id, producer_id, status, opened_at, version, doc)
            ON CONFLICT (id) DO UPDATE
            SET status = EXCLUDED.status, version = EXCLUDED.version, doc = EXCLUDED.doc
            ",
        )
        .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.order_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.customer_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.producer_id.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.opened_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.version as i64).collect::<Vec<_>>())
        .bind(rows.iter().map(to_json).collect::<Result<Vec<_>, _>>()?)
        .execute(tx)
        .await?;
        Ok(())
    }

    fn copy(rows: &[DisputeRow]) -> Result<Vec<CopyRows>, sqlx::Error> {
        let mut copy = CopyRows::new(
            "COPY disputes (id, order_id, customer_id, producer_id, status, opened_at, version, doc) FROM STDIN (FORMAT binary)",
            8,
        );
        for row in rows {
            let fields = copy.row().uuid(row.id.0).uuid(row.order_id.0).uuid(row.customer_id.0);
            let fields = fields.uuid(row.producer_id.0).text(row.status.as_str()).timestamp(row.opened_at);
            fields.bigint(row.version as i64).json(row)?;
        }
        Ok(vec![copy])
    }
}
