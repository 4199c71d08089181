//! The queries over a real database: who sees what, pages, versions, waiting.

mod lists;
mod orders;
mod others;
mod pictures;

use serde_json::Value;
use shared::{
    domain::{ProducerId, UserId},
    web::Role,
};
use uuid::Uuid;

use crate::{
    projections::samples::{self, Log},
    testing::App,
};

const ANNA: UserId = UserId(Uuid::from_u128(0xA));
const BORIS: UserId = UserId(Uuid::from_u128(0xB));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));
const COOK: UserId = UserId(Uuid::from_u128(0xFF));

struct Test {
    app: App,
    log: Log,
}

impl Test {
    async fn start() -> Self {
        Self { app: App::start().await, log: Log::new() }
    }

    fn order(&mut self, customer: UserId) -> Uuid {
        let id = Uuid::now_v7();
        self.log.push(id, samples::created(customer, KITCHEN));
        id
    }

    /// Appends, and answers the headers with which a query sees it.
    async fn commit(&mut self, user: UserId, roles: &[Role]) -> Vec<(&'static str, String)> {
        self.log.write(&self.app.db).await;
        self.headers(user, roles)
    }

    fn headers(&self, user: UserId, roles: &[Role]) -> Vec<(&'static str, String)> {
        let kitchen = roles.contains(&Role::Producer).then_some(KITCHEN);
        let token = self.app.token(user, roles, kitchen);
        let seen = self.app.seen(self.log.events.len() as u64);
        vec![("authorization", format!("Bearer {token}")), ("consistency-token", seen), ("prefer", "wait=8".to_owned())]
    }

    async fn get(&self, path: &str, headers: &[(&'static str, String)]) -> (u16, http::HeaderMap, Value) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.app.get(path, &headers).await
    }
}

#[test]
fn the_document_names_every_route_once_and_describes_every_answer() {
    let document = serde_json::to_value(super::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/orders/{id}/history") && paths.contains_key("/ws"));
    let mut names = Vec::new();
    for item in paths.values() {
        for operation in item.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap());
            for answer in operation["responses"].as_object().unwrap().values() {
                assert!(!answer["description"].as_str().unwrap().is_empty(), "{operation}");
            }
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
