//! The network: the files of who configures it, the names of devices, and the network as it runs.

use std::time::{Duration, Instant};

use super::files::{self, io_failure};
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::facts::Interface;
use crate::host::process::Spec;
use crate::host::signals;
use crate::plan::operation::{ConfigureNetwork, NetworkManager, WriteFile};

/// A trial of netplan's: its whole input, with the new file.
const TRIAL: &str = "/run/landfall/netplan-trial";
const NETPLAN: &str = "/etc/netplan";
const NETWORKD: &str = "systemd-networkd.service";
const NETWORK_MANAGER: &str = "NetworkManager.service";
const WAIT_ONLINE: &str = "systemd-networkd-wait-online.service";
/// How long a device is waited for.
const DEVICES_WAIT: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(120);

/// Files that an earlier instance may have left.
const fn left_by_others(manager: NetworkManager) -> &'static str {
    match manager {
        NetworkManager::Netplan => "/etc/netplan/50-cloud-init.yaml",
        NetworkManager::Ifupdown | NetworkManager::Networkd => "/etc/systemd/network/10-cloud-init-*",
    }
}

fn superfluous(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Vec<String>, Failure> {
    let pattern = left_by_others(network.manager);
    let mut found = context.host.matching(pattern).map_err(io_failure("look for", pattern))?;
    found.retain(|path| !network.files.iter().any(|file| file.path == *path));
    Ok(found)
}

/// The files are there and the devices have their names. What the programs made of the files is theirs to keep.
pub(super) fn check(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Checked, Failure> {
    for file in &network.files {
        if files::check_write(context, file)? == Checked::Needed {
            return Ok(Checked::Needed);
        }
    }
    Ok(Checked::satisfied_if(superfluous(context, network)?.is_empty() && renamings(context, network)?.0.is_empty()))
}

/// The files as they were.
pub(super) fn prior(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Prior, Failure> {
    let paths = network.files.iter().map(|file| file.path.clone()).chain(superfluous(context, network)?);
    let (mut files, mut new_directories) = (Vec::new(), Vec::new());
    for path in paths {
        if let Prior::Files { files: more, new_directories: directories } = files::prior_write(context, &path)? {
            files.extend(more);
            for directory in directories {
                if !new_directories.contains(&directory) {
                    new_directories.push(directory);
                }
            }
        }
    }
    Ok(Prior::Files { files, new_directories })
}

/// Does it. A configuration that netplan does not take is not put in place: at the next boot the host would have no network.
pub(super) fn apply(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Effect, Failure> {
    if network.manager == NetworkManager::Netplan {
        for file in &network.files {
            try_netplan(context, file)?;
        }
    }
    for file in &network.files {
        files::write(context, file, &file.content.expose().0)?;
    }
    files::remove(context, &superfluous(context, network)?)?;
    if !context.host.runs_systemd() {
        return Ok(Effect { detail: Some("it takes effect at the next boot".into()), ..Effect::default() });
    }
    let warnings = rename(context, network)?;
    take_effect(context, network.manager).map(|effect| Effect { warnings, ..effect })
}

fn try_netplan(context: &Context<'_>, file: &WriteFile) -> Result<(), Failure> {
    let host = context.host;
    let trial_of = |path: &str| format!("{TRIAL}{path}");
    let trial = |path: &str, content: crate::plan::operation::Content| {
        let copy = WriteFile { path: trial_of(path), content, mode: Some(0o600), owner: None, own_parents: false };
        files::write(context, &copy, &copy.content.expose().0).map(drop)
    };
    let result = (|| {
        let pattern = format!("{NETPLAN}/*.yaml");
        for path in host.matching(&pattern).map_err(io_failure("look for", &pattern))? {
            let bytes = host.read(&path).map_err(io_failure("read", &path))?.unwrap_or_default();
            trial(&path, crate::plan::operation::content(bytes))?;
        }
        trial(&file.path, file.content.clone())?;
        program(context, &["netplan", "generate", "--root-dir", TRIAL], "netplan does not take this network-config; nothing is changed")
    })();
    let removed = host.remove_tree(TRIAL).map_err(io_failure("remove", TRIAL));
    result.and(removed.map(drop))
}

fn program(context: &Context<'_>, argv: &[&str], what: &str) -> Result<(), Failure> {
    let mut spec = Spec::new(argv.iter().copied()).output(&context.output);
    spec.env.clone_from(&context.env);
    spec.deadline = context.deadline.left().or(Some(LIMIT));
    spec.silence = context.silence;
    let ended = context.host.run(&spec)?;
    if ended.success() {
        Ok(())
    } else {
        Err(ended.failure(&format!("{what}: {}", argv.join(" "))))
    }
}

/// A device by its present name, with the one it is to have.
struct Renaming {
    now: String,
    wanted: String,
    is_up: bool,
}

/// The devices that do not have their names, and the addresses that no device has.
fn renamings(context: &Context<'_>, network: &ConfigureNetwork) -> Result<(Vec<Renaming>, Vec<String>), Failure> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    if network.names.is_empty() || !context.host.runs_systemd() {
        return Ok((found, missing));
    }
    let interfaces = context.host.interfaces().map_err(io_failure("look at", "network devices"))?;
    for wanted in &network.names {
        let of_it: Vec<&Interface> = interfaces.iter().filter(|device| device.mac == wanted.mac).collect();
        match of_it.as_slice() {
            [] => missing.push(format!("no device has the address {}: none is named {}", wanted.mac, wanted.name)),
            // One that has the name is not touched for the sake of what shares its address.
            _ if of_it.iter().any(|device| device.name == wanted.name) => {}
            [device] => found.push(Renaming { now: device.name.clone(), wanted: wanted.name.clone(), is_up: device.is_up }),
            several => {
                let names: Vec<&str> = several.iter().map(|device| device.name.as_str()).collect();
                let told = format!("{} have the address {}: none is named {}", names.join(" and "), wanted.mac, wanted.name);
                return Err(Failure::new(Kind::Config, told).hint("match the device by something else in the network-config"));
            }
        }
    }
    Ok((found, missing))
}

/// Devices whose drivers udev loads may be still to come.
fn await_devices(context: &Context<'_>, network: &ConfigureNetwork) -> Result<(), Failure> {
    let start = Instant::now();
    while context.host.awaits_devices() && start.elapsed() < DEVICES_WAIT && !renamings(context, network)?.1.is_empty() {
        if !signals::sleep(Duration::from_millis(50)) {
            return Err(Failure::new(Kind::Interrupted, "stopped while it waited for network devices"));
        }
    }
    Ok(())
}

/// Gives devices their names; says which addresses no device has. Devices that swap names have another one in between, and one
/// that nobody asked about makes way. If it fails they are called as before.
fn rename(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Vec<String>, Failure> {
    await_devices(context, network)?;
    let (mut renamings, missing) = renamings(context, network)?;
    if renamings.is_empty() {
        return Ok(missing);
    }
    let interfaces = context.host.interfaces().map_err(io_failure("look at", "network devices"))?;
    let in_the_way = |device: &&Interface| {
        renamings.iter().any(|other| other.wanted == device.name) && !renamings.iter().any(|other| other.now == device.name)
    };
    let spare = |number: usize| format!("cirename{number}");
    let making_way: Vec<Renaming> = interfaces
        .iter()
        .filter(in_the_way)
        .enumerate()
        .map(|(number, device)| Renaming { now: device.name.clone(), wanted: spare(number), is_up: device.is_up })
        .collect();
    renamings.extend(making_way);
    let mut names: Vec<String> = renamings.iter().map(|renaming| renaming.now.clone()).collect();
    let result = move_names(context, &renamings, &mut names);
    if result.is_err() {
        for (renaming, name) in renamings.iter().zip(&names) {
            if *name != renaming.now {
                let _ = program(context, &["ip", "link", "set", "dev", name, "name", &renaming.now], "nor is it called as before");
            }
        }
    }
    for (renaming, name) in renamings.iter().zip(&names).filter(|(renaming, _)| renaming.is_up) {
        let name = if result.is_err() { &renaming.now } else { name };
        program(context, &["ip", "link", "set", "dev", name, "up"], &format!("{name} does not come up again"))?;
    }
    result.map(|()| missing)
}

/// `names` are what the devices are called while it goes on.
fn move_names(context: &Context<'_>, renamings: &[Renaming], names: &mut [String]) -> Result<(), Failure> {
    for (number, (renaming, name)) in renamings.iter().zip(names.iter_mut()).enumerate() {
        let (between, what) = (format!("landfall{number}"), format!("{} is not renamed to {}", renaming.now, renaming.wanted));
        program(context, &["ip", "link", "set", "dev", name, "down"], &what)?;
        program(context, &["ip", "link", "set", "dev", name, "name", &between], &what)?;
        *name = between;
    }
    for (renaming, name) in renamings.iter().zip(names.iter_mut()) {
        let what = format!("{} is not renamed to {}", renaming.now, renaming.wanted);
        program(context, &["ip", "link", "set", "dev", name, "name", &renaming.wanted], &what)?;
        name.clone_from(&renaming.wanted);
    }
    Ok(())
}

/// Before the network is up, who configures it reads the files when its turn comes; afterwards it is told.
fn take_effect(context: &Context<'_>, manager: NetworkManager) -> Result<Effect, Failure> {
    let host = context.host;
    let unit = if manager == NetworkManager::Ifupdown { "networking.service" } else { NETWORKD };
    let is_up = host.unit(unit)?.is_active() || (manager == NetworkManager::Netplan && host.unit(NETWORK_MANAGER)?.is_active());
    match manager {
        NetworkManager::Netplan if is_up => program(context, &["netplan", "apply"], "the network does not take its new settings")?,
        NetworkManager::Netplan => {
            program(context, &["netplan", "generate"], "the network has no new settings")?;
            let made = "/run/systemd/network/10-netplan-*.network";
            if !host.matching(made).map_err(io_failure("look for", made))?.is_empty() {
                host.queue_start(&[unit])?;
            }
        }
        NetworkManager::Networkd if is_up => program(context, &["networkctl", "reload"], "the network does not take its new settings")?,
        NetworkManager::Networkd => {
            if host.unit_enablement(unit)?.as_deref() == Some("disabled") {
                host.enable_unit(unit)?;
                // This boot's way to network-online.target is laid already.
                host.queue_start(&[unit, WAIT_ONLINE])?;
            }
            host.queue_start(&[unit])?;
        }
        NetworkManager::Ifupdown if is_up => drop(host.unit_job("restart", unit, true)?),
        NetworkManager::Ifupdown => {}
    }
    Ok(Effect { detail: is_up.then(|| "the network was up already: it was told".into()), ..Effect::default() })
}

/// It is so now, saying what is not.
pub(super) fn verify(context: &Context<'_>, network: &ConfigureNetwork) -> Result<(), Failure> {
    if let Some(renaming) = renamings(context, network)?.0.first() {
        return Err(Failure::new(Kind::Unknown, format!("{} has not become {}", renaming.now, renaming.wanted)));
    }
    match check(context, network)? {
        Checked::Satisfied => Ok(()),
        Checked::Needed => Err(Failure::new(Kind::Unknown, "the network's files are not as they were written")),
    }
}
