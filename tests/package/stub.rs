//! A stand-in for the program, so that what the units promise is tested apart from what the program does.

use crate::lab::{Booted, Host};

/// Notes when each stage begins and ends, and does in between what the test wrote to `/etc/stub/STAGE`.
const PROGRAM: &str = "#!/bin/sh\n\
    stage=${3:-none}\n\
    note() { echo \"$stage $1\" >>/run/stub.log; }\n\
    note begin\n\
    [ ! -e /etc/stub/$stage ] || . /etc/stub/$stage\n\
    note end\n";

/// Puts the stand-in in the place of the installed program.
pub fn install(host: &Host) {
    host.files().write("/usr/bin/landfall", PROGRAM, 0o755);
}

/// What a stage does; shell.
pub fn set(host: &Host, stage: &str, script: &str) {
    host.files().write(&format!("/etc/stub/{stage}"), script, 0o644);
}

/// Beginnings and ends so far in this boot, in order.
pub fn log(booted: &Booted) -> Vec<String> {
    let text = booted.files().try_read("/run/stub.log").unwrap_or_default();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// How often a line is in the log.
pub fn count(booted: &Booted, line: &str) -> usize {
    log(booted).iter().filter(|found| *found == line).count()
}
