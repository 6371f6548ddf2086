//! The `landfall` program: parse, call, exit.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::unwrap_used))]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(landfall::cli::main(std::env::args_os()))
}
