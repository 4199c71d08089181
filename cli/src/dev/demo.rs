//! Demo data: two kitchens and their dishes. Loading it again changes nothing.

use anyhow::Result;
use sqlx::PgPool;
use uuid::Uuid;

/// The people of the demo.
pub const CUSTOMER: Uuid = person(1);
pub const OTHER_CUSTOMER: Uuid = person(2);
pub const ADMIN: Uuid = person(3);
pub const ANALYST: Uuid = person(4);

const fn person(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | n)
}

/// The kitchens of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kitchen {
    /// The first one, whose cook the session's `producer` is.
    Marias,
    /// The other one.
    Davids,
}

impl Kitchen {
    const ALL: [Self; 2] = [Self::Marias, Self::Davids];

    /// The kitchen.
    pub fn producer_id(self) -> Uuid {
        person(0x10 + self as u128)
    }

    /// Its cook.
    pub fn user_id(self) -> Uuid {
        person(0x20 + self as u128)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Marias => "Maria's Kitchen",
            Self::Davids => "David's Grill",
        }
    }

    fn category(self) -> (Uuid, &'static str) {
        match self {
            Self::Marias => (person(0x30), "Soups and dumplings"),
            Self::Davids => (person(0x31), "Grill"),
        }
    }
}

/// A dish of the demo.
pub struct DemoDish {
    n: u128,
    /// Its name.
    pub name: &'static str,
    /// Its price in kopecks.
    pub kopecks: i64,
    /// Whose it is.
    pub kitchen: Kitchen,
}

impl DemoDish {
    /// Its id.
    pub fn id(&self) -> Uuid {
        person(0x100 + self.n)
    }
}

/// The dishes, those of the first kitchen first. The kopecks of a price choose what the imitation bank does.
pub const DISHES: [DemoDish; 6] = [
    DemoDish { n: 1, name: "Borscht", kopecks: 10_000, kitchen: Kitchen::Marias },
    DemoDish { n: 2, name: "Pelmeni", kopecks: 35_000, kitchen: Kitchen::Marias },
    DemoDish { n: 3, name: "Syrniki", kopecks: 28_000, kitchen: Kitchen::Marias },
    DemoDish { n: 4, name: "Shashlik", kopecks: 52_000, kitchen: Kitchen::Davids },
    DemoDish { n: 5, name: "Khachapuri", kopecks: 41_000, kitchen: Kitchen::Davids },
    DemoDish { n: 6, name: "Lobio", kopecks: 30_000, kitchen: Kitchen::Davids },
];

/// Puts the demo into the catalogue.
pub async fn load(db: &PgPool) -> Result<()> {
    let mut tx = db.begin().await?;
    for kitchen in Kitchen::ALL {
        let (category_id, category) = kitchen.category();
        sqlx::query("INSERT INTO categories (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(category_id)
            .bind(category)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "
            INSERT INTO producers (id, user_id, name, city, main_category_id, delivery_types)
            VALUES ($1, $2, $3, 'Moscow', $4, '{BUILDING,PICKUP,ADDRESS}')
            ON CONFLICT DO NOTHING
            ",
        )
        .bind(kitchen.producer_id())
        .bind(kitchen.user_id())
        .bind(kitchen.name())
        .bind(category_id)
        .execute(&mut *tx)
        .await?;
    }
    for dish in &DISHES {
        sqlx::query(
            "
            INSERT INTO dishes (id, producer_id, name, price_minor, category_id)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
            ",
        )
        .bind(dish.id())
        .bind(dish.kitchen.producer_id())
        .bind(dish.name)
        .bind(dish.kopecks)
        .bind(dish.kitchen.category().0)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}
