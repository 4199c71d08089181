//! The language both services speak.

pub mod analyst;
#[cfg(test)]
mod diagram;
pub mod domain;
pub mod follow;
pub mod log;
pub mod runtime;
pub mod sealing;
pub mod subjects;
pub mod web;
