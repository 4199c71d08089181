//! Who gives wrong gift codes, and is therefore not listened to for a while.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use shared::{
    domain::UserId,
    runtime::{
        Clock,
        settings::{DomainSettings, Key32},
    },
    web::network::household,
};
use sqlx::{PgPool, Row};

/// Stale rows that are deleted at a time, with each new guess: more than it can add.
const SWEEP_BATCH: i64 = 8;

/// Counts wrong codes, for all processes together. Cheap to clone.
#[derive(Clone)]
pub struct Guesses {
    db: PgPool,
    clock: Clock,
    pepper: Key32,
    misses_max: i64,
    window: TimeDelta,
}

/// A guess that is counted as wrong until it turns out right.
#[must_use = "a guess stays counted as wrong unless it is taken back"]
pub struct Guess {
    guessers: Vec<String>,
    at: DateTime<Utc>,
}

/// Why a guess is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum GuessError {
    /// Too many were wrong.
    #[error("too many wrong gift codes; try again in {retry_after_secs} s")]
    TooMany {
        /// When one more is looked at.
        retry_after_secs: u32,
    },
    /// The database is out of reach.
    #[error("guesses cannot be counted: {0}")]
    Database(#[from] sqlx::Error),
}

impl Guesses {
    /// A count that knows guessers by a hash with `pepper`. One person, or one address, may give so many wrong codes
    /// within the window as the settings say.
    pub fn new(db: PgPool, clock: Clock, pepper: Key32, settings: &DomainSettings) -> Self {
        Self { db, clock, pepper, misses_max: settings.gift_guesses_max, window: settings.guesses_window() }
    }

    /// Counts a guess of this person from this address before it is looked at, so that any number of guesses at the same
    /// time get no further than one after the other.
    pub async fn begin(&self, user_id: UserId, address: Option<IpAddr>) -> Result<Guess, GuessError> {
        let at = self.clock.now();
        self.sweep(at).await?;
        let named = [Some(format!("user:{user_id}")), address.map(|address| format!("ip:{}", household(address)))];
        let mut guess = Guess { guessers: Vec::new(), at };
        for name in named.into_iter().flatten() {
            let guesser = self.hash(&name);
            match self.count(&guesser, at).await {
                Ok(()) => guess.guessers.push(guesser),
                Err(error) => {
                    self.take_back(guess).await?;
                    return Err(error);
                }
            }
        }
        Ok(guess)
    }

    /// The guess was right.
    pub async fn take_back(&self, guess: Guess) -> Result<(), sqlx::Error> {
        // One instant of several equal ones: others may have guessed at the same moment.
        sqlx::query(
            "
            UPDATE wrong_gift_codes
            SET missed_at = missed_at[:array_position(missed_at, $2) - 1]
                || missed_at[array_position(missed_at, $2) + 1:]
            WHERE guesser = ANY ($1) AND $2 = ANY (missed_at)
            ",
        )
        .bind(guess.guessers)
        .bind(guess.at)
        .execute(&self.db)
        .await?;
        Ok(())
    }

    async fn count(&self, guesser: &str, at: DateTime<Utc>) -> Result<(), GuessError> {
        let counted = sqlx::query(
            "
            INSERT INTO wrong_gift_codes AS w (guesser, missed_at, stale_at) VALUES ($1, ARRAY[$2], $2 + $4)
            ON CONFLICT (guesser) DO UPDATE
            SET missed_at = ARRAY(SELECT m FROM unnest(w.missed_at) AS m WHERE m > $2 - $4) || $2,
                stale_at = excluded.stale_at
            WHERE (SELECT count(*) FROM unnest(w.missed_at) AS m WHERE m > $2 - $4) < $3
            ",
        )
        .bind(guesser)
        .bind(at)
        .bind(self.misses_max)
        .bind(self.window)
        .execute(&self.db)
        .await?;
        if counted.rows_affected() > 0 {
            return Ok(());
        }
        let row = sqlx::query(
            "SELECT min(m) AS oldest FROM wrong_gift_codes, unnest(missed_at) AS m WHERE guesser = $1 AND m > $2",
        )
        .bind(guesser)
        .bind(at - self.window)
        .fetch_one(&self.db)
        .await?;
        let oldest: Option<DateTime<Utc>> = row.try_get("oldest")?;
        let rest = oldest.map_or(1, |oldest| (oldest + self.window - at).num_seconds() + 1);
        Err(GuessError::TooMany { retry_after_secs: u32::try_from(rest).unwrap_or(1).max(1) })
    }

    async fn sweep(&self, at: DateTime<Utc>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "
            DELETE FROM wrong_gift_codes
            WHERE guesser IN (
                SELECT guesser FROM wrong_gift_codes WHERE stale_at < $1
                ORDER BY stale_at LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            ",
        )
        .bind(at)
        .bind(SWEEP_BATCH)
        .execute(&self.db)
        .await?;
        Ok(())
    }

    fn hash(&self, name: &str) -> String {
        let digest = Sha256::new().chain_update(self.pepper.expose()).chain_update(name).finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::testing::TestDatabase;

    const ANNA: UserId = UserId(Uuid::from_u128(1));
    const BORIS: UserId = UserId(Uuid::from_u128(2));

    fn home() -> Option<IpAddr> {
        Some("192.0.2.7".parse().unwrap())
    }

    async fn guesses() -> (Guesses, Clock) {
        let database = TestDatabase::new().await;
        let clock = Clock::stopped_at("2026-01-01T12:00:00Z".parse().unwrap());
        (Guesses::new(database.db.clone(), clock.clone(), Key32::new([3; 32]), &DomainSettings::default()), clock)
    }

    async fn miss(guesses: &Guesses, user: UserId, address: Option<IpAddr>) -> Result<(), u32> {
        match guesses.begin(user, address).await {
            Ok(_) => Ok(()),
            Err(GuessError::TooMany { retry_after_secs }) => Err(retry_after_secs),
            Err(GuessError::Database(error)) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn five_wrong_codes_and_no_sixth_until_the_first_is_old() {
        let (guesses, clock) = guesses().await;
        for _ in 0..5 {
            assert_eq!(miss(&guesses, ANNA, None).await, Ok(()));
            clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(miss(&guesses, ANNA, None).await, Err(10 * 60 + 1));
        assert_eq!(miss(&guesses, BORIS, None).await, Ok(()), "somebody else");
        clock.advance(TimeDelta::minutes(10));
        assert_eq!(miss(&guesses, ANNA, None).await, Ok(()));
        assert!(miss(&guesses, ANNA, None).await.is_err(), "the second is not old yet");
    }

    #[tokio::test]
    async fn an_address_is_counted_whoever_guesses_from_it() {
        let (guesses, _) = guesses().await;
        for no in 0..5 {
            assert_eq!(miss(&guesses, UserId(Uuid::from_u128(10 + no)), home()).await, Ok(()));
        }
        assert!(miss(&guesses, BORIS, home()).await.is_err());
        for _ in 0..5 {
            assert_eq!(miss(&guesses, BORIS, None).await, Ok(()), "what was not looked at is not counted");
        }
        let neighbours = ["2001:db8:1:2::1", "2001:db8:1:2::2"].map(|address| address.parse().ok());
        for no in 0..5 {
            miss(&guesses, UserId(Uuid::from_u128(20 + no)), neighbours[0]).await.unwrap();
        }
        assert!(miss(&guesses, ANNA, neighbours[1]).await.is_err());
    }

    #[tokio::test]
    async fn right_codes_count_for_nothing() {
        let (guesses, _) = guesses().await;
        for _ in 0..20 {
            let guess = guesses.begin(ANNA, home()).await.unwrap();
            guesses.take_back(guess).await.unwrap();
        }
        for _ in 0..5 {
            assert_eq!(miss(&guesses, ANNA, home()).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn a_hundred_guesses_at_once_get_no_further_than_five() {
        let (guesses, _) = guesses().await;
        let all = futures::future::join_all((0..100).map(|_| miss(&guesses, ANNA, home()))).await;
        assert_eq!(all.iter().filter(|guess| guess.is_ok()).count(), 5);
    }

    #[tokio::test]
    async fn old_guesses_leave_nothing_behind() {
        let (guesses, clock) = guesses().await;
        for no in 0..5 {
            miss(&guesses, UserId(Uuid::from_u128(10 + no)), None).await.unwrap();
        }
        clock.advance(TimeDelta::minutes(16));
        miss(&guesses, ANNA, None).await.unwrap();
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM wrong_gift_codes").fetch_one(&guesses.db).await.unwrap();
        assert_eq!(left, 1);
    }
}
