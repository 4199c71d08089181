//! What stands on the accounts, and the books of a whole log.

use std::collections::{HashMap, hash_map::Entry as Slot};

use iso_currency::Currency;
use uuid::Uuid;

use super::{Account, Flow, LedgerError, PostingSet, Side, flow_of};
use crate::{domain::DomainEvent, log::RecordedEvent};

/// What stands on the accounts: debits less credits, in minor units. An account at nothing is not kept, so what is in
/// memory is what is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balances {
    minor: HashMap<(Account, Currency), i64>,
}

impl Balances {
    /// Books a set. On an overflow nothing of it is booked.
    pub fn book(&mut self, set: &PostingSet) -> Result<(), LedgerError> {
        let mut booked: Vec<((Account, Currency), i64)> = Vec::new();
        for posting in set.postings() {
            let minor = match posting.side {
                Side::Debit => posting.amount.minor(),
                Side::Credit => -posting.amount.minor(),
            };
            let key = (posting.account, posting.amount.currency());
            if let Err(error) = self.add(key, minor) {
                for (key, minor) in booked {
                    self.add(key, -minor)?;
                }
                return Err(error);
            }
            booked.push((key, minor));
        }
        Ok(())
    }

    fn add(&mut self, key: (Account, Currency), minor: i64) -> Result<(), LedgerError> {
        match self.minor.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(minor);
            }
            Slot::Occupied(mut slot) => {
                let sum = slot.get().checked_add(minor).ok_or(LedgerError::Overflow(key.0))?;
                if sum == 0 {
                    slot.remove();
                } else {
                    slot.insert(sum);
                }
            }
        }
        Ok(())
    }

    /// Debits less credits of an account, in minor units of the currency.
    pub fn debit_minor(&self, account: Account, currency: Currency) -> i64 {
        self.minor.get(&(account, currency)).copied().unwrap_or(0)
    }

    /// What stands on the account's usual side; negative if it stands on the other one.
    pub fn minor(&self, account: Account, currency: Currency) -> i64 {
        let debit = self.debit_minor(account, currency);
        match account.kind().normal_side() {
            Side::Debit => debit,
            Side::Credit => -debit,
        }
    }

    /// The accounts that are not at nothing, with debits less credits.
    pub fn open(&self) -> impl Iterator<Item = (Account, Currency, i64)> + '_ {
        self.minor.iter().map(|((account, currency), minor)| (*account, *currency, *minor))
    }

    /// All debits less all credits; nothing, unless somebody's addition is wrong.
    pub fn total_minor(&self, currency: Currency) -> i128 {
        self.open().filter(|(_, of, _)| *of == currency).map(|(_, _, minor)| i128::from(minor)).sum()
    }
}

/// The books of a whole log, read once. The flows grow with the log: one small state for each order.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    flows: HashMap<Uuid, Flow>,
    balances: Balances,
}

impl Ledger {
    /// Books the next event of the log and says what it posted. One that cannot be read posts nothing.
    pub fn take(&mut self, event: &RecordedEvent) -> Result<PostingSet, LedgerError> {
        let Ok(domain) = &event.event else { return Ok(PostingSet::default()) };
        let key = flow_of(event.aggregate_type, event.aggregate_id, event.correlation_id);
        self.post(key, event.aggregate_id, domain)
    }

    fn post(&mut self, key: Uuid, aggregate_id: Uuid, domain: &DomainEvent) -> Result<PostingSet, LedgerError> {
        let mut fresh = Flow::default();
        let known = self.flows.get_mut(&key);
        let is_known = known.is_some();
        let flow = known.unwrap_or(&mut fresh);
        let set = flow.post(aggregate_id, domain)?;
        // Gifts have nothing to remember.
        if !is_known && fresh != Flow::default() {
            self.flows.insert(key, fresh);
        }
        self.balances.book(&set)?;
        Ok(set)
    }

    /// What stands on the accounts.
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// What is remembered of an order.
    pub fn flow(&self, key: Uuid) -> Option<&Flow> {
        self.flows.get(&key)
    }
}
