//! Room on the filesystems that a plan writes.
//!
//! What is certain is told from what is likely: a file that replaces another needs only what it is larger, and a package may take
//! less than its maker's estimate (dpkg leaves out what it is told to, filesystems compress), but hardly less than half of it.

use super::{Check, Findings, Grade, Question};
use crate::amount::size;
use crate::error::Kind;
use crate::host::dpkg::admin_directory;
use crate::host::resources::Filesystem;
use crate::identity::STATE;
use crate::plan::Resources;

const ARCHIVES: &str = "/var/cache/apt/archives";
/// Where packages put their files.
const PACKAGES: &str = "/usr";
const OTHERS: [&str; 3] = ["/", "/var", "/opt"];
/// A package takes at least so many inodes: its lists in dpkg's database, its directory of documents and a file in it.
const INODES_OF_PACKAGE: u64 = 3;
/// What landfall's own journal, backups and outputs take at the least.
const OWN: u64 = 64 << 10;
const OWN_INODES: u64 = 16;
/// Less than this left afterwards is worth a word.
const LITTLE: u64 = 64 << 20;
const FEW_INODES: u64 = 1000;

/// What is written to one filesystem.
struct Load {
    filesystem: Filesystem,
    certain: u64,
    likely: u64,
    inodes: u64,
    /// landfall or dpkg cannot work without it.
    vital: bool,
    /// The first step that writes to it.
    step: Option<String>,
    /// What the user wrote runs before, and may make room.
    after_script: bool,
    written: bool,
    why: Vec<String>,
}

struct Loads<'q, 'n> {
    question: &'q Question<'n>,
    loads: Vec<Load>,
    /// Which of them the directory of the last file is on: many files are written beside each other.
    last: Option<(String, usize)>,
    unchecked: Vec<String>,
}

impl Loads<'_, '_> {
    /// The filesystem that holds the directory of a file.
    fn of_file(&mut self, path: &str) -> Option<&mut Load> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let directory = if directory.is_empty() { "/" } else { directory };
        let at = match self.last.take().filter(|(last, _)| last == directory) {
            Some((_, at)) => at,
            None => self.number_of(directory)?,
        };
        self.last = Some((directory.to_owned(), at));
        self.loads.get_mut(at)
    }

    /// The filesystem that holds a path.
    fn at(&mut self, path: &str) -> Option<&mut Load> {
        let at = self.number_of(path)?;
        self.loads.get_mut(at)
    }

    fn number_of(&mut self, path: &str) -> Option<usize> {
        let filesystem = match self.question.host.filesystem_of(path) {
            Ok(filesystem) => filesystem,
            Err(error) => {
                self.unchecked.push(format!("room for {path}: {error}"));
                return None;
            }
        };
        let at = self.loads.iter().position(|load| load.filesystem.device == filesystem.device).unwrap_or_else(|| {
            self.loads.push(Load {
                filesystem,
                certain: 0,
                likely: 0,
                inodes: 0,
                vital: false,
                step: None,
                after_script: false,
                written: false,
                why: Vec::new(),
            });
            self.loads.len() - 1
        });
        Some(at)
    }

    fn add_own(&mut self) {
        if let Some(load) = self.at(STATE) {
            load.vital = true;
            load.written = true;
            load.certain += OWN;
            load.likely += OWN;
            load.inodes += OWN_INODES;
        }
    }

    fn add_files(&mut self) {
        let needs = self.question.needs;
        let mut last: Vec<&str> = Vec::new();
        for target in needs.targets.iter().rev() {
            // What a later step replaces takes no room of its own in the end.
            if !target.appended && last.contains(&target.path.as_str()) {
                continue;
            }
            last.push(&target.path);
            let status = self.question.host.status(&target.path).ok().flatten();
            let held = status.as_ref().filter(|_| !target.appended).map_or(0, |status| status.size);
            let Some(load) = self.of_file(&target.path) else { continue };
            let block = load.filesystem.block;
            let more = target.bytes.saturating_sub(held);
            load.certain = load.certain.saturating_add(more);
            // A file is written beside the one it replaces.
            load.likely = load.likely.saturating_add(target.bytes.next_multiple_of(block));
            load.inodes += u64::from(status.is_none());
            load.written = true;
            load.step = Some(target.step.clone());
            load.after_script |= target.after_script;
        }
        for load in &mut self.loads {
            if load.likely > 0 {
                load.why.push(format!("files {}", size(load.likely)));
            }
        }
    }

    fn add_packages(&mut self) {
        let Some(step) = &self.question.needs.package_step else { return };
        let after_script = self.question.needs.package_step_after_script;
        for path in [admin_directory(), ARCHIVES, PACKAGES] {
            if let Some(load) = self.at(path) {
                load.vital = true;
                load.written = true;
                if load.step.is_none() {
                    load.step = Some(step.clone());
                    load.after_script = after_script;
                }
            }
        }
        if let Some(load) = self.at(ARCHIVES) {
            // A directory and a file in it, at the least.
            load.inodes += 2;
        }
        let Some(sizes) = self.question.sizes.filter(|sizes| sizes.packages > 0) else { return };
        let together = self.question.host.filesystem_of(PACKAGES).is_ok_and(|usr| {
            OTHERS.iter().all(|path| self.question.host.filesystem_of(path).is_ok_and(|other| other.device == usr.device))
        });
        if let Some(load) = self.at(ARCHIVES) {
            load.certain = load.certain.saturating_add(sizes.download);
            load.likely = load.likely.saturating_add(sizes.download);
            if sizes.download > 0 {
                load.why.push(format!("archives {}", size(sizes.download)));
            }
        }
        if let Some(load) = self.at(PACKAGES) {
            load.likely = load.likely.saturating_add(sizes.installed);
            if together {
                load.certain = load.certain.saturating_add(sizes.installed / 2);
            }
            let plural = if sizes.packages == 1 { "" } else { "s" };
            load.why.push(format!("{} package{plural} {}", sizes.packages, size(sizes.installed)));
        }
        if let Some(load) = self.at(admin_directory()) {
            load.inodes += sizes.new as u64 * INODES_OF_PACKAGE;
        }
    }
}

/// Room for bytes and for files, on each filesystem that is written.
pub(super) fn check(question: &Question<'_>) -> Findings {
    let mut loads = Loads { question, loads: Vec::new(), last: None, unchecked: Vec::new() };
    loads.add_files();
    loads.add_own();
    loads.add_packages();
    let mut findings = Findings { checks: Vec::new(), unchecked: std::mem::take(&mut loads.unchecked) };
    for load in &loads.loads {
        if load.filesystem.read_only {
            findings.checks.extend(read_only(load));
            continue;
        }
        findings.checks.push(bytes(load, question));
        findings.checks.extend(inodes(load));
    }
    findings
}

fn read_only(load: &Load) -> Option<Check> {
    let step = load.step.as_deref().map(|step| format!(" ({step})")).unwrap_or_default();
    let check = Check::new("disk", Grade::Fail, format!("it is read-only, and the run writes to it{step}"));
    load.written.then(|| {
        check
            .of(&load.filesystem.point)
            .hint(format!("see why (`dmesg`, /etc/fstab), mend it, `mount -o remount,rw {}`", load.filesystem.point))
    })
}

fn bytes(load: &Load, question: &Question<'_>) -> Check {
    let found = &load.filesystem;
    let (free, resources) = (found.free_bytes, question.resources);
    let reserve = match resources.min_disk {
        Some(least) if load.vital => least,
        None if load.vital && question.needs.fetches() => Resources::LOW_DISK,
        _ => 0,
    };
    let why = if load.why.is_empty() { String::new() } else { format!(" ({})", load.why.join(", ")) };
    let kept = if reserve > 0 { format!(" and {} that stay free", size(reserve)) } else { String::new() };
    let numbers = |check: Check| {
        let check = check.of(&found.point).bytes("free_bytes", free).bytes("needed_bytes", load.likely);
        check.bytes("size_bytes", found.size_bytes).bytes("reserve_bytes", reserve)
    };
    let hint = || format!("free space on {} (`df -h {}`, `apt-get clean`), or enlarge it", found.point, found.point);
    if free < load.certain.saturating_add(reserve) {
        let stops = load.vital && !load.after_script;
        let message = format!("{} free, {} needed{why}{kept}", size(free), size(load.likely));
        let check = numbers(Check::new("disk", Grade::Fail, message)).hint(hint());
        return Check { stops: stops.then(|| (Kind::Disk, load.step.clone())), ..check };
    }
    if free < load.likely.saturating_add(reserve) {
        let message = format!("{} free, {} needed{why}{kept}, by estimates that are often too high", size(free), size(load.likely));
        return numbers(Check::new("disk", Grade::Fail, message)).hint(hint());
    }
    let after = free - load.likely;
    let message = format!("{} free, {} needed{why}", size(free), size(load.likely));
    if load.vital && after < reserve.max(LITTLE) {
        return numbers(Check::new("disk", Grade::Warn, format!("{message}: {} are left", size(after)))).hint(hint());
    }
    numbers(Check::new("disk", Grade::Pass, message))
}

fn inodes(load: &Load) -> Option<Check> {
    let free = load.filesystem.free_inodes?;
    let point = &load.filesystem.point;
    let message = format!("{free} free, {} needed at least", load.inodes);
    let numbers = |check: Check| check.of(point).bytes("free_inodes", free).bytes("needed_inodes", load.inodes);
    let hint = format!("remove files from {point} (`df -i {point}`; `du --inodes -x {point}` says where they are)");
    if free < load.inodes {
        let stops = load.vital && !load.after_script;
        let check = numbers(Check::new("inodes", Grade::Fail, message)).hint(hint);
        return Some(Check { stops: stops.then(|| (Kind::Disk, load.step.clone())), ..check });
    }
    let few = load.vital && free - load.inodes < FEW_INODES;
    let check = numbers(Check::new("inodes", if few { Grade::Warn } else { Grade::Pass }, message));
    Some(if few { check.hint(hint) } else { check })
}
