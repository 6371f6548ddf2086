//! `apt`.

use super::reader::{sorted_by_key, FromNode, Reader, Shape};
use super::scalars::{Address, Located, OneOrMany};
use crate::config::node::{Node, Origin, Value};
use crate::secret::Secret;

crate::record! {
    /// `apt`.
    pub struct Apt {
        /// Leave the distribution's own sources as they are.
        optional preserve_sources_list: bool,
        /// Suites to leave out: `updates`, `backports`, `$RELEASE-x`.
        default disable_suites: Vec<String>,
        /// Mirrors of the distribution.
        default primary: Vec<Mirror>,
        /// Mirrors of its security updates.
        default security: Vec<Mirror>,
        /// Template for the whole list of sources.
        optional sources_list: SourceText,
        /// Proxy for http.
        optional proxy: Proxy,
        /// Proxy for http.
        optional http_proxy: Proxy,
        /// Proxy for https.
        optional https_proxy: Proxy,
        /// Proxy for ftp.
        optional ftp_proxy: Proxy,
        /// Lines for apt.conf.
        optional conf: SourceText,
        /// Sources by name.
        default sources: Sources,
        /// Answers for debconf by name.
        default debconf_selections: Selections,
        /// Which sources `add-apt-repository` is given: a regular expression.
        optional add_apt_repo_match: Located<String>,
        /// Write the mirrors into lists for apt-transport-mirror(1), and leave the sources, which name these, as they are.
        default generate_mirrorlists: bool,
    }
}

crate::record! {
    /// One entry of `apt.primary` or `apt.security`.
    pub struct Mirror {
        /// Architectures it is for, or `default`.
        default arches: OneOrMany<String>,
        /// Its address.
        optional uri: Address,
        /// Addresses, of which apt takes the first that answers.
        default search: Vec<Address>,
        /// Look for a mirror by the names that the peer knows: `debian-mirror` in the host's domain.
        default search_dns: bool,
        /// Key, armoured.
        optional key: PublicKeyBlock,
        /// Key id or fingerprint.
        optional keyid: String,
        /// Where `keyid` is fetched.
        optional keyserver: String,
    }
}

crate::record! {
    /// One entry of `apt.sources`.
    pub struct Source {
        /// One-line or deb822 source; `$RELEASE`, `$MIRROR`, `$PRIMARY`, `$SECURITY`, `$KEY_FILE` are filled in.
        optional source: SourceText,
        /// Key, armoured.
        optional key: PublicKeyBlock,
        /// Key id or fingerprint.
        optional keyid: String,
        /// Where `keyid` is fetched.
        optional keyserver: String,
        /// File it goes to.
        optional filename: String,
        /// Add to that file rather than replace it (the default).
        optional append: bool,
    }
}

/// Text of sources or of apt.conf, which may carry credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText(pub Secret<String>);

impl FromNode for SourceText {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        for word in text.split_whitespace() {
            reader.credentials(word);
        }
        Some(Self(Secret::new(text)))
    }
}

/// A proxy's address, which may carry credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy(pub Secret<String>);

impl FromNode for Proxy {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        if text.contains(['"', '\n', ';']) {
            return reader.invalid(&node.origin, "this is no address", "as in http://proxy.example.org:3128");
        }
        if !text.is_empty() && !text.contains("://") && text != "DIRECT" {
            let message = format!("{}: this address has no scheme: apt cannot use it", reader.path());
            reader.report.warning("value", message).at(&node.origin).help("as in http://proxy.example.org:3128");
        }
        reader.credentials(&text);
        Some(Self(Secret::new(text)))
    }
}

/// An armoured public key: no secret, but too long to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyBlock(pub String);

impl FromNode for PublicKeyBlock {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        String::from_node(node, reader).map(Self)
    }
}

/// What the peer gives to `add-apt-repository`, unless it is told otherwise: `ppa:user/name`.
const REPOSITORY_PATTERN: &str = r"^[\w-]+:\w";

impl Apt {
    /// `add_apt_repo_match`, where it is another than the usual one.
    pub fn own_repository_pattern(&self) -> Option<&Located<String>> {
        self.add_apt_repo_match.as_ref().filter(|pattern| pattern.value != REPOSITORY_PATTERN)
    }
}

/// `apt.sources`: a mapping of names to sources.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Vec<(Located<String>, Source)>);

impl FromNode for Sources {
    const SHAPE: Shape = Shape::Map(&Source::SHAPE);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping of names to sources") };
        let mut sources = Vec::new();
        for entry in entries {
            let name = entry.key.source_text();
            let Some(source) = reader.within(&name, |reader| Source::from_node(&entry.value, reader)) else { continue };
            sources.push((Located { value: name, origin: entry.key.origin.clone() }, source));
        }
        Some(Self(sources))
    }
}

/// `apt.debconf_selections`: a mapping of names to blocks of selections.
#[derive(Clone, Debug, Default)]
pub struct Selections(pub Vec<(String, Secret<String>, Origin)>);

impl FromNode for Selections {
    const SHAPE: Shape = Shape::Either(&[Shape::Map(&Shape::Text), Shape::Text]);

    /// In the order of the names, as the peer has it.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut selections = Vec::new();
        match &node.value {
            Value::Map(entries) => {
                for entry in sorted_by_key(entries) {
                    let name = entry.key.source_text();
                    match entry.value.as_str() {
                        Some(text) => selections.push((name, answers(text, reader), entry.key.origin.clone())),
                        None => {
                            let _: Option<()> = reader.within(&name, |reader| reader.mismatch(&entry.value, "a string"));
                        }
                    }
                }
            }
            Value::Str(text) => selections.push((String::new(), answers(text, reader), node.origin.clone())),
            _ => return reader.mismatch(node, "a mapping of names to selections"),
        }
        Some(Self(selections))
    }
}

/// Remembers the answers of type `password` (debconf-set-selections(1): package, question, type, value).
fn answers(text: &str, reader: &mut Reader<'_>) -> Secret<String> {
    for line in text.lines() {
        let mut words = line.trim().splitn(4, char::is_whitespace);
        if let (Some(_), Some(_), Some("password"), Some(value)) = (words.next(), words.next(), words.next(), words.next()) {
            let _ = reader.secret(value.to_owned());
        }
    }
    Secret::new(text.to_owned())
}

/// Where the keyring and the file of a source go; a name that would leave the directory is not taken.
pub fn safe_file_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0') && !name.split('/').any(|part| part == "..")
}
