//! NoCloud: user-data and meta-data in a seed directory, on a volume labelled `cidata`, or in a directory that the kernel
//! command line or the SMBIOS serial number names (`ds=nocloud;s=/path/;i=ID;h=NAME`).
//!
//! Places are merged as cloud-init merges them: metadata of the earlier place wins, files of the later one do. Order: SMBIOS,
//! command line, seed directory, volume, the directory named by `s=` or by `seedfrom` in the metadata.
//! Not covered: `s=http://…`, which is reported.

use std::time::{Duration, Instant};

use crate::config::node::{Entry, Node, Origin, Value};
use crate::host::Host;

use super::{volume, Found, Probed};

/// Short name.
const NAME: &str = "nocloud";
/// What cloud-init calls an instance whose metadata has no id.
const DEFAULT_ID: &str = "nocloud";
/// The directory of `/var/lib/cloud/seed/nocloud-net` is read where the first does not exist.
const SEED_DIRECTORIES: [&str; 2] = ["/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net"];
/// How often a device that is waited for is looked for.
const POLL: Duration = Duration::from_millis(50);
/// The longest wait for udev: a driver that hangs keeps it busy for minutes.
const UDEV_WAIT: Duration = Duration::from_secs(30);

/// The files of one place, metadata aside.
#[derive(Debug, Default)]
struct Seed {
    user_data: Vec<u8>,
    vendor_data: Option<Vec<u8>>,
    network_config: Option<Vec<u8>>,
}

/// What the places gave so far.
struct Gathered {
    metadata: Node,
    seed: Seed,
    places: Vec<String>,
}

pub(super) fn find(host: &Host, wait: Duration) -> Probed {
    let mut probed = Probed::default();
    let mut gathered = Gathered { metadata: mapping(Vec::new(), "nocloud"), seed: Seed::default(), places: Vec::new() };
    let named = [
        ("SMBIOS serial number", host.dmi("product_serial").unwrap_or_default()),
        ("kernel command line", host.read_text("/proc/cmdline").ok().flatten().unwrap_or_default()),
    ];
    for (place, text) in named {
        match arguments(&text) {
            Some(pairs) => gathered.merge_metadata(mapping(pairs, place), place),
            None => probed.add(NAME, place, "has no ds=nocloud", false),
        }
    }
    let named = gathered.places.len();
    for directory in SEED_DIRECTORIES {
        if gathered.read(host, directory, directory, &mut probed) {
            break;
        }
    }
    gathered.read_volume(host, wait, &mut probed);
    if gathered.given("seedfrom").is_some() && !gathered.read_named_seed(host, &mut probed) {
        return probed;
    }
    let bare = gathered.places.len() == named;
    if bare && gathered.given("instance-id").is_none() && gathered.given("local-hostname").is_none() {
        return probed;
    }
    gathered.claim(probed)
}

impl Gathered {
    fn merge_metadata(&mut self, metadata: Node, place: &str) {
        if let Value::Map(known) = &mut self.metadata.value {
            for entry in metadata.entries() {
                if !known.iter().any(|other| other.key == entry.key) {
                    known.push(entry.clone());
                }
            }
        }
        self.places.push(place.to_owned());
    }

    /// Reads a directory's files; says whether it was a seed.
    fn read(&mut self, host: &Host, directory: &str, place: &str, probed: &mut Probed) -> bool {
        match read_seed(host, directory, place) {
            Ok(Some((metadata, seed))) => {
                self.merge_metadata(metadata, place);
                self.seed.user_data = seed.user_data;
                self.seed.vendor_data = seed.vendor_data.or(self.seed.vendor_data.take());
                self.seed.network_config = seed.network_config.filter(|text| !text.is_empty()).or(self.seed.network_config.take());
                true
            }
            Ok(None) => {
                probed.add(NAME, place, "does not exist", false);
                false
            }
            Err(why) => {
                probed.add(NAME, place, why, true);
                false
            }
        }
    }

    /// Reads the first labelled volume that holds a seed. Waits for one only while nothing else has answered: on a slow machine
    /// the driver of a CD is still being loaded, so the wait begins when udev has nothing left to do.
    fn read_volume(&mut self, host: &Host, wait: Duration, probed: &mut Probed) {
        let start = Instant::now();
        let mut idle_since = start;
        loop {
            if !wait.is_zero() && start.elapsed() < UDEV_WAIT && host.awaits_devices() {
                idle_since = Instant::now();
            }
            let devices = volume::labelled(host);
            for device in &devices {
                match host.mount_volume(device) {
                    Ok(mounted) => {
                        if self.read(host, mounted.path(), &device.path, probed) {
                            return;
                        }
                    }
                    Err(failure) => probed.add(NAME, &device.path, failure.message, true),
                }
            }
            if !devices.is_empty() {
                return;
            }
            if !self.places.is_empty() || idle_since.elapsed() >= wait || !crate::host::signals::sleep(POLL) {
                probed.add(NAME, "volume labelled cidata", "is not attached", false);
                return;
            }
        }
    }

    /// Reads the directory the metadata names. It was asked for: its absence is not the absence of a datasource.
    fn read_named_seed(&mut self, host: &Host, probed: &mut Probed) -> bool {
        let named = self.given("seedfrom").unwrap_or_default();
        let path = named.strip_prefix("file://").unwrap_or(&named);
        if !path.starts_with('/') {
            let why = "is not a local directory; fetching a seed over the network is not supported yet";
            probed.add(NAME, crate::redact::url(&named), why, true);
            return false;
        }
        let directory = path.trim_end_matches('/').to_owned();
        let read = self.read(host, &directory, &directory, probed);
        if let Some(reason) = probed.reasons.last_mut().filter(|_| !read) {
            reason.broken = true;
        }
        read
    }

    /// A metadata value as text, if it is there and not empty.
    fn given(&self, key: &str) -> Option<String> {
        self.metadata.get(key).filter(|node| !node.is_null()).map(Node::python_str).filter(|text| !text.is_empty())
    }

    fn claim(self, mut probed: Probed) -> Probed {
        let dsmode = self.given("dsmode");
        if dsmode.as_deref() == Some("disabled") {
            probed.add(NAME, self.places.join(", "), "says dsmode: disabled", false);
            return probed;
        }
        probed.found = Some(Found {
            source: NAME,
            instance_id: self.given("instance-id").unwrap_or_else(|| DEFAULT_ID.to_owned()),
            local_hostname: self.given("local-hostname"),
            public_keys: self.metadata.get("public-keys").map(public_keys).unwrap_or_default(),
            places: self.places,
            user_data: self.seed.user_data,
            vendor_data: self.seed.vendor_data,
            vendor_data2: None,
            network_config: self.seed.network_config,
            dsmode,
            metadata: self.metadata,
        });
        probed
    }
}

/// A directory's files; `None` where it has neither of the two that are required, an error where one is missing.
fn read_seed(host: &Host, directory: &str, place: &str) -> Result<Option<(Node, Seed)>, String> {
    let read = |name: &str| host.read(&format!("{directory}/{name}")).map_err(|error| format!("{name} cannot be read: {error}"));
    match (read("meta-data")?, read("user-data")?) {
        (Some(meta_data), Some(user_data)) => {
            let seed = Seed { user_data, vendor_data: read("vendor-data")?, network_config: read("network-config")? };
            Ok(Some((metadata(place, &meta_data)?, seed)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err("has meta-data but no user-data; both are required (an empty file will do)".into()),
        (None, Some(_)) => Err("has user-data but no meta-data; both are required (an empty file will do)".into()),
    }
}

/// Reads `meta-data`: a YAML mapping, or nothing.
fn metadata(place: &str, bytes: &[u8]) -> Result<Node, String> {
    let part = format!("{place}/meta-data");
    let text = std::str::from_utf8(bytes).map_err(|_| "meta-data is not UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = crate::yaml::parse(&part, text)
        .map_err(|error| format!("meta-data line {}, column {}: {}", error.line, error.column, error.message))?;
    match node.value {
        Value::Null => Ok(mapping(Vec::new(), &part)),
        Value::Map(_) => Ok(node),
        _ => Err(format!("meta-data is {}, not a mapping such as `instance-id: NAME`", node.kind())),
    }
}

/// The `ds=nocloud;key=value;…` of a command line; `None` where it names no such datasource. The last one counts.
fn arguments(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let word = text.split_whitespace().rev().find(|word| {
        let name = word.split(';').next().unwrap_or_default();
        name == "ds=nocloud" || name == "ds=nocloud-net"
    })?;
    let long = |key: &str| match key {
        "h" => "local-hostname".to_owned(),
        "i" => "instance-id".to_owned(),
        "s" => "seedfrom".to_owned(),
        other => other.to_owned(),
    };
    let pair = |item: &str| match item.split_once('=') {
        Some((key, value)) => (long(key), Some(value.to_owned())),
        None => (long(item), None),
    };
    Some(word.split(';').skip(1).filter(|item| !item.is_empty()).map(pair).collect())
}

fn mapping(pairs: Vec<(String, Option<String>)>, part: &str) -> Node {
    let origin = Origin::new(part, 1, 1);
    let node = |value| Node::new(value, origin.clone());
    let entries =
        pairs.into_iter().map(|(key, value)| Entry { key: node(Value::Str(key)), value: node(value.map_or(Value::Null, Value::Str)) });
    node(Value::Map(entries.collect()))
}

/// SSH keys in any of the forms metadata has them: lines, a list, or a mapping of names to either.
fn public_keys(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Str(text) => text.lines().map(str::to_owned).collect(),
        Value::Seq(items) | Value::Set(items) => items.iter().map(Node::python_str).collect(),
        Value::Map(entries) => entries
            .iter()
            .flat_map(|entry| match &entry.value.value {
                Value::Str(text) => vec![text.clone()],
                Value::Seq(items) => items.iter().map(Node::python_str).collect(),
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
    .into_iter()
    .map(|key| key.trim().to_owned())
    .filter(|key| !key.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Fetched;

    const SEED: &str = "var/lib/cloud/seed/nocloud";

    fn probe(files: &[(&str, &str)]) -> Probed {
        let dir = tempfile::tempdir().expect("dir");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        find(&Host::rooted(dir.path()), Duration::ZERO)
    }

    fn seeded(meta_data: &str) -> Probed {
        probe(&[(&format!("{SEED}/meta-data"), meta_data), (&format!("{SEED}/user-data"), "#cloud-config\n")])
    }

    fn found(files: &[(&str, &str)]) -> Found {
        let probed = probe(files);
        probed.found.unwrap_or_else(|| panic!("{:?}", probed.reasons))
    }

    #[test]
    fn a_seed_directory_is_read_whole() {
        let found = found(&[
            (
                "var/lib/cloud/seed/nocloud/meta-data",
                "instance-id: i-1\nlocal-hostname: web\npublic-keys: [ssh-ed25519 A, ssh-ed25519 B]\n",
            ),
            ("var/lib/cloud/seed/nocloud/user-data", "#cloud-config\n"),
            ("var/lib/cloud/seed/nocloud/vendor-data", "v"),
            ("var/lib/cloud/seed/nocloud/network-config", "version: 2"),
        ]);
        assert_eq!((found.source, found.instance_id.as_str(), found.local_hostname.as_deref()), ("nocloud", "i-1", Some("web")));
        assert_eq!(found.places, ["/var/lib/cloud/seed/nocloud"]);
        assert_eq!(found.public_keys, ["ssh-ed25519 A", "ssh-ed25519 B"]);
        assert_eq!(found.user_data, b"#cloud-config\n");
        assert_eq!(found.vendor_data.as_deref(), Some(&b"v"[..]));
        assert_eq!(found.network_config.as_deref(), Some(&b"version: 2"[..]));
    }

    #[test]
    fn an_id_of_any_yaml_type_is_pythons_text_of_it() {
        for (meta_data, id) in [
            ("instance-id: 0644", "420"),
            ("instance-id: yes", "True"),
            ("instance-id: 1.10", "1.1"),
            ("instance-id: 'i/2'", "i/2"),
            ("instance-id: 2024-01-02", "2024-01-02"),
            ("instance-id:", "nocloud"),
            ("local-hostname: web", "nocloud"),
            ("", "nocloud"),
            ("# only a comment\n", "nocloud"),
            ("{\"instance-id\": \"json\"}", "json"),
        ] {
            assert_eq!(seeded(meta_data).fetched(), Fetched::Id(id.into()), "{meta_data:?}");
        }
    }

    #[test]
    fn a_seed_that_is_there_but_cannot_be_used_is_no_answer_and_says_why() {
        for (probed, why) in [
            (seeded("instance-id: [\n"), "/var/lib/cloud/seed/nocloud meta-data line"),
            (seeded("just text"), "/var/lib/cloud/seed/nocloud meta-data is a string, not a mapping"),
            (probe(&[("var/lib/cloud/seed/nocloud/user-data", "x")]), "/var/lib/cloud/seed/nocloud has user-data but no meta-data"),
            (probe(&[("var/lib/cloud/seed/nocloud/meta-data", "x: y")]), "/var/lib/cloud/seed/nocloud has meta-data but no user-data"),
            (probe(&[("proc/cmdline", "ds=nocloud;s=/mnt/seed/")]), "/mnt/seed does not exist"),
            (probe(&[("proc/cmdline", "ds=nocloud;s=https://u:p@h/?t=1")]), "https://***@h/?*** is not a local directory"),
        ] {
            assert_eq!(probed.fetched(), Fetched::NoAnswer, "{why}");
            assert!(probed.explain().starts_with(why), "{}", probed.explain());
        }
        assert_eq!(probe(&[]).fetched(), Fetched::NoSource);
    }

    #[test]
    fn the_second_seed_directory_counts_where_the_first_is_not() {
        let files = [("var/lib/cloud/seed/nocloud-net/meta-data", "instance-id: net"), ("var/lib/cloud/seed/nocloud-net/user-data", "")];
        assert_eq!(found(&files).instance_id, "net");
    }

    #[test]
    fn the_command_line_and_smbios_name_an_id_and_a_directory() {
        let seed = [("mnt/meta-data", "instance-id: file\nlocal-hostname: file\n"), ("mnt/user-data", "from /mnt")];
        let with = |file: &'static str, text: &'static str| [&seed[..], &[(file, text)]].concat();
        let named = found(&with("proc/cmdline", "ro quiet ds=nocloud;s=/mnt/;i=line;x panic=1"));
        assert_eq!((named.instance_id.as_str(), named.local_hostname.as_deref()), ("line", Some("file")));
        assert_eq!(named.user_data, b"from /mnt");
        assert_eq!(named.places, ["kernel command line", "/mnt"]);
        let named = found(&with("sys/class/dmi/id/product_serial", "ds=nocloud-net;s=file:///mnt;h=bios\n"));
        assert_eq!((named.instance_id.as_str(), named.local_hostname.as_deref()), ("file", Some("bios")));
        assert_eq!(found(&[("proc/cmdline", "ds=nocloud;i=only")]).user_data, b"");
        assert_eq!(probe(&[("proc/cmdline", "ds=nocloud")]).fetched(), Fetched::NoSource, "named without any data");
        assert_eq!(probe(&[("proc/cmdline", "ds=nocloudish;i=x ds=ec2")]).fetched(), Fetched::NoSource);
    }

    #[test]
    fn a_volume_is_waited_for_while_udev_is_busy() {
        let dir = tempfile::tempdir().expect("dir");
        let queue = dir.path().join("run/udev/queue");
        std::fs::create_dir_all(queue.parent().expect("parent")).expect("mkdir");
        std::fs::write(&queue, "").expect("queue");
        let looked = |wait| {
            let start = Instant::now();
            assert_eq!(find(&Host::rooted(dir.path()), wait).fetched(), Fetched::NoSource);
            start.elapsed()
        };
        assert!(looked(Duration::ZERO) < UDEV_WAIT / 2, "who knows the instance does not wait");
        let busy = Duration::from_millis(300);
        let waited = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(busy);
                std::fs::remove_file(&queue).expect("remove");
            });
            looked(Duration::from_millis(20))
        });
        assert!(waited >= busy, "{waited:?}");
    }

    #[test]
    fn metadata_can_name_a_further_directory() {
        let files = [
            ("var/lib/cloud/seed/nocloud/meta-data", "instance-id: first\nseedfrom: /more\n"),
            ("var/lib/cloud/seed/nocloud/user-data", "first"),
            ("more/meta-data", "instance-id: second\nlocal-hostname: more"),
            ("more/user-data", "second"),
        ];
        let found = found(&files);
        assert_eq!((found.instance_id.as_str(), found.local_hostname.as_deref()), ("first", Some("more")));
        assert_eq!(found.user_data, b"second");
    }

    #[test]
    fn a_disabled_datasource_is_none() {
        assert_eq!(seeded("dsmode: disabled").fetched(), Fetched::NoSource);
    }

    #[test]
    fn keys_come_in_many_forms() {
        for (text, expected) in [
            ("public-keys: \"A\\nB\\n\"", vec!["A", "B"]),
            ("public-keys: {one: A, two: [B, '']}", vec!["A", "B"]),
            ("public-keys:", vec![]),
            ("public-keys: 5", vec![]),
        ] {
            assert_eq!(seeded(text).found.expect("found").public_keys, expected, "{text}");
        }
    }
}
