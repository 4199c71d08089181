//! The whole system from outside.

mod roles;
