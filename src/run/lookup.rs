//! What this boot says of the host: which way landfall is used, and what the datasources answer.

use std::fmt;
use std::time::{Duration, Instant};

use super::prepare::Source;
use super::{SETTLE_WAIT, VOLUME_WAIT};
use crate::datasource;
use crate::error::Failure;
use crate::host::{signals, Host};
use crate::identity::{Fetched, Recorded};
use crate::plan::Stage;

/// How landfall is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffSwitch {
    /// `/etc/landfall/disabled`.
    File,
    /// `landfall=off`.
    KernelCommandLine,
    /// `/etc/cloud/cloud-init.disabled`, where landfall stands in for cloud-init.
    CloudInitFile,
    /// `cloud-init=disabled`, there too.
    CloudInitCommandLine,
    /// `KERNEL_CMDLINE=cloud-init=disabled` in the environment, there too: containers have no command line of their own.
    CloudInitEnvironment,
}

impl fmt::Display for OffSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "/etc/landfall/disabled exists",
            Self::KernelCommandLine => "landfall=off on the kernel command line",
            Self::CloudInitFile => "/etc/cloud/cloud-init.disabled exists",
            Self::CloudInitCommandLine => "cloud-init=disabled on the kernel command line",
            Self::CloudInitEnvironment => "KERNEL_CMDLINE=cloud-init=disabled in the environment",
        })
    }
}

/// The off switch that is set, if one is.
pub fn off_switch(host: &Host) -> Option<OffSwitch> {
    let line = if host.is_live() { host.kernel_command_line() } else { String::new() };
    off(host, &line, || host.boot_variable("KERNEL_CMDLINE"))
}

/// `line`: the kernel command line; `variable`: what the peer takes in its place.
fn off(host: &Host, line: &str, variable: impl FnOnce() -> Option<String>) -> Option<OffSwitch> {
    if host.exists("/etc/landfall/disabled") {
        return Some(OffSwitch::File);
    }
    if has_word(line, "landfall=off") {
        return Some(OffSwitch::KernelCommandLine);
    }
    if !datasource::stands_in(host) {
        return None;
    }
    if host.exists("/etc/cloud/cloud-init.disabled") {
        return Some(OffSwitch::CloudInitFile);
    }
    if has_word(line, "cloud-init=disabled") {
        return Some(OffSwitch::CloudInitCommandLine);
    }
    variable().is_some_and(|line| has_word(&line, "cloud-init=disabled")).then_some(OffSwitch::CloudInitEnvironment)
}

/// Whether the kernel command line says that the peer is on: for who asks why it is.
pub fn is_enabled_on_command_line(host: &Host) -> bool {
    host.is_live() && has_word(&host.kernel_command_line(), "cloud-init=enabled")
}

fn has_word(line: &str, wanted: &str) -> bool {
    line.split_whitespace().any(|word| word == wanted)
}

/// What looking brought.
pub enum Looked {
    /// A later stage of this boot knows more: what is waited for.
    Later(&'static str),
    /// As far as this boot can tell.
    Answer {
        /// `hosted` or `standalone`.
        mode: &'static str,
        /// What the sources say of the instance.
        fetched: Fetched,
        /// The user-data, if there is a source.
        source: Option<Source>,
        /// Why the others gave nothing.
        explain: String,
    },
}

/// `hosted` where cloud-init runs in this boot.
pub fn mode(host: &Host) -> &'static str {
    match datasource::hosted(host) {
        Some(hosted) if hosted.enabled => "hosted",
        _ => "standalone",
    }
}

/// Looks, as far as the stage allows. A host whose instance is known waits for nothing.
pub fn look(host: &Host, recorded: Option<&Recorded>, stage: Stage) -> Result<Looked, Failure> {
    if let Some(hosted) = datasource::hosted(host).filter(|hosted| hosted.enabled) {
        if stage != Stage::Final {
            return Ok(Looked::Later("cloud-init runs first"));
        }
        let fetched = hosted.fetched(recorded);
        let source = Some(Source::Hosted { merged_config: hosted.merged_config.unwrap_or_default() });
        return Ok(Looked::Answer { mode: "hosted", fetched, source, explain: hosted.because });
    }
    let settled = recorded.is_some();
    let wait = if settled || stage != Stage::Local { Duration::ZERO } else { VOLUME_WAIT };
    let mut probed = datasource::find(host, wait);
    let broken = |probed: &datasource::Probed| probed.fetched() == Fetched::NoAnswer;
    if stage == Stage::Network && !settled && probed.found.is_none() && broken(&probed) {
        let start = Instant::now();
        while probed.found.is_none() && broken(&probed) && start.elapsed() < SETTLE_WAIT && signals::sleep(Duration::from_secs(1)) {
            probed = datasource::find(host, Duration::ZERO);
        }
    }
    let explain = probed.explain();
    let fetched = probed.fetched();
    if stage == Stage::Local && fetched != Fetched::NoSource && probed.found.is_none() && !settled {
        return Ok(Looked::Later("no datasource has answered yet"));
    }
    Ok(Looked::Answer { mode: "standalone", fetched, source: probed.found.map(|found| Source::Datasource(Box::new(found))), explain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switches_of_the_peer_count_where_landfall_stands_in_for_it() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let off = |line: &str, variable: Option<&str>| super::off(&host, line, || variable.map(str::to_owned));
        let disabled = "cloud-init=disabled";
        assert_eq!(off(disabled, Some(disabled)), None);
        assert_eq!(off("ro landfall=off", None), Some(OffSwitch::KernelCommandLine));
        std::fs::create_dir_all(dir.path().join("usr/bin")).expect("mkdir");
        std::os::unix::fs::symlink("landfall", dir.path().join("usr/bin/cloud-init")).expect("link");
        for (line, variable, expected) in [
            ("ro quiet", None, None),
            ("ro quiet", Some("cloud-init=enabled"), None),
            ("ro cloud-init=disabled", None, Some(OffSwitch::CloudInitCommandLine)),
            ("ro quiet", Some(disabled), Some(OffSwitch::CloudInitEnvironment)),
            ("", Some("ro cloud-init=disabled quiet"), Some(OffSwitch::CloudInitEnvironment)),
        ] {
            assert_eq!(off(line, variable), expected, "{line} {variable:?}");
        }
    }
}
