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
}

impl fmt::Display for OffSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "/etc/landfall/disabled exists",
            Self::KernelCommandLine => "landfall=off on the kernel command line",
            Self::CloudInitFile => "/etc/cloud/cloud-init.disabled exists",
            Self::CloudInitCommandLine => "cloud-init=disabled on the kernel command line",
        })
    }
}

/// The off switch that is set, if one is.
pub fn off_switch(host: &Host) -> Option<OffSwitch> {
    if host.exists("/etc/landfall/disabled") {
        return Some(OffSwitch::File);
    }
    let on_command_line = |wanted: &str| host.is_live() && host.kernel_command_line().split_whitespace().any(|word| word == wanted);
    if on_command_line("landfall=off") {
        return Some(OffSwitch::KernelCommandLine);
    }
    if !datasource::stands_in(host) {
        return None;
    }
    if host.exists("/etc/cloud/cloud-init.disabled") {
        return Some(OffSwitch::CloudInitFile);
    }
    on_command_line("cloud-init=disabled").then_some(OffSwitch::CloudInitCommandLine)
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
