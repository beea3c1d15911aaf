//! The foundation server.
fn main() {}
