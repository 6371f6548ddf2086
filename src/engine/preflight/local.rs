//! What the host alone can say.

use super::{disk, Check, Findings, Grade, Question};
use crate::amount::size;
use crate::clock;
use crate::engine::needs::{Program, Source};
use crate::error::Kind;
use crate::host::resources::Pressure;

/// dpkg and apt are slow with less than this, and may be killed.
const LITTLE_MEMORY: u64 = 64 << 20;
/// Processes that wait, for each processor.
const BUSY: f64 = 4.0;
/// A clock may differ so much from one that was right.
const TOLERATED: i64 = 86_400;

/// Looks at disks, inodes, memory, load, rights, programs, files and the clock. Waits for nobody.
pub fn local(question: &Question<'_>) -> Findings {
    let mut findings = Findings::default();
    rights(question, &mut findings);
    programs(question, &mut findings);
    sources(question, &mut findings);
    findings.extend(disk::check(question));
    match question.host.pressure() {
        Some(pressure) => findings.checks.extend([memory(&pressure, question), load(&pressure)]),
        None => findings.unchecked.push("memory and load: this is no running system".into()),
    }
    findings.checks.push(time(question));
    packages(question, &mut findings);
    findings
}

fn rights(question: &Question<'_>, findings: &mut Findings) {
    if question.needs.nothing {
        return;
    }
    if question.is_root {
        findings.checks.push(Check::new("rights", Grade::Pass, "this is root"));
    } else {
        findings.unchecked.push("what only root can read: the recorded run, files of other users, their directories".into());
        let message = "this is not root: a run needs it";
        findings.checks.push(Check::new("rights", Grade::Warn, message).hint("run landfall with sudo"));
    }
}

fn programs(question: &Question<'_>, findings: &mut Findings) {
    let host = question.host;
    let there =
        |program: &&Program| if program.name.starts_with('/') { host.exists(&program.name) } else { host.finds_program(&program.name) };
    let needed = &question.needs.programs;
    let missing: Vec<&Program> = needed.iter().filter(|program| !there(program)).collect();
    let (later, never): (Vec<&Program>, Vec<&Program>) = missing.into_iter().partition(|program| program.may_come);
    let names = |programs: &[&Program]| programs.iter().map(|one| format!("{} ({})", one.name, one.step)).collect::<Vec<_>>().join(", ");
    if never.is_empty() && later.is_empty() && !needed.is_empty() {
        let message = format!("all {} that the steps run are there", needed.len());
        findings.checks.push(Check::new("programs", Grade::Pass, message));
    }
    if !later.is_empty() {
        let message = format!("not there yet: {}; an earlier step may bring them", names(&later));
        findings.checks.push(Check::new("programs", Grade::Warn, message).hint("make sure that `packages` names what has them"));
    }
    if !never.is_empty() {
        let check = Check::new("programs", Grade::Fail, format!("missing: {}", names(&never)));
        findings.checks.push(check.hint("install the packages that have them (`apt-file search bin/NAME`)"));
    }
}

fn sources(question: &Question<'_>, findings: &mut Findings) {
    let missing: Vec<&Source> = question.needs.sources.iter().filter(|one| !one.may_come && !question.host.exists(&one.path)).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<String> = missing.iter().map(|one| format!("{} ({})", one.path, one.step)).collect();
    if question.is_root {
        let check = Check::new("files", Grade::Fail, format!("files that the steps read are missing: {}", names.join(", ")));
        findings.checks.push(check.hint("put them there, or correct the paths"));
    } else {
        findings.unchecked.push(format!("whether these files are there, without root: {}", names.join(", ")));
    }
}

fn memory(pressure: &Pressure, question: &Question<'_>) -> Check {
    let available = pressure.memory_bytes;
    let check = |grade, message: String| Check::new("memory", grade, message).bytes("available_bytes", available);
    match question.resources.min_memory {
        Some(least) if available < least => {
            let message = format!("{} available, {} asked for by `resources.min_memory`", size(available), size(least));
            let check = check(Grade::Fail, message).bytes("needed_bytes", least);
            let check = check.hint("stop what takes it (`ps --sort=-rss -eo rss,comm | head`), or give the machine more");
            Check { stops: Some((Kind::Config, None)), ..check }
        }
        _ if available < LITTLE_MEMORY => {
            let message = format!("{} available: package work may be slow, or be killed", size(available));
            check(Grade::Warn, message).hint("add swap, or give the machine more")
        }
        _ => check(Grade::Pass, format!("{} available", size(available))),
    }
}

fn load(pressure: &Pressure) -> Check {
    let message = format!("{:.1} on {} processors", pressure.load, pressure.processors);
    let busy = pressure.load > BUSY * pressure.processors as f64;
    let check = Check::new("load", if busy { Grade::Warn } else { Grade::Pass }, message);
    let check = check.number("load", pressure.load).number("processors", pressure.processors as f64);
    if busy {
        check.hint("what runs beside it (`top`) makes every step slow")
    } else {
        check
    }
}

fn time(question: &Question<'_>) -> Check {
    let now = question.host.now();
    let (earliest, why) = question.host.not_before();
    let shown = clock::rfc3339(now);
    if (now as i64) < earliest - TOLERATED {
        let message = format!("it is {shown} here, but {why} {}", clock::rfc3339(earliest as f64));
        let hint = "set the clock (`timedatectl set-ntp true`, or `date -s`): certificates and package lists do not hold otherwise";
        return Check::new("clock", Grade::Fail, message).hint(hint).number("seconds", now).number("earliest_seconds", earliest as f64);
    }
    Check::new("clock", Grade::Pass, format!("{shown} can be")).number("seconds", now)
}

fn packages(question: &Question<'_>, findings: &mut Findings) {
    if question.needs.package_step.is_none() {
        return;
    }
    let Some(sizes) = question.sizes else {
        findings.unchecked.push("how large the packages are: apt has no lists to tell it from yet, or cannot be asked".into());
        return;
    };
    if !sizes.unknown.is_empty() {
        let message = format!("apt's lists do not have (yet): {}", sizes.unknown.join(", "));
        let hint = "correct the names, unless a source that the run adds, or its update of the lists, brings them";
        findings.checks.push(Check::new("packages", Grade::Warn, message).hint(hint));
    }
    let message = format!(
        "{} to unpack ({} new), {} to fetch, {} more on the disk",
        sizes.packages,
        sizes.new,
        size(sizes.download),
        size(sizes.installed)
    );
    let check = Check::new("packages", Grade::Pass, message).bytes("download_bytes", sizes.download);
    findings.checks.push(check.bytes("installed_bytes", sizes.installed).number("packages", sizes.packages as f64));
}
