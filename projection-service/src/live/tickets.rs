//! Tickets: a caller with a token buys one for a socket that cannot carry the token. Random, kept as a hash, good for
//! 30 seconds and for one socket.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use shared::domain::UserId;
use sqlx::{PgPool, Row};

/// How long a ticket is good.
pub const LIFETIME: TimeDelta = TimeDelta::seconds(30);
/// Open tickets of one person; buying more makes the oldest worthless.
const PER_USER_MAX: i64 = 10;

/// What a ticket stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketHolder {
    /// The person.
    pub user_id: UserId,
    /// When the token ends that it was bought with.
    pub token_expires_at: DateTime<Utc>,
}

/// Sells a ticket.
pub async fn issue(db: &PgPool, holder: TicketHolder) -> Result<String, sqlx::Error> {
    let mut secret = [0_u8; 32];
    rand::rng().fill_bytes(&mut secret);
    let ticket = URL_SAFE_NO_PAD.encode(secret);
    sqlx::query(
        "
        WITH surplus AS (
            DELETE FROM ws_tickets
            WHERE ticket_hash IN (
                SELECT ticket_hash FROM ws_tickets WHERE user_id = $2 ORDER BY expires_at DESC OFFSET $5
            )
        )
        INSERT INTO ws_tickets (ticket_hash, user_id, token_expires_at, expires_at)
        VALUES ($1, $2, $3, clock_timestamp() + $4)
        ",
    )
    .bind(hash(&ticket))
    .bind(holder.user_id.0)
    .bind(holder.token_expires_at)
    .bind(LIFETIME)
    .bind(PER_USER_MAX - 1)
    .execute(db)
    .await?;
    Ok(ticket)
}

/// Takes a ticket in. A second time it is nothing, on any instance.
pub async fn redeem(db: &PgPool, ticket: &str) -> Result<Option<TicketHolder>, sqlx::Error> {
    let row = sqlx::query(
        "
        DELETE FROM ws_tickets
        WHERE ticket_hash = $1
        RETURNING user_id, token_expires_at, expires_at > clock_timestamp() AS good
        ",
    )
    .bind(hash(ticket))
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let holder =
        TicketHolder { user_id: UserId(row.try_get("user_id")?), token_expires_at: row.try_get("token_expires_at")? };
    Ok(row.try_get::<bool, _>("good")?.then_some(holder))
}

/// Throws away what nobody used.
pub async fn sweep(db: &PgPool) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query("DELETE FROM ws_tickets WHERE expires_at < clock_timestamp()").execute(db).await?;
    Ok(swept.rows_affected())
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket).to_vec()
}
