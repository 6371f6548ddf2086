//! `growpart`, `resize_rootfs`, `disk_setup`, `fs_setup`, `mounts`, `mount_default_fields`, `swap`, `device_aliases`.

use super::conditions::parse_size;
use super::reader::{quoted_and, FromNode, Reader};
use super::scalars::{OneOrMany, Text, Word};
use super::shape::Shape;
use super::system::AbsolutePath;
use crate::config::node::{Node, Origin, Value};
use crate::ordered::map_of;
use crate::plan::storage::{FsPlace, Layout, Share, TableType};

crate::record! {
    /// `swap`.
    pub struct Swap {
        /// The file.
        optional filename: AbsolutePath,
        /// How large.
        optional size: SwapSize,
        /// How large at most, where it is `auto`.
        optional maxsize: Bytes,
    }
}

/// Bytes: a number, or text as in `2G`, `512MiB`, `1.5GB`; 1 KB is 1,024 bytes, as with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromNode for Bytes {
    const SHAPE: Shape = Shape::TextOrNumber;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match bytes(node) {
            Some(bytes) => Some(Self(bytes)),
            None => reader.invalid(&node.origin, "this is no amount of bytes", "as in 512M, 2G"),
        }
    }
}

fn bytes(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Float(number) if *number >= 0.0 => Some(*number as u64),
        Value::Str(text) => {
            let (whole, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = if rest.is_empty() { 1 } else { parse_size(&format!("1{}", &rest[digits..]))? };
            let fraction = if digits == 0 { 0.0 } else { format!("0.{}", &rest[..digits]).parse::<f64>().ok()? };
            let whole = if whole.is_empty() && digits > 0 { "0" } else { whole };
            let whole = if rest.is_empty() { parse_size(whole)? } else { whole.parse::<u64>().ok()?.checked_mul(unit)? };
            whole.checked_add((fraction * unit as f64) as u64)
        }
        _ => None,
    }
}

/// How large a swap file is; `None` is for the host to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapSize(pub Option<u64>);

impl FromNode for SwapSize {
    const SHAPE: Shape = Shape::TextOrNumber;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_str().is_some_and(|text| text.eq_ignore_ascii_case("auto")) {
            return Some(Self(None));
        }
        match bytes(node) {
            Some(bytes) if bytes == 0 || bytes >= 1 << 20 => Some(Self(Some(bytes))),
            _ => reader.invalid(&node.origin, "this is no size for swap", "1 MiB or more, as in 512M or 2G, or auto"),
        }
    }
}

/// One field of fstab(5); `None` where it is left to the defaults.
type Field = Option<String>;

fn fields(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Field>> {
    let Some(items) = node.as_seq() else { return reader.mismatch(node, "a list") };
    if items.len() > 6 {
        return reader.invalid(&node.origin, "it has more than six fields", "device, mount point, type, options, dump, pass");
    }
    let mut fields = Vec::new();
    for item in items {
        fields.push(match &item.value {
            Value::Null => None,
            // As fstab has numbers; a yes or no is one nowhere.
            _ => Some(Text::from_node(item, reader)?.0),
        });
    }
    if fields.iter().flatten().any(|field| field.is_empty() || field.contains(['\n', '\0'])) {
        return reader.invalid(&node.origin, "a field is empty or has more than one line", "write `null` for the default");
    }
    Some(fields)
}

/// One entry of `mounts`.
#[derive(Clone, Debug)]
pub struct MountEntry {
    /// What is mounted, as it is written.
    pub device: String,
    /// The other fields, as far as they are given.
    pub fields: Vec<Field>,
    /// Its place.
    pub origin: Origin,
}

impl FromNode for MountEntry {
    const SHAPE: Shape = Shape::List(&Shape::Either(&[Shape::Scalar, Shape::Null]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut fields = fields(node, reader)?;
        if fields.is_empty() || fields[0].is_none() {
            return reader.invalid(&node.origin, "it names no device", "as in [vdb, /srv]");
        }
        let device = fields.remove(0).unwrap_or_default();
        if let Some(Some(point)) = fields.first() {
            if !point.starts_with('/') && !["none", "swap"].contains(&point.as_str()) {
                return reader.invalid(&node.origin, quoted_and(point, "is no mount point"), "an absolute path, or `none` for swap");
            }
        }
        let options = fields.get(2).cloned().flatten().unwrap_or_default();
        let passwords =
            options.split(',').filter_map(|option| option.split_once('=')).filter(|(name, _)| ["password", "pass"].contains(name));
        for (_, password) in passwords {
            let _ = reader.secret(password.to_owned());
            let message = format!("{}: everybody can read the password in /etc/fstab", reader.path());
            let help = "put it into a file of root's that `credentials=` names";
            reader.report.warning("readable-password", message).at(&node.origin).help(help);
        }
        Some(Self { device, fields, origin: node.origin.clone() })
    }
}

/// `mount_default_fields`.
#[derive(Clone, Debug)]
pub struct DefaultFields(pub Vec<Field>);

impl FromNode for DefaultFields {
    const SHAPE: Shape = Shape::List(&Shape::Either(&[Shape::Scalar, Shape::Null]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        fields(node, reader).map(Self)
    }
}

/// Names for devices.
#[derive(Clone, Debug, Default)]
pub struct Aliases(pub std::collections::BTreeMap<String, String>);

impl FromNode for Aliases {
    const SHAPE: Shape = Shape::Map(&Shape::Text);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let alias = |entry: &crate::config::node::Entry, reader: &mut Reader<'_>| {
            let name = entry.key.source_text();
            reader.within(&name, |reader| Word::from_node(&entry.value, reader)).map(|device| (name.clone(), device.0))
        };
        Some(Self(map_of(entries.iter().filter_map(|entry| alias(entry, reader)))))
    }
}

crate::record! {
    /// How one disk is partitioned.
    pub struct DiskEntry {
        /// `mbr` or `gpt`.
        optional table_type: TableType,
        /// Its partitions.
        optional layout: Layout,
        /// Also where it holds something else.
        default overwrite: bool,
    }
}

/// `disk_setup`: disks by their names; `None` for an entry that cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Disks(pub Vec<(String, Option<DiskEntry>)>);

impl FromNode for Disks {
    const SHAPE: Shape = Shape::Map(&DiskEntry::SHAPE);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let mut disks = Vec::new();
        for entry in entries {
            let name = entry.key.source_text();
            let read = reader.within(&name, |reader| {
                let disk = DiskEntry::from_node(&entry.value, reader)?;
                fits(&disk, reader).then_some(disk)
            });
            disks.push((name, read));
        }
        Some(Self(disks))
    }
}

/// Whether the partition table can hold the layout.
fn fits(disk: &DiskEntry, reader: &mut Reader<'_>) -> bool {
    let unread = |key: &str, read: bool| disk.given.contains(&key) && !read;
    // It has been reported; with another table or layout the disk is not to be partitioned.
    if unread("table_type", disk.table_type.is_some()) || unread("layout", disk.layout.is_some()) {
        return false;
    }
    let table = disk.table_type.unwrap_or_default();
    let Some(Layout::Shares(shares)) = &disk.layout else { return true };
    let place = disk.place("layout");
    if table == TableType::Mbr && shares.len() > 4 {
        let _: Option<()> = reader.invalid(place, "an mbr table has four partitions at most", "write `table_type: gpt`");
        return false;
    }
    match shares.iter().filter_map(|share| share.kind.as_deref()).find(|kind| table.code(kind).is_none()) {
        Some(kind) => {
            let help = "a code as in 83 (Linux), 82 (swap), ef (EFI), 8e (LVM), fd (RAID), 07 (Windows), or, for gpt, a GUID";
            let _: Option<()> = reader.invalid(place, quoted_and(kind, "is no type of a partition"), help);
            false
        }
        None => true,
    }
}

impl FromNode for TableType {
    const SHAPE: Shape = Shape::Words(&["mbr", "gpt"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match String::from_node(node, reader)?.as_str() {
            "mbr" => Some(Self::Mbr),
            "gpt" => Some(Self::Gpt),
            other => reader.unknown_word(&node.origin, quoted_and(other, "is none"), other, &["mbr", "gpt"]),
        }
    }
}

impl FromNode for Layout {
    const SHAPE: Shape = Shape::Either(&[
        Shape::Bool,
        Shape::Words(&["remove"]),
        Shape::List(&Shape::Either(&[Shape::Number, Shape::List(&Shape::TextOrNumber)])),
    ]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Bool(false) => Some(Self::Nothing),
            Value::Bool(true) => Some(Self::One),
            Value::Str(word) if word.eq_ignore_ascii_case("remove") => Some(Self::Remove),
            Value::Seq(items) if items.is_empty() => Some(Self::Nothing),
            Value::Seq(items) => {
                let shares = items.iter().map(|item| share(item, reader)).collect::<Option<Vec<_>>>()?;
                // The last part gets what is left, whatever is said of it.
                let before: f64 = shares[..shares.len() - 1].iter().filter_map(|share| share.percent.parse::<f64>().ok()).sum();
                if before >= 100.0 {
                    return reader.invalid(
                        &node.origin,
                        format!("nothing is left for the last part: those before it take {before} %"),
                        "let them be 100 together",
                    );
                }
                Some(Self::Shares(shares))
            }
            _ => reader.invalid(&node.origin, "this is no layout", "true, a list of percentages as in [33, [66, 82]], or remove"),
        }
    }
}

fn share(node: &Node, reader: &mut Reader<'_>) -> Option<Share> {
    let (percent, kind) = match node.as_seq() {
        Some([percent, kind]) => (percent, Some(Text::from_node(kind, reader)?.0)),
        _ => (node, None),
    };
    match percent.source_text().parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Some(Share { percent: percent.to_string(), kind }),
        _ => reader.invalid(&node.origin, "this is no share of a disk", "a percentage as in 50, or with a type as in [50, 82]"),
    }
}

crate::record! {
    /// One filesystem to make.
    pub struct FsEntry {
        /// What it is made on; `NAME.N` is partition N of it.
        required device: Word,
        /// What is made, as mkfs calls it.
        optional filesystem: Word,
        /// Its label.
        optional label: Text,
        /// Which partition.
        optional partition: FsPlace,
        /// Also where there is another one.
        default overwrite: bool,
        /// With `partition: any`, a filesystem of this kind is replaced.
        optional replace_fs: Word,
        /// Further arguments of mkfs.
        default extra_opts: FsOptions,
        /// A command instead of mkfs.
        optional cmd: FsCommand,
    }
}

impl FromNode for FsPlace {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["auto", "any", "none"]), Shape::Integer]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = Text::from_node(node, reader)?.0.to_ascii_lowercase();
        let known = ["auto", "any", "none", "a number"];
        Self::of(&word).or_else(|| reader.unknown_word(&node.origin, quoted_and(&word, "is none"), &word, &known))
    }
}

fn words(node: &Node, reader: &mut Reader<'_>, of_text: fn(&str) -> Vec<String>) -> Option<Vec<String>> {
    match &node.value {
        Value::Str(text) => Some(of_text(text)),
        _ => Vec::<Text>::from_node(node, reader).map(|words| words.into_iter().map(|word| word.0).collect()),
    }
}

/// Arguments: a list, or words of one text.
#[derive(Clone, Debug, Default)]
pub struct FsOptions(pub Vec<String>);

impl FromNode for FsOptions {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Scalar)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        words(node, reader, |text| text.split_whitespace().map(str::to_owned).collect()).map(Self)
    }
}

/// A command: a list, or a text for the shell.
#[derive(Clone, Debug)]
pub struct FsCommand(pub Vec<String>);

impl FromNode for FsCommand {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Scalar)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        words(node, reader, |text| ["/bin/sh", "-c", text].map(str::to_owned).to_vec()).map(Self)
    }
}

crate::record! {
    /// `growpart`.
    pub struct Growpart {
        /// Whether, and with what.
        optional mode: GrowMode,
        /// What is grown: mount points or devices.
        optional devices: GrowDevices,
        /// Also where `/etc/growroot-disabled` says no.
        default ignore_growroot_disabled: bool,
    }
}

/// A list, or one; nothing behind the key is a list of none.
#[derive(Clone, Debug)]
pub struct GrowDevices(pub Vec<AbsolutePath>);

impl FromNode for GrowDevices {
    const SHAPE: Shape = OneOrMany::<AbsolutePath>::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        OneOrMany::from_node(node, reader).map(|devices| Self(devices.0))
    }

    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// The value of `growpart`: a mapping, or in a word that nothing grows.
#[derive(Clone, Debug)]
pub struct Growing(pub Option<Growpart>);

impl FromNode for Growing {
    const SHAPE: Shape = Shape::Either(&[Growpart::SHAPE, Shape::Words(&["off"]), Shape::Bool]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let off = node.value == Value::Bool(false) || node.as_str().is_some_and(|word| OFF.contains(&word.to_ascii_lowercase().as_str()));
        if off {
            Some(Self(None))
        } else {
            Growpart::from_node(node, reader).map(|growpart| Self(Some(growpart)))
        }
    }

    /// Nothing grows, as with the peer.
    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self(None))
    }
}

/// Words for no.
const OFF: [&str; 4] = ["off", "false", "no", "0"];

/// `growpart.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrowMode {
    /// With what there is.
    On,
    /// Not at all.
    Off,
}

impl FromNode for GrowMode {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["auto", "growpart", "off"]), Shape::Bool]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if let Value::Bool(false) = node.value {
            let message = format!("{} is an old form", reader.path());
            reader.report.note("deprecated", message).at(&node.origin).help("write 'off' in quotes");
            return Some(Self::Off);
        }
        match String::from_node(node, reader)?.to_ascii_lowercase().as_str() {
            "auto" | "growpart" => Some(Self::On),
            off if OFF.contains(&off) => Some(Self::Off),
            "gpart" | "growfs" => reader.invalid(&node.origin, "this is a tool of FreeBSD", "use auto"),
            other => reader.unknown_word(&node.origin, quoted_and(other, "is none"), other, &["auto", "growpart", "off"]),
        }
    }
}

/// `resize_rootfs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeRoot {
    /// Before anything else is done.
    Yes,
    /// Not at all.
    No,
    /// Without anybody waiting for it.
    Later,
}

impl FromNode for ResizeRoot {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Words(&["noblock"])]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_str() == Some("noblock") {
            return Some(Self::Later);
        }
        bool::from_node(node, reader).map(|yes| if yes { Self::Yes } else { Self::No })
    }

    /// It does not grow, as with the peer.
    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self::No)
    }
}
