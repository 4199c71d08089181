//! Two kitchens, and a dish for every scenario of the imitation bank.

use anyhow::Result;
use sqlx::PgPool;
use uuid::Uuid;

use super::people::{COOK, KITCHEN, OTHER_COOK, OTHER_KITCHEN};

/// Kopeck suffixes that choose a scenario.
const SCENARIOS: i64 = 17;

/// A dish of the first kitchen for 100 roubles and so many kopecks.
pub fn scenario_dish(suffix: i64) -> Uuid {
    dish_costing(10_000 + suffix)
}

/// The dish of that price, of the first kitchen.
fn dish_costing(kopecks: i64) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0001_0000_0000 | kopecks as u128)
}

/// A dish of the other kitchen.
pub fn other_dish() -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0002_0000_0000)
}

/// Puts everything into an empty catalogue.
pub async fn load(db: &PgPool) -> Result<()> {
    for (kitchen, cook, name) in [(KITCHEN, COOK, "Maria's"), (OTHER_KITCHEN, OTHER_COOK, "David's")] {
        sqlx::query(
            "
            INSERT INTO producers (id, user_id, name, city, delivery_types)
            VALUES ($1, $2, $3, 'Moscow', '{BUILDING,PICKUP,ADDRESS}')
            ",
        )
        .bind(kitchen)
        .bind(cook)
        .bind(name)
        .execute(db)
        .await?;
    }
    for suffix in 0..SCENARIOS {
        add_dish(db, scenario_dish(suffix), KITCHEN, 10_000 + suffix).await?;
    }
    add_dish(db, other_dish(), OTHER_KITCHEN, 20_000).await
}

async fn add_dish(db: &PgPool, id: Uuid, kitchen: Uuid, kopecks: i64) -> Result<()> {
    sqlx::query("INSERT INTO dishes (id, producer_id, name, price_minor) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(kitchen)
        .bind(format!("a dish for {kopecks} kopecks"))
        .bind(kopecks)
        .execute(db)
        .await?;
    Ok(())
}
