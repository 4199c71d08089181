//! Changes of the catalogue: whoever changes something names the version they saw, and all processes are told.

use shared::domain::{DishId, Money, ProducerId, UserId};
use sqlx::{PgPool, Postgres, Row, Transaction, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::{CHANNEL, OpeningHours};

/// How long an edit may rest between two of its statements.
const EDIT_PAUSE_MAX_MS: &str = "1000";

/// Why the catalogue was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The database did not answer as it should.
    #[error("the catalogue cannot be written: {0}")]
    Database(#[from] sqlx::Error),
    /// Somebody changed it since; this is its version now.
    #[error("the version is {0} now")]
    Changed(i32),
    /// It names a kitchen or a category that is not there.
    #[error("it names something that does not exist")]
    Dangling,
    /// There is none with that id, and the caller may not make one.
    #[error("there is no such thing")]
    Missing,
    /// There is no kitchen with that id, and nobody is named who would cook in a new one.
    #[error("a new kitchen needs a cook")]
    NoCook,
}

/// A kitchen as it is to be. What is left out stays, or is as a new kitchen has it.
#[derive(Debug, Clone, Default)]
pub struct ProducerEdit {
    /// The cook; only administrators change it.
    pub user_id: Option<UserId>,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub city: String,
    /// What it mostly cooks.
    pub main_category_id: Option<Uuid>,
    /// Whether it sells.
    pub active: bool,
    /// The zone of its opening hours.
    pub timezone: String,
    /// When it is open.
    pub opening_hours: OpeningHours,
    /// How it hands meals over.
    pub delivery_types: Vec<String>,
    /// What bringing a meal costs.
    pub delivery_fee_minor: i64,
    /// The currency of its fee and its prices; it stays what it was.
    pub currency: String,
    /// The platform's share; only administrators change it.
    pub commission_bps: Option<i32>,
    /// How long it declares to take.
    pub delivery_time_minutes: i32,
}

/// A dish as it is to be.
#[derive(Debug, Clone)]
pub struct DishEdit {
    /// Whose it is; it stays whose it was.
    pub producer_id: ProducerId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Its price, in the kitchen's currency.
    pub price: Money,
    /// Whether it is on the menu.
    pub is_available: bool,
    /// How many are left from now on, besides those that are sold; none means as many as you like.
    pub portions_left: Option<i32>,
    /// Its category.
    pub category_id: Option<Uuid>,
    /// Its picture.
    pub photo_url: Option<String>,
}

/// Changes the catalogue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Editor {
    db: PgPool,
}

impl Editor {
    /// An editor of the catalogue in `db`.
    pub fn new(db: PgPool) -> Self {
        Self { db }
    }

    /// Makes a category, or names it anew.
    pub async fn put_category(&self, id: Uuid, name: &str) -> Result<(), EditError> {
        let mut tx = self.db.begin().await?;
        sqlx::query(
            "
            INSERT INTO categories (id, name) VALUES ($1, $2)
            ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name
            ",
        )
        .bind(id)
        .bind(name)
        .execute(&mut *tx)
        .await?;
        tell(tx).await
    }

    /// Makes a kitchen if its cook is named, or changes it; says its version then. The same again changes nothing.
    pub async fn put_producer(&self, id: ProducerId, edit: &ProducerEdit, seen: Option<u64>) -> Result<i32, EditError> {
        let mut tx = self.db.begin().await?;
        let found = sqlx::query("SELECT version, user_id, currency FROM producers WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_optional(&mut *tx)
            .await?;
        check_seen(found.as_ref(), seen)?;
        let before: Option<Uuid> = found.as_ref().map(|row| row.try_get("user_id")).transpose()?;
        let user_id = edit.user_id.map(|user_id| user_id.0).or(before).ok_or(EditError::NoCook)?;
        let currency: Option<String> = found.as_ref().map(|row| row.try_get("currency")).transpose()?;
        if currency.is_some_and(|currency| currency != edit.currency) {
            return Err(EditError::Dangling);
        }
        let row = sqlx::query(
            "
            INSERT INTO producers AS p (id, user_id, name, city, main_category_id, active, timezone, opening_hours,
                delivery_types, delivery_fee_minor, currency, commission_bps, delivery_time_minutes)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, COALESCE($12, 1000), $13)
            ON CONFLICT (id) DO UPDATE
            SET user_id = EXCLUDED.user_id, name = EXCLUDED.name, city = EXCLUDED.city,
                main_category_id = EXCLUDED.main_category_id, active = EXCLUDED.active, timezone = EXCLUDED.timezone,
                opening_hours = EXCLUDED.opening_hours, delivery_types = EXCLUDED.delivery_types,
                delivery_fee_minor = EXCLUDED.delivery_fee_minor, commission_bps = COALESCE($12, p.commission_bps),
                delivery_time_minutes = EXCLUDED.delivery_time_minutes,
                version = p.version + CASE WHEN
                    (p.user_id, p.name, p.city, p.main_category_id, p.active, p.timezone, p.opening_hours,
                     p.delivery_types, p.delivery_fee_minor, p.commission_bps, p.delivery_time_minutes)
                    IS DISTINCT FROM
                    (EXCLUDED.user_id, EXCLUDED.name, EXCLUDED.city, EXCLUDED.main_category_id, EXCLUDED.active,
                     EXCLUDED.timezone, EXCLUDED.opening_hours, EXCLUDED.delivery_types, EXCLUDED.delivery_fee_minor,
                     COALESCE($12, p.commission_bps), EXCLUDED.delivery_time_minutes)
                    THEN 1 ELSE 0 END
            RETURNING version
            ",
        )
        .bind(id.0)
        .bind(user_id)
        .bind(&edit.name)
        .bind(&edit.city)
        .bind(edit.main_category_id)
        .bind(edit.active)
        .bind(&edit.timezone)
        .bind(Json(&edit.opening_hours))
        .bind(&edit.delivery_types)
        .bind(edit.delivery_fee_minor)
        .bind(&edit.currency)
        .bind(edit.commission_bps)
        .bind(edit.delivery_time_minutes)
        .fetch_one(&mut *tx)
        .await
        .map_err(dangling)?;
        let version = row.try_get("version")?;
        tell(tx).await?;
        Ok(version)
    }

    /// Puts a dish on a kitchen's menu, or changes it; says its version then. A new price is a new price version.
    /// Selling a portion is a new version too: who names the version they saw overwrites no number they did not see.
    pub async fn put_dish(&self, id: DishId, edit: &DishEdit, seen: Option<u64>) -> Result<i32, EditError> {
        let mut tx = self.db.begin().await?;
        // Orders wait for this row under the lock of the log: whoever holds it goes on at once, or loses it.
        sqlx::query("SELECT set_config('idle_in_transaction_session_timeout', $1, true)")
            .bind(EDIT_PAUSE_MAX_MS)
            .execute(&mut *tx)
            .await?;
        let found = sqlx::query("SELECT version, producer_id FROM dishes WHERE id = $1 FOR UPDATE")
            .bind(id.0)
            .fetch_optional(&mut *tx)
            .await?;
        let owner: Option<Uuid> = found.as_ref().map(|row| row.try_get("producer_id")).transpose()?;
        // Another kitchen's dish is no dish of this one.
        if owner.is_some_and(|owner| owner != edit.producer_id.0) {
            return Err(EditError::Missing);
        }
        check_seen(found.as_ref(), seen)?;
        let row = sqlx::query(
            "
            INSERT INTO dishes AS d (id, producer_id, name, description, price_minor, currency, is_available,
                portions_left, category_id, photo_url)
            SELECT $1, p.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM producers p WHERE p.id = $2 AND p.currency = $6
            ON CONFLICT (id) DO UPDATE
            SET name = EXCLUDED.name, description = EXCLUDED.description, price_minor = EXCLUDED.price_minor,
                is_available = EXCLUDED.is_available, portions_left = EXCLUDED.portions_left,
                category_id = EXCLUDED.category_id, photo_url = EXCLUDED.photo_url,
                price_version = d.price_version + CASE WHEN d.price_minor <> EXCLUDED.price_minor THEN 1 ELSE 0 END,
                version = d.version + CASE WHEN
                    (d.name, d.description, d.price_minor, d.is_available, d.portions_left, d.category_id, d.photo_url)
                    IS DISTINCT FROM
                    (EXCLUDED.name, EXCLUDED.description, EXCLUDED.price_minor, EXCLUDED.is_available,
                     EXCLUDED.portions_left, EXCLUDED.category_id, EXCLUDED.photo_url)
                    THEN 1 ELSE 0 END
            RETURNING version
            ",
        )
        .bind(id.0)
        .bind(edit.producer_id.0)
        .bind(&edit.name)
        .bind(&edit.description)
        .bind(edit.price.minor())
        .bind(edit.price.currency().code())
        .bind(edit.is_available)
        .bind(edit.portions_left)
        .bind(edit.category_id)
        .bind(&edit.photo_url)
        .fetch_optional(&mut *tx)
        .await
        .map_err(dangling)?;
        // No such kitchen, or one that sells in another currency.
        let version = row.ok_or(EditError::Dangling)?.try_get("version")?;
        tell(tx).await?;
        Ok(version)
    }
}

fn check_seen(found: Option<&PgRow>, seen: Option<u64>) -> Result<(), EditError> {
    let version: i32 = found.map_or(Ok(0), |row| row.try_get("version"))?;
    match seen {
        Some(seen) if u64::try_from(version) != Ok(seen) => Err(EditError::Changed(version)),
        Some(_) | None => Ok(()),
    }
}

/// Commits, and has every process forget what it knew of the catalogue.
async fn tell(mut tx: Transaction<'_, Postgres>) -> Result<(), EditError> {
    sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Constraints whose violation means that something is named that does not exist.
fn dangling(error: sqlx::Error) -> EditError {
    const NAMED: [&str; 3] = ["producers_main_category_id_fkey", "dishes_category_id_fkey", "dishes_producer_id_fkey"];
    let broken = error.as_database_error().and_then(|error| error.constraint());
    if broken.is_some_and(|name| NAMED.contains(&name)) { EditError::Dangling } else { EditError::Database(error) }
}
