//! `hostname` and its companions.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;

fn hostname_steps(name: &str) -> [String; 3] {
    [
        format!("set_hostname/file: edit /etc/hostname: name {name}"),
        format!("set_hostname: set the hostname to {name}"),
        format!("set_hostname/last-set: write /var/lib/cloud/data/previous-hostname ({} bytes, 0644, root:root)", name.len() + 1),
    ]
}

#[test]
fn the_name_is_the_first_label_wherever_it_comes_from() {
    let metadata = |name: &str| Facts { metadata_hostname: Some(name.into()), ..debian() };
    for (text, facts, expected) in [
        ("hostname: web", debian(), Some("web")),
        ("hostname: web.example.org", debian(), Some("web")),
        ("fqdn: web.example.org", debian(), Some("web")),
        ("{fqdn: web.example.org, hostname: www}", debian(), Some("www")),
        ("{fqdn: web.example.org, prefer_fqdn_over_hostname: true}", debian(), Some("web.example.org")),
        ("{}", metadata("node7.example.org"), Some("node7")),
        ("{}", metadata("10.0.0.7"), Some("ip-10-0-0-7")),
        ("hostname: web", metadata("node7"), Some("web")),
        ("{hostname: web, prefer_fqdn_over_hostname: true}", metadata("node7.example.org"), Some("node7.example.org")),
        ("{hostname: web, preserve_hostname: true}", debian(), None),
        ("{}", debian(), None),
    ] {
        let plan = planned(text, &facts, &[], Way::FirstBoot);
        let found: Vec<String> = steps(&plan).into_iter().filter(|step| step.starts_with("set_hostname")).collect();
        assert_eq!(found, expected.map(hostname_steps).into_iter().flatten().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_name_the_administrator_changed_is_left() {
    let facts = |etc: &str, last: &str| Facts { etc_hostname: Some(etc.into()), previous_hostname: Some(last.into()), ..debian() };
    assert_steps(&planned("hostname: web", &facts("mine", "web"), &[], Way::Applied), &[]);
    assert_eq!(planned("hostname: web", &facts("old", "old"), &[], Way::Applied).steps.len(), 3);
}

#[test]
fn without_a_hostname_file_the_name_is_set_at_every_boot() {
    let plan = applied("{hostname: web, create_hostname_file: false}");
    let rows = [
        "set_hostname: set the hostname to web [boot]",
        "set_hostname/last-set: write /var/lib/cloud/data/previous-hostname (4 bytes, 0644, root:root)",
    ];
    assert_steps(&plan, &rows);
}

#[test]
fn etc_hosts_is_managed_as_asked() {
    let entry = "update_etc_hosts: edit /etc/hosts: 127.0.1.1 is web.example.org web [boot]";
    let found = |text: &str| steps(&applied(text)).into_iter().filter(|step| step.starts_with("update_etc_hosts")).collect::<Vec<_>>();
    assert_eq!(found("{fqdn: web.example.org, manage_etc_hosts: localhost}"), [entry]);
    assert_eq!(found("{fqdn: web.example.org, manage_etc_hosts: false}"), [""; 0]);
    for text in ["true", "'true'", "template"] {
        let plan = applied(&format!("{{fqdn: web.example.org, manage_etc_hosts: {text}}}"));
        let file = written(&plan, "update_etc_hosts");
        assert!(file.contains("\n127.0.1.1 web.example.org web\n127.0.0.1 localhost\n"), "{file}");
    }
}

#[test]
fn the_full_name_is_the_one_that_is_known() {
    let facts = Facts { hostname: "old".into(), domain: Some("lan".into()), ..debian() };
    let entry = |text: &str, facts: &Facts| steps(&planned(text, facts, &[], Way::Applied)).pop().unwrap_or_default();
    let hosts = |names: &str| format!("update_etc_hosts: edit /etc/hosts: 127.0.1.1 is {names} [boot]");
    assert_eq!(entry("manage_etc_hosts: localhost", &facts), hosts("old.lan old"));
    assert_eq!(entry("{manage_etc_hosts: localhost, hostname: old}", &facts), hosts("old.lan old"));
    assert_eq!(entry("{manage_etc_hosts: localhost, hostname: new}", &facts), hosts("new new"));
    let facts = Facts { metadata_hostname: Some("n7.example.org".into()), ..facts };
    assert_eq!(entry("{manage_etc_hosts: localhost, hostname: new}", &facts), hosts("n7.example.org new"));
    assert_eq!(entry("{manage_etc_hosts: localhost, hostname: db.example.net}", &facts), hosts("db.example.net db"));
}

#[test]
fn names_that_are_none_are_refused() {
    for (text, problem) in [
        ("hostname: 'two words'", "failed: hostname: `two words` has a character no host's name may have"),
        ("hostname: ''", "failed: hostname: `` is no name"),
        ("hostname: -x", "failed: hostname: `-x` is no host's name"),
        ("hostname: [a]", "failed: hostname must be a string, not a list"),
        ("fqdn: web..org", "failed: fqdn: `web..org` is no host's name"),
        ("hostname: 12", "degraded: hostname is an integer here; taken as the text `12`"),
        ("manage_etc_hosts: always", "failed: manage_etc_hosts: `always` is none"),
    ] {
        let plan = applied(text);
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
    let plan = applied(&format!("{{fqdn: {0}.{0}.org, prefer_fqdn_over_hostname: true}}", "a".repeat(40)));
    assert!(problems(&plan)[0].contains("longer than the 64 characters"));
    assert_problems(&applied("hostname: web_1"), &[]);
}
