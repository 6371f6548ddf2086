//! `ssh_authorized_keys`, `ssh_keys`, `ssh_genkeytypes`, `ssh`.

use base64::prelude::{Engine as _, BASE64_STANDARD};

use super::reader::{quoted_and, FromNode, Reader, Shape};
use crate::config::node::{Node, Origin, Value};
use crate::secret::Secret;

/// Public keys as authorized_keys(5) writes them: a list, one string, or the values of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(pub Vec<String>);

impl FromNode for PublicKeys {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text, Shape::Map(&Shape::Text)]);

    /// A line that is no key is reported and left out; the peer drops it without a word.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let mut keys = Vec::new();
        let mut read = |node: &Node, reader: &mut Reader<'_>| {
            let Some(text) = String::from_node(node, reader) else { return };
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match looks_like_key(line) {
                    true if keys.iter().any(|known| known == line) => {}
                    true => {
                        let mut words = line.split_whitespace();
                        if words.next() == words.next() {
                            let message = format!("{}: the type of this key stands twice: sshd will ignore it", reader.path());
                            reader.report.warning("ssh-key", message).at(&node.origin).help("remove one of the two");
                        } else if !is_whole(line) {
                            let message =
                                format!("{}: this key is damaged, or not of the type it names: sshd will ignore it", reader.path());
                            reader.report.warning("ssh-key", message).at(&node.origin).help("copy the whole line of ~/.ssh/id_*.pub");
                        }
                        if line.split_whitespace().filter(|word| word.len() > SHORTEST_KEY && word.starts_with("AAAA")).count() > 1 {
                            let message = format!("{}: there is more than one key in this line: sshd sees the first", reader.path());
                            let help = "give each an item of its own, with every `- ` in the same column";
                            reader.report.warning("ssh-key", message).at(&node.origin).help(help);
                        }
                        keys.push(line.to_owned());
                    }
                    false => {
                        let message = "this is not an SSH public key: it is left out";
                        let help = "a key line is [options] TYPE BASE64 [comment], as in ~/.ssh/id_ed25519.pub";
                        let _: Option<()> = reader.invalid(&node.origin, message, help);
                    }
                }
            }
        };
        match &node.value {
            Value::Seq(items) => {
                for (at, item) in items.iter().enumerate() {
                    reader.within(&format!("[{at}]"), |reader| read(item, reader));
                }
            }
            Value::Map(entries) => entries.iter().for_each(|entry| read(&entry.value, reader)),
            _ => read(node, reader),
        }
        Some(Self(keys))
    }

    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self::default())
    }
}

/// Characters of base64 that no key is shorter than.
const SHORTEST_KEY: usize = 50;

/// Who is asked for whose keys, as ssh-import-id(1) takes it: `gh:name`, `lp:name`. A list, or one string with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportIds(pub Vec<String>);

impl FromNode for ImportIds {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let names = match &node.value {
            Value::Str(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            _ => Vec::<String>::from_node(node, reader)?,
        };
        let mut ids: Vec<String> = Vec::new();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            if name.starts_with('-') || name.contains(char::is_whitespace) {
                let _: Option<()> =
                    reader.invalid(&node.origin, quoted_and(&name, "names nobody: it is left out"), "as in gh:name or lp:name");
            } else if !ids.contains(&name) {
                if name == "None" {
                    let message = format!("{}: `None` is the name of somebody at Launchpad, whose keys are imported", reader.path());
                    reader.report.warning("none", message).at(&node.origin).help("write `null`, or leave the key out");
                }
                ids.push(name);
            }
        }
        Some(Self(ids))
    }
}

/// Key types of OpenSSH (`ssh -Q key`); the short names are the peer's.
const KEY_TYPES: [&str; 19] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp384-cert-v01@openssh.com",
    "ecdsa-sha2-nistp521-cert-v01@openssh.com",
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
    "ssh-xmss@openssh.com",
    "ssh-xmss-cert-v01@openssh.com",
    "rsa",
    "ecdsa",
    "ed25519",
];

/// `[options] type base64 [comment]`.
pub fn looks_like_key(line: &str) -> bool {
    is_key(line) || is_key(after_options(line))
}

fn is_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.next().is_some_and(|kind| KEY_TYPES.contains(&kind)) && words.next().is_some()
}

/// Whether the key itself, which begins with the length of its type's name and the name (RFC 4253, 6.6), is of the type that is
/// written before it. Of certificates, whose keys name another, and of the peer's short names it is taken on trust.
fn is_whole(line: &str) -> bool {
    let mut words = if is_key(line) { line } else { after_options(line) }.split_whitespace();
    let (Some(kind), Some(text)) = (words.next(), words.next()) else { return false };
    if !kind.contains('-') || kind.contains("-cert-") {
        return true;
    }
    let named = BASE64_STANDARD.decode(text).ok();
    named.is_some_and(|key| key.strip_prefix(&(kind.len() as u32).to_be_bytes()).is_some_and(|rest| rest.starts_with(kind.as_bytes())))
}

/// What follows the options: they end at the first blank outside double quotes (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
fn after_options(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return line[at..].trim_start(),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

/// A host's private key, as OpenSSH or PEM has it.
#[derive(Clone, Debug)]
pub struct PrivateKey(pub Secret<String>);

impl FromNode for PrivateKey {
    const SHAPE: Shape = Shape::Text;

    /// What is none is not written: sshd would start without a key.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = Secret::<String>::from_node(node, reader)?;
        let first = text.expose().trim_start().lines().next().unwrap_or_default().trim_end();
        if !(first.starts_with("-----BEGIN ") && first.ends_with("PRIVATE KEY-----")) {
            let help = "give the whole file behind `|`, from its line `-----BEGIN ... PRIVATE KEY-----` on";
            return reader.invalid(&node.origin, "this is no private key: it is not written", help);
        }
        Some(Self(text))
    }
}

crate::record! {
    /// `ssh_keys`: host keys and certificates.
    pub struct HostKeys {
        /// Private key.
        optional rsa_private: PrivateKey,
        /// Public key.
        optional rsa_public: String,
        /// Certificate.
        optional rsa_certificate: String,
        /// Private key.
        optional ecdsa_private: PrivateKey,
        /// Public key.
        optional ecdsa_public: String,
        /// Certificate.
        optional ecdsa_certificate: String,
        /// Private key.
        optional ed25519_private: PrivateKey,
        /// Public key.
        optional ed25519_public: String,
        /// Certificate.
        optional ed25519_certificate: String,
    }
}

/// What `ssh_keys` has for one type.
pub struct HostKey<'k> {
    /// `rsa`, `ecdsa`, `ed25519`.
    pub kind: &'static str,
    /// The name of its private key.
    pub private_name: &'static str,
    /// Private key.
    pub private: Option<&'k Secret<String>>,
    /// Public key.
    pub public: Option<&'k String>,
    /// Certificate.
    pub certificate: Option<&'k String>,
}

impl HostKeys {
    /// By type, in the order they are written.
    pub fn by_kind(&self) -> [HostKey<'_>; 3] {
        [
            HostKey {
                kind: "rsa",
                private_name: "rsa_private",
                private: self.rsa_private.as_ref().map(|key| &key.0),
                public: self.rsa_public.as_ref(),
                certificate: self.rsa_certificate.as_ref(),
            },
            HostKey {
                kind: "ecdsa",
                private_name: "ecdsa_private",
                private: self.ecdsa_private.as_ref().map(|key| &key.0),
                public: self.ecdsa_public.as_ref(),
                certificate: self.ecdsa_certificate.as_ref(),
            },
            HostKey {
                kind: "ed25519",
                private_name: "ed25519_private",
                private: self.ed25519_private.as_ref().map(|key| &key.0),
                public: self.ed25519_public.as_ref(),
                certificate: self.ed25519_certificate.as_ref(),
            },
        ]
    }
}

/// Types of host keys that can be generated.
const KINDS: [&str; 3] = ["rsa", "ecdsa", "ed25519"];

/// Types of host keys to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyKinds(pub Vec<String>);

impl FromNode for KeyKinds {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Words(&KINDS)), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let names = match &node.value {
            Value::Str(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            _ => Vec::<String>::from_node(node, reader)?,
        };
        let mut kinds: Vec<String> = Vec::new();
        for name in names {
            if !KINDS.contains(&name.as_str()) {
                let message = quoted_and(&name, "is no type of host key that can be generated: it is left out");
                reader.report.warning("value", message).at(&node.origin).help("use rsa, ecdsa, ed25519");
            } else if !kinds.contains(&name) {
                kinds.push(name);
            }
        }
        Some(Self(kinds))
    }
}

crate::record! {
    /// `ssh`.
    pub struct SshConsole {
        /// Show host-key fingerprints on the console.
        optional emit_keys_to_console: bool,
    }
}
