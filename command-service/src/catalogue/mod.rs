//! Reference data: dishes and producers. Plain tables, not event-sourced; orders freeze what they take from them.

mod facts;
mod opening_hours;

pub use facts::{Catalogue, CatalogueError, DishFacts, ProducerFacts};
pub use opening_hours::OpeningHours;
