//! `hostname` and its companions, `timezone`, `locale`, `ca_certs`, `power_state`.

use base64::prelude::{Engine as _, BASE64_STANDARD};

use super::reader::{quoted, quoted_and, FromNode, Reader, Shape};
use super::scalars::{is_yes_or_no, Located, Text};
use crate::config::node::{Node, Value};
use crate::plan::operation::{Condition, PowerMode};
use crate::secret::Secret;

/// A host's name, short or with its domain (hostname(7)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub String);

impl FromNode for HostName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let name = name.trim();
        // As DNS writes a whole name.
        let name = name.strip_suffix('.').unwrap_or(name);
        match host_name(name) {
            Ok(()) => Some(Self(name.to_owned())),
            Err(why) => reader.invalid(&node.origin, quoted_and(name, why), "use letters, digits and `-`, as in web-1"),
        }
    }
}

fn host_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is no name");
    }
    if name.len() > 253 || name.split('.').any(|label| label.len() > 63) {
        return Err("is too long for a host's name");
    }
    if name.split('.').any(|label| label.is_empty() || label.starts_with('-')) {
        return Err("is no host's name: a part is empty or begins with `-`");
    }
    if name.chars().any(|c| !(c.is_ascii_alphanumeric() || "-._".contains(c))) {
        return Err("has a character no host's name may have");
    }
    Ok(())
}

/// `manage_etc_hosts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManageEtcHosts {
    /// Leave `/etc/hosts` alone.
    No,
    /// Write the whole file at every boot.
    Whole,
    /// Keep an entry for this host in it.
    Localhost,
}

impl FromNode for ManageEtcHosts {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Words(&["localhost", "template"])]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_str() {
            Some("localhost") => Some(Self::Localhost),
            Some("template") => {
                reader.report.note("deprecated", "`template` is an old form").at(&node.origin).help("write `true`");
                Some(Self::Whole)
            }
            Some(word) if !is_yes_or_no(&word.trim().to_ascii_lowercase()) => {
                reader.invalid(&node.origin, quoted_and(word, "is none"), "write `true`, `false` or `localhost`")
            }
            _ => bool::from_node(node, reader).map(|yes| if yes { Self::Whole } else { Self::No }),
        }
    }
}

/// A zone's name as the zone database spells it: `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneName(pub String);

impl FromNode for ZoneName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
        if name.is_empty() || name.starts_with('/') || name.ends_with('/') || !name.chars().all(plain) {
            return reader.invalid(
                &node.origin,
                quoted_and(&name, "is no time zone"),
                "as in Europe/Berlin; see `timedatectl list-timezones`",
            );
        }
        Some(Self(name))
    }
}

/// `locale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocaleSetting {
    /// `false`: leave it.
    Off,
    /// `de_DE.UTF-8`.
    Name(String),
}

impl FromNode for LocaleSetting {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Bool]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_bool() == Some(false) || node.as_str().is_some_and(|text| ["false", "no", "off", "0"].contains(&text)) {
            return Some(Self::Off);
        }
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(plain) {
            return reader.invalid(&node.origin, quoted_and(&name, "is no locale"), "as in de_DE.UTF-8");
        }
        Some(Self::Name(name))
    }
}

/// A file's name that must be absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsolutePath(pub String);

impl FromNode for AbsolutePath {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = String::from_node(node, reader)?;
        if !path.starts_with('/') || path.contains('\0') {
            let what = quoted(&path);
            let mut help = "begin it with /";
            if !what.starts_with('`') {
                // It may be a key that belongs elsewhere, and is a secret here too.
                let _ = reader.secret(path);
                let of_chef = reader.path().ends_with("chef.validation_key");
                help = if of_chef {
                    "this is for a file's name; the key itself goes into `validation_cert`"
                } else {
                    "a file's name is wanted here"
                };
            }
            return reader.invalid(&node.origin, format!("{what} is no absolute path"), help);
        }
        Some(Self(path))
    }
}

crate::record! {
    /// `ca_certs`.
    pub struct CaCerts {
        /// Certificates to trust, in PEM.
        default trusted: Certificates,
        /// Trust none of the distribution's own.
        default remove_defaults ["remove-defaults"]: bool,
    }
}

/// PEM certificates. One that is none keeps its number, so that the others keep theirs.
#[derive(Clone, Debug, Default)]
pub struct Certificates(pub Vec<Option<Located<String>>>);

impl FromNode for Certificates {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let one = std::slice::from_ref(node);
        let items = node.as_seq().unwrap_or(one);
        let mut certificates = Vec::new();
        for (at, item) in items.iter().enumerate() {
            certificates.push(reader.within(&format!("[{at}]"), |reader| read_certificate(item, reader)));
        }
        Some(Self(certificates))
    }
}

fn read_certificate(node: &Node, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let text = String::from_node(node, reader)?;
    if !(text.contains("-----BEGIN CERTIFICATE-----") && text.contains("-----END CERTIFICATE-----")) {
        return reader.invalid(&node.origin, "this is not a PEM certificate: it is left out", "begin it with -----BEGIN CERTIFICATE-----");
    }
    if !is_base64_between_its_marks(&text) {
        let message =
            "what stands between BEGIN and END of a certificate is not base64: it is left out, programs would read no certificate at all";
        return reader.invalid(&node.origin, message, "paste it as it is in its file, with each of its lines");
    }
    Some(Located { value: text, origin: node.origin.clone() })
}

/// Whether every certificate of a text can be decoded. What stands before and behind them is a comment.
fn is_base64_between_its_marks(text: &str) -> bool {
    text.split("-----BEGIN CERTIFICATE-----").skip(1).all(|rest| {
        let body: Option<String> = rest.split_once("-----END CERTIFICATE-----").map(|(body, _)| body.split_whitespace().collect());
        body.is_some_and(|body| !body.is_empty() && BASE64_STANDARD.decode(body).is_ok())
    })
}

crate::record! {
    /// `power_state`.
    pub struct PowerState {
        /// What to do.
        required mode: PowerMode,
        /// When.
        optional delay: Delay,
        /// What logged-in users are told.
        optional message: Text,
        /// Seconds the peer waits for its own end before it acts; landfall acts when the run has ended.
        optional timeout: Seconds,
        /// Whether to.
        optional condition: Condition,
    }
}

impl FromNode for PowerMode {
    const SHAPE: Shape = Shape::Words(&["poweroff", "reboot", "halt"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Poweroff, Self::Reboot, Self::Halt][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// `now`, `5`, `"+5"`: minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Delay(pub u32);

impl FromNode for Delay {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Integer]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let minutes = match &node.value {
            Value::Int(number) => u32::try_from(*number).ok(),
            Value::Str(text) if text.trim() == "now" => Some(0),
            Value::Str(text) => text.trim().trim_start_matches('+').parse().ok(),
            _ => None,
        };
        if let (Value::Str(text), Some(minutes @ 1..)) = (&node.value, minutes) {
            let message = format!("{}: minutes as text, `{text}`, are an old form", reader.path());
            reader.report.note("deprecated", message).at(&node.origin).help(format!("write `{minutes}`"));
        }
        minutes.map(Self).or_else(|| reader.invalid(&node.origin, "this is no delay", "write now, or minutes as 5"))
    }
}

/// Seconds, fractions dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl FromNode for Seconds {
    const SHAPE: Shape = Shape::Number;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let seconds = match &node.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Float(number) if *number >= 0.0 && *number < 1e15 => Some(*number as u64),
            Value::Str(text) => {
                text.trim().parse::<f64>().ok().filter(|number| *number >= 0.0 && *number < 1e15).map(|number| number as u64)
            }
            _ => None,
        };
        seconds.map(Self).or_else(|| reader.mismatch(node, "a number of seconds"))
    }
}

impl FromNode for Condition {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Text, Shape::List(&Shape::Scalar)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Bool(value) => Some(Self::Constant(*value)),
            Value::Str(command) => Some(Self::Shell(Secret::new(command.clone()))),
            Value::Seq(words) if !words.is_empty() && words.iter().all(Node::is_scalar) => {
                Some(Self::Argv(words.iter().map(Node::python_str).collect()))
            }
            _ => reader.mismatch(node, "true, false, a shell command or a list of program and arguments"),
        }
    }
}
