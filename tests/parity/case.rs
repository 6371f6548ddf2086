//! A case: user-data, what is in the root before, and which differences are wanted. One directory in `cases/`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::content::hex;

/// Stands in user-data for the key of the lab's signed repository, which every cache makes anew.
const LAB_KEY: &str = "@LAB_KEY@";

/// The seed's meta-data unless the case has its own.
const META_DATA: &str = "instance-id: i-parity\nlocal-hostname: parity-host\n";

/// `case.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What the case is about, in a sentence.
    pub says: String,
    /// Shell commands that are run in the root before, as an image build would.
    #[serde(default)]
    pub prepare: Vec<String>,
    /// How each boot is expected to end. One that stays up is shut down by the test.
    #[serde(default = "one_boot")]
    pub boots: Vec<Boot>,
    /// How the user-data is packed.
    #[serde(default)]
    pub packed: Packed,
    /// Passwords that are looked for in /etc/shadow, beyond hashes that stand in the user-data.
    #[serde(default)]
    pub passwords: Vec<String>,
    /// Texts that the console is searched for.
    #[serde(default)]
    pub console: Vec<String>,
    /// Commands that are run in the host at the end of the last boot: what they print is compared. `@QUERY@` is the program's own
    /// `query`.
    #[serde(default)]
    pub ask: Vec<String>,
    /// Where landfall is to differ.
    #[serde(default)]
    pub expect_different: Vec<Expected>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    Stays,
    Reboots,
    PowersOff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packed {
    #[default]
    Plain,
    Gzip,
}

/// One wanted difference.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The name of the fact.
    pub fact: String,
    /// The entry of DIFFERENCES.md that says why.
    pub id: String,
    /// What landfall is to leave; `null` where it leaves nothing. The peer's value is in its stored result.
    pub landfall: Option<String>,
}

fn one_boot() -> Vec<Boot> {
    vec![Boot::Stays]
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub settings: Settings,
    user_data: Vec<u8>,
    /// The seed's meta-data at each boot; the last one stays.
    meta_data: Vec<String>,
    /// Path, content and mode of what is put into the root.
    pub files: Vec<(String, Vec<u8>, u32)>,
}

impl Case {
    /// Every case there is, by name.
    pub fn all() -> Vec<Self> {
        let mut names: Vec<_> = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let settings = fs::read_to_string(path.join("case.yaml")).unwrap_or_else(|error| panic!("{}/case.yaml: {error}", path.display()));
        let settings = serde_yaml::from_str(&settings).unwrap_or_else(|error| panic!("{}/case.yaml: {error}", path.display()));
        let meta_data = ["meta-data", "meta-data.2", "meta-data.3"];
        let mut meta_data: Vec<_> = meta_data.iter().filter_map(|name| fs::read_to_string(path.join(name)).ok()).collect();
        if meta_data.is_empty() {
            meta_data.push(META_DATA.into());
        }
        let mut files = Vec::new();
        if path.join("root").is_dir() {
            collect(&path.join("root"), "", &mut files);
        }
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            settings,
            user_data: fs::read(path.join("user-data")).unwrap(),
            meta_data,
            files,
        }
    }

    /// What a recorded result was made of.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(&self.user_data);
        for meta_data in &self.meta_data {
            part(meta_data.as_bytes());
        }
        for (path, content, mode) in &self.files {
            part(path.as_bytes());
            part(content);
            part(&mode.to_le_bytes());
        }
        let settings = &self.settings;
        part(format!("{:?} {:?}", settings.boots, settings.packed).as_bytes());
        part(format!("{:?}", settings.prepare).as_bytes());
        part(format!("{:?} {:?}", settings.passwords, settings.console).as_bytes());
        if !settings.ask.is_empty() {
            part(format!("{:?}", settings.ask).as_bytes());
        }
        hex(&hash.finalize())[..16].to_owned()
    }

    /// User-data before it is packed; `lab_key` is the armoured key of the lab's repository.
    pub fn text(&self, lab_key: &str) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(&self.user_data) else {
            return self.user_data.clone();
        };
        let lines = text.lines().map(|line| match line.split_once(LAB_KEY) {
            Some((indent, rest)) => {
                lab_key.lines().map(|line| format!("{indent}{line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n") + rest
            }
            None => line.to_owned(),
        });
        if text.contains(LAB_KEY) {
            (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes()
        } else {
            self.user_data.clone()
        }
    }

    /// User-data as the datasource has it.
    pub fn packed(&self, lab_key: &str) -> Vec<u8> {
        let text = self.text(lab_key);
        match self.settings.packed {
            Packed::Plain => text,
            Packed::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                gzip.write_all(&text).unwrap();
                gzip.finish().unwrap()
            }
        }
    }

    /// The seed's meta-data at a boot, counted from 0.
    pub fn meta_data(&self, boot: usize) -> &str {
        &self.meta_data[boot.min(self.meta_data.len() - 1)]
    }
}

/// `tests/parity`
pub fn directory_of_suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

fn directory() -> PathBuf {
    directory_of_suite().join("cases")
}

/// Of the mode only the executable bit is kept, because git keeps no more.
fn collect(directory: &Path, name: &str, files: &mut Vec<(String, Vec<u8>, u32)>) {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{name}/{}", entry.file_name().to_string_lossy());
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            collect(&entry.path(), &path, files);
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            files.push((path, fs::read(entry.path()).unwrap(), mode));
        }
    }
}
