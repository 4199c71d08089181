//! The bank's books: a hot copy in memory, and behind it the table that survives us.
//!
//! A change is made in memory, handed to the writer under the same lock (so the table sees changes in their order), and
//! answered once it is written. No lock is held while anybody waits. One process is the bank: a second one over the
//! same table notices foreign changes when it reads an open payment or when its own change is refused as stale.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use shared::runtime::Clock;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    account::Account,
    table::{Table, Unsaved, Write, Written},
};

const SHARDS: usize = 64;

/// How often a change is made again over a newer copy from the table.
const STALE_MAX: u32 = 3;

/// Old accounts looked at for each new one: more than one, so that memory shrinks again after a rush.
const DROPS_MAX: usize = 8;

/// Why the books gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// There is no such payment.
    Unknown,
    /// Nothing was done.
    NotDone,
    /// It may have been done.
    Unconfirmed,
}

/// What to do about a payment that is not in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is new. If the table knows better, the write is stale, and the change is made again over what it knows: that
    /// saves new payments a look-up.
    Open,
    /// Look it up.
    LookUp,
}

pub(super) struct Books {
    shards: Vec<Mutex<Shard>>,
    accounts_max_per_shard: usize,
    clock: Clock,
    durable: Option<(Table, mpsc::Sender<Write>)>,
}

#[derive(Default)]
struct Shard {
    accounts: HashMap<Uuid, Entry>,
    /// Every account once, the oldest first.
    ages: VecDeque<Uuid>,
}

struct Entry {
    account: Account,
    /// Changes on their way to the table.
    unsaved: Arc<AtomicU32>,
}

impl Books {
    pub fn new(accounts_max: usize, clock: Clock, durable: Option<(Table, mpsc::Sender<Write>)>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, accounts_max_per_shard: accounts_max.div_ceil(SHARDS), clock, durable }
    }

    /// Changes an account. `act` may be called again if the first answer was based on an old copy.
    pub async fn change<T>(
        &self,
        deadline: Instant,
        payment_id: Uuid,
        absent: Absent,
        mut act: impl FnMut(&mut Account) -> T,
    ) -> Result<T, Lost> {
        for _ in 0..STALE_MAX {
            if absent == Absent::LookUp {
                self.find(deadline, payment_id).await?;
            }
            let Some((_, writer)) = &self.durable else {
                return self.change_in_memory(payment_id, absent, &mut act, None).map(|(value, _)| value);
            };
            // A place in the queue first: a change that cannot be written down is not made.
            let place = timeout_at(deadline, writer.reserve()).await.map_err(|_| Lost::NotDone)?;
            let place = place.map_err(|_| Lost::NotDone)?;
            let (value, written) = self.change_in_memory(payment_id, absent, &mut act, Some(place))?;
            match timeout_at(deadline, written).await {
                Ok(Ok(Written::Done)) => return Ok(value),
                Ok(Ok(Written::Stale)) => self.reload(deadline, payment_id).await?,
                Ok(Err(_)) | Err(_) => return Err(Lost::Unconfirmed),
            }
        }
        Err(Lost::Unconfirmed)
    }

    /// Reads an account. An open one is read from the table, where another process may have moved it.
    pub async fn look<T>(
        &self,
        deadline: Instant,
        payment_id: Uuid,
        look: impl FnOnce(&Account) -> T,
    ) -> Result<T, Lost> {
        let settled = {
            let shard = self.shard(payment_id).lock();
            shard.accounts.get(&payment_id).map(|entry| entry.account.is_settled(self.clock.now()))
        };
        if settled != Some(true) && self.durable.is_some() {
            self.refresh(deadline, payment_id).await?;
        }
        let shard = self.shard(payment_id).lock();
        shard.accounts.get(&payment_id).map(|entry| look(&entry.account)).ok_or(Lost::Unknown)
    }

    /// Accounts in memory.
    pub fn accounts_in_memory(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().accounts.len()).sum()
    }

    fn change_in_memory<T>(
        &self,
        payment_id: Uuid,
        absent: Absent,
        act: &mut impl FnMut(&mut Account) -> T,
        place: Option<mpsc::Permit<'_, Write>>,
    ) -> Result<(T, oneshot::Receiver<Written>), Lost> {
        let mut shard = self.shard(payment_id).lock();
        if !shard.accounts.contains_key(&payment_id) {
            match absent {
                Absent::Open => self.insert(&mut shard, Account::new(payment_id)),
                Absent::LookUp => return Err(Lost::Unknown),
            }
        }
        let entry = shard.accounts.get_mut(&payment_id).ok_or(Lost::Unknown)?;
        let value = act(&mut entry.account);
        entry.account.revision += 1;
        let (reply, written) = oneshot::channel();
        if let Some(place) = place {
            let unsaved = Unsaved::new(Arc::clone(&entry.unsaved));
            place.send(Write { account: entry.account.clone(), reply, _unsaved: unsaved });
        }
        Ok((value, written))
    }

    async fn find(&self, deadline: Instant, payment_id: Uuid) -> Result<(), Lost> {
        let known = self.shard(payment_id).lock().accounts.contains_key(&payment_id);
        if known || self.durable.is_none() { Ok(()) } else { self.refresh(deadline, payment_id).await }
    }

    async fn refresh(&self, deadline: Instant, payment_id: Uuid) -> Result<(), Lost> {
        let Some(stored) = self.stored(deadline, payment_id).await? else { return Ok(()) };
        let mut shard = self.shard(payment_id).lock();
        match shard.accounts.get_mut(&payment_id) {
            Some(entry) if entry.account.revision >= stored.revision => {}
            Some(entry) => entry.account = stored,
            None => self.insert(&mut shard, stored),
        }
        Ok(())
    }

    /// The table refused a change as stale, so whatever the copy in memory says is wrong.
    async fn reload(&self, deadline: Instant, payment_id: Uuid) -> Result<(), Lost> {
        let Some(stored) = self.stored(deadline, payment_id).await? else { return Err(Lost::Unconfirmed) };
        let mut shard = self.shard(payment_id).lock();
        match shard.accounts.get_mut(&payment_id) {
            Some(entry) => entry.account = stored,
            None => self.insert(&mut shard, stored),
        }
        Ok(())
    }

    async fn stored(&self, deadline: Instant, payment_id: Uuid) -> Result<Option<Account>, Lost> {
        let Some((table, _)) = &self.durable else { return Ok(None) };
        let stored = timeout_at(deadline, table.load(payment_id)).await.map_err(|_| Lost::NotDone)?;
        stored.map_err(|error| {
            tracing::warn!(%error, "the imitation bank cannot read its books");
            Lost::NotDone
        })
    }

    /// Makes room by dropping old accounts that may go, then adds the new one.
    fn insert(&self, shard: &mut Shard, account: Account) {
        let now = self.clock.now();
        for _ in 0..DROPS_MAX {
            if shard.accounts.len() < self.accounts_max_per_shard {
                break;
            }
            let Some(oldest) = shard.ages.pop_front() else { break };
            if shard.accounts.get(&oldest).is_none_or(|entry| self.may_drop(entry, now)) {
                shard.accounts.remove(&oldest);
            } else {
                shard.ages.push_back(oldest);
            }
        }
        let payment_id = account.payment_id;
        shard.accounts.insert(payment_id, Entry { account, unsaved: Arc::default() });
        shard.ages.push_back(payment_id);
    }

    fn may_drop(&self, entry: &Entry, now: DateTime<Utc>) -> bool {
        entry.unsaved.load(Ordering::Acquire) == 0 && (self.durable.is_some() || entry.account.is_settled(now))
    }

    fn shard(&self, payment_id: Uuid) -> &Mutex<Shard> {
        let [.., last] = payment_id.into_bytes();
        &self.shards[usize::from(last) % SHARDS]
    }
}
