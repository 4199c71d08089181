//! The homefood command.
fn main() {}
