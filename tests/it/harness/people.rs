//! Who is who.

use std::time::Duration;

use anyhow::{Context, Result};
use shared::{
    domain::{ProducerId, UserId},
    runtime::Platform,
    web::{Role, Roles, token::Grant},
};
use uuid::Uuid;

/// Longer than any test.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub user_id: Uuid,
    pub token: String,
}

/// The kitchens.
pub const KITCHEN: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0010);
pub const OTHER_KITCHEN: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0011);

/// One of each kind.
#[derive(Debug, Clone)]
pub struct People {
    pub customer: Person,
    pub other_customer: Person,
    pub producer: Person,
    pub other_producer: Person,
    pub admin: Person,
    pub other_admin: Person,
    pub analyst: Person,
}

/// The cooks' user ids are in the catalogue.
pub const COOK: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0020);
pub const OTHER_COOK: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0021);

impl People {
    pub fn sign_in(platform: &Platform) -> Result<Self> {
        let cook = |user_id, kitchen| person(platform, user_id, Role::Producer, Some(kitchen));
        let somebody = |role| person(platform, Uuid::now_v7(), role, None);
        Ok(Self {
            customer: somebody(Role::Customer)?,
            other_customer: somebody(Role::Customer)?,
            producer: cook(COOK, KITCHEN)?,
            other_producer: cook(OTHER_COOK, OTHER_KITCHEN)?,
            admin: somebody(Role::Admin)?,
            other_admin: somebody(Role::Admin)?,
            analyst: somebody(Role::Analyst)?,
        })
    }
}

/// One more customer.
pub fn another_customer(platform: &Platform) -> Result<Person> {
    person(platform, Uuid::now_v7(), Role::Customer, None)
}

fn person(platform: &Platform, user_id: Uuid, role: Role, kitchen: Option<Uuid>) -> Result<Person> {
    let issuer = platform.authenticator.dev_issuer().context("tokens are made in development only")?;
    let grant = Grant {
        user_id: UserId(user_id),
        roles: Roles::default().with(role),
        producer_id: kitchen.map(ProducerId),
        lifetime: LIFETIME,
    };
    Ok(Person { user_id, token: issuer.mint(&grant).context("a token cannot be signed")? })
}
