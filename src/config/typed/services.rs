//! `services` of a phase: what is enabled, started, and waited for.

use std::net::IpAddr;

use super::landfall::Duration;
use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::scalars::OneOrMany;
use crate::config::node::{Entry, Node, Value};
use crate::plan::operation::Readiness;

/// What a name without a type may end in: systemd.unit(5).
const TYPES: [&str; 11] =
    [".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope"];

crate::record! {
    /// One entry of `services`.
    pub struct ServiceEntry {
        /// Unit, `.service` where it has no type.
        required name: UnitName,
        /// Whether it is started at every boot.
        optional enable: bool,
        /// What becomes of it now.
        optional state: ServiceState,
        /// When it counts as ready.
        optional wait: Wait,
        /// How long it may take until then.
        optional timeout: Duration,
        /// TCP ports that nobody else may hold.
        default ports: OneOrMany<Port>,
    }
}

/// An entry, or a name alone.
#[derive(Clone, Debug)]
pub struct ServiceItem(pub ServiceEntry);

impl FromNode for ServiceItem {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Record(ServiceEntry::RECORD)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_map().is_some() {
            let entry = ServiceEntry::from_node(node, reader)?;
            return fits(&entry, reader).then_some(Self(entry));
        }
        let key = Node::new(Value::Str("name".into()), node.origin.clone());
        let map = Value::Map(vec![Entry { key, value: node.clone() }]);
        ServiceEntry::from_node(&Node::new(map, node.origin.clone()), reader).map(Self)
    }
}

/// What is stopped or left alone cannot be waited for.
fn fits(entry: &ServiceEntry, reader: &mut Reader<'_>) -> bool {
    if entry.given.contains(&"state") && entry.state.is_none() {
        return false;
    }
    let starts = !matches!(entry.wanted_state(), None | Some(ServiceState::Stopped));
    match ["wait", "timeout", "ports"].into_iter().find(|key| !starts && entry.given.contains(key)) {
        Some(key) => {
            let message = format!("`{key}` is for a service that is started");
            reader.invalid::<()>(entry.place(key), message, "use `state: started`, or leave it out").is_some()
        }
        None => true,
    }
}

impl ServiceEntry {
    /// What becomes of it: it is started, unless nothing but its being disabled is asked for.
    pub fn wanted_state(&self) -> Option<ServiceState> {
        self.state.or((self.enable != Some(false)).then_some(ServiceState::Started))
    }

    /// Whether it is enabled or disabled: what is only started is enabled too, anything else stays as it is.
    pub fn wanted_enablement(&self) -> Option<bool> {
        self.enable.or((self.wanted_state() == Some(ServiceState::Started)).then_some(true))
    }
}

/// The name of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(pub String);

impl FromNode for UnitName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if name.is_empty() || name.starts_with('-') || name.len() > 255 || !name.chars().all(plain) {
            return reader.invalid(&node.origin, quoted_and(&name, "is no unit's name"), "as in nginx.service or wg-quick@wg0");
        }
        let has_type = TYPES.iter().any(|ending| name.ends_with(ending));
        Some(Self(if has_type { name } else { format!("{name}.service") }))
    }
}

/// `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Started unless it runs.
    Started,
    /// Restarted, or started.
    Restarted,
    /// Reloaded if it can be, else restarted; started where it does not run.
    Reloaded,
    /// Stopped.
    Stopped,
}

impl FromNode for ServiceState {
    const SHAPE: Shape = Shape::Words(&["started", "restarted", "reloaded", "stopped"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Started, Self::Restarted, Self::Reloaded, Self::Stopped][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl FromNode for Port {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = i64::from_node(node, reader)?;
        match u16::try_from(number) {
            Ok(port) if port > 0 => Some(Self(port)),
            _ => reader.invalid(&node.origin, format!("{number} is no port"), "ports go from 1 to 65535"),
        }
    }
}

/// An IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip(pub IpAddr);

impl FromNode for Ip {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        let address = text.trim_matches(['[', ']']).parse().ok().map(Self);
        address.or_else(|| reader.invalid(&node.origin, quoted_and(&text, "is no IP address"), "as in 10.0.0.1 or ::1"))
    }
}

crate::record! {
    /// `wait` for ports.
    pub struct WaitRecord {
        /// One port.
        optional port: Port,
        /// Several, all of which have to answer.
        default ports: OneOrMany<Port>,
        /// Where; loopback by default.
        optional address: Ip,
    }
}

/// `wait`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait(pub Readiness);

impl FromNode for Wait {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["active"]), Shape::Record(WaitRecord::RECORD)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_map().is_none() {
            return match String::from_node(node, reader)?.as_str() {
                "active" => Some(Self(Readiness::Active)),
                other => reader.unknown_word(&node.origin, quoted_and(other, "cannot be waited for"), other, &["active", "{port: 80}"]),
            };
        }
        let record = WaitRecord::from_node(node, reader)?;
        let mut ports: Vec<u16> = record.port.into_iter().chain(record.ports.0.iter().copied()).map(|port| port.0).collect();
        ports.dedup();
        if ports.is_empty() {
            return reader.invalid(&node.origin, "no port is given", "as in {port: 80} or {ports: [80, 443]}");
        }
        Some(Self(Readiness::Answers { address: record.address.map(|address| address.0), ports }))
    }
}
