//! What is said of a key that is not known where it stands: what was meant, or where it belongs.

use super::keys::Keys;
use super::reader::nearest;
use super::shape::Shape;
use crate::config::problem::{looks_secret, Problem, Severity};

/// A key by which a mapping is told from others, a key that is often written there, and what to write instead.
const MEANT: [(&str, &str, &str); 22] = [
    ("homedir", "home", "use `homedir`"),
    ("homedir", "create_home", "a home is made without being asked for; `no_create_home: true` makes none"),
    ("homedir", "gid", "use `primary_group`"),
    ("homedir", "password", "use `plain_text_passwd`, or `hashed_passwd` for its hash"),
    ("homedir", "ssh_keys", "use `ssh_authorized_keys`"),
    ("homedir", "comment", "use `gecos`"),
    ("permissions", "mode", "use `permissions`"),
    ("permissions", "chmod", "use `permissions`"),
    ("permissions", "text", "use `content`"),
    ("permissions", "filename", "use `path`"),
    ("runcmd", "instance-id", IN_META_DATA),
    ("runcmd", "instance_id", IN_META_DATA),
    ("runcmd", "local-hostname", "it belongs in the file `meta-data`; here it is `hostname`"),
    ("runcmd", "local_hostname", "it belongs in the file `meta-data`; here it is `hostname`"),
    ("runcmd", "network-config", IN_NETWORK_CONFIG),
    ("runcmd", "network_config", IN_NETWORK_CONFIG),
    ("runcmd", "repo_update", "use `package_update`"),
    ("runcmd", "repo_upgrade", "use `package_upgrade`"),
    ("runcmd", "update", "use `package_update`"),
    ("runcmd", "upgrade", "use `package_upgrade`"),
    ("runcmd", "tz", "use `timezone`"),
    ("runcmd", "power_state_change", "use `power_state`"),
];

const IN_META_DATA: &str = "it belongs in the file `meta-data`";
const IN_NETWORK_CONFIG: &str = "the network is configured by a file `network-config` of its own, or by the provider";
const IN_THE_SYSTEM: &str = "it belongs in a file of the image's `/etc/cloud/cloud.cfg.d`";

/// Top-level keys of the system's configuration that count for nothing in user-data, and where they belong.
const OF_THE_SYSTEM: [(&str, &str); 3] =
    [("network", IN_NETWORK_CONFIG), ("datasource", IN_THE_SYSTEM), ("datasource_list", IN_THE_SYSTEM)];

/// Where the peer writes its own logs: nothing of the host hangs on these.
const OF_THE_PEERS_LOGS: [&str; 4] = ["output", "log_cfgs", "def_log_file", "syslog_fix_perms"];

/// What is said of `key`, which is known and not done, at `place` among keys that are: how much it weighs, what, and what to do.
pub fn of_one_not_done(key: &str, place: &str, known: &[&str]) -> (Severity, String, Option<&'static str>) {
    let at_top = known.contains(&"runcmd");
    if let Some((_, help)) = OF_THE_SYSTEM.iter().find(|(of_system, _)| *of_system == key && at_top) {
        return (Severity::Warning, format!("`{key}`{place} is never read from user-data: it is ignored"), Some(help));
    }
    if place.is_empty() && OF_THE_PEERS_LOGS.contains(&key) {
        let message = format!("`{key}` is about the logs of cloud-init itself: it is not used");
        return (Severity::Note, message, Some("see `landfall logs` for what commands print"));
    }
    (Severity::Warning, format!("`{key}`{place} is not supported yet: it is ignored"), None)
}

/// What to do about `key`, which stands among those of a mapping that has these.
fn advice(key: &str, known: &[&str]) -> Option<String> {
    if let Some((.., help)) = MEANT.iter().find(|(of, often, _)| *often == key && known.contains(of)) {
        return Some((*help).to_owned());
    }
    let at_top = known.contains(&"runcmd");
    let is_hyphened = |known: &&&str| known.replace('_', "-") == key.replace('_', "-");
    if let Some(same) = known.iter().find(is_hyphened) {
        return Some(format!("did you mean `{same}`?"));
    }
    if !at_top && Keys::KEYS.contains(&key) && key != "version" {
        return Some(format!("`{key}` is a top-level key: begin its line in the first column"));
    }
    if let Some(near) = nearest(key, known) {
        return Some(format!("did you mean `{near}`?"));
    }
    let mut others = Keys::RECORD.fields().filter(|field| at_top && !ALIKE.contains(&field.key) && has_key(&field.shape, key));
    match (others.next(), others.next()) {
        (Some(only), None) => Some(format!("`{key}` is a key of `{}`: write it below that", only.key)),
        _ => None,
    }
}

/// Says what to do about a problem with `key`, which is not known among these, and keeps its value out of sight where it may be a secret.
pub fn advise(problem: &mut Problem, key: &str, known: &[&str]) {
    problem.help = advice(key, known);
    problem.hides_value = may_hold_secret(key, problem.help.as_deref(), known);
}

/// Whether the value of `key`, which is not known among these, may be a secret: what the advice names tells it; where nothing does, it
/// may be if one of the keys beside it holds one.
fn may_hold_secret(key: &str, advice: Option<&str>, known: &[&str]) -> bool {
    let by_advice = match advice {
        Some(advice) => advice.split('`').skip(1).step_by(2).any(looks_secret),
        None => known.iter().any(|known| looks_secret(known)),
    };
    looks_secret(key) || by_advice
}

/// Keys whose mappings are those of others: `users` and `vendor_data`.
const ALIKE: [&str; 3] = ["user", "system_info", "vendor_data2"];

fn has_key(shape: &Shape, key: &str) -> bool {
    match shape {
        Shape::List(inner) | Shape::Map(inner) => has_key(inner, key),
        Shape::Either(shapes) => shapes.iter().any(|shape| has_key(shape, key)),
        Shape::Record(record) => record.fields().any(|field| field.key == key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::problem::Report;
    use crate::config::typed::CloudConfig;

    #[test]
    fn what_is_often_written_is_answered_with_what_is_meant() {
        for (text, expected) in [
            ("users: [{name: a, home: /srv}]", "use `homedir`"),
            ("users: [{name: a, ssh_pwauth: true}]", "`ssh_pwauth` is a top-level key: begin its line in the first column"),
            ("users: [{name: a, chpasswd: {}}]", "`chpasswd` is a top-level key: begin its line in the first column"),
            ("users: [{name: a, gid: 5}]", "use `primary_group`"),
            ("users: [{name: a, create_home: true}]", "a home is made without being asked for; `no_create_home: true` makes none"),
            ("users: [{name: a, password: geheim}]", "use `plain_text_passwd`, or `hashed_passwd` for its hash"),
            ("write_files: [{path: /a, chmod: '0600'}]", "use `permissions`"),
            ("write_files: [{path: /a, mode: '0600'}]", "use `permissions`"),
            ("apt: {package_update: true}", "`package_update` is a top-level key: begin its line in the first column"),
            ("instance-id: a", "it belongs in the file `meta-data`"),
            ("local-hostname: a", "it belongs in the file `meta-data`; here it is `hostname`"),
            ("repo_update: true", "use `package_update`"),
            ("upgrade: true", "use `package_upgrade`"),
            ("tz: UTC", "use `timezone`"),
            ("power_state_change: {}", "use `power_state`"),
            ("power-state: {mode: reboot}", "did you mean `power_state`?"),
            ("write-files: []", "did you mean `write_files`?"),
            ("apt: {preserve-sources-list: true}", "did you mean `preserve_sources_list`?"),
            ("launch_index: 1", "did you mean `launch-index`?"),
            ("plain_text_passwd: geheim", "`plain_text_passwd` is a key of `users`: write it below that"),
            ("datasource: {}", "it belongs in a file of the image's `/etc/cloud/cloud.cfg.d`"),
            ("network: {version: 2}", "the network is configured by a file `network-config` of its own, or by the provider"),
        ] {
            let mut report = Report::new();
            let document = crate::yaml::parse("user-data", text).expect("YAML");
            let _ = CloudConfig::read(&document, &mut report);
            let helps: Vec<&str> = report.problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
            assert_eq!(helps, [expected], "{text}: {:?}", report.problems);
            assert!(!format!("{:?}", report.problems).contains("geheim"), "{text}");
        }
    }

    #[test]
    fn the_value_of_an_unknown_key_is_hidden_where_it_may_be_a_secret() {
        for (text, hidden) in [
            ("users: [{name: a, plain_text_paswd: S}]", true),
            ("users: [{name: a, homdir: /srv}]", false),
            ("users: [{name: a, wibble: S}]", true),
            ("write_files: [{path: /a, text: S}]", true),
            ("ssh_keys: {wibble: S}", true),
            ("ntp: {wibble: x}", false),
            ("pakages: [x]", false),
            ("landfall: {phases: [{name: a, pakages: [x]}]}", false),
            ("landfall: {phases: [{name: a, wibble: S}]}", true),
        ] {
            let mut report = Report::new();
            let document = crate::yaml::parse("user-data", text).expect("YAML");
            let _ = CloudConfig::read(&document, &mut report);
            assert_eq!(report.problems.iter().any(|problem| problem.hides_value), hidden, "{text}: {:?}", report.problems);
        }
    }
}
