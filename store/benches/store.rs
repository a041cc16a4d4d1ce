//! Measures the embedded store.
fn main() {}
