//! Partition tables and filesystems.
//!
//! What a device holds is only lost where the user says `overwrite` (or `layout: remove`, or `replace_fs`), and never while it is in
//! use. What was there, and which device was chosen, stands in the intent: a step that was cut off begins anew there, because a
//! filesystem that looks whole after a power cut need not be.

use std::time::{Duration, Instant};

use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::disks::{Block, Content};
use crate::host::process::{Ended, Spec};
use crate::host::signals;
use crate::plan::storage::{FsPlace, Layout, MakeFilesystem, PartitionDisk, TableType};
use crate::secret::Secret;

/// The kernel and udev show a new partition within this time.
const NODE_WAIT: Duration = Duration::from_secs(10);

fn run(context: &Context<'_>, spec: Spec) -> Result<Ended, Failure> {
    let spec = Spec { deadline: context.deadline.left(), silence: None, output: Some(context.output.clone()), ..spec };
    context.host.run_ok(&spec)
}

fn device(context: &Context<'_>, path: &str) -> Result<Block, Failure> {
    if !context.host.is_live() {
        return Err(Failure::new(Kind::Config, format!("{path}: an image has no disks; it is done on the host itself")));
    }
    context.host.wait_for_block(path, context.say)
}

/// Refuses a device that is in use.
fn not_in_use(context: &Context<'_>, block: &Block) -> Result<(), Failure> {
    match context.host.use_of(block).map_err(|error| Failure::io(block.path(), &error))? {
        None => Ok(()),
        Some(used) => Err(Failure::new(Kind::Config, format!("{used}: {} is left as it is", block.path()))
            .hint("name another device, or take it out of use; then `landfall resume`")),
    }
}

/// Refuses a device that has the name of the one on which a step that was cut off had begun, and is another: names may change with
/// a boot.
fn same_as_begun(context: &Context<'_>, block: &Block, begun: &str) -> Result<(), Failure> {
    if context.host.identity_of(block) == begun {
        return Ok(());
    }
    let failure =
        Failure::new(Kind::Config, format!("{} is another device than before the interruption: it is left as it is", block.path()));
    Err(failure.hint("name it by a link in /dev/disk/by-id, or `landfall rerun STEP` if it is the right one"))
}

/// What a step is to do with a device.
enum Decision {
    /// It is so already.
    Is,
    /// It holds something that is to stay.
    Stays(String),
    /// It is done, on this device, which holds this.
    Do(Block, Option<String>),
}

/// The table of a disk, as sfdisk(8) writes it down; empty where there is none.
fn table(context: &Context<'_>, disk: &Block) -> Result<String, Failure> {
    if !context.host.finds_program("sfdisk") {
        let failure = Failure::new(Kind::NotFound, format!("there is no program sfdisk to partition {}", disk.path()));
        return Err(failure.hint("have the image hold the package fdisk; then `landfall resume`"));
    }
    let ended = context.host.run(&Spec::new(["sfdisk", "--dump", &disk.path()]).deadline(Duration::from_secs(60)))?;
    Ok(ended.stdout)
}

fn types_of(dump: &str, label: &str) -> Option<Vec<String>> {
    if dump.lines().find_map(|line| line.strip_prefix("label: ")) != Some(label) {
        return None;
    }
    let partitions = dump.lines().filter(|line| line.contains("start="));
    let kind = |line: &str| Some(line.split_once("type=")?.1.split([',', ' ']).next()?.to_ascii_uppercase());
    let mut types: Vec<String> = partitions.filter_map(kind).collect();
    // Neither an extended partition nor an empty one counts.
    types.retain(|kind| !["5", "F", "0"].contains(&kind.as_str()));
    Some(types)
}

/// Whether the partitions are those that are wanted: as the peer tells it, by their number and by the types that are given.
fn is_laid_out(wanted: &PartitionDisk, found: Option<&[String]>) -> bool {
    match (&wanted.layout, found) {
        (Layout::One, Some(found)) => !found.is_empty(),
        (Layout::Shares(shares), Some(found)) => {
            let same = |(share, found): (&crate::plan::storage::Share, &String)| {
                share.kind.as_deref().is_none_or(|kind| wanted.table.code(kind).as_deref() == Some(found.as_str()))
            };
            shares.len() == found.len() && shares.iter().zip(found).all(same)
        }
        _ => false,
    }
}

fn has_types(layout: &Layout) -> bool {
    matches!(layout, Layout::Shares(shares) if shares.iter().any(|share| share.kind.is_some()))
}

fn decide_disk(context: &Context<'_>, wanted: &PartitionDisk, begun: Option<&str>) -> Result<Decision, Failure> {
    let disk = device(context, &wanted.device)?;
    let path = disk.path();
    if disk.partition.is_some() {
        let failure = Failure::new(Kind::Config, format!("{path} is a partition: only a whole disk can be partitioned"));
        return Err(failure.hint("name the disk in `disk_setup`"));
    }
    begun.map_or(Ok(()), |begun| same_as_begun(context, &disk, begun))?;
    let table = table(context, &disk)?;
    // Both are asked: not every kernel reads every table.
    let has_partitions = table.contains("start=") || !context.host.partitions(&disk.name).is_empty();
    let content = context.host.content_of(&path)?;
    let held = content.word().or(has_partitions.then_some("partitions")).map(str::to_owned);
    if wanted.layout == Layout::Remove {
        return Ok(if held.is_none() { Decision::Is } else { Decision::Do(disk, held) });
    }
    // Where no types are asked for, partitions in a table of the other kind are partitions, too: as with the peer they stay.
    let other = types_of(&table, if wanted.table == TableType::Mbr { TableType::Gpt } else { TableType::Mbr }.label());
    let found = types_of(&table, wanted.table.label()).or(other.filter(|_| !has_types(&wanted.layout)));
    if is_laid_out(wanted, found.as_deref()) {
        return Ok(Decision::Is);
    }
    let may_be_replaced = wanted.overwrite || (begun.is_some() && half_partitioned(context, &disk, &content)?);
    match held {
        Some(held) if !may_be_replaced && (!content.kind.is_empty() || has_partitions) => {
            Ok(Decision::Stays(format!("{path} holds {held} and stays as it is; `overwrite: true` would replace it")))
        }
        held => Ok(Decision::Do(disk, held)),
    }
}

/// Whether what is on a disk may be what a cut left of a step of ours: nothing of it holds anything.
fn half_partitioned(context: &Context<'_>, disk: &Block, content: &Content) -> Result<bool, Failure> {
    if !content.kind.is_empty() {
        return Ok(false);
    }
    for partition in context.host.partitions(&disk.name) {
        if context.host.content_of(&partition.path())?.word().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The disk is laid out so.
pub(super) fn check_disk(context: &Context<'_>, wanted: &PartitionDisk, begun: Option<&str>) -> Result<Checked, Failure> {
    decide_disk(context, wanted, begun).map(|decision| Checked::satisfied_if(matches!(decision, Decision::Is)))
}

fn recorded(context: &Context<'_>, decision: Decision) -> Prior {
    match decision {
        Decision::Do(block, held) => Prior::Disk { device: block.path(), held, identity: context.host.identity_of(&block), uuid: None },
        _ => Prior::None,
    }
}

/// Which disk, and what it held.
pub(super) fn prior_disk(context: &Context<'_>, wanted: &PartitionDisk) -> Result<Prior, Failure> {
    decide_disk(context, wanted, None).map(|decision| recorded(context, decision))
}

/// Partitions the disk.
pub(super) fn partition(context: &Context<'_>, wanted: &PartitionDisk, begun: Option<&str>) -> Result<Effect, Failure> {
    let disk = match decide_disk(context, wanted, begun)? {
        Decision::Is => return Ok(Effect::default()),
        Decision::Stays(why) => return Ok(Effect { detail: Some(why), ..Effect::default() }),
        Decision::Do(disk, _) => disk,
    };
    not_in_use(context, &disk)?;
    let path = disk.path();
    if wanted.layout == Layout::Remove {
        for one in context.host.partitions(&disk.name).iter().map(Block::path).chain([path.clone()]) {
            run(context, Spec::new(["wipefs", "--all", "--force", &one]))?;
        }
        return run(context, Spec::new(["blockdev", "--rereadpt", &path])).map(|_| Effect::default());
    }
    let script = script(wanted, context.host.own_sectors(&disk));
    // Only signatures of the whole disk go: what is in a partition is the business of `fs_setup`.
    let argv = ["sfdisk", "--force", "--wipe", "always", "--wipe-partitions", "never", &path];
    run(context, Spec::new(argv).stdin(Secret::new(script)))?;
    // What sfdisk asks of the kernel is to read the table itself, which not every kernel can.
    run(context, Spec::new(["partx", "--update", &path]))?;
    await_nodes(context, &disk)
}

/// What sfdisk reads.
fn script(wanted: &PartitionDisk, sectors: u64) -> String {
    let mut lines = format!("label: {}\n", wanted.table.label());
    let shares = match &wanted.layout {
        Layout::Shares(shares) => shares.as_slice(),
        _ => &[],
    };
    for (at, share) in shares.iter().enumerate() {
        let kind = wanted.table.code(share.kind.as_deref().unwrap_or("83")).unwrap_or_default();
        let percent: f64 = share.percent.parse().unwrap_or(0.0);
        let size = if at + 1 == shares.len() { String::new() } else { ((sectors as f64 * (percent / 100.0)) as u64).to_string() };
        lines.push_str(&format!(",{size},{kind}\n"));
    }
    if shares.is_empty() {
        lines.push_str(&format!(",,{}\n", wanted.table.code("83").unwrap_or_default()));
    }
    lines
}

/// Waits until the partitions can be used by their names.
fn await_nodes(context: &Context<'_>, disk: &Block) -> Result<Effect, Failure> {
    let start = Instant::now();
    loop {
        let missing = context.host.partitions(&disk.name).into_iter().map(|block| block.path()).find(|path| !context.host.exists(path));
        match missing {
            None => return Ok(Effect::default()),
            Some(_) if start.elapsed() < NODE_WAIT && signals::stop_requested().is_none() => {
                let _ = signals::sleep(Duration::from_millis(50));
            }
            Some(path) => return Ok(Effect { detail: None, warnings: vec![format!("{path} is not shown yet")] }),
        }
    }
}

/// The disk is laid out so, or stays as it was.
pub(super) fn verify_disk(context: &Context<'_>, wanted: &PartitionDisk) -> Result<(), Failure> {
    match decide_disk(context, wanted, None)? {
        Decision::Do(disk, _) if wanted.layout != Layout::Remove || !context.host.partitions(&disk.name).is_empty() => {
            Err(Failure::new(Kind::Unknown, format!("{} was partitioned, and is not as it was to be", disk.path())))
        }
        _ => Ok(()),
    }
}

fn is_wanted(content: &Content, wanted: &MakeFilesystem, with_label: bool) -> bool {
    let kind = if is_fat(&wanted.kind) { "vfat" } else { &wanted.kind };
    // Labels of FAT may be made upper case.
    let same_label = content.label == wanted.label || (kind == "vfat" && content.label.eq_ignore_ascii_case(&wanted.label));
    !kind.is_empty() && content.kind == kind && (!with_label || same_label)
}

fn is_fat(kind: &str) -> bool {
    ["vfat", "fat", "msdos"].contains(&kind)
}

/// `overwrite` counts only where the user says which device it is.
fn may_overwrite(wanted: &MakeFilesystem) -> bool {
    wanted.overwrite && !matches!(wanted.place, FsPlace::Auto | FsPlace::Any)
}

fn decide_filesystem(context: &Context<'_>, wanted: &MakeFilesystem) -> Result<Decision, Failure> {
    let host = context.host;
    let named = device(context, &wanted.device)?;
    if matches!(wanted.place, FsPlace::Auto | FsPlace::Any) {
        return choose(context, wanted, named);
    }
    let block = match wanted.place {
        FsPlace::Number(number) => {
            let infix = if named.name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
            host.wait_for_block(&format!("{}{infix}{number}", named.path()), context.say)?
        }
        _ => named,
    };
    let content = host.content_of(&block.path())?;
    let held = content.word().map(str::to_owned);
    Ok(match held {
        _ if wanted.overwrite => Decision::Do(block, held),
        _ if is_wanted(&content, wanted, true) => Decision::Is,
        None if host.partitions(&block.name).is_empty() => Decision::Do(block, None),
        held => stays(&block, held.as_deref().unwrap_or("partitions")),
    })
}

fn stays(block: &Block, held: &str) -> Decision {
    Decision::Stays(format!("{} holds {held} and stays as it is; `overwrite: true` would replace it", block.path()))
}

/// Types of partitions that hold something although they look empty: BIOS boot, EFI, PReP, Microsoft reserved, extended.
const NOT_FREE: [&str; 8] = [
    "21686148-6449-6e6f-744e-656564454649",
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "0x5",
    "0xf",
    "0x41",
    "0xef",
];

/// A partition that has what is wanted, else one that may be replaced, else one that holds nothing, the first of each; a disk that is
/// not partitioned, itself.
fn choose(context: &Context<'_>, wanted: &MakeFilesystem, named: Block) -> Result<Decision, Failure> {
    let with_label = wanted.place == FsPlace::Auto;
    let partitions = context.host.partitions(&named.name);
    let whole = partitions.is_empty();
    let mut found = Vec::new();
    for block in if whole { vec![named.clone()] } else { partitions } {
        let content = context.host.content_of(&block.path())?;
        if is_wanted(&content, wanted, with_label) {
            return Ok(Decision::Is);
        }
        found.push((block, content));
    }
    let is_replaced =
        |(_, content): &&(Block, Content)| !with_label && !content.kind.is_empty() && wanted.replaced.as_ref() == Some(&content.kind);
    if let Some((block, content)) = found.iter().find(is_replaced) {
        return Ok(Decision::Do(block.clone(), Some(content.kind.clone())));
    }
    let root = context.host.mounted_at("/").and_then(|mount| context.host.block_of_mount(&mount)?.partition);
    let has_root = root.is_some_and(|(disk, ..)| disk == named.name);
    let is_free = |(_, content): &&(Block, Content)| {
        content.word().is_none() && (whole || !(has_root || NOT_FREE.contains(&content.partition_type.to_ascii_lowercase().as_str())))
    };
    if let Some((block, _)) = found.iter().find(is_free) {
        return Ok(Decision::Do(block.clone(), None));
    }
    let holds = |(block, content): &(Block, Content)| Some(format!("{} holds {}", block.path(), content.word()?));
    let held: Vec<String> = found.iter().filter_map(holds).chain(has_root.then(|| format!("{} holds /", named.path()))).collect();
    let what = if whole { "it stays as it is" } else { "no partition is free" };
    Ok(Decision::Stays(format!("{}: {what}", held.join(", "))))
}

/// The filesystem is there. One that is to overwrite whatever there is, is made once.
pub(super) fn check_filesystem(context: &Context<'_>, wanted: &MakeFilesystem) -> Result<Checked, Failure> {
    decide_filesystem(context, wanted).map(|decision| Checked::satisfied_if(matches!(decision, Decision::Is)))
}

/// On which device it is made, and what that held.
pub(super) fn prior_filesystem(context: &Context<'_>, wanted: &MakeFilesystem) -> Result<Prior, Failure> {
    let mut prior = recorded(context, decide_filesystem(context, wanted)?);
    if let Prior::Disk { uuid, .. } = &mut prior {
        const RANDOM: &str = "/proc/sys/kernel/random/uuid";
        *uuid = context.host.read_text(RANDOM).map_err(|error| Failure::io(RANDOM, &error))?.map(|text| text.trim().to_owned());
    }
    Ok(prior)
}

/// Whether a filesystem has the UUID that was chosen for it: FAT has the first half of it, in upper case.
fn has_uuid(content: &Content, chosen: &str) -> bool {
    let plain = |uuid: &str| uuid.replace('-', "").to_ascii_lowercase();
    let (found, chosen) = (plain(&content.uuid), plain(chosen));
    found == chosen || (content.kind == "vfat" && found.len() == 8 && chosen.starts_with(&found))
}

/// Whether what a device holds may be made anew: it is nothing, was made by this step, or is given up by the user. At the first
/// attempt also what it held when the intent was recorded.
fn may_be_made(wanted: &MakeFilesystem, content: &Content, held: Option<&str>, chosen: Option<&str>, again: bool) -> bool {
    match content.word() {
        None => true,
        Some(_) if may_overwrite(wanted) => true,
        word if !again => word == held,
        Some(_) if !wanted.command.is_empty() => false,
        Some(word) => {
            let own = is_wanted(content, wanted, false) && chosen.is_some_and(|chosen| has_uuid(content, chosen));
            own || (held == Some(word) && wanted.replaced.as_deref() == held)
        }
    }
}

/// Makes the filesystem where the intent says, and as the user says if there is none; `again` after an attempt that failed or was
/// cut off.
pub(super) fn make(context: &Context<'_>, wanted: &MakeFilesystem, prior: &Prior, again: bool) -> Result<Effect, Failure> {
    let (block, held, uuid) = match prior {
        Prior::Disk { device: path, held, identity, uuid } => {
            let block = device(context, path)?;
            same_as_begun(context, &block, identity)?;
            let content = context.host.content_of(path)?;
            if !may_be_made(wanted, &content, held.as_deref(), uuid.as_deref(), again) {
                let held = content.word().unwrap_or_default();
                let failure = Failure::new(Kind::Config, format!("{path} holds {held} that this step has not made: it is left as it is"));
                return Err(
                    failure.hint(format!("`wipefs --all {path}` and `landfall resume` if it is to go, `landfall rerun STEP` if not"))
                );
            }
            (block, held.is_some(), uuid.as_deref())
        }
        _ => match decide_filesystem(context, wanted)? {
            Decision::Is => return Ok(Effect::default()),
            Decision::Stays(why) => return Ok(Effect { detail: None, warnings: vec![why] }),
            Decision::Do(block, held) => (block, held.is_some(), None),
        },
    };
    not_in_use(context, &block)?;
    let path = block.path();
    let argv = command(context, wanted, &path, again || held || wanted.overwrite || block.partition.is_none(), uuid)?;
    if again && wanted.command.is_empty() {
        // mkfs.btrfs makes none whose UUID is there already.
        run(context, Spec::new(["wipefs", "--all", "--force", &path]))?;
    }
    run(context, Spec::new(argv))?;
    // What a command of the user's makes is his own.
    if wanted.command.is_empty() && !is_wanted(&context.host.content_of(&path)?, wanted, true) {
        return Err(Failure::new(Kind::Unknown, format!("{} was made, and is not on {path}", wanted.kind)));
    }
    Ok(Effect { detail: Some(format!("made on {path}")), ..Effect::default() })
}

/// The filesystem is there, or what was there has stayed. What a command of the user's makes is his own.
pub(super) fn verify_filesystem(context: &Context<'_>, wanted: &MakeFilesystem) -> Result<(), Failure> {
    if !wanted.command.is_empty() {
        return Ok(());
    }
    match decide_filesystem(context, &MakeFilesystem { overwrite: false, replaced: None, ..wanted.clone() })? {
        Decision::Do(block, _) => Err(Failure::new(Kind::Unknown, format!("{} was made, and is not on {}", wanted.kind, block.path()))),
        Decision::Is | Decision::Stays(_) => Ok(()),
    }
}

/// The package that brings a kind of filesystem.
fn package(kind: &str) -> &'static str {
    match kind {
        "xfs" => "xfsprogs",
        "btrfs" => "btrfs-progs",
        "vfat" | "fat" | "msdos" => "dosfstools",
        "f2fs" => "f2fs-tools",
        "exfat" => "exfatprogs",
        "ntfs" => "ntfs-3g",
        _ => "e2fsprogs",
    }
}

/// The arguments that give a filesystem its UUID, unless the user gives one.
fn uuid_arguments(wanted: &MakeFilesystem, uuid: &str) -> Vec<String> {
    let (flag, value) = match wanted.kind.as_str() {
        kind if is_fat(kind) => ("-i", uuid[..8.min(uuid.len())].to_owned()),
        "xfs" => ("-m", format!("uuid={uuid}")),
        kind if kind.starts_with("ext") || ["btrfs", "swap"].contains(&kind) => ("-U", uuid.to_owned()),
        _ => return Vec::new(),
    };
    let is_given = |option: &String| option.contains("uuid") || (flag != "-m" && option.starts_with(flag));
    if wanted.options.iter().any(is_given) {
        Vec::new()
    } else {
        vec![flag.to_owned(), value]
    }
}

fn command(context: &Context<'_>, wanted: &MakeFilesystem, path: &str, force: bool, uuid: Option<&str>) -> Result<Vec<String>, Failure> {
    let filled = |text: &str| {
        text.replace("%(label)s", &wanted.label).replace("%(filesystem)s", &wanted.kind).replace("%(device)s", path).replace("%%", "%")
    };
    if !wanted.command.is_empty() {
        return Ok(wanted.command.iter().map(|word| filled(word)).collect());
    }
    let kind = wanted.kind.as_str();
    let programs = [format!("mkfs.{kind}"), format!("mk{kind}")];
    let Some(program) = programs.iter().find(|name| context.host.finds_program(name)) else {
        let failure = Failure::new(Kind::NotFound, format!("there is no program {} to make {kind} on {path}", programs[0]));
        return Err(failure.hint(format!("have the image hold the package {}; then `landfall resume`", package(kind))));
    };
    let (label, flag) = match kind {
        "vfat" | "fat" | "msdos" => ("-n", "-I"),
        "f2fs" => ("-l", "-f"),
        _ if kind.starts_with("ext") => ("-L", "-F"),
        "xfs" | "btrfs" | "reiserfs" | "swap" => ("-L", "-f"),
        _ => ("-L", ""),
    };
    let mut argv = vec![program.clone()];
    if !wanted.label.is_empty() {
        argv.extend([label.to_owned(), wanted.label.clone()]);
    }
    if force && !flag.is_empty() {
        argv.push(flag.to_owned());
    }
    argv.extend(uuid.map_or_else(Vec::new, |uuid| uuid_arguments(wanted, uuid)));
    argv.extend(wanted.options.iter().cloned());
    argv.push(path.to_owned());
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::storage::Share;

    fn disk(table: TableType, layout: Layout) -> PartitionDisk {
        PartitionDisk { device: "/dev/vdb".into(), table, layout, overwrite: false }
    }

    fn shares(shares: &[(&str, Option<&str>)]) -> Layout {
        Layout::Shares(shares.iter().map(|(percent, kind)| Share { percent: (*percent).into(), kind: kind.map(str::to_owned) }).collect())
    }

    #[test]
    fn after_a_cut_only_what_is_blank_or_has_the_chosen_uuid_is_made_anew() {
        const UUID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
        let wanted = |kind: &str| MakeFilesystem {
            device: "/dev/vdb".into(),
            place: FsPlace::Any,
            kind: kind.into(),
            label: String::new(),
            overwrite: false,
            replaced: None,
            options: Vec::new(),
            command: Vec::new(),
        };
        let content = |kind: &str, uuid: &str| Content { kind: kind.into(), uuid: uuid.into(), ..Content::default() };
        let (own, other) = (content("ext4", UUID), content("ext4", "0a1b2c3d-0000-4000-8000-000000000002"));
        let ext4 = wanted("ext4");
        let by_command = MakeFilesystem { command: vec!["mk".into()], ..wanted("ext4") };
        let over = MakeFilesystem { overwrite: true, ..wanted("ext4") };
        let number = MakeFilesystem { place: FsPlace::Number(1), ..over.clone() };
        let replacing = MakeFilesystem { replaced: Some("ntfs".into()), ..wanted("ext4") };
        for (name, wanted, content, held, chosen, again, may) in [
            ("blank", &ext4, &Content::default(), None, None, true, true),
            ("own", &ext4, &own, None, Some(UUID), true, true),
            ("another's", &ext4, &other, None, Some(UUID), true, false),
            ("unknown", &ext4, &own, None, None, true, false),
            ("another kind", &wanted("ext3"), &own, None, Some(UUID), true, false),
            ("own fat", &wanted("fat"), &content("vfat", "0A1B-2C3D"), None, Some(UUID), true, true),
            ("another's fat", &wanted("vfat"), &content("vfat", "0A1B-2C3E"), None, Some(UUID), true, false),
            ("a command's", &by_command, &own, None, Some(UUID), true, false),
            ("a command's first", &by_command, &Content::default(), None, Some(UUID), false, true),
            ("overwritten", &number, &other, None, Some(UUID), true, true),
            ("overwrite on any", &over, &other, None, Some(UUID), true, false),
            ("replaced", &replacing, &content("ntfs", "1"), Some("ntfs"), Some(UUID), true, true),
            ("not replaced", &replacing, &content("ntfs", "1"), None, Some(UUID), true, false),
            ("come meanwhile", &ext4, &other, None, Some(UUID), false, false),
        ] {
            assert_eq!(may_be_made(wanted, content, held, chosen, again), may, "{name}");
        }
        for (kind, options, expected) in [
            ("ext4", "", "-U 0a1b2c3d-0000-4000-8000-000000000001"),
            ("ext4", "-Uclear", ""),
            ("swap", "", "-U 0a1b2c3d-0000-4000-8000-000000000001"),
            ("btrfs", "--uuid x", ""),
            ("xfs", "-m crc=1", "-m uuid=0a1b2c3d-0000-4000-8000-000000000001"),
            ("xfs", "-m uuid=x", ""),
            ("vfat", "", "-i 0a1b2c3d"),
            ("f2fs", "", ""),
        ] {
            let options = options.split_whitespace().map(str::to_owned).collect();
            assert_eq!(uuid_arguments(&MakeFilesystem { options, ..wanted(kind) }, UUID).join(" "), expected, "{kind}");
        }
    }

    #[test]
    fn the_table_that_sfdisk_reads_has_the_shares_of_the_disk_and_the_rest_last() {
        let half = shares(&[("33", None), ("67", Some("82"))]);
        assert_eq!(script(&disk(TableType::Mbr, half.clone()), 1000), "label: dos\n,330,83\n,,82\n");
        let linux = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
        assert_eq!(script(&disk(TableType::Gpt, Layout::One), 1000), format!("label: gpt\n,,{linux}\n"));
        assert!(script(&disk(TableType::Gpt, half), 1000).ends_with(",,0657FD6D-A4AB-43C4-84E5-0933C84B4F4F\n"));
    }

    #[test]
    fn a_layout_is_known_by_the_number_of_partitions_and_the_types_that_are_given() {
        let dump = "label: dos\nlabel-id: 0x1\ndevice: /dev/vdb\n\n/dev/vdb1 : start= 2048, size= 100, type=83\n\
            /dev/vdb2 : start= 4096, size= 100, type=82, bootable\n/dev/vdb3 : start= 9, size= 1, type=5\n";
        let found = types_of(dump, "dos").expect("a table");
        assert_eq!(found, ["83", "82"]);
        assert_eq!(types_of(dump, "gpt"), None);
        for (layout, same) in [
            (Layout::One, true),
            (Layout::Remove, false),
            (shares(&[("50", None), ("50", None)]), true),
            (shares(&[("10", None), ("90", Some("82"))]), true),
            (shares(&[("50", None), ("50", Some("83"))]), false),
            (shares(&[("100", None)]), false),
        ] {
            assert_eq!(is_laid_out(&disk(TableType::Mbr, layout.clone()), Some(&found)), same, "{layout:?}");
        }
        assert!(!is_laid_out(&disk(TableType::Gpt, Layout::One), None));
    }
}
