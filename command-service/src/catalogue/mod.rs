//! Reference data: dishes and producers. Plain tables, not event-sourced; orders freeze what they take from them.

mod edits;
mod facts;
mod opening_hours;

/// The Postgres channel on which every change of the catalogue is told.
pub const CHANNEL: &str = "homefood_catalogue";

pub use edits::{DishEdit, EditError, Editor, ProducerEdit};
pub use facts::{Catalogue, CatalogueError, DishFacts, ProducerFacts};
pub use opening_hours::OpeningHours;
