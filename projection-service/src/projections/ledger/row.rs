//! The row: what is remembered of an order or a gift, and what it posted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    domain::{
        Money,
        ledger::{AccountKind, Flow, Posting, Side},
    },
    log::{Position, RecordedEvent},
};
use uuid::Uuid;

/// One order or gift in the books. What it posts is bounded by its attempts to pay and its refunds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LedgerRow {
    /// What its next posting needs to know.
    pub remembered: Remembered,
    /// Everything it posted, in the order of the log.
    pub postings: Vec<LedgerPosting>,
}

/// What the next posting needs to know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Remembered {
    /// For the amounts and accounts.
    pub flow: Flow,
    /// The last event heard of each stream, so that none is booked twice.
    pub versions: BTreeMap<Uuid, u64>,
}

/// One side of an entry, with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct LedgerPosting {
    /// The event.
    pub position: Position,
    /// Its place within what the event posted.
    pub line: i16,
    /// The kind of account.
    pub account: AccountKind,
    /// What the account is about; nil for an account there is one of.
    pub owner_id: Uuid,
    /// Its side.
    pub side: Side,
    /// How much; more than nothing.
    pub amount: Money,
    /// When, in the time of the business.
    pub occurred_at: DateTime<Utc>,
}

impl LedgerPosting {
    pub(super) fn new(event: &RecordedEvent, line: i16, posting: Posting) -> Self {
        Self {
            position: event.position,
            line,
            account: posting.account.kind(),
            owner_id: posting.account.owner().unwrap_or_default(),
            side: posting.side,
            amount: posting.amount,
            occurred_at: event.occurred_at,
        }
    }
}
