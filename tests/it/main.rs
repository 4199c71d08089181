//! The whole system from outside: both services, a real Postgres, a real nats-server, and HTTP.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on says so at once")]

mod harness;

mod access;
mod access_table;
mod analytics;
mod bank_acts;
mod crashes;
mod crowd;
mod dead_letters;
mod deadlines;
mod dispute_races;
mod disputes;
mod duplicates;
mod edges;
mod erasure;
mod gift_codes;
mod gift_ends;
mod gifts;
mod held_disputes;
mod holds;
mod instances;
mod ledger;
mod limits;
mod live;
mod menu;
mod operators;
mod orders;
mod outages;
mod payment_races;
mod pointers;
mod portions;
mod providers;
mod random_run;
mod reading;
mod refunds;
mod replay;
mod requests;
mod roles;
mod same_key;
mod tbank;
