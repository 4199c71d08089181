//! The language both services speak.

pub mod domain;
pub mod runtime;
pub mod web;
