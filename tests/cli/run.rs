//! Runs the binary.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use super::Ran;

/// The user and group nobody, which Debian fixes.
const NOBODY: u32 = 65_534;

/// `landfall ARGS`.
pub fn landfall(args: &[&str]) -> Ran {
    ran(command(env!("CARGO_BIN_EXE_landfall")).args(args).output())
}

/// `landfall ARGS` with something to read.
pub fn landfall_reading(args: &[&str], input: &[u8]) -> Ran {
    landfall_in(&[], args, input)
}

/// `landfall ARGS` with something to read and with variables in its environment.
pub fn landfall_in(environment: &[(&str, &str)], args: &[&str], input: &[u8]) -> Ran {
    let mut child = command(env!("CARGO_BIN_EXE_landfall"))
        .args(args)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("stdin");
    // A command that does not read ends before it has read all.
    let _ = stdin.write_all(input);
    drop(stdin);
    ran(child.wait_with_output())
}

/// `landfall ARGS` as a user without rights, from a copy that this user can reach.
pub fn landfall_unprivileged(args: &[&str]) -> Ran {
    if !nix::unistd::geteuid().is_root() {
        return landfall(args);
    }
    let dir = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().expect("dir");
    let copy = dir.path().join("landfall");
    std::fs::copy(env!("CARGO_BIN_EXE_landfall"), &copy).expect("copy");
    loop {
        match command(&copy).args(args).uid(NOBODY).gid(NOBODY).current_dir("/").output() {
            // Another thread's child still has the copy open for writing, until it has become its own program.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => return ran(output),
        }
    }
}

fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG").env_remove("LANDFALL_RUN").stdin(Stdio::null());
    command
}

/// What came of a command.
pub fn ran(output: std::io::Result<Output>) -> Ran {
    let output = output.expect("runs");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
