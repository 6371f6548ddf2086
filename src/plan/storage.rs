//! Disks, filesystems, mounts and swap, as operations have them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(from = "String", into = "String")]
pub enum TableType {
    /// Master boot record.
    #[default]
    Mbr,
    /// GUID partition table.
    Gpt,
}

impl From<String> for TableType {
    fn from(label: String) -> Self {
        if label == "gpt" {
            Self::Gpt
        } else {
            Self::Mbr
        }
    }
}

impl From<TableType> for String {
    fn from(table: TableType) -> Self {
        table.label().to_owned()
    }
}

/// Types by the codes of sgdisk(8), without trailing zeros.
const GUIDS: [(&str, &str); 20] = [
    ("0C01", "E3C9E316-0B5C-4DB8-817D-F92DF00215AE"),
    ("27", "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"),
    ("8301", "8DA63339-0007-60C0-C436-083AC8230908"),
    ("8302", "933AC7E1-2EB4-4F13-B844-0E14E2AEF915"),
    ("8303", "44479540-F297-41B2-9AF7-D131D5F0458A"),
    ("8304", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
    ("8305", "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"),
    ("8306", "3B8F8425-20E0-4F3B-907F-1A25A76F98E8"),
    ("8307", "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3"),
    ("8308", "7FFEC5C9-2D00-49B7-8941-3EA10A5586B7"),
    ("8309", "CA7D7CCB-63ED-4C53-861C-1742536059CC"),
    ("BF", "6A85CF4D-1DD2-11B2-99A6-080020736631"),
    ("BF01", "6A898CC3-1DD2-11B2-99A6-080020736631"),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Percentage of the disk; the last part has what is left.
    pub percent: String,
    /// Its type, as the user wrote it.
    pub kind: Option<String>,
}

/// The partitions of a disk. Stored as `nothing`, `one`, `remove`, or the shares: `50 50:82`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
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

impl From<String> for Layout {
    fn from(text: String) -> Self {
        let share = |word: &str| match word.split_once(':') {
            Some((percent, kind)) => Share { percent: percent.to_owned(), kind: Some(kind.to_owned()) },
            None => Share { percent: word.to_owned(), kind: None },
        };
        match text.as_str() {
            "nothing" => Self::Nothing,
            "one" => Self::One,
            "remove" => Self::Remove,
            shares => Self::Shares(shares.split(' ').map(share).collect()),
        }
    }
}

impl From<Layout> for String {
    fn from(layout: Layout) -> Self {
        let share = |share: &Share| share.kind.iter().fold(share.percent.clone(), |percent, kind| percent + ":" + kind);
        match layout {
            Layout::Nothing => "nothing".into(),
            Layout::One => "one".into(),
            Layout::Remove => "remove".into(),
            Layout::Shares(shares) => shares.iter().map(share).collect::<Vec<_>>().join(" "),
        }
    }
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

/// On which partition of a device a filesystem is made. Stored as the user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(from = "String", into = "String")]
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

impl FsPlace {
    /// What is meant by a word.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "any" => Some(Self::Any),
            "none" => Some(Self::None),
            number => number.parse().ok().filter(|number| *number > 0).map(Self::Number),
        }
    }
}

impl From<String> for FsPlace {
    fn from(word: String) -> Self {
        Self::of(&word).unwrap_or_default()
    }
}

impl From<FsPlace> for String {
    fn from(place: FsPlace) -> Self {
        match place {
            FsPlace::Auto => "auto".into(),
            FsPlace::Any => "any".into(),
            FsPlace::None => "none".into(),
            FsPlace::Number(number) => number.to_string(),
        }
    }
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
    #[serde(default)]
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
    /// Program and arguments instead of mkfs; `%(device)s`, `%(filesystem)s` and `%(label)s` are filled in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

/// One line of fstab(5): six fields; an empty second one says that earlier lines of the device do not count. Stored with tabs
/// between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct MountFields(pub [String; 6]);

impl MountFields {
    /// What is mounted.
    pub fn device(&self) -> &str {
        &self.0[0]
    }

    /// Where; `None` where earlier lines are taken back.
    pub fn point(&self) -> Option<&str> {
        Some(self.0[1].as_str()).filter(|point| !point.is_empty())
    }
}

impl From<String> for MountFields {
    fn from(text: String) -> Self {
        let mut fields = text.split('\t').map(str::to_owned);
        Self([(); 6].map(|()| fields.next().unwrap_or_default()))
    }
}

impl From<MountFields> for String {
    fn from(fields: MountFields) -> Self {
        fields.0.join("\t")
    }
}

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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_as_text_reads_back_as_it_was() {
        let shares =
            Layout::Shares(vec![Share { percent: "33.5".into(), kind: None }, Share { percent: "66".into(), kind: Some("82".into()) }]);
        assert_eq!(String::from(shares.clone()), "33.5 66:82");
        for layout in [Layout::Nothing, Layout::One, Layout::Remove, shares] {
            assert_eq!(Layout::from(String::from(layout.clone())), layout);
        }
        for place in [FsPlace::Auto, FsPlace::Any, FsPlace::None, FsPlace::Number(3)] {
            assert_eq!(FsPlace::from(String::from(place)), place);
        }
        assert_eq!(TableType::Gpt.code("8309").as_deref(), Some("CA7D7CCB-63ED-4C53-861C-1742536059CC"));
        assert_eq!(TableType::Gpt.code("bf00"), TableType::Gpt.code("bf"));
        assert_eq!(TableType::Gpt.code("8399"), None);
        for table in [TableType::Mbr, TableType::Gpt] {
            assert_eq!(TableType::from(String::from(table)), table);
        }
        let fields = MountFields(["vdb", "/with blank", "auto", "a,b", "0", ""].map(str::to_owned));
        assert_eq!(MountFields::from(String::from(fields.clone())), fields);
    }
}
