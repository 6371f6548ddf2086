//! The `landfall` program: parse, call, exit.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(landfall::cli::main(std::env::args_os()))
}
