//! Reading: places, forms, what is kept beside what cannot be read. What the keys then do is tested with the modules.

use super::reader::nearest;
use super::*;
use crate::config::problem::{Problem, Severity};
use crate::plan::operation::NewPassword;

fn read(text: &str) -> (CloudConfig, Report) {
    let document = crate::yaml::parse("user-data", text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let mut report = Report::new();
    let config = CloudConfig::read(&document, &mut report).expect("a mapping");
    (config, report)
}

fn problems(text: &str) -> Vec<Problem> {
    read(text).1.problems
}

#[test]
fn problems_have_the_place_of_what_is_wrong() {
    for (text, place) in [
        ("packages: [a]\npakages: [b]\n", "user-data:2:1"),
        ("users:\n  - name: a\n    shel: /bin/sh\n", "user-data:3:5"),
        ("users:\n  - name: a\n    uid: x\n", "user-data:3:10"),
        ("users:\n  - name: a\n  - 5\n", "user-data:3:5"),
        ("write_files:\n  - content: x\n", "user-data:2:5"),
        ("runcmd:\n  - echo a\n  - echo b: c\n", "user-data:3:5"),
        ("chpasswd:\n  list: |\n    nocolon\n", "user-data:3:5"),
        ("landfall:\n  phases:\n    - name: a\n      needs: [b]\n", "user-data:4:15"),
        ("landfall:\n  phases:\n    - name: a\n      run: [runcmd]\n", "user-data:4:13"),
        ("landfall:\n  retry:\n    delay: soon\n", "user-data:3:12"),
        ("landfall:\n  retry:\n    delay: 9s\n    max_delay: 3s\n", "user-data:4:5"),
        ("landfall:\n  accept_exit: [0,\n    300]\n", "user-data:3:5"),
        ("landfall:\n  breaker:\n    failures: 0\n", "user-data:3:15"),
        ("landfall:\n  timeouts:\n    silence: x\n", "user-data:3:14"),
        ("landfall:\n  phases:\n    - name: a\n      silence: 0\n", "user-data:4:16"),
        ("landfall:\n  phases:\n    - name: a\n      on_failure: b\n", "user-data:4:19"),
        ("landfall:\n  phases:\n    - name: a\n      on_failure: a\n", "user-data:4:19"),
        ("landfall:\n  phases:\n    - name: a\n      when: {outcome: {b: done}}\n", "user-data:4:24"),
        ("apt:\n  sources:\n    x:\n      sauce: y\n", "user-data:4:7"),
        ("packages:\n  - {dnf: [x]}\n", "user-data:2:6"),
    ] {
        let found = problems(text);
        let places: Vec<String> = found
            .iter()
            .filter(|problem| problem.severity > Severity::Note)
            .map(|problem| problem.origin.as_ref().expect("a place").to_string())
            .collect();
        assert_eq!(places, [place], "{text}: {found:?}");
    }
}

#[test]
fn a_condition_that_cannot_be_read_is_located_and_its_phase_is_left_out() {
    for (condition, place) in [
        ("when: {arch: amd46}", "user-data:4:20"),
        ("when: {memroy: '> 1G'}", "user-data:4:14"),
        ("when: {memory: 1G}", "user-data:4:22"),
        ("when: {virtualization: [kvm, lxd]}", "user-data:4:36"),
        ("when: {outcome: {b: finished}}", "user-data:4:27"),
        ("creates: x", "user-data:4:16"),
    ] {
        let (config, report) = read(&format!("landfall:\n  phases:\n    - name: a\n      {condition}\n    - name: b\n"));
        let places: Vec<String> = report.problems.iter().map(|problem| problem.origin.as_ref().expect("a place").to_string()).collect();
        assert_eq!(places, [place, "user-data:4:7"], "{condition}: {:?}", report.problems);
        assert!(config.phases.len() == 1 && config.phases[0].head.name.0 == "b", "{condition}");
    }
}

#[test]
fn yaml_1_1_surprises_reach_the_user_as_meant() {
    let (config, report) = read(
        "users:\n- {name: a, expiredate: 2032-09-01, inactive: 30}\npassword: 0123\nhostname: 12\nruncmd: [yes, 1.10]\n\
         write_files: [{path: /a, permissions: 0644}]\npackages: [[x, 1.10]]\nmanage_etc_hosts: on\n",
    );
    let user = &config.keys.users.as_ref().expect("users").0[0];
    assert_eq!(user.expiredate.as_ref().map(|text| text.0.as_str()), Some("2032-09-01"));
    assert_eq!(user.inactive.as_ref().map(|text| text.0.as_str()), Some("30"));
    let password = config.keys.password.as_ref().map(|password| &password.password);
    assert!(matches!(password, Some(NewPassword::Plain(text)) if text.expose() == "0123"));
    assert_eq!(config.keys.hostname.as_ref().map(|name| name.0.as_str()), Some("12"));
    let items: Vec<&str> = config.keys.runcmd.items.iter().map(|item| item.text.expose().as_str()).collect();
    assert_eq!(items, ["yes", "1.10"]);
    assert_eq!(config.keys.write_files[0].permissions.map(|mode| mode.0), Some(0o644));
    assert_eq!(config.keys.packages.0[0].spec, "x=1.10");
    assert!(report.problems.iter().all(|problem| problem.severity != Severity::Error), "{:?}", report.problems);
    assert!(!format!("{:?}", report.problems).contains("0123"));
}

#[test]
fn secrets_are_in_no_message() {
    for text in [
        "users: [{name: a, passwd: [geheim]}]",
        "users: ['bob:geheim']",
        "users: [{name: a, plain_text_passwd: {geheim: geheim}}]",
        "password: [geheim]",
        "chpasswd: {list: [geheim]}",
        "chpasswd: {users: [{name: a, password: [geheim], type: text}]}",
        "chpasswd: geheim",
        "ssh_keys: {rsa_private: [geheim]}",
        "ssh_authorized_keys: [geheim]",
        "apt: {proxy: 'http://u:geheim@x;'}",
        "apt: {sources: {x: {key: [geheim]}}}",
        "write_files: [{path: /a, content: [geheim]}]",
        "write_files: [{path: /a, source: {uri: x, headers: [geheim]}}]",
        "ca_certs: {trusted: [geheim]}",
        "chef: {server_url: x, validation_name: y, validation_key: \"-----BEGIN RSA PRIVATE KEY-----\\ngeheim\\n\"}",
        "users: [{name: a, homedir: \"-----BEGIN RSA PRIVATE KEY-----\\ngeheim\\n\"}]",
        "timezone: \"a\\ngeheim\"",
        "\"-----BEGIN OPENSSH PRIVATE KEY-----\\ngeheim\": x",
        "ssh_keys: {rsa_private: geheim}",
    ] {
        let found = problems(text);
        assert!(!found.is_empty(), "{text}");
        assert!(!format!("{found:?}").contains("geheim"), "{text}: {found:?}");
    }
}

#[test]
fn deprecated_spellings_are_taken_and_noted() {
    let text =
        "apt_update: true\nca-certs: {remove-defaults: true}\nusers: [{name: a, lock-passwd: false, ssh-authorized-keys: [ssh-rsa AAAAB3NzaC1yc2E=]}]\n";
    let (config, report) = read(text);
    assert!(config.keys.package_update && config.keys.ca_certs.as_ref().is_some_and(|certs| certs.remove_defaults));
    let user = &config.keys.users.as_ref().expect("users").0[0];
    assert_eq!((user.lock_passwd, user.ssh_authorized_keys.as_ref().map(|keys| keys.0.len())), (Some(false), Some(1)));
    assert_eq!((report.problems.len(), report.count(Severity::Note)), (5, 5), "{:?}", report.problems);
}

#[test]
fn of_two_spellings_the_one_that_counts_for_nothing_is_told_with_both_places() {
    let idle = |text: &str| -> Vec<String> {
        problems(text).iter().filter(|problem| problem.severity > Severity::Note).map(Problem::sentence).collect()
    };
    for (text, expected) in [
        (
            "package_update: false\napt_update: true\n",
            "user-data:1:1: `package_update` counts for nothing: `apt_update` at user-data:2:1 holds",
        ),
        (
            "apt_update: false\npackage_update: true\n",
            "user-data:1:1: `apt_update` counts for nothing: `package_update` at user-data:2:1 holds",
        ),
        (
            "ca-certs: {trusted: []}\nca_certs: {remove_defaults: true}\n",
            "user-data:1:1: `ca-certs` counts for nothing: `ca_certs` at user-data:2:1 holds",
        ),
        (
            "ubuntu_pro: {token: a}\nubuntu_advantage: {token: b}\n",
            "user-data:2:1: `ubuntu_advantage` counts for nothing: `ubuntu_pro` at user-data:1:1 holds",
        ),
        (
            "grub_dpkg: {enabled: true}\ngrub-dpkg: {enabled: false}\n",
            "user-data:2:1: `grub-dpkg` counts for nothing: `grub_dpkg` at user-data:1:1 holds",
        ),
        (
            "users:\n- {name: a, lock_passwd: true, lock-passwd: false}\n",
            "user-data:2:13: `lock_passwd` counts for nothing: `lock-passwd` at user-data:2:32 holds",
        ),
    ] {
        assert_eq!(idle(text), [format!("{expected} (keep one of them)")], "{text}");
    }
    assert_eq!(idle("package_update: true\napt_update: true\n"), [""; 0], "both say the same");
    assert!(read("package_upgrade: false\napt_upgrade: yes\n").0.keys.package_upgrade, "any yes holds");
    let users = read("users: [{name: a, lock-passwd: true, lock_passwd: false}]").0.keys.users.expect("users");
    assert_eq!(users.0[0].lock_passwd, Some(false), "of a user's the last one holds");
}

#[test]
fn numbered_entries_come_in_the_order_of_their_numbers() {
    let config = read("snap: {commands: {10: snap c, 1: snap a, 2: snap b, x: snap d}}").0;
    let commands = &config.keys.snap.as_ref().expect("snap").commands.0.items;
    let texts: Vec<&str> = commands.iter().map(|item| item.text.expose().as_str()).collect();
    assert_eq!(texts, ["snap a", "snap b", "snap c", "snap d"]);
    let config = read("apt: {debconf_selections: {10: c, 2: b, x: d}}").0;
    let selections = &config.keys.apt.as_ref().expect("apt").debconf_selections.0;
    assert_eq!(selections.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["2", "10", "x"]);
}

#[test]
fn an_empty_document_is_a_configuration_and_a_list_is_none() {
    for text in ["", "{}", "null", "# nothing\n"] {
        assert!(read(text).1.problems.is_empty(), "{text}");
    }
    let document = crate::yaml::parse("user-data", "[a]").expect("YAML");
    let mut report = Report::new();
    assert!(CloudConfig::read(&document, &mut report).is_none());
    assert_eq!(report.problems[0].message, "the document must be a mapping, not a list");
}

#[test]
fn keys_without_a_value_count_as_left_out() {
    let (config, report) = read("hostname:\npackages: ~\nusers:\nlandfall:\n");
    assert!(config.keys.given.is_empty() && config.keys.hostname.is_none(), "{:?}", config.keys.given);
    // But for these: no users is another thing than no word about users.
    assert!(config.keys.users.is_some_and(|users| users.0.is_empty()));
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn lengths_of_time_are_read() {
    use super::landfall::Duration;
    let seconds = |text: &str| {
        let node = crate::yaml::parse("p", text).expect("YAML");
        Duration::from_node(&node, &mut Reader::new(&mut Report::new())).map(|duration| duration.seconds)
    };
    for (text, expected) in [
        ("90s", Some(90)),
        ("10m", Some(600)),
        ("1h30m", Some(5400)),
        ("2d", Some(172_800)),
        ("45", Some(45)),
        ("'45'", Some(45)),
        ("0", None),
        ("soon", None),
        ("5w", None),
        ("''", None),
        ("m", None),
        ("99999999999999999999d", None),
        ("-5", None),
    ] {
        assert_eq!(seconds(text), expected, "{text}");
    }
}

#[test]
fn the_nearest_word_is_suggested_only_if_it_is_near() {
    let known = ["packages", "package_update", "runcmd"];
    for (word, expected) in
        [("pakages", Some("packages")), ("run_cmd", Some("runcmd")), ("Packages", Some("packages")), ("wibble", None), ("", None)]
    {
        assert_eq!(nearest(word, &known), expected, "{word}");
    }
}

#[test]
fn no_key_is_known_twice() {
    let mut all: Vec<&str> = Keys::KEYS.iter().chain(Keys::LATER).chain(&keys::CONSUMED).copied().collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    let phase = landfall::PhaseHead::KEYS.iter().chain(landfall::PhaseHead::LATER);
    assert!(phase.clone().all(|key| !all.contains(key)), "a key of phases must not be a cloud-config key");
}

#[test]
fn every_key_of_modules_is_read() {
    let modules = crate::modules::MODULES.iter().chain(crate::modules::CLOSING);
    for key in modules.flat_map(|module| module.keys) {
        assert!(Keys::KEYS.contains(key), "{key}");
    }
}

#[test]
fn who_is_told_of_the_end_is_read_with_the_key_on_as_it_is_written() {
    use crate::plan::notify::Occasion;
    let text = "landfall: {notify: [{url: 'https://bob:pw-1234@x.org/hook/t0ken-path', on: [failure, success]}, {command: [logger]}]}";
    let mut report = Report::new();
    let config = CloudConfig::read(&crate::yaml::parse("x", text).expect("YAML"), &mut report).expect("a mapping");
    assert!(report.problems.is_empty(), "{report:?}");
    assert_eq!(config.notify[0].on, [Occasion::Failure, Occasion::Success]);
    assert_eq!((config.notify[0].name().as_str(), config.notify[1].name().as_str()), ("https://x.org", "logger"));
    assert_eq!(config.notify[1].on, [Occasion::Always]);
    let secrets: Vec<&str> = config.secrets.iter().map(|secret| secret.expose().as_str()).collect();
    assert!(secrets.contains(&"pw-1234") && secrets.contains(&"hook/t0ken-path"), "{secrets:?}");
}

#[test]
fn a_password_that_is_a_name_too_is_not_searched_for() {
    let text = "chpasswd: {list: ['bob:bob', 'eve:geheim'], users: [{name: zed, password: zed, type: text}]}\npackages: [nginx]\n\
        users: [{name: amy, plain_text_passwd: nginx, hashed_passwd: amy}]\npassword: ubuntu\n";
    let config = CloudConfig::read(&crate::yaml::parse("x", text).expect("YAML"), &mut Report::new()).expect("a mapping");
    let secrets: Vec<&str> = config.secrets.iter().map(|secret| secret.expose().as_str()).collect();
    assert_eq!(secrets.iter().filter(|secret| !secret.contains(':')).collect::<Vec<_>>(), [&"geheim"], "{secrets:?}");
}

#[test]
fn webhooks_of_the_peer_are_told_and_its_logs_need_nobody() {
    use crate::plan::notify::Message;
    let text = "reporting: {logging: {type: log, level: DEBUG}, a: {type: webhook, endpoint: 'http://x.org/hook', timeout: 5, retries: 3}}";
    let mut report = Report::new();
    let document = crate::yaml::parse("x", text).expect("YAML");
    let config = CloudConfig::read(&document, &mut report).expect("a mapping");
    assert!(!report.has_errors() && config.notify.len() == 1, "{report:?}");
    assert!(matches!(&config.notify[0].target, crate::plan::notify::Target::Url { message: Message::Peers, .. }));
    assert!(CloudConfig::read_section(&document, &mut report).expect("a mapping").notify.is_empty(), "cloud-init tells them itself");
}
