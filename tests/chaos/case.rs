//! What all cases share: the user-data, the end that a run has to come to, and how one is told to the reader.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::agree::{end_of, End, DISAGREE};
use crate::lab::{self, BootOptions, Booted, Disk, Host, Lab, Release};
use crate::origin::{Manner, Origin, ADDRESS};

/// What is asked of each host: something of every kind, and packages over the network.
pub fn user_data(section: &str) -> String {
    format!(
        "#cloud-config\n\
         landfall: {{retry: {{attempts: 3, delay: 1s, max_delay: 2s}}{section}}}\n\
         hostname: chaos\n\
         users: [{{name: ada, shell: /bin/sh}}]\n\
         write_files:\n\
         \x20 - {{path: /etc/motd, content: welcome}}\n\
         \x20 - {{path: /home/ada/notes, content: hers, owner: 'ada:ada', defer: true}}\n\
         package_update: true\n\
         packages: [hello-lf, svc-lf, deps-lf]\n\
         runcmd: ['echo one >>/root/runs', 'echo two >>/root/runs']\n"
    )
}

/// A host with the package and the user-data, whose packages come from [`crate::origin`].
pub fn host(disk: Disk, section: &str) -> Option<(Lab, Host)> {
    let lab = Lab::require()?;
    let host = lab.host(Release::Trixie, disk);
    host.install_deb(&lab::package()?);
    let files = host.files();
    files.write("/etc/apt/sources.list", format!("deb [trusted=yes] http://{ADDRESS}/ ./\n"), 0o644);
    files.write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-chaos\n", 0o600);
    files.write("/var/lib/cloud/seed/nocloud/user-data", user_data(section), 0o600);
    Some((lab, host))
}

/// What is not as [`user_data`] wants it.
pub fn missing(booted: &Booted) -> Vec<String> {
    const ASK: &str = "hostname; id -un ada 2>&1; cat /etc/motd; cat /home/ada/notes 2>&1; stat -c %U /home/ada/notes 2>&1
        for name in hello-lf svc-lf deps-lf slow-lf; do dpkg-query -W -f '${Package} ${db:Status-Status}\\n' $name 2>&1; done
        cat /root/runs | tr '\\n' ' '; dpkg --audit; find / -xdev -name '*.landfall-*' 2>/dev/null";
    const WANTED: &str = "chaos\nada\nwelcomehersada\nhello-lf installed\nsvc-lf installed\ndeps-lf installed\nslow-lf installed\none two ";
    let found = booted.sh(ASK).stdout;
    let mut missing = Vec::new();
    if found != WANTED {
        missing.push(format!("wanted {WANTED:?}, found {found:?}"));
    }
    missing
}

/// Everything that is wrong with an end: `kinds` are those that the fault may be told as; none: the run has to get over it.
pub fn faults(end: &End, booted: &Booted, kinds: &[&str]) -> Vec<String> {
    let mut wrong = end.disagreements.clone();
    if kinds.is_empty() {
        if end.state != "done" {
            wrong.push(format!("it ended {}: {}", end.state, end.why));
        }
        wrong.extend(missing(booted));
        return wrong;
    }
    wrong.extend(half_changed(booted));
    wrong.extend(otherwise_ended(end, kinds));
    wrong
}

/// What a run that stopped in order does not leave behind.
pub fn half_changed(booted: &Booted) -> Option<String> {
    let found = booted.sh("dpkg --audit; find / -xdev -name '*.landfall-*' 2>/dev/null").stdout;
    (!found.is_empty()).then(|| format!("half changed: {found}"))
}

/// What is wrong with the failure that an end is told as.
pub fn otherwise_ended(end: &End, kinds: &[&str]) -> Option<String> {
    if end.state != "failed" || !end.kinds.iter().any(|kind| kinds.contains(&kind.as_str())) {
        return Some(format!("it ended {} with {:?}, not failed with one of {kinds:?}: {}", end.state, end.kinds, end.why));
    }
    None
}

/// Boots, with the fault gone, until the run is at its end: at most twice.
pub fn mended<S>(host: &Host, serve: &dyn Fn(&Booted) -> S) -> Vec<String> {
    let booted = host.boot(BootOptions::default());
    let _served = serve(&booted);
    let end = end_of(&booted);
    let mut wrong: Vec<String> = faults(&end, &booted, &[]).into_iter().map(|fault| format!("after it was mended: {fault}")).collect();
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    booted.shutdown();
    wrong
}

/// As [`mended`]; what is not tried again by itself is, by `landfall resume`.
pub fn mended_by_resume<S>(host: &Host, serve: &dyn Fn(&Booted) -> S) -> Vec<String> {
    let booted = host.boot(BootOptions::default());
    let _served = serve(&booted);
    let first = end_of(&booted);
    let mut wrong = first.disagreements.clone();
    if first.state != "done" {
        let resumed = booted.exec_with(&["landfall", "resume"], b"", std::time::Duration::from_secs(180));
        if !resumed.ok() {
            wrong.push(format!("resume after it was mended: {resumed:?}"));
        }
    }
    wrong.extend(missing(&booted));
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    booted.shutdown();
    wrong
}

/// The same with packages to be had, where nothing else has to be served.
pub fn mended_by_origin(lab: Lab, host: &Host) -> Vec<String> {
    mended(host, &|booted| Origin::start(booted, lab.repo(), Manner::Serves))
}

/// A host that has booted and in which landfall has not run.
pub fn idle() -> Option<(Lab, Booted)> {
    const SWITCH: &str = "/etc/landfall/disabled";
    let (lab, host) = host(Disk::Directory, "")?;
    host.files().write(SWITCH, "", 0o644);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    host.files().remove(SWITCH);
    Some((lab, booted))
}

/// Cases with what was wrong in each, as the closing line counts them.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<String, Vec<String>>>);

impl Tally {
    /// Notes a case.
    pub fn note(&self, name: &str, wrong: Vec<String>) {
        self.0.lock().unwrap().insert(name.to_owned(), wrong);
    }

    /// Says how many there were; fails if something was wrong.
    #[track_caller]
    pub fn close(&self, suite: &str) {
        let cases = self.0.lock().unwrap();
        let bad: Vec<_> = cases.iter().filter(|(_, wrong)| !wrong.is_empty()).collect();
        for (name, wrong) in &bad {
            println!("--- {suite}: {name}\n{}", wrong.join("\n"));
        }
        let with = |disagrees: bool| bad.iter().filter(|(_, wrong)| wrong.iter().any(|line| line.contains(DISAGREE) == disagrees)).count();
        println!("closing: {suite}: {} faults, {} lost, {} disagreeing", cases.len(), with(false), with(true));
        assert!(bad.is_empty(), "{}", bad.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "));
    }
}

/// A part of `all` that another run takes another part of; all of them in the long check, those of these numbers with
/// `LANDFALL_CASES=0,4`.
pub fn sample<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if let Ok(numbers) = std::env::var("LANDFALL_CASES") {
        return numbers.split(',').map(|number| all[number.parse::<usize>().unwrap()]).collect();
    }
    if std::env::var_os("LANDFALL_LONG").is_some() || all.len() <= most {
        return all.to_vec();
    }
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 60;
    let from = usize::try_from(seed).unwrap() % all.len();
    println!("closing: {most} of {}, from number {from}", all.len());
    (0..most).map(|at| all[(from + at) % all.len()]).collect()
}
