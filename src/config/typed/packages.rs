//! `packages`.

use super::reader::{quoted, quoted_and, FromNode, Reader, Shape};
use crate::config::node::{Node, Origin, Value};

/// One package as apt is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageEntry {
    /// `nginx`, `name=1.2`, `name/suite`, `name-`, `task^`.
    pub spec: String,
    /// It is a package of apt's and no snap: it stands under `apt`.
    pub of_apt: bool,
    /// Its place.
    pub origin: Origin,
}

/// One snap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapEntry {
    /// What `snap install` is told: its name, and perhaps one option.
    pub words: Vec<String>,
    /// Its place.
    pub origin: Origin,
}

/// `packages`: names, `[name, version]` pairs, `{apt: [...]}`; and what stands under `{snap: [...]}`.
#[derive(Clone, Debug, Default)]
pub struct PackageList(pub Vec<PackageEntry>, pub Vec<SnapEntry>);

/// A name and a version.
const PAIR: Shape = Shape::List(&Shape::Scalar);

impl FromNode for PackageList {
    const SHAPE: Shape = Shape::Either(&[
        Shape::List(&Shape::Either(&[
            Shape::Text,
            PAIR,
            Shape::Map(&Shape::Either(&[Shape::Text, Shape::List(&Shape::Either(&[Shape::Text, PAIR]))])),
        ])),
        Shape::Text,
    ]);

    /// An entry that cannot be read is reported and left out. Order is the user's; repeats are dropped.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut list = Self::default();
        match &node.value {
            Value::Seq(_) => list.read_items(node, reader),
            Value::Str(names) => {
                let message = format!("{} is a string: taken as a list", reader.path());
                reader.report.warning("type", message).at(&node.origin).help("write a list");
                for name in names.split([',', ' ', '\n']).filter(|name| !name.is_empty()) {
                    list.add(name, &node.origin, reader);
                }
            }
            _ => return reader.mismatch(node, "a list"),
        }
        Some(list)
    }
}

impl PackageList {
    fn read_items(&mut self, node: &Node, reader: &mut Reader<'_>) {
        for (at, item) in node.as_seq().unwrap_or_default().iter().enumerate() {
            reader.within(&format!("[{at}]"), |reader| self.read_item(item, reader));
        }
    }

    fn read_item(&mut self, item: &Node, reader: &mut Reader<'_>) {
        match &item.value {
            Value::Seq(words) => self.read_pair(item, words, reader),
            Value::Map(entries) => {
                for entry in entries {
                    match entry.key.source_text().as_str() {
                        "apt" => {
                            let before = self.0.len();
                            reader.within("apt", |reader| match entry.value.as_seq() {
                                Some(_) => self.read_items(&entry.value, reader),
                                None => self.read_item(&entry.value, reader),
                            });
                            self.0[before..].iter_mut().for_each(|entry| entry.of_apt = true);
                        }
                        "snap" => reader.within("snap", |reader| self.read_snaps(&entry.value, reader)),
                        other => {
                            let message = quoted_and(other, "is no package manager of this system");
                            let _: Option<()> = reader.invalid(&entry.key.origin, message, "use apt");
                        }
                    }
                }
            }
            Value::Null => {}
            _ => {
                if let Some(name) = String::from_node(item, reader) {
                    self.add(name.trim(), &item.origin, reader);
                }
            }
        }
    }

    /// A name, or a name and an option, as in `[juju, --edge]`.
    fn read_snaps(&mut self, node: &Node, reader: &mut Reader<'_>) {
        for item in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
            let words = match item.as_seq() {
                Some(words) => words.iter().filter(|word| word.is_scalar()).map(Node::source_text).collect(),
                None => String::from_node(item, reader).into_iter().collect::<Vec<_>>(),
            };
            let is_name = |name: &String| name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains(char::is_whitespace);
            if words.len() > 2 || !words.first().is_some_and(is_name) {
                let _: Option<()> =
                    reader.invalid(&item.origin, "this is no snap: it is not installed", "a name, or [NAME, OPTION] as in [juju, --edge]");
            } else {
                self.1.push(SnapEntry { words, origin: item.origin.clone() });
            }
        }
    }

    fn read_pair(&mut self, item: &Node, words: &[Node], reader: &mut Reader<'_>) {
        let parts: Vec<String> = words.iter().filter(|word| word.is_scalar()).map(Node::source_text).collect();
        match parts.as_slice() {
            [name] if words.len() == 1 => self.add(name, &item.origin, reader),
            [name, version] if words.len() == 2 => self.add(&format!("{name}={version}"), &item.origin, reader),
            _ => {
                let _: Option<()> = reader.mismatch(item, "[NAME, VERSION]");
            }
        }
    }

    fn add(&mut self, spec: &str, origin: &Origin, reader: &mut Reader<'_>) {
        if spec.contains("://") {
            let message = "an address is no package's name: it is not installed";
            let _: Option<()> =
                reader.invalid(origin, message, "name a package of a source in `apt.sources`, or fetch and install it in `runcmd`");
            return;
        }
        if spec.ends_with(['=', '/']) && names_a_package(spec) {
            let message = quoted_and(spec, "has nothing behind its last sign: it is not installed");
            let _: Option<()> = reader.invalid(origin, message, "write the version or the suite, or the name alone");
            return;
        }
        if !names_a_package(spec) {
            let message = quoted_and(spec, "cannot be a package's name: it is not installed");
            let _: Option<()> = reader.invalid(origin, message, "one name an entry, as in `- nginx`");
            return;
        }
        let name = spec.split(['=', '/', ':']).next().unwrap_or_default();
        if name.contains(|c: char| c.is_ascii_uppercase()) {
            let message = format!("{}: packages have names in small letters, and {} has others", reader.path(), quoted(spec));
            reader.report.warning("package-name", message).at(origin).help(format!("did you mean `{}`?", name.to_ascii_lowercase()));
        }
        if name.ends_with('-') {
            let message = format!("{}: apt takes the `-` at the end of {} for its removal", reader.path(), quoted(spec));
            reader.report.warning("package-name", message).at(origin).help("leave out the `-` to install it");
        }
        if spec.contains("==") {
            let message = format!("{}: {} asks for a version that begins with `=`", reader.path(), quoted(spec));
            reader.report.warning("package-name", message).at(origin).help("apt wants one `=` before the version");
        }
        if !self.0.iter().any(|known| known.spec == spec) {
            self.0.push(PackageEntry { spec: spec.to_owned(), of_apt: false, origin: origin.clone() });
        }
    }
}

/// What apt-get(8) takes for a package and could not take for an option: name, architecture, version or suite, `-`, `+`, `^`.
fn names_a_package(spec: &str) -> bool {
    spec.starts_with(|c: char| c.is_ascii_alphanumeric()) && spec.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:=/~^_*?".contains(c))
}
