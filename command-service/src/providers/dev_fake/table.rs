//! The bank's books in Postgres: many changes in one statement, each answered when it is written.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::account::Account;

/// Changes in one statement.
const BATCH_MAX: usize = 512;

/// How long to wait before a failed statement is tried again.
const REST: Duration = Duration::from_millis(250);

#[derive(Clone)]
pub(super) struct Table {
    db: PgPool,
}

/// A changed account on its way into the table.
pub(super) struct Write {
    pub account: Account,
    pub reply: oneshot::Sender<Written>,
    pub _unsaved: Unsaved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Done,
    /// The table holds something newer.
    Stale,
}

/// Counts one change on its way, until it is dropped.
pub(super) struct Unsaved(Arc<AtomicU32>);

impl Unsaved {
    pub fn new(count: Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Unsaved {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Table {
    /// Connections of its own. They do not wait for the disk: what the bank said survives our death, and that of the
    /// whole machine is not what is imitated.
    pub fn new(database: PgConnectOptions) -> Self {
        let options = database.application_name("dev-fake-bank").options([("synchronous_commit", "off")]);
        Self { db: PgPoolOptions::new().max_connections(3).connect_lazy_with(options) }
    }

    pub async fn load(&self, payment_id: Uuid) -> Result<Option<Account>, sqlx::Error> {
        let account: Option<String> = sqlx::query_scalar(
            "
            SELECT account::text
            FROM dev_fake_payments
            WHERE payment_id = $1
            ",
        )
        .bind(payment_id)
        .fetch_optional(&self.db)
        .await?;
        account.map(|text| serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))).transpose()
    }

    /// Writes the accounts, and gives back those that were not older than what the table holds.
    async fn store(&self, accounts: &[&Account]) -> Result<Vec<Uuid>, sqlx::Error> {
        let ids: Vec<Uuid> = accounts.iter().map(|account| account.payment_id).collect();
        let revisions: Vec<i64> = accounts.iter().map(|account| account.revision).collect();
        let texts = accounts.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|error| sqlx::Error::Encode(error.into()))?;
        // The same change again is no older one: the answer to the first attempt may have got lost.
        sqlx::query_scalar(
            "
            INSERT INTO dev_fake_payments AS stored (payment_id, revision, account)
            SELECT payment_id, revision, account::jsonb
            FROM UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS changed (payment_id, revision, account)
            ON CONFLICT (payment_id) DO UPDATE
            SET revision = excluded.revision, account = excluded.account
            WHERE stored.revision < excluded.revision
               OR (stored.revision = excluded.revision AND stored.account = excluded.account)
            RETURNING payment_id
            ",
        )
        .bind(ids)
        .bind(revisions)
        .bind(texts)
        .fetch_all(&self.db)
        .await
    }
}

/// Writes the bank's books down. Run it beside the service; without it nothing the bank does is ever answered.
pub struct BooksWriter {
    table: Table,
    writes: mpsc::Receiver<Write>,
}

impl BooksWriter {
    pub(super) fn new(table: Table, writes: mpsc::Receiver<Write>) -> Self {
        Self { table, writes }
    }

    /// Writes until `shutdown`, then what is left.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if !self.writes.is_closed() => {
                    self.writes.close();
                    continue;
                }
                taken = self.writes.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                }
            }
            self.write(std::mem::take(&mut batch), &shutdown).await;
        }
    }

    async fn write(&self, batch: Vec<Write>, shutdown: &CancellationToken) {
        let mut newest: HashMap<Uuid, &Account> = HashMap::with_capacity(batch.len());
        for Write { account, .. } in &batch {
            newest.insert(account.payment_id, account);
        }
        let accounts: Vec<&Account> = newest.into_values().collect();
        let stored = loop {
            match self.table.store(&accounts).await {
                Ok(stored) => break stored,
                Err(error) => tracing::warn!(%error, "the imitation bank cannot write its books; trying again"),
            }
            if shutdown.is_cancelled() {
                return;
            }
            tokio::time::sleep(REST).await;
        };
        let stored: std::collections::HashSet<Uuid> = stored.into_iter().collect();
        for write in batch {
            let written = if stored.contains(&write.account.payment_id) { Written::Done } else { Written::Stale };
            // Whoever asked may have gone.
            let _ = write.reply.send(written);
        }
    }
}
