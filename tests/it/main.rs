//! The whole system from outside: both services, a real Postgres, a real nats-server, and HTTP.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on says so at once")]

mod harness;

mod deadlines;
mod orders;
mod payment_races;
mod refunds;
mod roles;
