//! `lxd`.

use super::{is_done_here, ops, packages, snap, Module, Scope, Steps};
use crate::config::typed::ubuntu::{Lxd, LxdBridge, LxdInit};
use crate::plan::operation::{Command, Operation};
use crate::secret::Secret;

/// Containers.
pub const LXD: Module = super::module("lxd", &["lxd"], plan);

/// The bridge that `lxd init` makes by itself.
const OWN_BRIDGE: &str = "lxdbr0";

/// Kernels of small images lack what thin volumes need: then the storage is made without, and the rest is set up again.
const INIT_ON_LVM: &str = "lxd init --auto --storage-backend=lvm \"$@\" && exit\n\
    lxc storage create default lvm lvm.use_thinpool=false && exec lxd init --auto \"$@\"";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(lxd) = scope.keys.lxd.as_ref().filter(|_| is_done_here("lxd", "lxd", scope, steps)) else { return };
    if lxd.preseed.is_some() && (lxd.init.is_some() || lxd.bridge.is_some()) {
        let message = "`lxd.preseed` says everything at once: it excludes `init` and `bridge`; nothing is done";
        steps.report.error("lxd", message).at(lxd.place("preseed")).help("keep one of them");
        return;
    }
    if ops::is_unread("lxd", lxd.unread(), "nothing is set up", steps) {
        return;
    }
    let mut before = install(lxd, scope, steps);
    let from = steps.len();
    steps.add("ready", lxc(&["lxd", "waitready", "--timeout=300"], "wait until LXD is ready")).at(&lxd.origin);
    if let Some(preseed) = &lxd.preseed {
        let command = ops::command(&["lxd", "init", "--preseed"], &[], "set up LXD");
        steps.add("", Operation::Command(Command { stdin: Some(preseed.clone()), ..command })).at(lxd.place("preseed"));
    }
    if let Some(init) = &lxd.init {
        plan_init(init, steps);
    }
    if let Some(bridge) = &lxd.bridge {
        plan_bridge(bridge, lxd.init.is_some(), steps);
    }
    // Each rests on the one before.
    for at in from..steps.len() {
        if let Some(id) = &before {
            steps.needs_at(at, id);
        }
        before = Some(steps.id_at(at).to_owned());
    }
}

fn lxc(argv: &[&str], purpose: &str) -> Operation {
    Operation::Command(ops::command(argv, &[], purpose))
}

/// Has LXD and the tools of its storage there. The last step that sees to it.
fn install(lxd: &Lxd, scope: &Scope<'_>, steps: &mut Steps) -> Option<String> {
    let mut last = None;
    if !scope.facts.has("lxd") {
        let ready = snap::seeded(scope, steps);
        last = Some(steps.add("install", lxc(&["snap", "install", "lxd"], "install LXD")).at(&lxd.origin).needs(ready).id());
    }
    let by_preseed = |driver: &str| lxd.preseed.as_ref().is_some_and(|text| names_driver(text.expose(), driver));
    let by_init = |driver: &str| lxd.init.as_ref().and_then(|init| init.storage_backend).is_some_and(|storage| storage.0 == driver);
    let tools = [("zfs", "zfs", "zfsutils-linux"), ("lvm", "lvcreate", "lvm2"), ("btrfs", "mkfs.btrfs", "btrfs-progs")];
    let wanted = tools.iter().filter(|(driver, program, _)| !scope.facts.has(program) && (by_init(driver) || by_preseed(driver)));
    let packages: Vec<String> = wanted.map(|(_, _, package)| (*package).to_owned()).collect();
    if let Some(tools) = packages::install_together(&packages, &lxd.origin, steps) {
        if let Some(lxd) = &last {
            steps.needs_at(steps.len() - 1, lxd);
        }
        last = Some(tools);
    }
    last
}

/// Whether a preseed has a pool of storage with this driver.
fn names_driver(preseed: &str, driver: &str) -> bool {
    let Ok(document) = crate::yaml::parse("lxd.preseed", preseed) else { return false };
    let pools = document.get("storage_pools").and_then(|pools| pools.as_seq().map(<[_]>::to_vec)).unwrap_or_default();
    pools.iter().any(|pool| pool.get("driver").and_then(|name| name.as_str().map(str::to_owned)).as_deref() == Some(driver))
}

fn plan_init(init: &LxdInit, steps: &mut Steps) {
    let backend = init.storage_backend.map(|storage| storage.0);
    let lvm = backend == Some("lvm");
    let text = |value: &Option<crate::config::typed::Text>| value.as_ref().map(|text| text.0.clone());
    let options = [
        ("network-address", text(&init.network_address)),
        ("network-port", init.network_port.map(|port| port.to_string())),
        ("storage-backend", backend.filter(|_| !lvm).map(str::to_owned)),
        ("storage-create-device", init.storage_create_device.as_ref().map(|path| path.0.clone())),
        ("storage-create-loop", init.storage_create_loop.map(|size| size.to_string())),
        ("storage-pool", text(&init.storage_pool)),
    ];
    let options: Vec<String> = options.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?))).collect();
    let program: &[&str] = if lvm { &["/bin/sh", "-c", INIT_ON_LVM, "sh"] } else { &["lxd", "init", "--auto"] };
    let command = ops::command(program, &options, "set up LXD");
    steps.add("init", Operation::Command(command)).at(&init.origin);
    if let Some(password) = &init.trust_password {
        // Read from standard input: an argument is seen by everybody.
        let command = ops::command(&["lxc", "config", "set", "core.trust_password", "-"], &[], "set the password for clients");
        let command = Command { stdin: Some(Secret::new(password.expose().clone())), ..command };
        steps.add("trust-password", Operation::Command(command)).at(init.place("trust_password"));
    }
}

fn plan_bridge(bridge: &LxdBridge, did_init: bool, steps: &mut Steps) {
    let name = bridge.name.as_ref().map_or(OWN_BRIDGE, |name| &name.0);
    if bridge.mode.0 == "none" {
        return;
    }
    let new = bridge.mode.0 == "new";
    // What `lxd init` has made of that name gives way; 1: there is no such thing.
    if did_init && name == OWN_BRIDGE {
        let mut cleanup = vec![("bridge/device", vec!["lxc", "profile", "device", "remove", "default", "eth0", "--force-local"])];
        if new {
            cleanup.push(("bridge/delete", vec!["lxc", "network", "delete", name, "--force-local"]));
        }
        for (id, argv) in cleanup {
            let command = Command { accept: vec![0, 1], ..ops::command(&argv, &[], "make way for the bridge") };
            steps.add(id, Operation::Command(command)).at(&bridge.origin);
        }
    }
    if new {
        let mut settings = bridge_settings(bridge);
        settings.push("--force-local".to_owned());
        let command = ops::command(&["lxc", "network", "create", name], &settings, "make the bridge");
        steps.add("bridge", Operation::Command(Command { idempotent: false, ..command })).at(&bridge.origin);
    }
    let argv = ["lxc", "network", "attach-profile", name, "default", "eth0", "--force-local"];
    steps.add("bridge/attach", lxc(&argv, "give containers the bridge")).at(&bridge.origin);
}

fn bridge_settings(bridge: &LxdBridge) -> Vec<String> {
    let mut settings = Vec::new();
    match (&bridge.ipv4_address, bridge.ipv4_netmask) {
        (Some(address), Some(bits)) => {
            settings.push(format!("ipv4.address={}/{bits}", address.0));
            settings.extend(bridge.ipv4_nat.unwrap_or(true).then(|| "ipv4.nat=true".to_owned()));
            if let (Some(first), Some(last)) = (&bridge.ipv4_dhcp_first, &bridge.ipv4_dhcp_last) {
                settings.push(format!("ipv4.dhcp.ranges={}-{}", first.0, last.0));
            }
        }
        _ => settings.push("ipv4.address=none".to_owned()),
    }
    match (&bridge.ipv6_address, bridge.ipv6_netmask) {
        (Some(address), Some(bits)) => {
            settings.push(format!("ipv6.address={}/{bits}", address.0));
            settings.extend(bridge.ipv6_nat.then(|| "ipv6.nat=true".to_owned()));
        }
        _ => settings.push("ipv6.address=none".to_owned()),
    }
    settings.extend(bridge.domain.iter().map(|domain| format!("dns.domain={}", domain.0)));
    settings.extend(bridge.mtu.filter(|mtu| *mtu != -1).map(|mtu| format!("bridge.mtu={mtu}")));
    settings
}
