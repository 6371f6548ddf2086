//! `ntp`.
//!
//! What is known of each program is how Debian and Ubuntu package it: where its configuration is, what it is called. The peer's
//! own file names are used where there are several.

use super::{ops, packages, Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::ntp::{Hosts, Ntp, NtpConfig};
use crate::config::typed::scalars::Word;
use crate::ordered::object_of;
use crate::plan::operation::{Operation, UnitAction};
use crate::plan::{Frequency, Stage};
use crate::template;

/// Who tells the time.
pub const NTP: Module = Module { name: "ntp", stage: Stage::Final, frequency: Frequency::Instance, keys: &["ntp"], implied: false, plan };

/// What is known of a program.
struct Client {
    check_exe: String,
    confpath: String,
    packages: Vec<String>,
    service: String,
    format: Format,
}

/// What its configuration looks like.
enum Format {
    Chrony,
    Timesyncd,
    Ntpsec,
    Ntpd,
    OpenNtpd,
    Template(String),
}

/// Names that mean something without `config`, in the order in which an installed one is looked for.
const NAMES: [&str; 4] = ["chrony", "systemd-timesyncd", "ntp", "ntpdate"];
const TIMESYNCD: &str = "/usr/lib/systemd/systemd-timesyncd";

/// A program by its name.
fn known(name: &str, scope: &Scope<'_>) -> Option<Client> {
    let client = |check_exe: &str, confpath: &str, packages: &[&str], service: &str, format| Client {
        check_exe: check_exe.into(),
        confpath: confpath.into(),
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        service: service.into(),
        format,
    };
    Some(match name {
        "chrony" => client("chronyd", "/etc/chrony/chrony.conf", &["chrony"], "chrony", Format::Chrony),
        "systemd-timesyncd" => client(
            TIMESYNCD,
            "/etc/systemd/timesyncd.conf.d/cloud-init.conf",
            &["systemd-timesyncd"],
            "systemd-timesyncd",
            Format::Timesyncd,
        ),
        // Since Debian 12 and Ubuntu 23.04 `ntp` is a name of ntpsec's, which reads a file of its own.
        "ntp" if has_ntpsec(scope) => client("ntpd", "/etc/ntpsec/ntp.conf", &["ntpsec"], "ntpsec", Format::Ntpsec),
        "ntp" => client("ntpd", "/etc/ntp.conf", &["ntp"], "ntp", Format::Ntpd),
        // It asks when an interface comes up, and is no service.
        "ntpdate" if has_ntpsec(scope) => client("ntpdate", "/etc/ntpsec/ntp.conf", &["ntpsec-ntpdate"], "", Format::Ntpsec),
        "ntpdate" => client("ntpdate", "/etc/ntp.conf", &["ntpdate"], "", Format::Ntpd),
        "openntpd" => client("ntpctl", "/etc/openntpd/ntpd.conf", &["openntpd"], "openntpd", Format::OpenNtpd),
        _ => return None,
    })
}

fn has_ntpsec(scope: &Scope<'_>) -> bool {
    let release = |first: u32| {
        let major = scope.facts.version_id.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_none_or(|major| major >= first)
    };
    if scope.facts.distro == "ubuntu" {
        release(23)
    } else {
        release(12)
    }
}

fn is_installed(client: &Client, scope: &Scope<'_>) -> bool {
    scope.facts.has(&client.check_exe) || scope.facts.files.contains(&client.check_exe)
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(ntp) = scope.keys.ntp.as_ref().map(|ntp| &ntp.0).filter(|ntp| ntp.enabled != Some(false)) else { return };
    let Some(client) = client(ntp, scope, steps) else { return };
    let Some(text) = configuration(ntp, &client, scope, steps) else { return };
    let path = &client.confpath;
    steps.add("keep", Operation::CopyFile { from: path.clone(), to: format!("{path}.dist") }).at(&ntp.origin);
    let written = steps.add("", ops::write(path, text, 0o644)).at(&ntp.origin).id();
    let installed = (!is_installed(&client, scope)).then(|| packages::install_together(&client.packages, &ntp.origin, steps)).flatten();
    if client.service.is_empty() {
        return;
    }
    let reload = steps.add("service", ops::unit(&client.service, UnitAction::Reload)).at(&ntp.origin).needs(written);
    if let Some(installed) = installed {
        let _ = reload.needs(installed);
    }
}

/// The program that is meant, with what `config` says of it; `None` where that is not enough, which is reported.
fn client(ntp: &Ntp, scope: &Scope<'_>, steps: &mut Steps) -> Option<Client> {
    let place = ntp.place("ntp_client");
    let client = match ntp.ntp_client.as_deref() {
        None | Some("auto") => {
            let installed = NAMES.iter().filter_map(|name| known(name, scope)).find(|client| is_installed(client, scope));
            installed.or_else(|| known(NAMES[0], scope))
        }
        Some(name) => known(name, scope),
    };
    let said = ntp.config.as_ref();
    let word = |of: fn(&NtpConfig) -> Option<&Word>| said.and_then(of).map(|word| word.0.clone());
    let confpath = said.and_then(|config| config.confpath.as_ref()).map(|path| path.0.clone());
    let packages = said.and_then(|config| config.packages.as_ref()).map(|own| own.iter().map(|word| word.0.clone()).collect());
    let check_exe = word(|config| config.check_exe.as_ref());
    let service = word(|config| config.service_name.as_ref());
    let template = said.and_then(|config| config.template.clone());
    match (client, (confpath, check_exe, packages, service, template)) {
        (Some(known), (confpath, check_exe, packages, service, template)) => Some(Client {
            confpath: confpath.unwrap_or(known.confpath),
            check_exe: check_exe.unwrap_or(known.check_exe),
            packages: packages.unwrap_or(known.packages),
            service: service.unwrap_or(known.service),
            format: template.map_or(known.format, Format::Template),
        }),
        (None, (Some(confpath), Some(check_exe), Some(packages), Some(service), Some(template))) => {
            Some(Client { check_exe, confpath, packages, service, format: Format::Template(template) })
        }
        (None, _) => {
            report_unknown(ntp, place, steps);
            None
        }
    }
}

fn report_unknown(ntp: &Ntp, place: &Origin, steps: &mut Steps) {
    let name = ntp.ntp_client.as_deref().unwrap_or_default();
    let message = format!("ntp.ntp_client: how `{name}` is configured here is not known: the time is left as it is");
    let help = "use auto, chrony, systemd-timesyncd, ntp, ntpdate or openntpd, or say all of `config`: confpath, check_exe, packages, service_name, template";
    steps.report.error("ntp", message).at(place).help(help);
}

/// The text of its configuration file; `None` where a template cannot be used, which is reported.
fn configuration(ntp: &Ntp, client: &Client, scope: &Scope<'_>, steps: &mut Steps) -> Option<String> {
    let names = |words: &[Word]| words.iter().map(|word| word.0.clone()).collect::<Vec<_>>();
    let of = |hosts: &Option<Hosts>| hosts.as_ref().map(|hosts| names(&hosts.0)).unwrap_or_default();
    let (servers, mut pools) = (of(&ntp.servers), of(&ntp.pools));
    if servers.is_empty() && pools.is_empty() {
        let parts = [("servers", ntp.servers.is_none()), ("pools", ntp.pools.is_none())];
        if let Some((key, _)) = parts.into_iter().find(|(key, missing)| ntp.is_unread(key, *missing)) {
            let message = format!("`ntp.{key}` cannot be read: the time is left as it is");
            steps.report.error("unread", message).at(ntp.place(key));
            return None;
        }
        pools = (0..4).map(|number| format!("{number}.{}.pool.ntp.org", scope.facts.distro)).collect();
    }
    let lines =
        |before: &str, names: &[String], after: &str| names.iter().map(|name| format!("{before}{name}{after}\n")).collect::<String>();
    let hosts = || lines("pool ", &pools, " iburst") + &lines("server ", &servers, " iburst") + &lines("peer ", &names(&ntp.peers), "");
    Some(match &client.format {
        Format::Chrony => format!("{HEADER}{}{}{CHRONY}", hosts(), lines("allow ", &names(&ntp.allow), "")),
        Format::Ntpsec => format!("{HEADER}{}{NTPSEC}", hosts()),
        Format::Ntpd => format!("{HEADER}{}{NTPD}", hosts()),
        Format::OpenNtpd => {
            unused(ntp, &["peers", "allow"], "openntpd", steps);
            format!("{HEADER}{}{}sensor *\n", lines("servers ", &pools, ""), lines("server ", &servers, ""))
        }
        Format::Timesyncd => {
            unused(ntp, &["peers", "allow"], "systemd-timesyncd", steps);
            format!("{HEADER}[Time]\nNTP={}\n", [servers, pools].concat().join(" "))
        }
        Format::Template(template) => {
            let lists = [("servers", servers), ("pools", pools), ("peers", names(&ntp.peers)), ("allow", names(&ntp.allow))];
            return rendered(template, lists, ntp, steps);
        }
    })
}

/// Reports keys that a program has no use for.
fn unused(ntp: &Ntp, keys: &[&str], program: &str, steps: &mut Steps) {
    for key in keys.iter().filter(|key| ntp.given.contains(key)) {
        let message = format!("`ntp.{key}` does nothing with {program}, which is only told whom to ask for the time");
        steps.report.warning("ntp", message).at(ntp.place(key)).help("use `ntp_client: chrony`");
    }
}

/// A template with its lists filled in, as jinja has it where the first line says so; otherwise the text as it is. `None` where it
/// cannot be, which is reported.
fn rendered(text: &str, lists: [(&str, Vec<String>); 4], ntp: &Ntp, steps: &mut Steps) -> Option<String> {
    if !template::is_template(text) {
        return Some(text.to_owned());
    }
    let place = ntp.config.as_ref().map_or(&ntp.origin, |config| config.place("template"));
    match template::process::render(text, &object_of(lists.into_iter().map(|(name, list)| (name.to_owned(), list.into())))) {
        Ok(rendered) => {
            for (name, _) in &rendered.missing {
                let message = format!("ntp.config.template: there is no variable `{name}`");
                steps.report.warning("ntp", message).at(place).help("servers, pools, peers and allow can be filled in");
            }
            Some(rendered.text)
        }
        Err(why) => {
            let message = format!("ntp.config.template cannot be rendered: {why}; the time is left as it is");
            steps.report.error("ntp", message).at(place).help("correct the template");
            None
        }
    }
}

const HEADER: &str = "# Written by landfall from user-data.\n";

/// chrony.conf(5): keys, drift and logs where the package keeps them; the clock is stepped while the host starts.
const CHRONY: &str = "keyfile /etc/chrony/chrony.keys\ndriftfile /var/lib/chrony/chrony.drift\nlogdir /var/log/chrony\n\
                      maxupdateskew 100.0\nrtcsync\nmakestep 1 3\n";

/// ntp.conf(5): answers nobody but this host, and lets no one change anything.
const NTPSEC: &str = "driftfile /var/lib/ntpsec/ntp.drift\nleapfile /usr/share/zoneinfo/leap-seconds.list\n\
                      restrict default kod nomodify nopeer noquery limited\nrestrict 127.0.0.1\nrestrict ::1\n\
                      restrict source nomodify noquery\n";

/// The same for its predecessor.
const NTPD: &str = "driftfile /var/lib/ntp/ntp.drift\nrestrict -4 default kod notrap nomodify nopeer noquery limited\n\
                    restrict -6 default kod notrap nomodify nopeer noquery limited\nrestrict 127.0.0.1\nrestrict ::1\n\
                    restrict source notrap nomodify noquery\n";
