//! Disks, filesystems, mounts and swap, as operations have them.

use serde::{Deserialize, Serialize};

/// How large a swap file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapSize {
    /// By the memory and the room on the disk.
    Auto,
    /// As many bytes.
    Bytes(u64),
}

/// A kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum TableType {
    /// Master boot record.
    #[default]
    Mbr,
    /// GUID partition table.
    Gpt,
}

/// Types by the codes of sgdisk(8), without trailing zeros.
const GUIDS: [(&str, &str); 7] = [
    ("07", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"),
    ("82", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"),
    ("83", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"),
    ("8E", "E6D6D379-F507-44C2-A23C-238F2A3DF928"),
    ("EF", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
    ("EF02", "21686148-6449-6E6F-744E-656564454649"),
    ("FD", "A19D880F-05FC-4D3B-A006-743F0F84911E"),
];

impl TableType {
    /// As sfdisk(8) calls it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mbr => "dos",
            Self::Gpt => "gpt",
        }
    }

    /// A partition's type as sfdisk shows it, upper case.
    pub fn code(self, kind: &str) -> Option<String> {
        let upper = kind.to_ascii_uppercase();
        match self {
            Self::Mbr => u8::from_str_radix(&upper, 16).ok().map(|code| format!("{code:X}")),
            Self::Gpt if upper.len() == 36 && upper.chars().all(|c| c.is_ascii_hexdigit() || c == '-') => Some(upper),
            Self::Gpt => {
                let short = if upper.len() == 4 { upper.strip_suffix("00").unwrap_or(&upper) } else { &upper };
                let named = if short == "7" { "07" } else { short };
                GUIDS.iter().find(|(code, _)| *code == named).map(|(_, guid)| (*guid).to_owned())
            }
        }
    }
}

/// A part of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Percentage of the disk; the last part has what is left.
    pub percent: String,
    /// Its type, as the user wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// The partitions of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// It is not partitioned.
    Nothing,
    /// One that takes all.
    One,
    /// Shares.
    Shares(Vec<Share>),
    /// Table and filesystems go.
    Remove,
}

/// A disk to partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDisk {
    /// The disk.
    pub device: String,
    /// What it gets.
    pub table: TableType,
    /// Its partitions.
    pub layout: Layout,
    /// Also where it holds something else.
    #[serde(default)]
    pub overwrite: bool,
}

/// On which partition of a device a filesystem is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum FsPlace {
    /// The first that holds nothing, unless one has this kind and label.
    Auto,
    /// The first that holds nothing, unless one has this kind.
    #[default]
    Any,
    /// The device itself.
    None,
    /// This one.
    Number(u32),
}

/// What is run instead of mkfs; `%(device)s`, `%(filesystem)s` and `%(label)s` are filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FsCommand {
    /// By a shell.
    Shell(String),
    /// Program and arguments.
    Argv(Vec<String>),
}

/// A filesystem to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeFilesystem {
    /// A disk or partition.
    pub device: String,
    /// Which partition of it.
    pub place: FsPlace,
    /// `ext4`, `swap`; empty where a command decides.
    pub kind: String,
    /// Its label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Also where there is another one.
    #[serde(default)]
    pub overwrite: bool,
    /// A kind that is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<String>,
    /// Further arguments of mkfs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Instead of mkfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<FsCommand>,
}

/// One line of fstab(5): six fields; `None` in the second says that earlier lines of the device do not count.
pub type MountFields = [Option<String>; 6];

/// Lines of `/etc/fstab`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fstab {
    /// In the user's order.
    pub entries: Vec<MountFields>,
    /// Used only where the device is there and no other entry has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub if_there: Vec<MountFields>,
    /// Lines that landfall or the peer wrote before stay; otherwise they go, as they are of an earlier instance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adds: bool,
    /// Names of devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<(String, String)>,
    /// A swap file, which has its line where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_file: Option<String>,
}

/// Marks the lines of fstab that are ours, as the peer's are.
pub const COMMENT: &str = "comment=cloudconfig";

/// Whether a source of a mount is reached over the network.
pub fn is_remote(source: &str, kind: &str) -> bool {
    let of_network = ["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "fuse.sshfs", "lustre", "afs"].contains(&kind);
    of_network || source.starts_with("//") || (!source.starts_with('/') && !source.contains('=') && source.contains(':'))
}
