//! The language both services speak.

pub mod analyst;
pub mod domain;
pub mod follow;
pub mod log;
pub mod runtime;
pub mod sealing;
pub mod subjects;
pub mod web;
