//! placeholder
#[allow(dead_code, unused_imports, reason = "the command line is about to use it")]
mod demo;
fn main() {}
