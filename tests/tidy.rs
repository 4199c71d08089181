//! The house rules that a machine can check. Each says in its message what to do instead.

#[path = "tidy/deployment.rs"]
mod deployment;
#[path = "tidy/document.rs"]
mod document;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/schemas.rs"]
mod schemas;
#[path = "tidy/settings.rs"]
mod settings;
#[path = "tidy/tree.rs"]
mod tree;
