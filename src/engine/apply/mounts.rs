//! `/etc/fstab`, what it mounts, and swap files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::files::io_failure;
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::files::{Attributes, FileKind};
use crate::host::process::Spec;
use crate::host::sync::unescaped;
use crate::host::Host;
use crate::plan::storage::{is_remote, Fstab, MountFields, COMMENT};

const FSTAB: &str = "/etc/fstab";
const MIB: u64 = 1 << 20;

/// The partition of a device that a name without a number means, as far as there is one.
fn partition(host: &Host, device: &str, number: &str) -> Option<String> {
    ["", "p", "-part"].iter().map(|infix| format!("{device}{infix}{number}")).find(|path| host.exists(path))
}

/// Names that clouds give to devices; without an alias nothing here is called so.
fn is_cloud_name(name: &str) -> bool {
    ["ami", "root", "swap"].contains(&name) || ((name.starts_with("ephemeral") || name.starts_with("ebs")) && !name.contains(':'))
}

/// `vdb`, `sda1`, `xvdf`, `sr0`.
fn is_short_name(name: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if let Some(number) = name.strip_prefix("sr") {
        return !number.is_empty() && digits(number);
    }
    let rest = name.strip_prefix('x').unwrap_or(name);
    let mut letters = rest.chars();
    matches!(letters.next(), Some('s' | 'h' | 'v'))
        && letters.next() == Some('d')
        && letters.next().is_some_and(|c| c.is_ascii_lowercase())
        && digits(letters.as_str())
}

/// The device that a name in `mounts` means; `None` where there is none on this host.
fn resolve(host: &Host, name: &str, aliases: &BTreeMap<String, String>) -> Option<String> {
    let name = if name == "ephemeral" { "ephemeral0" } else { name };
    if is_remote(name, "") {
        return Some(name.to_owned());
    }
    let (device, number) = name.rsplit_once('.').map_or((name, None), |(device, number)| (device, Some(number)));
    let device = aliases.get(device).map_or(device, String::as_str);
    if is_cloud_name(device) {
        return None;
    }
    let device = if is_short_name(device) { format!("/dev/{device}") } else { device.to_owned() };
    let found = match number {
        Some(number) => Some(partition(host, &device, number)?),
        None => partition(host, &device, "1"),
    };
    let found = found.unwrap_or(device);
    host.block_of(&found).map(|_| found)
}

/// A field as fstab(5) has it.
fn escaped(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011")
}

/// What fstab holds afterwards, where it is to be changed, and what is to be known of it.
fn wanted(context: &Context<'_>, fstab: &Fstab) -> Result<(Option<String>, Vec<String>), Failure> {
    let now = context.host.read(FSTAB).map_err(io_failure("read", FSTAB))?.unwrap_or_default();
    let now = String::from_utf8(now).map_err(|_| {
        Failure::new(Kind::Config, format!("{FSTAB} is not UTF-8: it is left as it is"))
            .hint("correct it (`iconv` finds the place); then `landfall resume`")
    })?;
    let swap = fstab.swap_file.as_ref().filter(|path| context.host.is_swap_file(path));
    let swap = swap.map(|path| [&escaped(path), "none", "swap", "sw", "0", "0"].join("\t"));
    let others: Vec<&str> = now.lines().filter(|line| !line.contains(COMMENT)).filter_map(|line| line.split_whitespace().next()).collect();
    let has = |device: &str| others.contains(&device);
    let mut notes = Vec::new();
    let mut entries: Vec<MountFields> = Vec::new();
    for entry in &fstab.entries {
        let mut entry = entry.clone();
        let name = entry.0[0].clone();
        match resolve(context.host, &name, &fstab.aliases) {
            Some(device) if has(&device) => notes.push(format!("{device} has a line in {FSTAB} already; {name} is written as it is")),
            Some(device) => entry.0[0] = device,
            None if is_cloud_name(&name) => notes.push(format!("no device here is called {name}")),
            None => {}
        }
        entries.push(entry);
    }
    for entry in &fstab.if_there {
        let device = resolve(context.host, entry.device(), &fstab.aliases);
        if let Some(device) = device.filter(|device| !has(device) && !entries.iter().any(|other| other.device() == device)) {
            let mut entry = entry.clone();
            entry.0[0] = device;
            entries.push(entry);
        }
    }
    let is_cancelled = |at: usize| entries[at..].iter().any(|later| later.device() == entries[at].device() && later.point().is_none());
    let ours: Vec<String> = (0..entries.len()).filter(|at| !is_cancelled(*at)).map(|at| line(&entries[at])).collect();
    if ours.is_empty() && swap.is_none() {
        return Ok((None, notes));
    }
    let point = |line: &str| line.split_whitespace().nth(1).filter(|point| point.starts_with('/')).map(str::to_owned);
    let points: Vec<String> = ours.iter().filter_map(|line| point(line)).collect();
    // A line for the same mount point takes the place of an earlier one.
    let is_kept = |line: &&str| {
        let stays = || fstab.adds && (ours.iter().any(|own| own == line) || point(line).is_none_or(|point| !points.contains(&point)));
        !line.trim().is_empty() && swap.as_deref() != Some(*line) && (!line.contains(COMMENT) || stays())
    };
    let mut lines: Vec<String> = now.lines().filter(is_kept).map(str::to_owned).collect();
    let kept = lines.len();
    for line in ours {
        if !lines[..kept].contains(&line) {
            lines.push(line);
        }
    }
    lines.extend(swap);
    let gone = now.lines().filter(|line| line.contains(COMMENT) && !lines.iter().any(|own| own == line));
    for line in gone {
        let fields: Vec<&str> = line.split_whitespace().take(2).collect();
        notes.push(format!("the line `{}` of an earlier configuration goes from {FSTAB}", fields.join(" ")));
    }
    let after = lines.join("\n") + "\n";
    Ok(((after != now).then_some(after), notes))
}

fn line(entry: &MountFields) -> String {
    let mut fields: Vec<String> = entry.0.iter().map(|field| escaped(field)).collect();
    fields[3] = format!("{},{COMMENT}", fields[3]);
    fields.join("\t")
}

/// The lines are there.
pub(super) fn check_fstab(context: &Context<'_>, fstab: &Fstab) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(wanted(context, fstab)?.0.is_none()))
}

/// Writes them.
pub(super) fn write_fstab(context: &Context<'_>, fstab: &Fstab) -> Result<Effect, Failure> {
    let (Some(text), notes) = wanted(context, fstab)? else { return Ok(Effect::default()) };
    let host = context.host;
    let path = host.follow_trusted(FSTAB).map_err(io_failure("look at", FSTAB))?;
    let now = host.status(&path).map_err(io_failure("look at", FSTAB))?;
    let attributes = now.map_or_else(|| Attributes::own(0o644), |status| status.attributes);
    host.write(&path, text.as_bytes(), attributes).map_err(io_failure("write", FSTAB))?;
    Ok(Effect { detail: None, warnings: notes })
}

/// A line of fstab that is ours.
struct Line {
    source: String,
    point: String,
    kind: String,
    options: String,
}

impl Line {
    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|one| one == option)
    }
}

/// Our lines: those of the network, or the others.
fn ours(context: &Context<'_>, swap_file: Option<&str>) -> Result<Vec<Line>, Failure> {
    if !context.host.is_live() {
        return Ok(Vec::new());
    }
    let text = context.host.read_text(FSTAB).map_err(io_failure("read", FSTAB))?.unwrap_or_default();
    let mut lines = Vec::new();
    for fields in text.lines().map(|line| line.split_whitespace().map(unescaped).collect::<Vec<_>>()) {
        let [source, point, kind, options, ..] = fields.as_slice() else { continue };
        if options.contains(COMMENT) || Some(source.as_str()) == swap_file {
            lines.push(Line { source: source.clone(), point: point.clone(), kind: kind.clone(), options: options.clone() });
        }
    }
    Ok(lines)
}

/// Whether the kernel swaps to what a source of fstab means.
fn is_swapped_to(host: &Host, source: &str, swaps: &str) -> bool {
    let link = source.split_once('=').filter(|(tag, _)| ["UUID", "LABEL", "PARTUUID", "PARTLABEL"].contains(tag));
    let path = link
        .map_or_else(|| source.to_owned(), |(tag, value)| format!("/dev/disk/by-{}/{}", tag.to_ascii_lowercase(), value.trim_matches('"')));
    let real = host.follow(&path).unwrap_or(path);
    swaps.lines().any(|line| line.split_whitespace().next().is_some_and(|name| unescaped(name) == real))
}

fn swaps(host: &Host) -> Result<String, Failure> {
    Ok(host.read_text("/proc/swaps").map_err(io_failure("read", "/proc/swaps"))?.unwrap_or_default())
}

/// Whether nothing is to be done for a line.
fn is_in_effect(host: &Host, line: &Line, swaps: &str) -> bool {
    if line.has("noauto") {
        return true;
    }
    if line.kind == "swap" {
        return is_swapped_to(host, &line.source, swaps);
    }
    !line.point.starts_with('/') || host.mounted_at(&line.point).is_some()
}

/// Our lines that are not in effect: those of the network, or the others.
fn waiting(context: &Context<'_>, remote: bool, swap_file: Option<&str>) -> Result<Vec<Line>, Failure> {
    let swaps = swaps(context.host)?;
    let mut lines = ours(context, swap_file)?;
    lines.retain(|line| is_remote(&line.source, &line.kind) == remote && !is_in_effect(context.host, line, &swaps));
    Ok(lines)
}

/// Mount points of our lines that are not there.
fn missing_points(context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let points = ours(context, None)?.into_iter().map(|line| line.point).filter(|point| point.starts_with('/'));
    Ok(points.filter(|point| !context.host.exists(point)).collect())
}

/// All of our lines are in effect.
pub(super) fn check_mounted(context: &Context<'_>, remote: bool, swap_file: Option<&str>) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(waiting(context, remote, swap_file)?.is_empty() && (remote || missing_points(context)?.is_empty())))
}

/// Makes the mount points, and mounts our lines, each by itself.
pub(super) fn mount(context: &Context<'_>, remote: bool, swap_file: Option<&str>) -> Result<Effect, Failure> {
    let mut failed: Vec<Failure> = Vec::new();
    for point in missing_points(context)? {
        let made = context.host.make_directories(&point, Attributes { mode: 0o755, uid: 0, gid: 0 });
        failed.extend(made.err().map(io_failure("make the mount point", &point)));
    }
    let lines = waiting(context, remote, swap_file)?;
    if context.host.runs_systemd() {
        // Units of the lines that were, bound to devices that are gone, would be stopped and what is mounted with them.
        context.host.run_ok(&Spec::new(["systemctl", "daemon-reload"]).output(&context.output).deadline(Duration::from_secs(60)))?;
    }
    let mut left: Vec<String> = Vec::new();
    for line in &lines {
        if line.has("nofail") && line.source.starts_with('/') && !context.host.exists(&line.source) {
            left.push(format!("{} is not there, and need not be (nofail)", line.source));
        } else if let Err(failure) = mount_line(context, line) {
            // systemd may have been first.
            if !is_in_effect(context.host, line, &swaps(context.host)?) {
                failed.push(failure);
            }
        }
    }
    let detail = (!left.is_empty()).then(|| left.join("; "));
    let Some(first) = failed.first() else { return Ok(Effect { detail, ..Effect::default() }) };
    let all: Vec<&str> = failed.iter().map(|failure| failure.message.as_str()).collect();
    let failure = Failure { message: all.join("; "), ..first.clone() };
    Err(failure
        .transient(remote)
        .hint(format!("correct the entry of `mounts` or its device; {FSTAB} has the lines that were made of them")))
}

fn mount_line(context: &Context<'_>, line: &Line) -> Result<(), Failure> {
    let spec = |argv: &[&str]| {
        let mut spec = Spec::new(argv.iter().copied()).output(&context.output);
        // A server that does not answer is waited for without end otherwise.
        spec.deadline = Some(context.deadline.left().unwrap_or(Duration::from_secs(90)));
        spec
    };
    if line.kind == "swap" {
        return context.host.run_ok(&spec(&["swapon", &line.source])).map(|_| ());
    }
    let ended = context.host.run(&spec(&["mount", &line.point]))?;
    if ended.success() {
        return Ok(());
    }
    let mut failure = ended.failure(&format!("mount {} at {}", line.source, line.point));
    if let Some(last) = failure.output.last() {
        failure.message = format!("{}: {}", failure.message, last.trim());
    }
    Err(failure)
}

/// The swap file is there.
pub(super) fn check_swap(context: &Context<'_>, path: &str) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(context.host.is_swap_file(path)))
}

/// What undoing it needs. What is there and no swap file is somebody's.
pub(super) fn prior_swap(context: &Context<'_>, path: &str) -> Result<Prior, Failure> {
    match context.host.status(path).map_err(io_failure("look at", path))? {
        None => Ok(Prior::SwapFile { path: path.to_owned() }),
        Some(status) => {
            let what = if status.kind == FileKind::File { "holds something else than swap" } else { "is no file" };
            let failure = Failure::new(Kind::Config, format!("{path} {what}: it is left as it is"));
            Err(failure.hint("name another `filename` in `swap`, or remove it; then `landfall resume`"))
        }
    }
}

/// How large the swap file is to be, in bytes, by the peer's rule: as much as there is memory up to 4 GiB, 4 GiB up to 16 GiB, then
/// the root of it; no more than a quarter of the free room and twice the memory.
fn suggested(memory: u64, free: u64, most: Option<u64>) -> u64 {
    const GIB: u64 = 1 << 30;
    let most = most.map_or_else(|| (free / 4).min(memory * 2), |most| most.min(free / 10 * 9));
    let by_memory = match memory {
        0..0x1_0000_0000 => memory,
        0x1_0000_0000..0x4_0000_0000 => 4 * GIB,
        _ => ((memory as f64 / GIB as f64).sqrt().round() as u64) * GIB,
    };
    by_memory.min(most)
}

/// Makes the swap file. What a cut left of it goes first.
pub(super) fn swap_file(context: &Context<'_>, path: &str, size: Option<u64>, most: Option<u64>) -> Result<Effect, Failure> {
    let host = context.host;
    let failed = io_failure("make", path);
    let directory = path.rsplit_once('/').map_or("/", |(directory, _)| if directory.is_empty() { "/" } else { directory });
    host.make_directories(directory, Attributes { mode: 0o755, uid: 0, gid: 0 }).map_err(&failed)?;
    let bytes = match size {
        Some(bytes) => bytes,
        None => {
            let memory = host.kernel_memory().map_err(io_failure("read", "/proc/meminfo"))?;
            suggested(memory, host.filesystem_of(directory).map_err(&failed)?.free_bytes, most)
        }
    } / MIB
        * MIB;
    if bytes == 0 {
        return Err(Failure::new(Kind::Disk, format!("there is no room for {path}")));
    }
    host.remove(path).map_err(&failed)?;
    let on_btrfs = host.kind_of_filesystem(directory).is_some_and(|kind| kind == "btrfs");
    let made = host.allocate(path, bytes, &mut || {
        // Swap files of btrfs must not be copied on write, which can only be said of an empty file.
        let tried = on_btrfs.then(|| host.run_ok(&Spec::new(["chattr", "+C", path]).output(&context.output)));
        tried.map_or(Ok(()), |tried| tried.map(drop))
    });
    let made = made.and_then(|()| host.run_ok(&Spec::new(["mkswap", path]).output(&context.output)));
    if let Err(failure) = made {
        let _ = host.remove(path);
        return Err(failure);
    }
    Ok(Effect { detail: Some(format!("{path} has {}", crate::amount::size(bytes))), ..Effect::default() })
}

/// Takes the swap file away again.
pub(super) fn undo_swap(context: &Context<'_>, path: &str) -> Result<Effect, Failure> {
    if context.host.is_live() && is_swapped_to(context.host, path, &swaps(context.host)?) {
        context.host.run_ok(&Spec::new(["swapoff", path]).output(&context.output))?;
    }
    context.host.remove(path).map_err(io_failure("remove", path))?;
    Ok(Effect::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_known_by_its_path_a_link_or_a_tag() {
        let dir = tempfile::tempdir().expect("dir");
        let by_uuid = dir.path().join("dev/disk/by-uuid");
        std::fs::create_dir_all(&by_uuid).expect("directories");
        std::fs::create_dir_all(dir.path().join("srv")).expect("directory");
        std::fs::write(dir.path().join("dev/vdb2"), "").expect("write");
        std::fs::write(dir.path().join("srv/a b"), "").expect("write");
        std::os::unix::fs::symlink("../../vdb2", by_uuid.join("12-34")).expect("link");
        std::os::unix::fs::symlink("/srv", dir.path().join("link")).expect("link");
        let host = Host::rooted(dir.path());
        let swaps = "Filename Type Size Used Priority\n/dev/vdb2 partition 1 0 -2\n/srv/a\\040b file 1 0 -3\n";
        for (source, swapped) in [
            ("/dev/vdb2", true),
            ("UUID=12-34", true),
            ("UUID=\"12-34\"", true),
            ("LABEL=12-34", false),
            ("/link/a b", true),
            ("/dev/vdb", false),
        ] {
            assert_eq!(is_swapped_to(&host, source, swaps), swapped, "{source}");
        }
    }

    #[test]
    fn swap_is_as_large_as_the_peer_has_it() {
        const G: u64 = 1 << 30;
        for (memory, free, most, expected) in [
            (G, 100 * G, None, G),
            (2 * G, 4 * G, None, G),
            (8 * G, 100 * G, None, 4 * G),
            (64 * G, 1000 * G, None, 8 * G),
            (8 * G, 100 * G, Some(G), G),
            (8 * G, 1000, Some(G), 900),
        ] {
            assert_eq!(suggested(memory, free, most), expected, "{memory} {free} {most:?}");
        }
    }

    #[test]
    fn names_of_devices_are_told_from_others() {
        for (name, short) in [
            ("vdb", true),
            ("sda1", true),
            ("xvdf", true),
            ("sr0", true),
            ("sdA", false),
            ("nvme0n1", false),
            ("sr", false),
            ("tmpfs", false),
        ] {
            assert_eq!(is_short_name(name), short, "{name}");
        }
        for (source, remote) in
            [("nas:/x", true), ("//nas/x", true), ("/dev/disk/by-id/usb-0:0", false), ("LABEL=a:b", false), ("tmpfs", false)]
        {
            assert_eq!(is_remote(source, ""), remote, "{source}");
        }
    }
}
