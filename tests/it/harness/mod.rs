//! What every scenario stands on.

mod audit;
mod catalogue;
mod child;
mod client;
mod gifts;
mod instance;
mod people;
mod query;
mod socket;
mod system;
mod verbs;
mod wait;

pub use audit::Leftovers;
pub use catalogue::{other_dish, scenario_dish};
pub use child::ServiceProcess;
pub use client::{Answer, Client};
pub use gifts::{roubles, wish_with};
pub use instance::Parts;
pub use people::{KITCHEN, OTHER_KITCHEN};
pub use socket::{Socket, ids};
pub use system::TestSystem;
pub use verbs::{complaint, id_of, return_url, wish};
pub use wait::{SOON_SECS, eventually};
