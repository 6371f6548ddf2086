//! Runs the binary.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a command left.
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
}

impl Ran {
    /// Its standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// `landfall ARGS` with something to read.
pub fn landfall_reading(args: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    // A command that does not read ends before it has read all.
    let _ = child.stdin.take().expect("stdin").write_all(input);
    let output = child.wait_with_output().expect("ends");
    Ran { code: output.status.code().expect("an exit code"), stdout: String::from_utf8(output.stdout).expect("UTF-8") }
}
