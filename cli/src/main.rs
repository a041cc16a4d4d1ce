//! The one binary.

use std::process::ExitCode;

/// Graphs of a million objects are mostly allocations (ADR 16).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    calipso_cli::main()
}
