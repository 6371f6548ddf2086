//! Partitions and filesystems that are smaller than what they are on.

use std::time::Duration;

use super::{Checked, Context, Effect};
use crate::error::{Failure, Kind};
use crate::host::disks::{Block, SECTOR};
use crate::host::process::Spec;
use crate::secret::Secret;

/// Less room than this is not worth it: a mebibyte of alignment, and the copy of a GUID partition table.
const LITTLE: u64 = 2048 + 34;
/// Bytes that a filesystem may leave of its device.
const LEFT_OVER: u64 = 4 << 20;
const NO_GROWING: &str = "/etc/growroot-disabled";

/// The partition, where it can grow: its disk, its number, itself, and the size that its table can hold where the disk has more.
fn growing(context: &Context<'_>, device: &str) -> Option<(Block, u32, Block, Option<u64>)> {
    if !context.host.is_live() {
        return None;
    }
    let block = if device.starts_with("/dev/") {
        context.host.block_of(device)?
    } else {
        context.host.block_of_mount(&context.host.mounted_at(device)?)?
    };
    let (disk, number, start) = block.partition.clone()?;
    let room = context.host.room_behind(&block);
    let end = start + block.size;
    let disk = context.host.block(&disk)?;
    // A table of the MBR kind counts the disk's sectors with 32 bits.
    let sector = (disk.size / context.host.own_sectors(&disk).max(1)).max(1);
    let limit = u64::from(u32::MAX) * sector;
    let is_mbr = || context.host.content_of(&disk.path()).is_ok_and(|content| content.table == "dos");
    let (room, most) = match end + room > limit && is_mbr() {
        true => (limit.saturating_sub(end), Some(limit.saturating_sub(start) / sector)),
        false => (room, None),
    };
    (room > LITTLE).then_some((disk, number, block, most))
}

/// There is no room behind the partition, or it is none.
pub(super) fn check_partition(context: &Context<'_>, device: &str, even_if_disabled: bool) -> Checked {
    let disabled = !even_if_disabled && context.host.exists(NO_GROWING);
    Checked::satisfied_if(disabled || growing(context, device).is_none())
}

/// Takes the room behind the partition.
pub(super) fn grow_partition(context: &Context<'_>, device: &str) -> Result<Effect, Failure> {
    let Some((disk, number, before, most)) = growing(context, device) else { return Ok(Effect::default()) };
    let host = context.host;
    let (disk, number) = (disk.path(), number.to_string());
    let run = |argv: &[&str], stdin: Option<&str>| {
        let mut spec = Spec::new(argv.iter().copied()).output(&context.output).deadline(Duration::from_secs(120));
        spec.stdin = stdin.map(|text| Secret::new(text.to_owned()));
        host.run_ok(&spec)
    };
    if !host.finds_program("sfdisk") {
        let failure = Failure::new(Kind::NotFound, format!("there is no program sfdisk to grow {}", before.path()));
        return Err(failure.hint("have the image hold the package fdisk, or say `growpart: {mode: off}`"));
    }
    // Beyond what the table can hold sfdisk counts from zero again, so it is told.
    let size = most.map_or_else(|| "+".to_owned(), |most| most.to_string());
    run(&["sfdisk", "--force", "--no-reread", "--no-tell-kernel", "-N", &number, &disk], Some(&format!(",{size}\n")))?;
    run(&["partx", "--update", "--nr", &number, &disk], None)?;
    let after = host.block(&before.name).map_or(before.size, |block| block.size);
    if after <= before.size {
        let failure = Failure::new(Kind::Disk, format!("{} has not grown", before.path()));
        return Err(failure.hint("see `landfall logs growpart`; the table may be used at the next boot only"));
    }
    let size = |sectors: u64| crate::amount::size(sectors * SECTOR);
    let detail = format!("{} has grown from {} to {}", before.path(), size(before.size), size(after));
    Ok(Effect { detail: Some(detail), ..Effect::default() })
}

/// The root filesystem's kind and device, where it is smaller than that.
fn small(context: &Context<'_>) -> Result<Option<(String, Block)>, Failure> {
    if !context.host.is_live() {
        return Ok(None);
    }
    let Some(mount) = context.host.mounted_at("/") else { return Ok(None) };
    let Some(block) = context.host.block_of_mount(&mount) else { return Ok(None) };
    let path = block.path();
    let size = context.host.filesystem_size(&path, &mount).map_err(|error| Failure::io(format!("read {path}"), &error))?;
    let is_small = size.is_some_and(|size| size + LEFT_OVER < block.size * SECTOR);
    Ok(is_small.then_some((mount.kind, block)))
}

/// The root filesystem fills its device, or is none that can be asked.
pub(super) fn check_filesystem(context: &Context<'_>) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(small(context)?.is_none()))
}

/// Grows the root filesystem to its device, while it is mounted.
pub(super) fn grow_filesystem(context: &Context<'_>) -> Result<Effect, Failure> {
    let Some((kind, block)) = small(context)? else { return Ok(Effect::default()) };
    let path = block.path();
    let (argv, package): (&[&str], _) = match kind.as_str() {
        "xfs" => (&["xfs_growfs", "/"], "xfsprogs"),
        "btrfs" => (&["btrfs", "filesystem", "resize", "max", "/"], "btrfs-progs"),
        _ => (&["resize2fs", &path], "e2fsprogs"),
    };
    if !context.host.finds_program(argv[0]) {
        let failure = Failure::new(Kind::NotFound, format!("there is no program {} to grow the root filesystem", argv[0]));
        return Err(failure.hint(format!("have the image hold the package {package}, or say `resize_rootfs: false`")));
    }
    let mut spec = Spec::new(argv.iter().copied()).output(&context.output);
    spec.deadline = context.deadline.left();
    context.host.run_ok(&spec)?;
    let detail = format!("the root filesystem has grown to {}", crate::amount::size(block.size * SECTOR));
    Ok(Effect { detail: Some(detail), ..Effect::default() })
}
