//! The marketplace that the bench orders from: kitchens with dishes, and customers.

use std::{fmt::Write, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use shared::{
    domain::{DishId, ProducerId, UserId},
    web::{
        Role, Roles,
        token::{DevIssuer, Grant},
    },
};
use sqlx::PgPool;
use uuid::Uuid;

/// How many of each; a token stays in the services' memory, as it does where real customers shop.
const CUSTOMERS: usize = 200;
const KITCHENS: usize = 20;
const DISHES_PER_KITCHEN: usize = 10;
/// What a dish costs, in kopecks.
pub const PRICE_MINOR: i64 = 45_000;
/// Tokens outlive the run.
const TOKEN_LIFETIME: Duration = Duration::from_secs(6 * 3_600);

/// Whom the bench plays.
#[derive(Debug, Clone)]
pub struct World(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    customers: Vec<Customer>,
    kitchens: Vec<Kitchen>,
    admin: String,
}

/// Somebody who is hungry.
#[derive(Debug)]
pub struct Customer {
    /// The bearer's token.
    pub token: String,
}

/// Somebody who cooks.
#[derive(Debug)]
pub struct Kitchen {
    /// The kitchen.
    pub producer_id: ProducerId,
    /// The cook.
    pub user_id: UserId,
    /// The cook's token.
    pub token: String,
    /// What there is.
    pub dishes: Vec<DishId>,
    /// An order for each dish, ready to be sent.
    pub orders: Vec<String>,
}

impl World {
    /// Makes everybody up.
    pub fn invent(issuer: &DevIssuer) -> Result<Self> {
        let mint = |role: Role, user_id, producer_id| {
            let roles = Roles::default().with(role);
            issuer.mint(&Grant { user_id, roles, producer_id, lifetime: TOKEN_LIFETIME })
        };
        let customers = (0..CUSTOMERS).map(|_| {
            let user_id = UserId(Uuid::now_v7());
            anyhow::Ok(Customer { token: mint(Role::Customer, user_id, None)? })
        });
        let kitchens = (0..KITCHENS).map(|_| {
            let (producer_id, user_id) = (ProducerId(Uuid::now_v7()), UserId(Uuid::now_v7()));
            let dishes: Vec<DishId> = (0..DISHES_PER_KITCHEN).map(|_| DishId(Uuid::now_v7())).collect();
            let orders = dishes.iter().map(|dish_id| order_of(*dish_id)).collect();
            let token = mint(Role::Producer, user_id, Some(producer_id))?;
            anyhow::Ok(Kitchen { producer_id, user_id, token, dishes, orders })
        });
        let admin = mint(Role::Admin, UserId(Uuid::now_v7()), None)?;
        let (customers, kitchens) = (customers.collect::<Result<_>>()?, kitchens.collect::<Result<_>>()?);
        let parts = Parts { customers, kitchens, admin };
        Ok(Self(Arc::new(parts)))
    }

    /// Writes the kitchens and their dishes into the catalogue.
    pub async fn settle(&self, db: &PgPool) -> Result<()> {
        let mut sql = String::new();
        for kitchen in &self.0.kitchens {
            writeln!(
                sql,
                "INSERT INTO producers (id, user_id, name, city) VALUES ('{}', '{}', 'Kitchen', 'Moscow');",
                kitchen.producer_id, kitchen.user_id
            )?;
            for dish_id in &kitchen.dishes {
                writeln!(
                    sql,
                    "INSERT INTO dishes (id, producer_id, name, price_minor)
                     VALUES ('{dish_id}', '{}', 'Borscht with sour cream', {PRICE_MINOR});",
                    kitchen.producer_id
                )?;
            }
        }
        sqlx::raw_sql(&sql).execute(db).await.context("the catalogue cannot be filled")?;
        Ok(())
    }

    /// Every customer.
    pub fn customers(&self) -> &[Customer] {
        &self.0.customers
    }

    /// The token of somebody who may see everything.
    pub fn admin(&self) -> &str {
        &self.0.admin
    }

    /// The `n`-th customer, counted round and round.
    pub fn customer(&self, n: usize) -> &Customer {
        &self.0.customers[n % self.0.customers.len()]
    }

    /// The `n`-th kitchen, counted round and round.
    pub fn kitchen(&self, n: usize) -> &Kitchen {
        &self.0.kitchens[n % self.0.kitchens.len()]
    }
}

fn order_of(dish_id: DishId) -> String {
    format!(
        r#"{{"dish_id":"{dish_id}","quantity":2,"delivery_type":"BUILDING","delivery_address_text":"Building 7, flat 12","user_name":"Anna","phone":"+79990000001","comment":"Please ring twice"}}"#
    )
}
