//! Finds labelled volumes by reading the superblocks of block devices: iso9660 (with Joliet) and vfat. udev need not have run.
//!
//! Formats: ECMA-119 sections 8.4 and 8.5 (volume descriptors from sector 16), Microsoft's FAT specification (BPB, volume
//! label entry of the root directory).

use std::io;

use crate::host::volumes::{Device, Filesystem};
use crate::host::Host;
use crate::ordered::sort_by;

/// The label that makes a volume a NoCloud seed, in lower or upper case.
const LABEL: &str = "cidata";

/// Devices with a labelled volume, last name first, which is the order cloud-init tries them in.
pub(super) fn labelled(host: &Host) -> Vec<Device> {
    let mut devices: Vec<Device> = host
        .block_devices()
        .into_iter()
        .filter_map(|path| {
            let mut reader = host.open_device(&path).ok()?;
            let mut read = |offset: u64, bytes: &mut [u8]| reader.read_at(offset, bytes);
            let (filesystem, labels) = identify(&mut read)?;
            labels.iter().any(|label| label.eq_ignore_ascii_case(LABEL)).then_some(Device { path, filesystem })
        })
        .collect();
    sort_by(&mut devices, |a, b| b.path.cmp(&a.path));
    devices
}

type ReadAt<'r> = dyn FnMut(u64, &mut [u8]) -> io::Result<()> + 'r;

/// The filesystem and its labels, if it is one of the two.
fn identify(read: &mut ReadAt<'_>) -> Option<(Filesystem, Vec<String>)> {
    if let Some(labels) = iso9660(read) {
        return Some((Filesystem::Iso9660, labels));
    }
    vfat(read).map(|labels| (Filesystem::Vfat, labels))
}

fn iso9660(read: &mut ReadAt<'_>) -> Option<Vec<String>> {
    const SECTOR: u64 = 2048;
    const MOST_DESCRIPTORS: u64 = 16;
    let mut labels = Vec::new();
    for sector in 16..16 + MOST_DESCRIPTORS {
        let mut head = [0_u8; 72];
        if read(sector * SECTOR, &mut head).is_err() || &head[1..6] != b"CD001" {
            break;
        }
        let field = &head[40..72];
        match head[0] {
            1 => labels.push(String::from_utf8_lossy(field).trim_end_matches([' ', '\0']).to_owned()),
            2 => {
                let units: Vec<u16> = field.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
                labels.push(String::from_utf16_lossy(&units).trim_end_matches([' ', '\0']).to_owned());
            }
            255 => break,
            _ => {}
        }
    }
    (!labels.is_empty()).then_some(labels)
}

/// The label of the boot sector and that of the root directory, which tools set separately.
fn vfat(read: &mut ReadAt<'_>) -> Option<Vec<String>> {
    let mut boot = [0_u8; 512];
    read(0, &mut boot).ok()?;
    if boot[510..] != [0x55, 0xaa] {
        return None;
    }
    let word = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    let long = |at: usize| u64::from(u32::from_le_bytes([boot[at], boot[at + 1], boot[at + 2], boot[at + 3]]));
    let (sector, cluster, reserved, copies, entries) = (word(11), u64::from(boot[13]), word(14), u64::from(boot[16]), word(17));
    if !matches!(sector, 512 | 1024 | 2048 | 4096) || !cluster.is_power_of_two() || reserved == 0 || !(1..=2).contains(&copies) {
        return None;
    }
    let fat32 = word(22) == 0;
    let (name, kind) = if fat32 { (71, 82) } else { (43, 54) };
    if !boot[kind..kind + 8].starts_with(b"FAT") {
        return None;
    }
    let tables = reserved + copies * if fat32 { long(36) } else { word(22) };
    let (start, bytes) = if fat32 { (tables + long(44).checked_sub(2)? * cluster, cluster * sector) } else { (tables, entries * 32) };
    let mut labels = vec![fat_name(&boot[name..name + 11])];
    labels.extend(root_label(read, start * sector, bytes));
    Some(labels)
}

/// The volume label entry of a root directory, of which only the first cluster is looked at: tools write it first.
fn root_label(read: &mut ReadAt<'_>, offset: u64, bytes: u64) -> Option<String> {
    const LONG_NAME: u8 = 0x0f;
    const VOLUME_LABEL: u8 = 0x08;
    let mut directory = vec![0_u8; usize::try_from(bytes.min(64 << 10)).ok()?];
    read(offset, &mut directory).ok()?;
    directory
        .chunks_exact(32)
        .take_while(|entry| entry[0] != 0)
        .find(|entry| entry[0] != 0xe5 && entry[11] & VOLUME_LABEL != 0 && entry[11] & LONG_NAME != LONG_NAME)
        .map(|entry| fat_name(&entry[..11]))
}

fn fat_name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches([' ', '\0']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(image: &[u8]) -> Option<(Filesystem, Vec<String>)> {
        let mut read = |offset: u64, bytes: &mut [u8]| {
            let from = offset as usize;
            let slice = image.get(from..from + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.copy_from_slice(slice);
            Ok(())
        };
        identify(&mut read)
    }

    fn iso(label: &str, joliet: Option<&str>) -> Vec<u8> {
        let mut image = vec![0_u8; 19 * 2048];
        let mut descriptor = |sector: usize, kind: u8, name: &[u8]| {
            let at = sector * 2048;
            image[at] = kind;
            image[at + 1..at + 6].copy_from_slice(b"CD001");
            image[at + 40..at + 40 + name.len()].copy_from_slice(name);
        };
        descriptor(16, 1, format!("{label:32}").as_bytes());
        let wide: Vec<u8> = joliet.unwrap_or("").encode_utf16().flat_map(u16::to_be_bytes).collect();
        descriptor(17, if joliet.is_some() { 2 } else { 255 }, &wide);
        descriptor(18, 255, b"");
        image
    }

    fn fat(fat32: bool, boot_label: &str, root_label: &str) -> Vec<u8> {
        let mut image = vec![0_u8; 64 * 512];
        image[11..13].copy_from_slice(&512_u16.to_le_bytes());
        image[13] = 1;
        image[14..16].copy_from_slice(&1_u16.to_le_bytes());
        image[16] = 2;
        let (name, kind, text): (usize, usize, &[u8]) = if fat32 { (71, 82, b"FAT32   ") } else { (43, 54, b"FAT12   ") };
        if fat32 {
            image[36..40].copy_from_slice(&2_u32.to_le_bytes());
            image[44..48].copy_from_slice(&3_u32.to_le_bytes());
        } else {
            image[22..24].copy_from_slice(&2_u16.to_le_bytes());
            image[17..19].copy_from_slice(&64_u16.to_le_bytes());
        }
        image[name..name + 11].copy_from_slice(format!("{boot_label:11}").as_bytes());
        image[kind..kind + 8].copy_from_slice(text);
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        let root = (1 + 2 * 2 + usize::from(fat32)) * 512;
        image[root..root + 11].copy_from_slice(b"\xe5OLDLABEL  ");
        image[root + 11] = 8;
        image[root + 32 + 11] = 0x0f;
        image[root + 32] = b'B';
        image[root + 64..root + 75].copy_from_slice(format!("{root_label:11}").as_bytes());
        image[root + 64 + 11] = 8;
        image
    }

    #[test]
    fn labels_are_read_from_every_kind_of_volume() {
        let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (image, expected) in [
            (iso("cidata", None), Some((Filesystem::Iso9660, labels(&["cidata"])))),
            (iso("CDROM", Some("cidata")), Some((Filesystem::Iso9660, labels(&["CDROM", "cidata"])))),
            (fat(false, "NO NAME", "CIDATA"), Some((Filesystem::Vfat, labels(&["NO NAME", "CIDATA"])))),
            (fat(true, "cidata", "cidata"), Some((Filesystem::Vfat, labels(&["cidata", "cidata"])))),
            (vec![0; 40 << 10], None),
            (vec![0; 100], None),
            (Vec::new(), None),
        ] {
            assert_eq!(identified(&image), expected);
        }
    }

    #[test]
    fn a_damaged_superblock_is_no_volume_and_no_panic() {
        let good = fat(true, "cidata", "cidata");
        for at in 0..512 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut image = good.clone();
                image[at] = value;
                let _ = identified(&image);
            }
        }
    }
}
