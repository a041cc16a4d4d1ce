//! The one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    calipso_cli::main()
}
