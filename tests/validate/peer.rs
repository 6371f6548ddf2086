//! The python3 of a cached root, with its PyYAML, its jsonschema and its cloud-init. It writes nothing there.

use std::path::Path;
use std::process::{Command, Stdio};

/// What `script` prints, given `input`.
pub fn python(root: &Path, script: &str, input: &[u8]) -> String {
    let mut child = Command::new("chroot")
        .arg(root)
        .args(["/usr/bin/python3", "-c", script])
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("PYTHONDONTWRITEBYTECODE", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("chroot starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &bytes));
    let output = child.wait_with_output().expect("python ends");
    // A script that failed did not read all: what it said is on stderr.
    assert!(output.status.success(), "python: {}", output.status);
    writer.join().expect("the writer ends").expect("python reads");
    String::from_utf8(output.stdout).expect("UTF-8")
}
