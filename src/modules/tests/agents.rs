//! `puppet`, `chef`, `salt_minion`, `mcollective`, `ansible`: agents that go on from here.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{Edit, Operation};
use crate::plan::Plan;

fn with(programs: &[&str], text: &str) -> Plan {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], Way::Applied)
}

/// Settings that the step `id` makes, with their values.
fn set(plan: &Plan, id: &str) -> Vec<String> {
    let step = plan.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no {id} in {:#?}", steps(plan)));
    match &step.operation {
        Operation::EditFile { change: Edit::SetIni { entries }, .. } => {
            entries.iter().map(|entry| format!("{}={}", entry.name(), entry.value.expose())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn puppet_is_installed_configured_run_and_started() {
    let plan = applied(
        "hostname: web.example.org\npuppet:\n  conf:\n    agent: {server: puppet.example.org, certname: '%i.%f', report: yes, runinterval: 1800}\n    ca_cert: |\n      -----BEGIN CERTIFICATE-----\n\
        \x20 csr_attributes: {custom_attributes: {1.2.840.113549.1.9.7: geheimgeheim}}\n  exec: true\n",
    );
    assert_problems(&plan, &[]);
    let found: Vec<String> = steps(&plan).into_iter().filter(|step| step.starts_with("puppet")).collect();
    assert_eq!(
        found,
        [
            "puppet/update: update the package lists @final",
            "puppet/install-puppet-agent: install puppet-agent @final",
            "puppet/ssl: make directory /var/lib/puppet/ssl (0771) @final <- puppet/install-puppet-agent",
            "puppet/certs: make directory /var/lib/puppet/ssl/certs (0755) @final <- puppet/install-puppet-agent",
            "puppet/ca_cert: write /var/lib/puppet/ssl/certs/ca.pem (28 bytes, 0644, puppet:root) @final <- puppet/install-puppet-agent",
            "puppet/keep: keep a copy of /etc/puppet/puppet.conf as /etc/puppet/puppet.conf.old @final <- puppet/install-puppet-agent",
            "puppet/conf: edit /etc/puppet/puppet.conf: set agent.certname, agent.report, agent.runinterval, agent.server @final <- puppet/install-puppet-agent",
            "puppet/csr: write /etc/puppet/csr_attributes.yaml (56 bytes, 0600, root:root) @final <- puppet/install-puppet-agent",
            "puppet/enable: enable puppet.service @final ~ <- puppet/install-puppet-agent",
            "puppet/agent: run Puppet's agent: puppet agent --test @final <- puppet/install-puppet-agent",
            "puppet/start: start puppet.service @final ~ <- puppet/install-puppet-agent",
        ]
    );
    assert_eq!(
        set(&plan, "puppet/conf"),
        ["agent.certname=i-1.web.example.org", "agent.report=true", "agent.runinterval=1800", "agent.server=puppet.example.org"]
    );
    assert_eq!(written(&plan, "puppet/csr"), "custom_attributes:\n  1.2.840.113549.1.9.7: geheimgeheim\n");
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "geheimgeheim"));
    let accepted =
        |plan: &Plan| match plan.steps.iter().map(|step| &step.operation).find(|operation| matches!(operation, Operation::Command(_))) {
            Some(Operation::Command(command)) => command.accept.clone(),
            _ => panic!("no command"),
        };
    assert_eq!(accepted(&plan), [0, 2], "2: something was changed");
    let plan = applied("puppet: {exec: true, exec_args: [--noop], start_service: false}");
    assert_eq!(accepted(&plan), [0]);
    assert!(steps(&plan).last().is_some_and(|step| step.starts_with("puppet/agent: run Puppet's agent: puppet agent --noop")));
}

#[test]
fn puppet_comes_from_where_it_is_asked_for() {
    let install = |text: &str, facts: &Facts| steps(&planned(text, facts, &[], Way::Applied))[1].clone();
    assert_eq!(
        install("puppet: {version: 8.4.0-1}", &debian()),
        "puppet/install-puppet-agent=8.4.0-1: install puppet-agent=8.4.0-1 @final"
    );
    assert_eq!(install("puppet: {package_name: puppet8-agent}", &debian()), "puppet/install-puppet8-agent: install puppet8-agent @final");
    let old = Facts { distro: "ubuntu".into(), version_id: "22.04".into(), ..debian() };
    assert_eq!(install("puppet: {}", &old), "puppet/install-puppet: install puppet @final");
    let plan = applied(
        "puppet: {install_type: aio, version: '8.1', collection: puppet8, conf: {main: {server: p}}, exec: true, start_service: false}",
    );
    assert_eq!(
        steps(&plan),
        [
            "puppet/fetch: write /var/lib/cloud/instance/puppet-install from https://raw.githubusercontent.com/puppetlabs/install-puppet/main/install.sh @final",
            "puppet/install: install Puppet's own packages: /var/lib/cloud/instance/puppet-install -v 8.1 -c puppet8 --cleanup @final <- puppet/fetch",
            "puppet/keep: keep a copy of /etc/puppetlabs/puppet/puppet.conf as /etc/puppetlabs/puppet/puppet.conf.old @final <- puppet/install",
            "puppet/conf: edit /etc/puppetlabs/puppet/puppet.conf: set main.server @final <- puppet/install",
            "puppet/agent: run Puppet's agent: /opt/puppetlabs/bin/puppet agent --test @final <- puppet/install",
        ]
    );
    assert_steps(&with(&["puppet"], "puppet: {install: false, start_service: false}"), &[]);
    let plan = applied("puppet: {install: false, version: '8'}");
    assert_eq!(problems(&plan)[0], "degraded: puppet.install is false: version 8 is not installed (take `version` or `install` away)");
    assert!(problems(&plan)[1].starts_with("failed: puppet.install is false, and Puppet is not installed: nothing is done"));
    assert_steps(&plan, &[]);
}

#[test]
fn what_puppet_cannot_be_told_is_named() {
    for (text, problem) in [
        ("{install_type: gem}", "failed: puppet.install_type: `gem` is none (use packages or aio)"),
        ("{conf: {agent: x}}", "failed: puppet.conf.agent must be a mapping of settings, not a string"),
        ("{conf: {agent: {server: [a]}}}", "failed: puppet.conf.agent.server must be a string, not a list"),
        ("{conf: {agent: {server: \"a\\nb\"}}}", "failed: puppet.conf.agent.server: a setting has one line: it is left out"),
        ("{conf: {agents: {server: a}}}", "note: puppet knows no section `agents`; it is written all the same"),
        ("{exec_args: {a: b}}", "failed: puppet.exec_args must be a list of arguments, not a mapping"),
        ("{csr_attributes: {custom: {}}}", "degraded: unknown key `custom` in puppet.csr_attributes: it is ignored"),
        ("{conf_file: puppet.conf}", "failed: puppet.conf_file: `puppet.conf` is no absolute path"),
    ] {
        let plan = applied(&format!("puppet: {text}"));
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
}

const CHEF: &str = "server_url: https://chef.example.org, validation_name: org-validator";

#[test]
fn chef_is_seen_to_at_every_boot_and_installed_once() {
    let plan = applied(&format!("chef: {{{CHEF}, validation_cert: 'geheimer schluessel', run_list: ['recipe[a]'], initial_attributes: {{a: {{b: 1}}}}, exec: true}}"));
    let found = steps(&plan);
    assert_eq!(found[0], "chef/etc/chef: make directory /etc/chef (0755) @final [boot]");
    assert_eq!(found.iter().filter(|step| step.contains("make directory")).count(), 6);
    assert_eq!(
        found[6..],
        [
            "chef/validation-key: write /etc/chef/validation.pem (19 bytes, 0600, root:root) @final [boot]",
            "chef/client.rb: write /etc/chef/client.rb (622 bytes, 0644, root:root) @final [boot]",
            "chef/firstboot: write /etc/chef/firstboot.json (38 bytes, 0644, root:root) @final [boot]",
            "chef/update: update the package lists @final",
            "chef/install-chef: install chef @final",
            "chef/client: run Chef's client: /usr/bin/chef-client -d -i 1800 -s 20 @final [boot] <- chef/install-chef",
        ]
    );
    assert_eq!(written(&plan, "chef/firstboot"), r#"{"a":{"b":1},"run_list":["recipe[a]"]}"#);
    let settings: Vec<String> = written(&plan, "chef/client.rb").lines().skip(1).map(str::to_owned).collect();
    assert_eq!(
        settings,
        [
            "log_level              :info",
            "ssl_verify_mode        :verify_none",
            "log_location           \"/var/log/chef/client.log\"",
            "validation_client_name \"org-validator\"",
            "validation_key         \"/etc/chef/validation.pem\"",
            "client_key             \"/etc/chef/client.pem\"",
            "chef_server_url        \"https://chef.example.org\"",
            "environment            \"_default\"",
            "node_name              \"i-1\"",
            "json_attribs           \"/etc/chef/firstboot.json\"",
            "file_cache_path        \"/var/chef/cache\"",
            "file_backup_path       \"/var/chef/backup\"",
            "pid_file               \"/var/run/chef/client.pid\"",
            "Chef::Log::Formatter.show_time = true",
        ]
    );
    assert!(problems(&plan)[0].starts_with("note: chef.ssl_verify_mode: the certificate of the server is not checked"));
}

#[test]
fn chef_is_told_what_is_said_and_nothing_behind_a_key_leaves_it_out() {
    let plan = with(
        &["/usr/bin/chef-client"],
        &format!(
            "chef: {{{CHEF}, validation_cert: system, log_level: ':debug', ssl_verify_mode: ':verify_peer', file_cache_path: , show_time: false, \
             node_name: web, chef_license: accept, encrypted_data_bag_secret: /etc/chef/bag, directories: [/srv/chef], firstboot_path: '', config_path: /etc/chef/c.rb}}"
        ),
    );
    assert_problems(&plan, &[]);
    let text = written(&plan, "chef/client.rb");
    for line in [
        "chef_license           \"accept\"",
        "log_level              :debug",
        "node_name              \"web\"",
        "encrypted_data_bag_secret \"/etc/chef/bag\"",
        "validation_key         \"/etc/chef/validation.pem\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("file_cache_path") && !text.contains("show_time"), "{text}");
    let found = steps(&plan);
    let made: Vec<&str> = found.iter().filter(|step| step.contains("make directory")).filter_map(|step| step.split(' ').nth(3)).collect();
    assert_eq!(made, ["/srv/chef", "/etc/chef", "/var/log/chef", "/var/run/chef"]);
    assert!(!found.iter().any(|step| step.contains("install") || step.contains("chef-client") || step.contains("firstboot")), "{found:?}");
}

#[test]
fn chef_comes_from_where_it_is_asked_for() {
    let last = |text: &str| {
        steps(&applied(&format!("chef: {{{CHEF}, {text}}}")))
            .into_iter()
            .filter(|step| step.starts_with("chef/install") || step.starts_with("chef/client:") || step.starts_with("chef/validation"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        last("install_type: omnibus, omnibus_version: '17', exec: true, exec_arguments: -z, delete_validation_post_exec: true, validation_cert: key"),
        [
            "chef/validation-key: write /etc/chef/validation.pem (3 bytes, 0600, root:root) @final",
            "chef/install: install Chef's own package: /var/lib/cloud/instance/chef-install -v 17 @final <- chef/fetch",
            "chef/client: run Chef's client: /usr/bin/chef-client -z @final [boot] <- chef/install",
            "chef/validation-key/remove: remove /etc/chef/validation.pem @final [boot] <- chef/client",
        ]
    );
    assert_eq!(
        last("install_type: gems, version: 18.1.0"),
        [
            "chef/install-ruby: install ruby ruby-dev @final",
            "chef/install: install Chef's client from Ruby's packages: gem install chef -v 18.1.0 --no-document --bindir /usr/bin -q @final <- chef/install-ruby",
            "chef/client: run Chef's client: /usr/bin/chef-client -d -i 1800 -s 20 @final [boot] <- chef/install",
        ]
    );
    for (text, problem) in [
        ("{validation_name: x}", "failed: chef has no `server_url`"),
        ("{server_url: x}", "failed: chef has no `validation_name`"),
        (
            "{server_url: x, validation_name: y, install_type: deb}",
            "failed: chef.install_type: `deb` is none (use packages, gems or omnibus)",
        ),
        ("{server_url: x, validation_name: y, chef_license: yes}", "degraded: chef.chef_license is a boolean here"),
    ] {
        let plan = applied(&format!("chef: {text}"));
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
}

#[test]
fn salt_has_its_files_keys_and_service() {
    let plan = applied(
        "salt_minion: {conf: {master: salt.example.org}, grains: {role: [web]}, public_key: oeffentlich, private_key: ganz geheim}",
    );
    assert_problems(&plan, &[]);
    let installed = "<- salt_minion/install-salt-minion";
    assert_eq!(
        steps(&plan)[1..],
        [
            "salt_minion/install-salt-minion: install salt-minion @final".to_owned(),
            format!("salt_minion/directory: make directory /etc/salt (0755) @final {installed}"),
            format!("salt_minion/conf: write /etc/salt/minion (25 bytes, 0644, root:root) @final {installed}"),
            format!("salt_minion/grains: write /etc/salt/grains (12 bytes, 0644, root:root) @final {installed}"),
            format!("salt_minion/pki: make directory /etc/salt/pki/minion (0700) @final {installed}"),
            format!("salt_minion/public-key: write /etc/salt/pki/minion/minion.pub (11 bytes, 0644, root:root) @final {installed}"),
            format!("salt_minion/private-key: write /etc/salt/pki/minion/minion.pem (11 bytes, 0600, root:root) @final {installed}"),
            format!("salt_minion/enable: enable salt-minion.service @final {installed}"),
            format!("salt_minion/restart: restart salt-minion.service @final {installed}"),
        ]
    );
    assert_eq!(written(&plan, "salt_minion/conf"), "master: salt.example.org\n");
    let plan = with(
        &["salt-minion"],
        "salt_minion: {conf: {file_client: local, password: geheim}, config_dir: /srv/salt/, service_name: my-salt}",
    );
    assert_eq!(
        steps(&plan),
        [
            "salt_minion/directory: make directory /srv/salt (0755) @final",
            "salt_minion/conf: write /srv/salt/minion (36 bytes, 0600, root:root) @final",
            "salt_minion/disable: disable my-salt.service @final",
            "salt_minion/stop: stop my-salt.service @final",
            "salt_minion/apply: apply Salt's states: salt-call --local state.apply @final",
        ]
    );
    assert!(problems(&applied("salt_minion: {public_key: x}"))[0].starts_with("failed: salt_minion has one half of a key pair"));
    assert!(problems(&applied("salt_minion: {conf: [a]}"))[0].starts_with("failed: salt_minion.conf must be a mapping, not a list"));
}

#[test]
fn mcollective_has_its_certificates_and_settings() {
    let plan = applied(
        "mcollective: {conf: {public-cert: oeffentlich, private-cert: ganz geheim, loglevel: debug, daemonize: 1, plugin: {a: b}}}",
    );
    assert_problems(&plan, &[]);
    let installed = "<- mcollective/install-mcollective";
    assert_eq!(
        steps(&plan)[2..],
        [
            format!("mcollective/private-cert: write /etc/mcollective/ssl/server-private.pem (11 bytes, 0600, root:root) @final {installed}"),
            format!("mcollective/public-cert: write /etc/mcollective/ssl/server-public.pem (11 bytes, 0644, root:root) @final {installed}"),
            format!("mcollective/keep: keep a copy of /etc/mcollective/server.cfg as /etc/mcollective/server.cfg.old @final {installed}"),
            format!(
                "mcollective/conf: edit /etc/mcollective/server.cfg: set daemonize, loglevel, plugin.a, plugin.ssl_server_private, securityprovider, plugin.ssl_server_public @final {installed}"
            ),
            format!("mcollective/restart: restart mcollective.service @final {installed}"),
        ]
    );
    assert_eq!(set(&plan, "mcollective/conf")[..3], ["daemonize=1", "loglevel=debug", "plugin.a=b"]);
    assert_steps(&with(&["mcollectived"], "mcollective: {}"), &["mcollective/restart: restart mcollective.service @final"]);
}

#[test]
fn ansible_pulls_what_is_asked_as_the_user_that_is_asked() {
    let plan = with(
        &["ansible", "git"],
        "users: [{name: ansible}]\nansible:\n  run_user: ansible\n  ansible_config: /etc/own.cfg\n  galaxy: {actions: [[ansible-galaxy, collection, install, a.b]]}\n\
        \x20 pull: {url: 'https://u:geheim@example.org/r.git', playbook_name: site.yml, clean: true, diff: false, timeout: 30}\n",
    );
    let found: Vec<String> = steps(&plan).into_iter().filter(|step| step.starts_with("ansible")).collect();
    assert_eq!(
        found,
        [
            "ansible/1: ansible item 1 of 2: ansible-galaxy collection install a.b (as ansible) @final <- users_groups/ansible",
            "ansible/2: ansible item 2 of 2: ansible-pull --url=https://***@example.org/r.git --clean --timeout=30 site.yml (as ansible) @final <- users_groups/ansible ansible/1",
        ]
    );
    let texts: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::ScriptItem(item) => Some(item.text.expose().as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        texts[0],
        "runuser -l 'ansible' -s /bin/sh -c '[ \"$(id -u)\" = 0 ] || [ \"$(id -un)\" != \"$(id -gn)\" ] || umask 002; exec \"$0\" \"$@\"' -- 'env' 'ANSIBLE_CONFIG=/etc/own.cfg' 'ansible-galaxy' 'collection' 'install' 'a.b'"
    );
    assert_problems(&plan, &["note: `playbook_name` is an old spelling of `playbook_names`"]);
}

#[test]
fn ansible_is_installed_with_git_or_by_pip() {
    let pull = "pull: [{url: https://example.org/r.git, playbook_names: [a.yml, b.yml]}]";
    assert_eq!(
        steps(&applied(&format!("ansible: {{{pull}}}")))[1..],
        [
            "ansible/install-ansible: install ansible git @final",
            "ansible/1: ansible item 1 of 1: ansible-pull --url=https://example.org/r.git a.yml b.yml @final <- ansible/install-ansible",
        ]
    );
    assert_eq!(
        steps(&applied("ansible: {package_name: ansible-core, install_method: distro}"))[1],
        "ansible/install-ansible-core: install ansible-core @final"
    );
    let plan = with(&["git"], &format!("ansible: {{install_method: pip, run_user: root, {pull}}}"));
    assert_eq!(
        steps(&plan)[1..],
        [
            "ansible/install-python3-pip: install python3-pip @final",
            "ansible/1: ansible item 1 of 2: env PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --user ansible (as root) @final <- ansible/install-python3-pip",
            "ansible/2: ansible item 2 of 2: ansible-pull --url=https://example.org/r.git a.yml b.yml (as root) @final <- ansible/install-python3-pip ansible/1",
        ]
    );
}

#[test]
fn an_option_without_a_type_is_the_tools_to_judge() {
    let plan = with(
        &["ansible", "git"],
        "ansible: {pull: {url: u, playbook_name: a.yml, limit: web, track_subs: true, ask_pass: false, extra_vars: pw=geheim}}",
    );
    assert_eq!(
        steps(&plan),
        ["ansible/1: ansible item 1 of 1: ansible-pull --url=u --extra-vars=*** --limit=web --track-subs a.yml @final"]
    );
    let plan = with(
        &["ansible"],
        "ansible: {setup_controller: {run_ansible: [{playbook_dir: /srv/p, playbook_name: s.yml, limit: [web]}, {playbook_dir: /srv/p, playbook_name: t.yml}]}}",
    );
    assert_eq!(steps(&plan), ["ansible/1: ansible item 1 of 1: env -C /srv/p ansible-playbook t.yml @final"]);
}

#[test]
fn a_controller_clones_and_runs_playbooks_where_they_are() {
    let plan = with(
        &["ansible", "git"],
        "ansible: {setup_controller: {repositories: [{source: https://example.org/p.git, path: /srv/p}], run_ansible: [{playbook_dir: /srv/p, playbook_name: s.yml, check: true, forks: 5, extra_vars: 'pw=geheim'}]}}",
    );
    assert_eq!(
        steps(&plan),
        [
            "ansible/1: ansible item 1 of 2: git clone https://example.org/p.git /srv/p @final",
            "ansible/2: ansible item 2 of 2: env -C /srv/p ansible-playbook s.yml --check --forks=5 --extra-vars=*** @final <- ansible/1",
        ]
    );
    for (text, problem) in [
        ("{setup_controller: {}}", "failed: ansible.setup_controller has neither `repositories` nor `run_ansible`"),
        ("{install_method: snap}", "failed: ansible.install_method: `snap` is none (use distro or pip)"),
        ("{pull: {url: x}}", "failed: ansible.pull has no `playbook_names`"),
        ("{pull: {playbook_names: [x]}}", "failed: ansible.pull has no `url`"),
        (
            "{pull: {url: x, playbook_names: [y], dif: true}}",
            "note: `dif` in ansible.pull is not checked: ansible-pull is given `--dif` (did you mean `diff`?)",
        ),
        ("{pull: {url: x, playbook_names: [y], limit: [a]}}", "failed: ansible.pull.limit must be a string, not a list"),
        ("{galaxy: {}}", "failed: ansible.galaxy has no `actions`"),
    ] {
        let plan = with(&["ansible", "git"], &format!("ansible: {text}"));
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
}
