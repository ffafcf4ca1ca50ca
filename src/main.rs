//! The `convoke` command: everything is in [`convoke::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    convoke::cli::main()
}
