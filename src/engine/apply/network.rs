//! The network: the files of who configures it, the names of devices, and the network as it runs.

use std::time::Duration;

use super::files::{self, io_failure};
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::process::Spec;
use crate::plan::operation::{ConfigureNetwork, NetworkManager, WriteFile};

/// A trial of netplan's: its whole input, with the new file.
const TRIAL: &str = "/run/landfall/netplan-trial";
const NETPLAN: &str = "/etc/netplan";
const NETWORKD: &str = "systemd-networkd.service";
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
    Ok(Checked::satisfied_if(superfluous(context, network)?.is_empty() && renamings(context, network)?.is_empty()))
}

/// The files as they were.
pub(super) fn prior(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Prior, Failure> {
    let paths = network.files.iter().map(|file| file.path.clone()).chain(superfluous(context, network)?);
    let (mut files, mut new_directories) = (Vec::new(), Vec::new());
    for path in paths {
        if let Prior::Files { files: more, new_directories: directories } = files::prior_write(context, &path)? {
            files.extend(more);
            new_directories.extend(directories.into_iter().filter(|directory| !new_directories.contains(directory)).collect::<Vec<_>>());
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
    rename(context, network)?;
    take_effect(context, network.manager)
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
    let removed = host.run(&Spec::new(["rm", "-rf", "--", TRIAL]).deadline(LIMIT));
    result.and(removed.map(drop))
}

fn program(context: &Context<'_>, argv: &[&str], what: &str) -> Result<(), Failure> {
    let mut spec = Spec::new(argv.iter().copied()).output(&context.output);
    spec.env.clone_from(&context.env);
    spec.deadline = context.deadline.or(Some(LIMIT));
    let ended = context.host.run(&spec)?;
    if ended.success() {
        Ok(())
    } else {
        Err(ended.failure(&format!("{what}: {}", argv.join(" "))))
    }
}

/// Devices by their present names, with those they are to have.
fn renamings(context: &Context<'_>, network: &ConfigureNetwork) -> Result<Vec<(String, String)>, Failure> {
    if network.names.is_empty() || !context.host.runs_systemd() {
        return Ok(Vec::new());
    }
    let interfaces = context.host.interfaces().map_err(io_failure("look at", "network devices"))?;
    let wanted = |mac: &str| network.names.iter().find(|device| device.mac == mac).map(|device| device.name.clone());
    let renamed = interfaces.iter().filter_map(|device| Some((device.name.clone(), wanted(&device.mac)?)));
    Ok(renamed.filter(|(now, wanted)| now != wanted).collect())
}

/// Gives devices their names. Two that swap names both have another one in between.
fn rename(context: &Context<'_>, network: &ConfigureNetwork) -> Result<(), Failure> {
    let renamings = renamings(context, network)?;
    let between: Vec<String> = (0..renamings.len()).map(|number| format!("landfall{number}")).collect();
    for ((now, wanted), between) in renamings.iter().zip(&between) {
        let what = format!("{now} is not renamed to {wanted}");
        program(context, &["ip", "link", "set", "dev", now, "down"], &what)?;
        program(context, &["ip", "link", "set", "dev", now, "name", between], &what)?;
    }
    for ((now, wanted), between) in renamings.iter().zip(&between) {
        if let Err(failure) =
            program(context, &["ip", "link", "set", "dev", between, "name", wanted], &format!("{now} is not renamed to {wanted}"))
        {
            program(context, &["ip", "link", "set", "dev", between, "name", now], "nor back")?;
            return Err(failure.hint("another device has that name: give it one of its own in the network-config, by its `macaddress`"));
        }
    }
    Ok(())
}

/// Before the network is up, who configures it reads the files when its turn comes; afterwards it is told.
fn take_effect(context: &Context<'_>, manager: NetworkManager) -> Result<Effect, Failure> {
    let host = context.host;
    let unit = if manager == NetworkManager::Ifupdown { "networking.service" } else { NETWORKD };
    let is_up = host.unit(unit)?.is_active();
    match manager {
        NetworkManager::Netplan if is_up => program(context, &["netplan", "apply"], "the network does not take its new settings")?,
        NetworkManager::Netplan => {
            program(context, &["netplan", "generate"], "the network has no new settings")?;
            let made = "/run/systemd/network/10-netplan-*.network";
            if !host.matching(made).map_err(io_failure("look for", made))?.is_empty() {
                host.unit_job("start", unit, false)?;
            }
        }
        NetworkManager::Networkd if is_up => program(context, &["networkctl", "reload"], "the network does not take its new settings")?,
        NetworkManager::Networkd => {
            if host.unit_enablement(unit)?.as_deref() == Some("disabled") {
                host.enable_unit(unit)?;
            }
            host.unit_job("start", unit, false)?;
        }
        NetworkManager::Ifupdown if is_up => drop(host.unit_job("restart", unit, true)?),
        NetworkManager::Ifupdown => {}
    }
    Ok(Effect { detail: is_up.then(|| "the network was up already: it was told".into()), ..Effect::default() })
}

/// It is so now, saying what is not.
pub(super) fn verify(context: &Context<'_>, network: &ConfigureNetwork) -> Result<(), Failure> {
    if let Some((now, wanted)) = renamings(context, network)?.first() {
        return Err(Failure::new(Kind::Unknown, format!("{now} has not become {wanted}")));
    }
    match check(context, network)? {
        Checked::Satisfied => Ok(()),
        Checked::Needed => Err(Failure::new(Kind::Unknown, "the network's files are not as they were written")),
    }
}
