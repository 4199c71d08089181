//! One process of many does what only one may do: leadership by a Postgres advisory lock.

use std::time::Duration;

use shared::runtime::Verdict;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often a follower asks for the lock, and a leader makes sure that it still has it.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// A leader that cannot reach the database within this time has to assume that it lost the lock.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How long giving the lock back may take: nothing else waits for it, and the next one is in office sooner.
const RESIGN_LIMIT: Duration = Duration::from_secs(5);

/// What is led. The number is the key of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Office {
    /// Process managers and timers.
    ProcessManagers = 0x686f_6d65_0001,
    /// The mirror of the log.
    Relay = i64::from_be_bytes(*b"hf_relay"),
}

impl Office {
    /// Whether one of our processes is in office; a stranger who took the lock is not.
    pub async fn is_held(self, db: &PgPool) -> Result<bool, sqlx::Error> {
        let held = "
            SELECT EXISTS (
                SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.usename = current_user
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND (l.classid::bigint << 32) | l.objid::bigint = $1)";
        sqlx::query_scalar(held).bind(self as i64).fetch_one(db).await
    }

    /// The office's part in the health report: while nobody is in it, what it does waits.
    pub async fn verdict(self, db: &PgPool) -> Verdict {
        match self.is_held(db).await {
            Ok(true) => Verdict::healthy(),
            Ok(false) => Verdict::degraded("no process is in office"),
            // The database's own check says that it is away.
            Err(_) => Verdict::degraded("not known: the database does not say"),
        }
    }
}

/// Tells whether this process leads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Leadership {
    leads: watch::Receiver<bool>,
}

impl Leadership {
    /// Waits until this process leads.
    pub async fn gained(&self) {
        // The candidate lives as long as its service; without one, nobody ever leads.
        if self.leads.clone().wait_for(|leads| *leads).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this process does not lead.
    pub async fn lost(&self) {
        let _ = self.leads.clone().wait_for(|leads| !*leads).await;
    }

    /// Whether this process leads.
    pub fn leads(&self) -> bool {
        *self.leads.borrow()
    }
}

/// Competes for an office.
pub struct Candidate {
    database: PgConnectOptions,
    office: Office,
    leads: watch::Sender<bool>,
}

impl Candidate {
    /// A candidate and what tells of its fortune.
    pub fn new(database: PgConnectOptions, office: Office) -> (Self, Leadership) {
        let (sender, leads) = watch::channel(false);
        (Self { database, office, leads: sender }, Leadership { leads })
    }

    /// Competes until `shutdown`. The lock belongs to the connection: with it, leadership is lost.
    pub async fn run(&self, shutdown: CancellationToken) {
        // Should an earlier run have led when it failed, the lock went with its connection.
        self.leads.send_replace(false);
        let mut connection = None;
        loop {
            let held = tokio::select! {
                () = shutdown.cancelled() => break,
                held = self.hold(&mut connection) => held,
            };
            if let Err(error) = &held {
                tracing::warn!(office = ?self.office, %error, "no connection to compete on");
                connection = None;
            }
            let leads = held.unwrap_or(false);
            self.leads.send_if_modified(|before| std::mem::replace(before, leads) != leads);
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
        self.leads.send_replace(false);
        if let Some(connection) = connection
            && let Err(error) = answered(RESIGN_LIMIT, resign(connection)).await
        {
            tracing::debug!(office = ?self.office, %error, "the connection to compete on was gone already");
        }
    }

    async fn hold(&self, connection: &mut Option<PgConnection>) -> Result<bool, sqlx::Error> {
        let open = match connection {
            Some(open) => open,
            None => {
                let options = session(&self.database, "homefood leader");
                connection.insert(within(PgConnection::connect_with(&options)).await?)
            }
        };
        if *self.leads.borrow() {
            return within(open.ping()).await.map(|()| true);
        }
        let asked = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(self.office as i64).fetch_one(open);
        within(asked).await
    }
}

/// How a session for an office is opened. The server gives the lock of a process whose machine vanished back when it
/// notices: within some ten seconds, where the kernel's own patience is two hours.
pub(crate) fn session(database: &PgConnectOptions, name: &str) -> PgConnectOptions {
    let watched = [("tcp_keepalives_idle", "5"), ("tcp_keepalives_interval", "2"), ("tcp_keepalives_count", "3")];
    database
        .clone()
        .application_name(name)
        .options(watched.into_iter().chain([("tcp_user_timeout", "10000")]))
        .disable_statement_logging()
}

/// Gives the lock back and ends the session. Only asked for is it free when this returns: the server notices that a
/// session was closed when it comes to it.
pub(crate) async fn resign(mut session: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut session).await?;
    session.close().await
}

async fn within<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    answered(ANSWER_LIMIT, asked).await
}

async fn answered<T>(limit: Duration, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn an_office_is_held_by_one_of_us_or_by_nobody() {
        let database = TestDatabase::new().await;
        let office = Office::ProcessManagers;
        assert!(!office.is_held(&database.db).await.unwrap());
        let (candidate, leadership) = Candidate::new(database.options.clone(), office);
        let shutdown = CancellationToken::new();
        let ends = shutdown.clone();
        let running = tokio::spawn(async move { candidate.run(ends).await });
        leadership.gained().await;
        // Who hears nothing from the database for a second gives the office up, and takes it again.
        let held = async { while !office.is_held(&database.db).await.unwrap() {} };
        tokio::time::timeout(Duration::from_secs(60), held).await.unwrap();
        assert!(!Office::Relay.is_held(&database.db).await.unwrap());
        shutdown.cancel();
        running.await.unwrap();
        assert!(!office.is_held(&database.db).await.unwrap());
    }

    #[tokio::test]
    async fn the_server_looks_after_the_session_of_an_office() {
        let database = TestDatabase::new().await;
        // Over TCP: a Unix socket dies with its process.
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(database.options.get_port())
            .username(database.options.get_username())
            .database(database.options.get_database().unwrap());
        let mut session = PgConnection::connect_with(&session(&options, "homefood leader")).await.unwrap();
        let settings = "SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_user_timeout')";
        let found: (String, String) = sqlx::query_as(settings).fetch_one(&mut session).await.unwrap();
        assert_eq!(found, ("5".to_owned(), "10000".to_owned()));
    }
}
