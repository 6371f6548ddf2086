//! Partitions and filesystems that are smaller than what they are on.

use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use serde::Deserialize;

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
/// Who builds an encrypted image leaves here a key that opens it, for this one purpose: `{"key": BASE64, "slot": NUMBER}`.
const VOLUME_KEY: &str = "/cc_growpart_keydata";
/// Sectors before what an encrypted volume holds: 16 MiB by default, at most twice that.
const MOST_HEADER: u64 = (32 << 20) / SECTOR;
/// `cryptsetup` ends so where a key opens nothing.
const NO_SUCH_KEY: i32 = 2;

/// What is to grow: a partition, or an encrypted volume and what it is on.
struct Growing {
    below: Block,
    volume: Option<Block>,
}

/// What a path stands for: a device, or one that is mounted there.
fn named(context: &Context<'_>, device: &str) -> Option<Growing> {
    if !context.host.is_live() {
        return None;
    }
    let block = if device.starts_with("/dev/") {
        context.host.block_of(device)?
    } else {
        context.host.block_of_mount(&context.host.mounted_at(device)?)?
    };
    Some(match context.host.encrypted_on(&block) {
        Some(below) => Growing { below, volume: Some(block) },
        None => Growing { below: block, volume: None },
    })
}

/// A partition that can grow: its disk, its number, itself, and the size that its table can hold where the disk has more.
fn growing(context: &Context<'_>, block: Block) -> Option<(Block, u32, Block, Option<u64>)> {
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

/// There is no room behind the partition, or it is none; and no key waits for the volume on it.
pub(super) fn check_partition(context: &Context<'_>, device: &str, even_if_disabled: bool) -> Checked {
    let is_disabled = || !even_if_disabled && context.host.exists(NO_GROWING);
    let is_done = || {
        named(context, device).is_none_or(|Growing { below, volume }| {
            !(volume.is_some() && context.host.exists(VOLUME_KEY)) && growing(context, below).is_none()
        })
    };
    Checked::satisfied_if(is_disabled() || is_done())
}

/// Takes the room behind the partition, and lets the encrypted volume on it have it.
pub(super) fn grow(context: &Context<'_>, device: &str) -> Result<Effect, Failure> {
    let Some(Growing { below, volume }) = named(context, device) else { return Ok(Effect::default()) };
    let mut done = Vec::new();
    if let Some((disk, number, before, most)) = growing(context, below.clone()) {
        done.push(grow_partition(context, &disk, number, &before, most)?);
    }
    if let Some(volume) = volume {
        if context.host.exists(VOLUME_KEY) {
            let below = context.host.block(&below.name).unwrap_or(below);
            done.push(grow_volume(context, &volume, &below)?);
        } else {
            done.push(format!("the encrypted volume {} takes it when it is opened next", volume.path()));
        }
    }
    Ok(Effect { detail: (!done.is_empty()).then(|| done.join("; ")), ..Effect::default() })
}

fn tool(context: &Context<'_>, argv: &[&str], input: Option<Secret<Vec<u8>>>) -> Spec {
    let mut spec = Spec::new(argv.iter().copied()).output(&context.output).deadline(Duration::from_secs(120));
    spec.stdin = input;
    spec
}

fn grow_partition(context: &Context<'_>, disk: &Block, number: u32, before: &Block, most: Option<u64>) -> Result<String, Failure> {
    let host = context.host;
    let (disk, number) = (disk.path(), number.to_string());
    if !host.finds_program("sfdisk") {
        let failure = Failure::new(Kind::NotFound, format!("there is no program sfdisk to grow {}", before.path()));
        return Err(failure.hint("have the image hold the package fdisk, or say `growpart: {mode: off}`"));
    }
    // Beyond what the table can hold sfdisk counts from zero again, so it is told.
    let size = most.map_or_else(|| "+".to_owned(), |most| most.to_string());
    let script = Secret::new(format!(",{size}\n")).into_bytes();
    host.run_ok(&tool(context, &["sfdisk", "--force", "--no-reread", "--no-tell-kernel", "-N", &number, &disk], Some(script)))?;
    host.run_ok(&tool(context, &["partx", "--update", "--nr", &number, &disk], None))?;
    let after = host.block(&before.name).map_or(before.size, |block| block.size);
    if after <= before.size {
        let failure = Failure::new(Kind::Disk, format!("{} has not grown", before.path()));
        return Err(failure.hint("see `landfall logs growpart`; the table may be used at the next boot only"));
    }
    Ok(grown(&before.path(), before.size, after))
}

fn grown(path: &str, before: u64, after: u64) -> String {
    let size = |sectors: u64| crate::amount::size(sectors * SECTOR);
    format!("{path} has grown from {} to {}", size(before), size(after))
}

/// The key that opens a volume, and the slot it is in.
#[derive(Deserialize)]
struct VolumeKey {
    key: Secret<String>,
    slot: u32,
}

/// Grows an encrypted volume to what it is on, by the key that was left for that; key and slot go then. A power cut in between
/// leaves a key that opens nothing any more, and a volume that has grown.
fn grow_volume(context: &Context<'_>, volume: &Block, below: &Block) -> Result<String, Failure> {
    let host = context.host;
    let (name, on) = (volume.path(), below.path());
    if !host.finds_program("cryptsetup") {
        let failure = Failure::new(Kind::NotFound, format!("there is no program cryptsetup to grow {name}"));
        return Err(failure.hint("have the image hold the package cryptsetup-bin"));
    }
    let unreadable = |why: String| {
        let failure = Failure::new(Kind::Input, format!("the key in {VOLUME_KEY} cannot be read: {why}"));
        failure.hint(format!("it is as in {{\"key\": \"...base64...\", \"slot\": 1}}; remove {VOLUME_KEY} to leave the volume as it is"))
    };
    let text = host.read_text(VOLUME_KEY).map_err(|error| unreadable(error.to_string()))?.unwrap_or_default();
    // What serde says of a value it cannot read may repeat it.
    let VolumeKey { key, slot } = serde_json::from_slice(text.as_bytes()).map_err(|error| unreadable(format!("line {}", error.line())))?;
    let key = STANDARD.decode(key.expose().trim()).map_err(|_| unreadable("`key` is no base64".into()))?;
    let (key, slot) = (Secret::new(key), slot.to_string());
    let opens = host.run(&tool(
        context,
        &["cryptsetup", "open", "--test-passphrase", "--key-file", "-", "--key-slot", &slot, &on],
        Some(key.clone()),
    ))?;
    if opens.success() {
        host.run_ok(&tool(context, &["cryptsetup", "--key-file", "-", "resize", &name], Some(key)))?;
        host.run_ok(&tool(context, &["cryptsetup", "luksKillSlot", "--batch-mode", &on, &slot], None))?;
    } else if opens.code != NO_SUCH_KEY || volume.size + MOST_HEADER < below.size {
        let failure = opens.failure(&format!("cryptsetup open --test-passphrase --key-slot {slot} {on}"));
        return Err(failure.hint(format!("the key in {VOLUME_KEY} opens no slot {slot}: remove the file, or correct it")));
    }
    host.remove(VOLUME_KEY).map_err(|error| Failure::io(VOLUME_KEY, &error))?;
    let after = host.block(&volume.name).map_or(volume.size, |block| block.size);
    Ok(grown(&name, volume.size, after))
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

/// The ZFS pool that the root filesystem is in, where its devices have room that it does not use.
fn small_pool(context: &Context<'_>) -> Result<Option<String>, Failure> {
    if !context.host.is_live() {
        return Ok(None);
    }
    let Some(mount) = context.host.mounted_at("/") else { return Ok(None) };
    let Some(pool) = context.host.pool_of_mount(&mount) else { return Ok(None) };
    let room = zpool(context, &["list", "-H", "-o", "expandsize", pool])?;
    Ok((!["", "-"].contains(&room.trim())).then(|| pool.to_owned()))
}

fn zpool(context: &Context<'_>, arguments: &[&str]) -> Result<String, Failure> {
    if !context.host.finds_program("zpool") {
        let failure = Failure::new(Kind::NotFound, "there is no program zpool to grow the root filesystem");
        return Err(failure.hint("have the image hold the package zfsutils-linux, or say `resize_rootfs: false`"));
    }
    let mut spec = Spec::new(["zpool"].iter().chain(arguments).copied());
    spec.deadline = context.deadline.left();
    Ok(context.host.run_ok(&spec)?.stdout)
}

/// The devices of a pool that are in use, as `zpool status -P` shows them, each on a line with its state.
fn devices_of_pool(status: &str) -> impl Iterator<Item = &str> {
    status.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|device| device.starts_with("/dev/") && words.next() == Some("ONLINE"))
    })
}

fn grow_pool(context: &Context<'_>, pool: &str) -> Result<Effect, Failure> {
    let status = zpool(context, &["status", "-P", pool])?;
    for device in devices_of_pool(&status) {
        zpool(context, &["online", "-e", pool, device])?;
    }
    let size = zpool(context, &["list", "-H", "-o", "size", pool])?;
    Ok(Effect { detail: Some(format!("the pool {pool} has grown to {}", size.trim())), ..Effect::default() })
}

/// The root filesystem fills its device, or is none that can be asked.
pub(super) fn check_filesystem(context: &Context<'_>) -> Result<Checked, Failure> {
    if small_pool(context)?.is_some() {
        return Ok(Checked::satisfied_if(false));
    }
    Ok(Checked::satisfied_if(small(context)?.is_none()))
}

/// Grows the root filesystem to its device, while it is mounted.
pub(super) fn grow_filesystem(context: &Context<'_>) -> Result<Effect, Failure> {
    if let Some(pool) = small_pool(context)? {
        return grow_pool(context, &pool);
    }
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_devices_of_a_pool_are_those_that_are_online() {
        let status = "  pool: rpool\n state: DEGRADED\nconfig:\n\n\tNAME                STATE     READ WRITE CKSUM\n\
            \trpool               DEGRADED     0     0     0\n\t  mirror-0          DEGRADED     0     0     0\n\
            \t    /dev/vda3       ONLINE       0     0     0\n\t    /dev/vdb3       UNAVAIL      0     0     0  cannot open\n\
            \t/dev/disk/by-id/x-part1  ONLINE  0  0  0\n\nerrors: No known data errors\n";
        assert_eq!(super::devices_of_pool(status).collect::<Vec<_>>(), ["/dev/vda3", "/dev/disk/by-id/x-part1"]);
    }
}
