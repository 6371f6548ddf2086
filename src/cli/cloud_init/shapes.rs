//! Where cloud-init 25.1's schema refuses a shape that its modules, and landfall, can read: `cloud-init schema` ends with 1 there. It has
//! what `landfall validate` has no problem with; anything else that is wrong is known already.

use crate::config::node::{Node, Value};
use crate::config::problem::Report;

/// A rule and the places it is for. `*` is any item or entry. Kinds: `s`tring, `i`nteger, `f`loat, `b`oolean, `l`ist, `m`apping, `n`othing;
/// `+` where it may not be empty, `u` where no item may stand twice, `=` before the strings there may be, `?` before a key that has to be
/// there, `!` for a key that only landfall and the modules know, `<` before the only keys there are, `~` before how an amount or a pair ends,
/// `2` where a list has two items.
const SHAPES: &str = "
l+ bootcmd runcmd packages write_files mounts mounts.* ssh_authorized_keys ssh_genkeytypes apt.primary apt.security apt.primary.*.arches \
  apt.security.*.arches apt.primary.*.search apt.security.*.search ca_certs.trusted users.*.ssh_authorized_keys users.*.ssh-authorized-keys \
  users.*.ssh_import_id users.*.ssh-import-id users.*.doas wireguard.interfaces
lu+ apt.disable_suites chef.directories
lu ntp.pools ntp.servers ntp.peers ntp.allow ntp.config.packages ssh_key_console_blacklist ssh_fp_console_blacklist rsyslog.packages
l ssh_import_id chpasswd.users rsyslog.configs random_seed.command growpart.devices puppet.exec_args  rh_subscription.add-pool \
  rh_subscription.enable-repo rh_subscription.disable-repo fs_setup
m+ apt apt.debconf_selections apt.sources.* ca_certs ntp.config chef lxd apk_repos yum_repos
ml+ snap snap.commands snap.assertions
ls+ chpasswd.list merge_how
m ansible ansible.pull chef.initial_attributes puppet puppet.conf rsyslog power_state phone_home chpasswd resolv_conf.options autoinstall salt_minion swap
mn ntp wireguard apk_repos.alpine_repo
slm packages.* users groups groups.*
sln runcmd.*
sl bootcmd.* packages.*.*
2 packages.*
sbl power_state.condition
si users.*.uid
sb ssh_pwauth locale
s bootcmd.*.* runcmd.*.* mounts.*.* write_files.*.path write_files.*.content write_files.*.owner write_files.*.permissions \
  write_files.*.encoding hostname fqdn timezone final_message keyboard.layout keyboard.model keyboard.variant keyboard.options \
  users.*.name users.*.gecos users.*.homedir users.*.shell users.*.passwd users.*.primary_group users.*.expiredate users.*.inactive \
  users.*.hashed_passwd users.*.plain_text_passwd users.*.selinux_user password random_seed.file random_seed.data apt.conf apt.sources_list \
  apt.proxy apt.http_proxy apt.https_proxy apt.ftp_proxy apt.sources.*.source apt.sources.*.key apt.sources.*.keyid chef.json_attribs \
  chpasswd.users.*.name chpasswd.users.*.password yum_repo_dir snap.commands.*.* snap.assertions.* drivers.nvidia.version \
  fs_setup.*.partition apk_repos.local_repo_base_url apk_repos.alpine_repo.version rh_subscription.add-pool.* rsyslog.config_dir rsyslog.config_filename
b package_update package_upgrade package_reboot_if_required preserve_hostname prefer_fqdn_over_hostname disable_root ssh_deletekeys \
  disable_ec2_metadata chpasswd.expire users.*.lock_passwd users.*.system users.*.no_create_home users.*.ssh_redirect_user \
  write_files.*.append write_files.*.defer chef.show_time apk_repos.preserve_repositories ssh.emit_keys_to_console
i autoinstall.version
=auto|growpart|gpart|off growpart.mode
=auto|any|none fs_setup.*.partition
=os|none|unchanged apt_pipelining
=ecdsa|ed25519|rsa ssh_genkeytypes.*
=gz|gzip|gz+base64|gzip+base64|gz+b64|gzip+b64|b64|base64|text/plain write_files.*.encoding
=RANDOM|hash|text chpasswd.users.*.type
=mbr|gpt disk_setup.*.table_type
=distro|pip ansible.install_method
=poweroff|reboot|halt power_state.mode
=raw|base64|b64|gzip|gz random_seed.encoding
=enable-system|enable-user|disable-system|disable-user|enable|disable|user|system byobu_by_default
=packages|gems|omnibus chef.install_type
=packages|aio puppet.install_type
=accept|accept-silent|accept-no-persist chef.chef_license
=zfs|dir|lvm|btrfs lxd.init.storage_backend
=all phone_home.post
=pub_key_rsa|pub_key_ecdsa|pub_key_ed25519|instance_id|hostname|fqdn phone_home.post.*
~ power_state.delay
~: chpasswd.list.*
~BKMGT swap.size swap.maxsize
?arches apt.primary.* apt.security.*
?playbook_name ansible.pull
?emit_keys_to_console ssh
?version apk_repos.alpine_repo autoinstall
?baseurl|metalink|mirrorlist yum_repos.*
?license-accepted drivers.nvidia
?path write_files.*
<main|server|agent|user|ca_cert puppet.conf
<alpine_repo|local_repo_base_url|preserve_repositories apk_repos
<base_url|community_enabled|testing_enabled|version apk_repos.alpine_repo
<username|password|activation-key|org|auto-attach|service-level|add-pool|enable-repo|disable-repo|rhsm-baseurl|server-hostname|release_version rh_subscription
<server|proxy|activation_key spacewalk
<enable|enable_beta|token|features|config ubuntu_pro
! allow_userdata apt_custom_sources_list apt_ftp_proxy apt_http_proxy apt_https_proxy apt_mirror apt_mirror_search apt_mirror_search_dns \
  apt_preserve_sources_list apt_proxy apt_sources conf_d datasource datasource_list def_log_file disable_network_activation log_cfgs \
  manual_cache_clean network rsyslog_dir rsyslog_filename syslog_fix_perms ubuntu-advantage vendor_data2 warnings";

/// Tells of every place in a cloud-config where the shape is another.
pub fn check(document: &Node, report: &mut Report) {
    for line in SHAPES.lines() {
        let mut words = line.split_whitespace();
        let Some(rule) = words.next() else { continue };
        for place in words {
            let path: Vec<&str> = place.split('.').collect();
            visit(document, &path, &mut Vec::new(), rule, report);
            if let Some(own) = place.strip_prefix("users.*.") {
                visit(document, &["user", own], &mut Vec::new(), rule, report);
            }
        }
    }
}

fn visit(node: &Node, path: &[&str], way: &mut Vec<String>, rule: &str, report: &mut Report) {
    let Some((first, rest)) = path.split_first() else {
        if let Some(why) = broken(node, rule) {
            report.error("type", format!("{} {why}", way.join("."))).at(&node.origin);
        }
        return;
    };
    let mut enter = |name: String, node: &Node| {
        way.push(name);
        visit(node, rest, way, rule, report);
        way.pop();
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter().filter(|entry| *first == "*" || entry.key.as_str() == Some(first)) {
                enter(entry.key.source_text(), &entry.value);
            }
        }
        Value::Seq(items) if *first == "*" => items.iter().zip(0..).for_each(|(item, number)| enter(format!("{number}"), item)),
        _ => {}
    }
}

/// What is wrong with a value, never the value itself.
fn broken(node: &Node, rule: &str) -> Option<String> {
    let (kind, rest) = rule.split_at(1);
    match kind {
        "!" => Some("is no key of user-data under cloud-init 25.1".to_owned()),
        "?" => {
            let has_one = rest.split('|').any(|one| node.get(one).is_some());
            node.as_map().filter(|_| !has_one).map(|_| format!("has no `{rest}`"))
        }
        "2" => node.as_seq().filter(|items| items.len() < 2).map(|_| "has fewer than two items".to_owned()),
        "=" => {
            node.as_str().filter(|text| !rest.split('|').any(|one| one == *text)).map(|_| format!("is none of {}", rest.replace('|', ", ")))
        }
        "~" => {
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let fits = |text: &str| match rest {
                ":" => text.contains(':'),
                "" => text == "now" || is_digits(text.strip_prefix('+').unwrap_or(text)),
                units => {
                    text == "auto"
                        || text
                            .strip_suffix(|unit| units.contains(unit))
                            .is_some_and(|text| is_digits(&text.replacen('.', "", 1)) && !text.ends_with('.'))
                }
            };
            node.as_str().filter(|text| !fits(text)).map(|_| "is none that cloud-init 25.1 takes".to_owned())
        }
        "<" => {
            let is_known = |key: &Node| rest.split('|').any(|one| key.as_str() == Some(one));
            let unknown = node.entries().iter().find(|entry| !is_known(&entry.key))?;
            Some(format!("has a key that cloud-init 25.1 does not know: `{}`", unknown.key.source_text()))
        }
        _ => {
            let letter = match &node.value {
                Value::Null => 'n',
                Value::Bool(_) => 'b',
                Value::Int(_) | Value::BigInt(_) => 'i',
                Value::Float(_) => 'f',
                Value::Seq(_) => 'l',
                Value::Map(_) | Value::Set(_) => 'm',
                // As a loader that knows neither would give them.
                Value::Str(_) | Value::Bytes(_) | Value::Timestamp(_) => 's',
            };
            if !rule.contains(letter) {
                return Some(format!("is {} here", node.kind()));
            }
            let items = node.as_seq().unwrap_or_default();
            let twice =
                |(at, item): (usize, &Node)| item.as_str().is_some_and(|text| items[..at].iter().any(|one| one.as_str() == Some(text)));
            if rule.contains('+') && letter != 's' && items.is_empty() && node.entries().is_empty() {
                return Some("is empty".to_owned());
            }
            (rule.contains('u') && items.iter().enumerate().any(twice)).then(|| "has an item twice".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut report = Report::new();
        check(&crate::yaml::parse("user-data", text).expect("yaml"), &mut report);
        report.problems.iter().map(|problem| problem.message.clone()).collect()
    }

    #[test]
    fn shapes_that_the_schema_refuses_are_found() {
        for (text, message) in [
            ("packages: []", "packages is empty"),
            ("apt: {}", "apt is empty"),
            ("apt: {primary: [{uri: http://x}]}", "apt.primary.0 has no `arches`"),
            ("apt: {disable_suites: [a, a]}", "apt.disable_suites has an item twice"),
            ("write_files: [{path: /x, permissions: 0644}]", "write_files.0.permissions is an integer here"),
            ("write_files: [{path: /x, encoding: g}]", "write_files.0.encoding is none of"),
            ("user: {ssh_import_id: none}", "user.ssh_import_id is a string here"),
            ("users: [a, {name: b, ssh_authorized_keys: []}]", "users.1.ssh_authorized_keys is empty"),
            ("runcmd: [[ls, 1]]", "runcmd.0.1 is an integer here"),
            ("apt_pipelining: bogus", "apt_pipelining is none of"),
            ("power_state: {mode: halt, delay: ++5}", "power_state.delay is none that"),
            ("swap: {size: 1.5MB}", "swap.size is none that"),
            ("apt_proxy: http://x", "apt_proxy is no key"),
            ("packages: [[a]]", "packages.0 has fewer"),
        ] {
            let found = found(text);
            assert!(found.len() == 1 && found[0].starts_with(message), "{text}: {found:?}");
        }
    }

    #[test]
    fn shapes_that_the_schema_takes_are_not() {
        for text in [
            "runcmd: [ls, [ls, -l], null]",
            "packages: [a, [b, '1'], {snap: [c, [d, --edge]]}]",
            "users: [default, {name: b, groups: [x], uid: 5, sudo: null}]",
            "power_state: {mode: halt, delay: +5, condition: true}",
            "power_state: {mode: halt, delay: now}",
            "swap: {size: 1.5G, maxsize: 500M}",
            "apt: {primary: [{arches: [default], uri: http://x}]}",
            "yum_repos: {a: {metalink: x}}",
            "ntp: null",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
