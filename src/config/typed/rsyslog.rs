//! `rsyslog`.

use super::reader::{quoted, sorted_by_key, FromNode, Reader, Shape};
use super::scalars::{OneOrMany, Word};
use super::system::AbsolutePath;
use crate::config::node::{Node, Origin, Value};
use crate::secret::Secret;

crate::record! {
    /// `rsyslog`.
    pub struct Rsyslog {
        /// Texts of configuration, each for a file.
        default configs: Vec<RsyslogConfig>,
        /// Where everything is sent.
        default remotes: Remotes,
        /// The directory of the files.
        optional config_dir: AbsolutePath,
        /// The file of what names none.
        optional config_filename: FileName,
        /// How the service takes it up.
        optional service_reload_command: ReloadCommand,
        /// Install it.
        default install_rsyslog: bool,
        /// The program whose presence says that it is installed.
        optional check_exe: Word,
        /// Packages that bring it.
        optional packages: Vec<Word>,
    }
}

/// A file's name in the directory, or an absolute one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(pub String);

impl FromNode for FileName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        let name = text.trim();
        if name.is_empty() || name.ends_with('/') || name.contains(['\n', '\0']) {
            let message = format!("{}: {name} is no name of a file: its text is left out", reader.path(), name = quoted(name));
            reader.report.warning("value", message).at(&node.origin).help("as in 50-own.conf");
            return None;
        }
        Some(Self(name.to_owned()))
    }
}

/// A text of configuration.
#[derive(Clone, Debug)]
pub struct RsyslogConfig {
    /// Its file, if it names one.
    pub file: Option<FileName>,
    /// The text; passwords of databases may stand in it.
    pub content: Secret<String>,
    /// Its place.
    pub origin: Origin,
}

crate::record! {
    /// An entry with a file of its own.
    pub struct RsyslogFile {
        /// The text.
        optional content: Node,
        /// Its file.
        optional filename: FileName,
    }
}

impl FromNode for RsyslogConfig {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Record(RsyslogFile::RECORD)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let (file, content) = if node.as_map().is_some() {
            let entry = RsyslogFile::from_node(node, reader)?;
            // A name that cannot be used has been reported; the text belongs nowhere else.
            if entry.filename.is_none() && entry.given.contains(&"filename") {
                return None;
            }
            let Some(content) = entry.content else {
                let message = format!("{} has no `content`: it is left out", reader.path());
                reader.report.warning("required", message).at(&node.origin).help("add `content: ...`");
                return None;
            };
            (entry.filename, content)
        } else {
            (None, node.clone())
        };
        let content = String::from_node(&content, reader)?;
        Some(Self { file, content: Secret::new(content), origin: node.origin.clone() })
    }
}

/// `remotes`: lines of rsyslog's that send everything, or what a selector says, to a host.
#[derive(Clone, Debug, Default)]
pub struct Remotes(pub Vec<String>);

impl FromNode for Remotes {
    const SHAPE: Shape = Shape::Map(&Shape::Text);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let mut lines = Vec::new();
        // As the peer has them: in the order of their names.
        for entry in sorted_by_key(entries).into_iter().filter(|entry| !entry.value.is_null()) {
            let name = entry.key.source_text();
            let line = reader.within(&name, |reader| {
                let text = String::from_node(&entry.value, reader)?;
                let line = remote(&text, &name);
                if line.is_none() {
                    let message = format!("{}: {text} names no host: it is left out", reader.path(), text = quoted(&text));
                    let help = "as in 10.0.0.1:514, @@[fd00::1]:514 or `kern.* @@logs.example.org`";
                    reader.report.warning("value", message).at(&entry.value.origin).help(help);
                }
                line
            });
            lines.extend(line);
        }
        Some(Self(lines))
    }
}

/// `[selector] [@|@@]host[:port] [# comment]` as a line of rsyslog's; without `@` it is UDP.
fn remote(text: &str, name: &str) -> Option<String> {
    let data = text.split('#').next().unwrap_or(text);
    let words: Vec<&str> = data.split_whitespace().collect();
    let (selector, target) = match words.as_slice() {
        [target] => ("*.*", *target),
        [selector, target] => (*selector, *target),
        _ => return None,
    };
    let (protocol, host) = match (target.strip_prefix("@@"), target.strip_prefix('@')) {
        (Some(host), _) => ("@@", host),
        (None, Some(host)) => ("@", host),
        (None, None) => ("@", target),
    };
    let (address, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let number = port.strip_prefix(':');
    let is_port = number.map_or(port.is_empty(), |number| number.parse::<u16>().is_ok());
    if address.is_empty() || address.contains('@') || !is_port {
        return None;
    }
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    Some(format!("{selector} {protocol}{address}{port} # {}", name.replace('\n', " ")))
}

/// `service_reload_command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadCommand {
    /// As the service manager does it.
    Auto,
    /// Program and arguments.
    Argv(Vec<String>),
}

impl FromNode for ReloadCommand {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["auto"]), Shape::List(&Shape::Text)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(word) if word == "auto" => Some(Self::Auto),
            Value::Seq(words) if !words.is_empty() => OneOrMany::<String>::from_node(node, reader).map(|words| Self::Argv(words.0)),
            _ => reader.mismatch(node, "`auto` or a list of program and arguments"),
        }
    }
}
