//! `when` of a phase: on which hosts, and after what, it is run.

use super::reader::{nearest, quoted, quoted_and, FromNode, Reader, Shape};
use super::scalars::{Located, OneOrMany, Text};
use crate::config::node::{Node, Value};
use crate::plan::phase::PhaseOutcome;

crate::record! {
    /// All conditions must hold; of the words of one, any.
    pub struct When {
        /// `ID` of os-release.
        default distro: OneOrMany<Distro>,
        /// Codename or version of the release.
        default release: OneOrMany<Release>,
        /// dpkg's architecture.
        default arch: OneOrMany<Arch>,
        /// How much memory there is.
        optional memory: Memory,
        /// What the host runs in.
        default virtualization: OneOrMany<Virtualization>,
        /// How earlier phases ended.
        default outcome: Outcomes,
    }
}

/// Reads `when`: unlike elsewhere, what is not understood is never passed over, since the phase would be run where it must not.
#[derive(Clone, Debug)]
pub struct Conditions(pub When);

impl FromNode for Conditions {
    const SHAPE: Shape = When::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let before = reader.report.count(crate::config::problem::Severity::Error);
        for entry in entries {
            let word = entry.key.source_text();
            if !When::KEYS.contains(&word.as_str()) {
                let _: Option<Self> = reader.unknown_word(&entry.key.origin, quoted_and(&word, "is no condition"), &word, When::KEYS);
            }
        }
        if reader.report.count(crate::config::problem::Severity::Error) > before {
            return None;
        }
        let when = When::from_node(node, reader)?;
        (reader.report.count(crate::config::problem::Severity::Error) == before).then_some(Self(when))
    }
}

macro_rules! word {
    ($(#[$meta:meta])* $name:ident: $shape:expr, |$text:ident, $node:ident, $reader:ident| $check:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        impl FromNode for $name {
            const SHAPE: Shape = $shape;

            fn from_node($node: &Node, $reader: &mut Reader<'_>) -> Option<Self> {
                let $text = Text::from_node($node, $reader)?.0.trim().to_ascii_lowercase();
                $check?;
                Some(Self($text))
            }
        }
    };
}

word!(
    /// A distribution; others than these have an `ID` too.
    Distro: Shape::TextOrNumber,
    |text, node, reader| warn_if_near(&text, &["debian", "ubuntu", "raspbian", "devuan", "kali", "linuxmint"], node, reader)
);
word!(
    /// A release; there will be new ones.
    Release: Shape::TextOrNumber,
    |text, node, reader| warn_if_near(&text, RELEASES, node, reader)
);
word!(
    /// An architecture.
    Arch: Shape::Words(ARCHITECTURES),
    |text, node, reader| known(&text, ARCHITECTURES, node, reader)
);
word!(
    /// A kind of virtualization.
    Virtualization: Shape::Words(VIRTUALIZATIONS),
    |text, node, reader| known(&text, VIRTUALIZATIONS, node, reader)
);

const RELEASES: &[&str] = &[
    "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid", "bionic", "focal", "jammy", "noble", "oracular", "plucky",
    "questing",
];
/// dpkg-architecture(1), those that Debian and Ubuntu are released or built for.
const ARCHITECTURES: &[&str] =
    &["amd64", "arm64", "armel", "armhf", "i386", "loong64", "mips64el", "mipsel", "ppc64el", "riscv64", "s390x"];
/// systemd-detect-virt(1), and the two families it tells apart by an option.
pub const VIRTUALIZATIONS: &[&str] = &[
    "none",
    "vm",
    "container",
    "kvm",
    "amazon",
    "qemu",
    "bochs",
    "xen",
    "uml",
    "vmware",
    "oracle",
    "microsoft",
    "zvm",
    "parallels",
    "bhyve",
    "qnx",
    "acrn",
    "powervm",
    "apple",
    "sre",
    "google",
    "vm-other",
    "systemd-nspawn",
    "lxc-libvirt",
    "lxc",
    "openvz",
    "docker",
    "podman",
    "rkt",
    "wsl",
    "proot",
    "pouch",
    "container-other",
];
/// Those of them that are containers.
pub const CONTAINERS: &[&str] =
    &["systemd-nspawn", "lxc-libvirt", "lxc", "openvz", "docker", "podman", "rkt", "wsl", "proot", "pouch", "container-other"];

fn known(text: &str, words: &[&str], node: &Node, reader: &mut Reader<'_>) -> Option<()> {
    if words.contains(&text) {
        return Some(());
    }
    reader.unknown_word(&node.origin, quoted_and(text, "is none"), text, words)
}

/// The list is never complete: a word that is not on it is odd only where it looks like one that is.
fn warn_if_near(text: &str, words: &[&str], node: &Node, reader: &mut Reader<'_>) -> Option<()> {
    if let Some(near) = nearest(text, words).filter(|near| *near != text) {
        let message = format!("{}: {text} is not known", reader.path(), text = quoted(text));
        reader.report.warning("unknown-word", message).at(&node.origin).help(format!("did you mean `{near}`?"));
    }
    Some(())
}

/// `">= 2G"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    comparison: Comparison,
    bytes: u64,
    /// As it is written.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    More,
    Less,
    Equal,
}

impl Memory {
    /// Whether a host with so much memory meets it.
    pub const fn holds(&self, bytes: u64) -> bool {
        match self.comparison {
            Comparison::AtLeast => bytes >= self.bytes,
            Comparison::AtMost => bytes <= self.bytes,
            Comparison::More => bytes > self.bytes,
            Comparison::Less => bytes < self.bytes,
            Comparison::Equal => bytes == self.bytes,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        const COMPARISONS: [(&str, Comparison); 5] = [
            (">=", Comparison::AtLeast),
            ("<=", Comparison::AtMost),
            (">", Comparison::More),
            ("<", Comparison::Less),
            ("=", Comparison::Equal),
        ];
        let trimmed = text.trim();
        let (sign, comparison) = COMPARISONS.into_iter().find(|(sign, _)| trimmed.starts_with(sign))?;
        let bytes = parse_size(trimmed[sign.len()..].trim())?;
        Some(Self { comparison, bytes, text: trimmed.to_owned() })
    }
}

/// `512M`, `2G`, `2GiB`: units are powers of 1024.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

impl FromNode for Memory {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let parsed = match &node.value {
            Value::Str(text) => Self::parse(text),
            _ => None,
        };
        parsed.or_else(|| reader.invalid(&node.origin, "this compares no amount of memory", "as in \">= 2G\", \"< 512M\""))
    }
}

/// `outcome`: for each earlier phase, how it must have ended.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(pub Vec<(Located<String>, Vec<PhaseOutcome>)>);

impl FromNode for Outcomes {
    const SHAPE: Shape = Shape::Map(&OneOrMany::<PhaseOutcome>::SHAPE);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping of phases to how they ended") };
        let mut outcomes = Vec::new();
        for entry in entries {
            let phase = Located { value: entry.key.source_text(), origin: entry.key.origin.clone() };
            let is = reader.within(&phase.value, |reader| OneOrMany::<PhaseOutcome>::from_node(&entry.value, reader))?;
            outcomes.push((phase, is.0));
        }
        Some(Self(outcomes))
    }
}

impl FromNode for PhaseOutcome {
    const SHAPE: Shape = Shape::Words(&["done", "failed", "degraded", "skipped"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        const ALL: [PhaseOutcome; 4] = [PhaseOutcome::Done, PhaseOutcome::Failed, PhaseOutcome::Degraded, PhaseOutcome::Skipped];
        let word = String::from_node(node, reader)?;
        let found = ALL.into_iter().find(|outcome| outcome.name() == word);
        found.or_else(|| {
            reader.unknown_word(&node.origin, format!("no phase ends {word}", word = quoted(&word)), &word, &ALL.map(Self::name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_are_compared() {
        const G: u64 = 1 << 30;
        for (text, bytes, holds) in [
            (">= 2G", 2 * G, true),
            (">=2GiB", 2 * G - 1, false),
            ("< 512M", G / 2, false),
            ("<= 512MB", G / 2, true),
            ("> 1T", 1024 * G + 1, true),
            ("= 1024K", 1 << 20, true),
        ] {
            assert_eq!(Memory::parse(text).map(|memory| memory.holds(bytes)), Some(holds), "{text}");
        }
        for text in ["2G", ">= G", ">= 2X", "=> 2G", ">= 99999999999T", ""] {
            assert_eq!(Memory::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_container_is_a_kind_of_virtualization() {
        assert!(CONTAINERS.iter().all(|name| VIRTUALIZATIONS.contains(name)));
    }
}
