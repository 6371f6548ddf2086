//! cloud-init on this host: whether it runs in this boot, which instance it says this is, and the configuration it merged.

use crate::host::Host;
use crate::identity::{Fetched, Recorded};

/// What cloud-init says of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// cloud-init runs in this boot. Otherwise it is installed, but off.
    pub enabled: bool,
    /// What says so.
    pub because: String,
    /// The instance's id as found in this boot; `None` while cloud-init has not yet found it, or found no datasource.
    pub instance_id: Option<String>,
    /// The user-data as cloud-init merged it, of this instance.
    pub merged_config: Option<Vec<u8>>,
}

impl Hosted {
    /// What cloud-init says of the instance. On a host that is known by another id, that no datasource told anything is no answer:
    /// the datasource may be away for this boot.
    pub fn fetched(&self, recorded: Option<&Recorded>) -> Fetched {
        let known = recorded.and_then(|recorded| recorded.instance_id.as_deref());
        match self.instance_id.as_deref() {
            Some(OF_NO_DATASOURCE) if known.is_some_and(|id| id != OF_NO_DATASOURCE) => Fetched::NoAnswer,
            Some(id) => Fetched::Id(id.to_owned()),
            None => Fetched::NoAnswer,
        }
    }
}

const PROGRAM: &str = "/usr/bin/cloud-init";

/// Whether landfall itself answers to cloud-init's name here: the package landfall-cloud-init is installed, which takes cloud-init's
/// place.
pub fn stands_in(host: &Host) -> bool {
    let target = host.link_target(PROGRAM).ok().flatten();
    target.is_some_and(|target| target.rsplit('/').next() == Some("landfall"))
}

/// Looks at cloud-init on this host; `None` where it is not installed.
pub fn hosted(host: &Host) -> Option<Hosted> {
    if !host.exists(PROGRAM) || stands_in(host) {
        return None;
    }
    let (enabled, because) = enabled(host);
    let instance_id = if enabled { instance_id(host) } else { None };
    let merged_config = instance_id.as_ref().and_then(|_| host.read("/var/lib/cloud/instance/cloud-config.txt").ok().flatten());
    Some(Hosted { enabled, because, instance_id, merged_config })
}

/// cloud-init's generator decides early in the boot and leaves its answer in `/run`; before it has, or where there is none
/// (a chroot), the switches it obeys are looked at.
fn enabled(host: &Host) -> (bool, String) {
    const ANSWERS: [(&str, bool); 3] =
        [("/run/cloud-init/disabled", false), ("/run/cloud-init/enabled", true), ("/etc/cloud/cloud-init.disabled", false)];
    if let Some((path, enabled)) = ANSWERS.into_iter().find(|(path, _)| host.exists(path)) {
        return (enabled, format!("{path} exists"));
    }
    if host.is_live() && host.kernel_command_line().split_whitespace().any(|word| word == "cloud-init=disabled") {
        return (false, "cloud-init=disabled on the kernel command line".into());
    }
    (false, "its generator has not enabled it in this boot".into())
}

/// What cloud-init calls an instance of which no datasource told anything: its `DataSourceNone`.
const OF_NO_DATASOURCE: &str = "iid-datasource-none";

/// The id of this boot: `.instance-id` is written once the datasource is found. The one in `data` may still be that of
/// another instance while cloud-init has not run to its end.
fn instance_id(host: &Host) -> Option<String> {
    let read = |path: &str| {
        let text = host.read_text(path).ok().flatten()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty())
    };
    let finished = || host.exists("/run/cloud-init/result.json");
    read("/run/cloud-init/.instance-id").or_else(|| finished().then(|| read("/var/lib/cloud/data/instance-id")).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(files: &[(&str, &str)]) -> Option<Hosted> {
        let dir = tempfile::tempdir().expect("dir");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        hosted(&Host::rooted(dir.path()))
    }

    #[test]
    fn cloud_init_counts_when_it_is_installed_and_on_in_this_boot() {
        let installed = ("usr/bin/cloud-init", "");
        let on = ("run/cloud-init/enabled", "");
        assert_eq!(look(&[on]), None, "not installed");
        for (files, expected) in [
            (vec![installed], false),
            (vec![installed, on], true),
            (vec![installed, on, ("run/cloud-init/disabled", "")], false),
            (vec![installed, ("etc/cloud/cloud-init.disabled", "")], false),
        ] {
            assert_eq!(look(&files).expect("installed").enabled, expected, "{files:?}");
        }
    }

    #[test]
    fn landfalls_own_link_of_that_name_is_no_cloud_init() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("usr/bin")).expect("mkdir");
        let host = Host::rooted(dir.path());
        for (target, expected) in [("landfall", true), ("/usr/bin/landfall", true), ("cloud-init-25", false), ("/opt/landfall/x", false)] {
            let _ = std::fs::remove_file(dir.path().join("usr/bin/cloud-init"));
            std::os::unix::fs::symlink(target, dir.path().join("usr/bin/cloud-init")).expect("symlink");
            assert_eq!(stands_in(&host), expected, "{target}");
        }
        for name in ["landfall", "cloud-init-25"] {
            std::fs::write(dir.path().join("usr/bin").join(name), "").expect("write");
        }
        assert!(!stands_in(&host));
        std::fs::remove_file(dir.path().join("usr/bin/cloud-init")).expect("remove");
        for (target, expected) in [("landfall", false), ("cloud-init-25", true)] {
            let _ = std::fs::remove_file(dir.path().join("usr/bin/cloud-init"));
            std::os::unix::fs::symlink(target, dir.path().join("usr/bin/cloud-init")).expect("symlink");
            assert_eq!(hosted(&host).is_some(), expected, "{target}");
        }
    }

    #[test]
    fn an_id_left_by_an_earlier_boot_is_not_this_instance() {
        let base = [("usr/bin/cloud-init", ""), ("run/cloud-init/enabled", ""), ("var/lib/cloud/data/instance-id", "old\n")];
        let with = |more: &[(&'static str, &'static str)]| look(&[&base[..], more].concat()).expect("installed");
        assert_eq!(with(&[]).instance_id, None);
        assert_eq!(with(&[("run/cloud-init/.instance-id", "new\n")]).instance_id.as_deref(), Some("new"));
        assert_eq!(with(&[("run/cloud-init/result.json", "{}")]).instance_id.as_deref(), Some("old"));
    }

    #[test]
    fn no_datasource_makes_no_new_instance_of_a_host_that_is_known() {
        let fetched = |id: &str, known: Option<&str>| {
            let hosted = Hosted { enabled: true, because: String::new(), instance_id: Some(id.into()), merged_config: None };
            hosted.fetched(Some(&Recorded { instance_id: known.map(str::to_owned), ..Recorded::default() }))
        };
        assert_eq!(fetched(OF_NO_DATASOURCE, Some("i-1")), Fetched::NoAnswer);
        assert_eq!(fetched(OF_NO_DATASOURCE, None), Fetched::Id(OF_NO_DATASOURCE.into()), "an image may live without one");
        assert_eq!(fetched(OF_NO_DATASOURCE, Some(OF_NO_DATASOURCE)), Fetched::Id(OF_NO_DATASOURCE.into()));
        assert_eq!(fetched("i-2", Some("i-1")), Fetched::Id("i-2".into()));
    }

    #[test]
    fn merged_configuration_comes_with_the_instance() {
        let config = ("var/lib/cloud/instance/cloud-config.txt", "#cloud-config\n");
        let base = [("usr/bin/cloud-init", ""), ("run/cloud-init/enabled", ""), config];
        assert_eq!(look(&base).expect("installed").merged_config, None);
        let found = look(&[&base[..], &[("run/cloud-init/.instance-id", "i")]].concat()).expect("installed");
        assert_eq!(found.merged_config.as_deref(), Some(&b"#cloud-config\n"[..]));
    }
}
