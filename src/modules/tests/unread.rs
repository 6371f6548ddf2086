//! Values that were given and cannot be read: what would be done without them is not done.

use super::super::testing::{assert_problems, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;

/// Whether a step of this id is planned at first boot, and which problems end with `what`.
fn does(text: &str, step: &str, what: &str) -> (bool, usize) {
    let plan = first_boot(text);
    let told = problems(&plan).iter().filter(|problem| problem.starts_with("failed: ") && problem.ends_with(what)).count();
    (plan.steps.iter().any(|planned| planned.id == step), told)
}

#[test]
fn nothing_is_done_instead_of_what_cannot_be_read() {
    for (good, bad, step, what) in [
        (
            "write_files: [{path: /a, content: x}]",
            "write_files: [{path: /a, content: {x: y}}]",
            "write_files/a",
            "`content` of /a cannot be read: the file is not written",
        ),
        (
            "write_files: [{path: /a, append: yes}]",
            "write_files: [{path: /a, append: y}]",
            "write_files/a",
            "`append` of /a cannot be read: the file is not written",
        ),
        (
            "write_files: [{path: /a, source: {uri: /b}}]",
            "write_files: [{path: /a, source: /b}]",
            "write_files/a",
            "`source` of /a cannot be read: the file is not written",
        ),
        (
            "write_files: [{path: /a, encoding: b64}]",
            "write_files: [{path: /a, encoding: [b64]}]",
            "write_files/a",
            "`encoding` of /a cannot be read: the file is not written",
        ),
        (
            "power_state: {mode: reboot, delay: 5}",
            "power_state: {mode: reboot, delay: soon}",
            "power_state_change",
            "`power_state.delay` cannot be read: the host stays on",
        ),
        (
            "power_state: {mode: reboot, condition: true}",
            "power_state: {mode: reboot, condition: {a: b}}",
            "power_state_change",
            "`power_state.condition` cannot be read: the host stays on",
        ),
        ("ssh_deletekeys: true", "ssh_deletekeys: keep", "ssh/delete-host-keys", "`ssh_deletekeys` cannot be read: the host keys are kept"),
        ("locale: de_DE.UTF-8", "locale: [de_DE.UTF-8]", "locale", "`locale` cannot be read: the locale is left as it is"),
        (
            "{hostname: a, preserve_hostname: false}",
            "{hostname: a, preserve_hostname: maybe}",
            "set_hostname",
            "`preserve_hostname` cannot be read: the name is left as it is",
        ),
        ("ntp: {servers: []}", "ntp: {servers: ['a b']}", "ntp", "`ntp.servers` cannot be read: the time is left as it is"),
        (
            "power_state: {mode: reboot, timeout: 5}",
            "power_state: {mode: reboot, timeout: x}",
            "power_state_change",
            "`power_state.timeout` cannot be read: the host stays on",
        ),
        (
            "swap: {size: 2G, filename: /swapfile}",
            "swap: {size: 2G, filename: swapfile}",
            "mounts/swap",
            "`swap.filename` cannot be read: no swap file is made",
        ),
        (
            "salt_minion: {conf: {a: b}}",
            "salt_minion: {conf: x}",
            "salt_minion/restart",
            "`salt_minion.conf` cannot be read: the minion is left alone",
        ),
        (
            "mcollective: {conf: {a: b}}",
            "mcollective: {conf: x}",
            "mcollective/restart",
            "`mcollective.conf` cannot be read: its server is left alone",
        ),
        ("puppet: {conf: {main: {a: b}}}", "puppet: {conf: x}", "puppet/start", "`puppet.conf` cannot be read: the agent is left alone"),
        (
            "chef: {server_url: 'http://x', validation_name: y, directories: /d}",
            "chef: {server_url: 'http://x', validation_name: y, directories: d}",
            "chef/client.rb",
            "`chef.directories` cannot be read: the client is left alone",
        ),
        (
            "grub_dpkg: {enabled: true, grub-pc/install_devices: /dev/vda}",
            "grub_dpkg: {enabled: true, grub-pc/install_devices: [/dev/vda]}",
            "grub_dpkg",
            "`grub_dpkg.grub-pc/install_devices` cannot be read: GRUB's packages are told nothing",
        ),
        (
            "keyboard: {layout: de, variant: nodeadkeys}",
            "keyboard: {layout: de, variant: [nodeadkeys]}",
            "keyboard",
            "`keyboard.variant` cannot be read: the keyboard is left as it is",
        ),
        (
            "rsyslog: {configs: [a], config_dir: /etc/x}",
            "rsyslog: {configs: [a], config_dir: x}",
            "rsyslog/etc/x/20-cloud-config.conf",
            "`rsyslog.config_dir` cannot be read: nothing of it is done",
        ),
        ("ntp: {pools: [a]}", "ntp: {pools: a}", "ntp", "`ntp.pools` cannot be read: the time is left as it is"),
    ] {
        assert_eq!(does(good, step, what), (true, 0), "{good}");
        assert_eq!(does(bad, step, what), (false, 1), "{bad}: {:?}", problems(&first_boot(bad)));
    }
}

#[test]
fn no_password_expires_by_a_word_that_is_not_understood() {
    let expires = |word: &str| {
        let plan = first_boot(&format!("chpasswd: {{expire: {word}, users: [{{name: root, password: a, type: text}}]}}"));
        let step = plan.steps.iter().find(|step| step.id == "set_passwords/root").expect("a password");
        (step.operation.describe().contains("expire") || step.operation.describe().contains("change"), problems(&plan))
    };
    assert!(expires("true").0);
    let (expires, told) = expires("never");
    assert!(!expires, "{told:?}");
    assert!(told.iter().any(|problem| problem.ends_with("`chpasswd.expire` cannot be read: no password expires")), "{told:?}");
}

#[test]
fn a_mapping_as_content_is_told_how_text_is_written() {
    let told = problems(&first_boot("write_files: [{path: /a, content: {x: y}}]"));
    let expected = "failed: write_files[0].content must be a string, not a mapping (write `|` behind the key, and the text indented on the lines below)";
    assert_eq!(told[0], expected);
}

#[test]
fn what_base64_does_not_have_is_dropped() {
    let plan = first_boot("write_files: [{path: /a, encoding: b64, content: 'aGVs...bG8='}]");
    assert_eq!(written(&plan, "write_files/a"), "hello");
    let expected =
        "degraded: the content of /a has characters that base64 does not have: they are dropped (give the whole content as base64)";
    assert_problems(&plan, &[expected]);
}

#[test]
fn what_phone_home_does_not_know_is_sent_as_not_there() {
    let plan = first_boot("phone_home: {url: 'http://x/', post: [pub_key_dsa, hostname]}");
    let told = problems(&plan);
    assert!(
        told[0].starts_with(
            "degraded: phone_home.post: there is no `pub_key_dsa` to send: `N/A` is sent for it (did you mean `pub_key_rsa`?)"
        ),
        "{told:?}"
    );
    let form = plan.steps.iter().find_map(|step| match &step.operation {
        crate::plan::operation::Operation::PhoneHome { form, .. } => Some(form.iter().map(|field| field.name.as_str()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(form, Some(vec!["pub_key_dsa", "hostname"]));
}

#[test]
fn one_architecture_is_a_list_of_one_and_a_whole_name_ends_with_a_dot() {
    let text = "apt: {preserve_sources_list: false, primary: [{arches: amd64, uri: 'http://here/debian'}]}\nfqdn: web.example.org.\n";
    let facts = Facts { arch: "amd64".into(), ..debian() };
    let plan = planned(text, &facts, &[], Way::FirstBoot);
    assert_problems(&plan, &[]);
    assert!(written(&plan, "apt_configure/sources").contains("URIs: http://here/debian\n"));
    assert!(steps(&plan).iter().any(|step| step.starts_with("set_hostname: ") && step.ends_with("web")), "{:?}", steps(&plan));
}
