//! What a command needs to know of the catalogue, kept in memory until somebody changes it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use moka::{future::Cache, policy::EvictionPolicy};
use shared::domain::{
    Currency, DishId, Money, ProducerId, UserId,
    order::{DeliveryType, ProducerSnapshot, RequestedLine},
};
use sqlx::{PgPool, Row, postgres::PgRow, types::Json};

use super::opening_hours::OpeningHours;

/// Dishes and producers kept in memory.
const FACTS_MAX: u64 = 50_000;
/// How old a fact may be when the notice of its change was lost.
const FACTS_TTL: Duration = Duration::from_secs(5);

/// Why the catalogue did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogueError {
    /// The database did not answer as it should.
    #[error("the catalogue cannot be read: {0}")]
    Database(Arc<sqlx::Error>),
}

impl From<sqlx::Error> for CatalogueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// A dish as an order sees it.
#[derive(Debug, Clone)]
pub struct DishFacts {
    /// Its id.
    pub dish_id: DishId,
    /// Whose it is.
    pub producer_id: ProducerId,
    /// Its name.
    pub name: String,
    /// Its price.
    pub price: Money,
    /// The version of the price.
    pub price_version: i32,
    /// Whether it is on the menu.
    pub is_available: bool,
    /// How many are left; none means as many as you like.
    pub portions_left: Option<i64>,
}

/// A kitchen as an order sees it.
#[derive(Debug, Clone)]
pub struct ProducerFacts {
    /// Its id.
    pub producer_id: ProducerId,
    /// The cook.
    pub owner_user_id: UserId,
    /// Whether it sells at all.
    pub active: bool,
    timezone: String,
    opening_hours: OpeningHours,
    delivery_types: Vec<DeliveryType>,
    delivery_fee: Money,
    commission_bps: u32,
}

impl DishFacts {
    /// Whether so many of it are left.
    pub fn has(&self, quantity: u32) -> bool {
        self.portions_left.is_none_or(|left| left >= i64::from(quantity))
    }

    /// A line of an order for `quantity` of it.
    pub fn line(&self, quantity: u32) -> RequestedLine {
        RequestedLine {
            dish_id: self.dish_id,
            dish_name: self.name.clone(),
            unit_price: self.price,
            quantity,
            price_version: self.price_version,
            available: self.is_available,
            producer_id: self.producer_id,
            portions_left: self.portions_left,
        }
    }
}

impl ProducerFacts {
    /// The kitchen as an order wanted at `wanted_at` sees it.
    pub fn snapshot(&self, wanted_at: DateTime<Utc>) -> ProducerSnapshot {
        ProducerSnapshot {
            producer_id: self.producer_id,
            owner_user_id: self.owner_user_id,
            active: self.active,
            open_now: self.opening_hours.is_open(&self.timezone, wanted_at),
            delivery_types: self.delivery_types.clone(),
            delivery_fee: self.delivery_fee,
            commission_bps: self.commission_bps,
        }
    }
}

/// Reads the catalogue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogue {
    db: PgPool,
    dishes: Cache<DishId, Option<Arc<DishFacts>>>,
    producers: Cache<ProducerId, Option<Arc<ProducerFacts>>>,
}

impl Catalogue {
    /// The catalogue in `db`.
    pub fn new(db: PgPool) -> Self {
        Self {
            db,
            dishes: Cache::builder()
                .max_capacity(FACTS_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(FACTS_TTL)
                .build(),
            producers: Cache::builder()
                .max_capacity(FACTS_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(FACTS_TTL)
                .build(),
        }
    }

    /// Somebody changed the catalogue: nothing in memory is to be trusted.
    pub fn forget(&self) {
        self.dishes.invalidate_all();
        self.producers.invalidate_all();
    }

    /// A dish; `None` if there is none with that id.
    pub async fn dish(&self, id: DishId) -> Result<Option<Arc<DishFacts>>, CatalogueError> {
        let read = async {
            let row = sqlx::query(
                "
                SELECT id, producer_id, name, price_minor, currency, price_version, is_available, portions_left
                FROM dishes
                WHERE id = $1
                ",
            )
            .bind(id.0)
            .fetch_optional(&self.db)
            .await?;
            Ok::<_, sqlx::Error>(row.as_ref().map(read_dish).transpose()?.map(Arc::new))
        };
        self.dishes.try_get_with(id, read).await.map_err(CatalogueError::Database)
    }

    /// A dish of which `quantity` is wanted. What is in memory may lag behind what was given back, so it is read anew
    /// before anybody is told that there is too little.
    pub async fn dish_to_take(&self, id: DishId, quantity: u32) -> Result<Option<Arc<DishFacts>>, CatalogueError> {
        self.dish_unless(id, |facts| !facts.has(quantity)).await
    }

    /// A dish that nobody takes now: nothing will say later that too little was left.
    pub async fn dish_to_give(&self, id: DishId) -> Result<Option<Arc<DishFacts>>, CatalogueError> {
        self.dish_unless(id, |facts| facts.portions_left.is_some()).await
    }

    /// What is in memory, or read anew if that is in doubt.
    async fn dish_unless(
        &self,
        id: DishId,
        in_doubt: impl Fn(&DishFacts) -> bool,
    ) -> Result<Option<Arc<DishFacts>>, CatalogueError> {
        match self.dish(id).await? {
            Some(facts) if in_doubt(&facts) => {
                self.dishes.invalidate(&id).await;
                self.dish(id).await
            }
            known => Ok(known),
        }
    }

    /// A kitchen; `None` if there is none with that id.
    pub async fn producer(&self, id: ProducerId) -> Result<Option<Arc<ProducerFacts>>, CatalogueError> {
        let read = async {
            let row = sqlx::query(
                "
                SELECT id, user_id, active, timezone, opening_hours, delivery_types, delivery_fee_minor, currency,
                       commission_bps
                FROM producers
                WHERE id = $1
                ",
            )
            .bind(id.0)
            .fetch_optional(&self.db)
            .await?;
            Ok::<_, sqlx::Error>(row.as_ref().map(read_producer).transpose()?.map(Arc::new))
        };
        self.producers.try_get_with(id, read).await.map_err(CatalogueError::Database)
    }
}

fn read_dish(row: &PgRow) -> Result<DishFacts, sqlx::Error> {
    Ok(DishFacts {
        dish_id: DishId(row.try_get("id")?),
        producer_id: ProducerId(row.try_get("producer_id")?),
        name: row.try_get("name")?,
        price: read_money(row, "price_minor")?,
        price_version: row.try_get("price_version")?,
        is_available: row.try_get("is_available")?,
        portions_left: row.try_get::<Option<i32>, _>("portions_left")?.map(i64::from),
    })
}

fn read_producer(row: &PgRow) -> Result<ProducerFacts, sqlx::Error> {
    let types: Vec<String> = row.try_get("delivery_types")?;
    Ok(ProducerFacts {
        producer_id: ProducerId(row.try_get("id")?),
        owner_user_id: UserId(row.try_get("user_id")?),
        active: row.try_get("active")?,
        timezone: row.try_get("timezone")?,
        opening_hours: row.try_get::<Json<OpeningHours>, _>("opening_hours").map(|hours| hours.0)?,
        delivery_types: types.iter().filter_map(|name| delivery_type(name)).collect(),
        delivery_fee: read_money(row, "delivery_fee_minor")?,
        commission_bps: row.try_get::<i32, _>("commission_bps")? as u32,
    })
}

fn delivery_type(name: &str) -> Option<DeliveryType> {
    match name {
        "BUILDING" => Some(DeliveryType::Building),
        "PICKUP" => Some(DeliveryType::Pickup),
        "ADDRESS" => Some(DeliveryType::Address),
        _ => None,
    }
}

fn read_money(row: &PgRow, column: &'static str) -> Result<Money, sqlx::Error> {
    let decode = |reason: &str| sqlx::Error::Decode(format!("{column}: {reason}").into());
    let code: &str = row.try_get("currency")?;
    let currency = Currency::from_code(code).ok_or_else(|| decode("unknown currency"))?;
    Money::from_minor(row.try_get(column)?, currency).map_err(|error| decode(&error.to_string()))
}
