//! What a developer needs to try the system: written to a file and printed.

use std::path::Path;

use anyhow::{Context, Result};
use dev_servers::DevServers;
use serde::Serialize;
use shared::{
    domain::{Money, ProducerId, UserId},
    runtime::Platform,
    web::{Role, Roles, token::Grant},
};
use uuid::Uuid;

use super::demo;

/// The file within the data directory.
pub const FILE: &str = "session.json";

/// Addresses, tokens and dishes of a running `homefood dev`.
#[derive(Debug, Serialize)]
pub struct Session {
    url: String,
    database_url: String,
    nats_url: String,
    tokens: Tokens,
    dishes: Vec<SessionDish>,
    return_url: String,
}

#[derive(Debug, Serialize)]
struct Tokens {
    customer: String,
    other_customer: String,
    producer: String,
    other_producer: String,
    admin: String,
    analyst: String,
}

#[derive(Debug, Serialize)]
struct SessionDish {
    id: Uuid,
    name: &'static str,
    price: Money,
    producer_id: ProducerId,
}

/// What a running `homefood dev` wrote into its data directory.
pub fn read(data_dir: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(data_dir.join(FILE)).ok()?).ok()
}

impl Session {
    /// The session of these servers.
    pub fn new(platform: &Platform, servers: &DevServers, url: String, with_demo: bool) -> Result<Self> {
        let dishes = demo::DISHES.iter().filter(|_| with_demo).map(|dish| SessionDish {
            id: dish.id(),
            name: dish.name,
            price: Money::rub(dish.kopecks),
            producer_id: ProducerId(dish.kitchen.producer_id()),
        });
        Ok(Self {
            return_url: format!("{url}/paid"),
            url,
            database_url: servers.database_url.clone(),
            nats_url: servers.nats_url.clone(),
            tokens: Tokens::mint(platform)?,
            dishes: dishes.collect(),
        })
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, data_dir: &Path) -> Result<()> {
        let part = data_dir.join(format!("{FILE}.part"));
        std::fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(part, data_dir.join(FILE)).context("the session cannot be written")
    }

    /// Tells the developer.
    pub fn print(&self) {
        println!("HomeFood is served at {}", self.url);
        println!("  documentation   {}/docs/", self.url);
        println!("  health          {}/health/", self.url);
        println!("  metrics         {}/metrics", self.url);
        println!("  database        {}", self.database_url);
        println!("  nats            {}", self.nats_url);
        println!("\nTokens (also in .dev/{FILE}, good for 12 hours):");
        println!("  export CUSTOMER={}", self.tokens.customer);
        println!("  export PRODUCER={}", self.tokens.producer);
        println!("  export ADMIN={}", self.tokens.admin);
        if let Some(dish) = self.dishes.first() {
            let body = format!(
                r#"{{"dish_id":"{}","quantity":2,"delivery_type":"BUILDING","delivery_address_text":"Flat 12"}}"#,
                dish.id
            );
            println!("\nOrder {} twice:", dish.name);
            println!("  curl -s -X POST {}/api/v1/orders \\", self.url);
            println!("    -H \"Authorization: Bearer $CUSTOMER\" -H 'Content-Type: application/json' \\");
            println!("    -d '{body}'");
        }
        println!("\nCtrl-C stops everything.");
    }
}

impl Tokens {
    fn mint(platform: &Platform) -> Result<Self> {
        let issuer = platform.authenticator.dev_issuer().context("tokens are made in development only")?;
        let mint = |user_id: Uuid, role: Role, producer_id: Option<Uuid>| {
            let roles = Roles::default().with(role);
            let grant = Grant {
                user_id: UserId(user_id),
                roles,
                producer_id: producer_id.map(ProducerId),
                lifetime: crate::token::LIFETIME,
            };
            issuer.mint(&grant).context("a token cannot be signed")
        };
        let kitchen = |kitchen: demo::Kitchen| mint(kitchen.user_id(), Role::Producer, Some(kitchen.producer_id()));
        Ok(Self {
            customer: mint(demo::CUSTOMER, Role::Customer, None)?,
            other_customer: mint(demo::OTHER_CUSTOMER, Role::Customer, None)?,
            producer: kitchen(demo::Kitchen::Marias)?,
            other_producer: kitchen(demo::Kitchen::Davids)?,
            admin: mint(demo::ADMIN, Role::Admin, None)?,
            analyst: mint(demo::ANALYST, Role::Analyst, None)?,
        })
    }
}
