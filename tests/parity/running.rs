//! Facts that only a running host can give.

use serde_json::Value;

use crate::case::Case;
use crate::lab::{Booted, Output};
use crate::program::Program;
use crate::state::Facts;

/// Files that other software waits for or reads, by their documented names; everything else of the programs' own state is left out.
const COMPATIBLE: [&str; 16] = [
    "/run/cloud-init/status.json",
    "/run/cloud-init/result.json",
    "/run/cloud-init/instance-data.json",
    "/run/cloud-init/instance-data-sensitive.json",
    "/run/cloud-init/cloud-id",
    "/run/cloud-init/enabled",
    "/var/lib/cloud/data/status.json",
    "/var/lib/cloud/data/result.json",
    "/var/lib/cloud/data/instance-id",
    "/var/lib/cloud/data/previous-instance-id",
    "/var/lib/cloud/instance",
    "/var/lib/cloud/instance/boot-finished",
    "/var/lib/cloud/instance/user-data.txt",
    "/var/lib/cloud/instance/cloud-config.txt",
    "/var/lib/cloud/instance/vendor-data.txt",
    "/var/lib/cloud/instance/datasource",
];

/// One command a line, asked in the host; the fact is what it prints.
const ASKED: [(&str, &str); 8] = [
    ("running/instance", "basename $(readlink -f /var/lib/cloud/instance)"),
    ("running/hostname", "hostname"),
    ("running/fqdn", "hostname -f 2>&1"),
    ("running/locales", "locale -a"),
    ("running/timezone", "date -d 2020-01-01 +%Z"),
    (
        "running/sshd",
        "mkdir -p /run/sshd; sshd -T 2>&1 | grep -E '^(passwordauthentication|hostcertificate|permitrootlogin) |no hostkeys' | sort",
    ),
    ("running/sudoers", "visudo -cq 2>&1 && echo valid"),
    ("running/apt", "apt-config dump | grep -iE '^Acquire::(http|https|ftp)::Proxy|^LF::' | sort"),
];

/// What the host that is up says, in the last boot of a case.
pub fn facts(booted: &Booted, case: &Case, program: &Program) -> Facts {
    let mut facts = asked(booted);
    for command in &case.settings.ask {
        let said = booted.sh(&command.replace("@QUERY@", program.query())).stdout;
        facts.insert(format!("asked/{command}"), said.trim_end().to_owned());
    }
    let result = booted.files().try_read("/run/cloud-init/result.json").ok();
    let result: Option<Value> = result.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let errors = result.and_then(|result| Some(result["v1"]["errors"].as_array()?.is_empty()));
    let errors = match errors {
        Some(true) => "none",
        Some(false) => "some",
        None => "no result",
    };
    facts.insert("result/errors".into(), errors.into());
    let console = booted.console();
    for text in &case.settings.console {
        let said = if console.contains(text) { "said" } else { "silent" };
        facts.insert(format!("console/{text}"), said.into());
    }
    facts
}

/// All questions in one visit: entering a host costs more than most answers. Each answer stands behind an ASCII record separator
/// and the name of its fact. Of `COMPATIBLE` it is what is there at the end of all links: which of two names is the link is the
/// program's affair.
fn asked(booted: &Booted) -> Facts {
    let mut script = String::new();
    for (name, command) in ASKED {
        script += &format!("printf '\\036{name}\\n'\n( {command} )\n");
    }
    for path in COMPATIBLE {
        script += &format!("printf '\\036compatible{path}\\n'\nstat -L -c '%F %a' {path} 2>/dev/null || echo absent\n");
    }
    let said = booted.sh(&script).stdout;
    let answers = said.split('\u{1e}').skip(1).map(|answer| answer.split_once('\n').unwrap());
    answers.map(|(name, said)| (name.to_owned(), said.trim().replace("regular empty file", "regular file"))).collect()
}

/// What the program says of itself, in a line for the reader of a stored result.
pub fn summary(program: &Program, said: &Output) -> String {
    let code = said.code().map_or("a signal".into(), |code| code.to_string());
    let json: Value = serde_json::from_str(said.stdout.trim()).unwrap_or_default();
    let field = match program {
        Program::CloudInit => "extended_status",
        Program::Landfall(_) => "status",
    };
    format!("{}, exit {code}", json[field].as_str().unwrap_or("?"))
}
