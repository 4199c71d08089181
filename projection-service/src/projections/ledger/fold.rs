//! The fold of what happens to one order or gift into its postings.

use shared::{
    domain::{
        AggregateType, DomainEvent,
        ledger::{LedgerError, flow_of},
    },
    log::RecordedEvent,
};
use smallvec::smallvec;
use uuid::Uuid;

use super::{
    hears::hears,
    row::{LedgerPosting, LedgerRow},
};
use crate::engine::{FoldError, Keys, Projection};

/// The projection of the books.
#[derive(Debug)]
pub struct Ledger;

impl Projection for Ledger {
    const NAME: &'static str = crate::projections::LEDGER;
    type Key = Uuid;
    type Row = LedgerRow;

    /// Most events move no money and cost nothing here. An event that cannot be read might.
    fn keys(event: &RecordedEvent) -> Keys<Uuid> {
        match &event.event {
            Ok(domain) if !hears(domain) => smallvec![],
            Ok(_) | Err(_) => match event.aggregate_type {
                AggregateType::Order | AggregateType::Payment | AggregateType::Gift => {
                    smallvec![flow_of(event.aggregate_type, event.aggregate_id, event.correlation_id)]
                }
                // It moves no money itself: its order does.
                AggregateType::Dispute => smallvec![],
            },
        }
    }

    fn may_exist(event: &RecordedEvent) -> bool {
        event.aggregate_type != AggregateType::Order || event.sequence > 1
    }

    fn apply(
        row: Option<LedgerRow>,
        event: &RecordedEvent,
        domain: &DomainEvent,
    ) -> Result<Option<LedgerRow>, FoldError> {
        let mut row = row.unwrap_or_default();
        let version = row.remembered.versions.entry(event.aggregate_id).or_default();
        if event.sequence <= *version {
            return Err(FoldError::out_of_place(domain, format!("is at version {version}")));
        }
        *version = event.sequence;
        let set = row.remembered.flow.post(event.aggregate_id, domain).map_err(|error| match error {
            LedgerError::Money(error) => FoldError::Money(error),
            LedgerError::Negative { .. } | LedgerError::NotPlaced { .. } | LedgerError::Overflow(_) => {
                FoldError::Refused(error.to_string())
            }
        })?;
        row.postings.extend((0..).zip(set.postings()).map(|(line, posting)| LedgerPosting::new(event, line, posting)));
        // A letter may be tried again long after what came later.
        row.postings.sort_by_key(|posting| (posting.position, posting.line));
        Ok(Some(row))
    }
}
