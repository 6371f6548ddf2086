//! `ntp`.

use super::super::testing::{assert_problems, assert_steps, debian, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::Plan;

fn with(programs: &[&str], files: &[&str]) -> Facts {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    facts.files.extend(files.iter().map(|name| (*name).to_owned()));
    facts
}

fn on(facts: &Facts, text: &str) -> Plan {
    planned(text, facts, &[], Way::Applied)
}

/// Lines that are no comments.
fn settings(plan: &Plan) -> Vec<String> {
    written(plan, "ntp").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_first_installed_client_is_configured_and_its_service_told() {
    let plan =
        on(&with(&["chronyd", "ntpd"], &[]), "ntp: {servers: [a.example.org], pools: [p.example.org], peers: [b], allow: [10.0.0.0/8]}");
    assert_problems(&plan, &[]);
    let found = steps(&plan);
    assert_eq!(found[0], "ntp/keep: keep a copy of /etc/chrony/chrony.conf as /etc/chrony/chrony.conf.dist @final");
    assert!(found[1].starts_with("ntp: write /etc/chrony/chrony.conf (") && found[1].ends_with(" bytes, 0644, root:root) @final"));
    assert_eq!(found[2..], ["ntp/service: reload chrony.service @final <- ntp"]);
    assert_eq!(settings(&plan)[..4], ["pool p.example.org iburst", "server a.example.org iburst", "peer b", "allow 10.0.0.0/8"]);
    assert!(settings(&plan).contains(&"driftfile /var/lib/chrony/chrony.drift".to_owned()));
}

#[test]
fn where_none_is_installed_chrony_is_and_nothing_behind_the_key_counts_too() {
    for text in ["ntp: {}", "ntp:", "ntp: {ntp_client: auto, enabled: true}"] {
        let plan = on(&debian(), text);
        assert_eq!(
            steps(&plan)[2..],
            [
                "ntp/update: update the package lists @final",
                "ntp/install-chrony: install chrony @final",
                "ntp/service: reload chrony.service @final <- ntp ntp/install-chrony",
            ],
            "{text}"
        );
        assert_eq!(settings(&plan)[0], "pool 0.debian.pool.ntp.org iburst");
        assert_eq!(settings(&plan)[3], "pool 3.debian.pool.ntp.org iburst");
    }
    assert_steps(&on(&debian(), "ntp: {enabled: false}"), &[]);
    let phase = on(&debian(), "landfall: {phases: [{name: time, ntp: }]}");
    assert!(steps(&phase)[0].starts_with("time.ntp/keep: "), "{:?}", steps(&phase));
}

#[test]
fn timesyncd_gets_one_line_and_is_told_what_it_cannot() {
    let plan = on(&with(&[], &["/usr/lib/systemd/systemd-timesyncd"]), "ntp: {servers: [a, b], pools: [c], allow: [10.0.0.0/8]}");
    assert_eq!(settings(&plan), ["[Time]", "NTP=a b c"]);
    assert_eq!(steps(&plan)[2], "ntp/service: reload systemd-timesyncd.service @final <- ntp");
    assert!(problems(&plan)[0].starts_with("degraded: `ntp.allow` does nothing with systemd-timesyncd"), "{:?}", problems(&plan));
    let plan = on(&debian(), "ntp: {ntp_client: systemd-timesyncd}");
    assert_eq!(steps(&plan)[3], "ntp/install-systemd-timesyncd: install systemd-timesyncd @final");
}

#[test]
fn ntp_means_what_the_release_calls_so() {
    let wanted = "ntp: {ntp_client: ntp, servers: [a]}";
    let plan = on(&debian(), wanted);
    assert!(steps(&plan)[1].starts_with("ntp: write /etc/ntpsec/ntp.conf ("));
    assert_eq!(steps(&plan)[3], "ntp/install-ntpsec: install ntpsec @final");
    let old = Facts { version_id: "22.04".into(), distro: "ubuntu".into(), ..debian() };
    let plan = on(&old, wanted);
    assert!(steps(&plan)[1].starts_with("ntp: write /etc/ntp.conf ("));
    assert_eq!(steps(&plan)[3], "ntp/install-ntp: install ntp @final");
    assert_eq!(settings(&plan)[0], "server a iburst");
}

#[test]
fn ntpdate_has_no_service_and_openntpd_has_names_of_its_own() {
    let plan = on(&debian(), "ntp: {ntp_client: ntpdate, servers: [a]}");
    assert!(steps(&plan)[1].starts_with("ntp: write /etc/ntpsec/ntp.conf ("));
    assert_eq!(steps(&plan)[3..], ["ntp/install-ntpsec-ntpdate: install ntpsec-ntpdate @final"]);
    assert_steps(
        &on(&with(&["ntpdate"], &[]), "ntp: {servers: [a]}"),
        &steps(&on(&with(&["ntpdate"], &[]), "ntp: {ntp_client: ntpdate, servers: [a]}")).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let plan = on(&with(&["ntpctl"], &[]), "ntp: {ntp_client: openntpd, servers: [a], pools: [p]}");
    assert_eq!(settings(&plan), ["servers p", "server a", "sensor *"]);
    assert!(steps(&plan)[1].starts_with("ntp: write /etc/openntpd/ntpd.conf ("));
    assert_eq!(steps(&plan)[2], "ntp/service: reload openntpd.service @final <- ntp");
}

#[test]
fn config_changes_what_is_known_of_a_client_or_describes_another_one() {
    let facts = with(&["myntpd"], &[]);
    let own = "config: {confpath: /etc/my.conf, check_exe: myntpd, packages: [my], service_name: my, template: 'plain text'}";
    let plan = on(&facts, &format!("ntp: {{ntp_client: myntp, {own}}}"));
    assert_problems(&plan, &[]);
    assert_eq!(
        steps(&plan),
        [
            "ntp/keep: keep a copy of /etc/my.conf as /etc/my.conf.dist @final",
            "ntp: write /etc/my.conf (10 bytes, 0644, root:root) @final",
            "ntp/service: reload my.service @final <- ntp",
        ]
    );
    let plan = on(&debian(), "ntp: {ntp_client: chrony, config: {confpath: /etc/other.conf, packages: [chrony-own, extra]}}");
    assert!(steps(&plan)[1].starts_with("ntp: write /etc/other.conf"));
    assert_eq!(steps(&plan)[3], "ntp/install-chrony-own: install chrony-own extra @final");
}

#[test]
fn a_template_has_its_lists_filled_in_and_a_bad_one_is_named() {
    let template = |text: &str| {
        on(&with(&["chronyd"], &[]), &format!("ntp:\n  servers: [a, b]\n  allow: [10.0.0.0/8]\n  config:\n    template: |\n{text}"))
    };
    let plan = template("      ## template:jinja\n      {% for server in servers -%}\n      ask {{server}}\n      {% endfor -%}\n      {% if not pools %}none{% endif %} {{ allow | join(',') }}\n");
    assert_problems(&plan, &[]);
    assert_eq!(written(&plan, "ntp"), "ask a\nask b\nnone 10.0.0.0/8\n", "the last newline is kept");
    assert_eq!(written(&template("      server {{ none }}\n      plain\n"), "ntp"), "server {{ none }}\nplain\n", "no header");
    let plan = template(
        "      ## template: jinja\n      {% if servers is defined %}{% for i in range(2) %}{{ i }} {{ servers[i]|upper }}\n      {% endfor %}{% endif %}\n",
    );
    assert_problems(&plan, &[]);
    assert_eq!(written(&plan, "ntp"), "0 A\n1 B\n\n");
    let plan = template("      ## template: jinja\n      {{ nothing }}\n");
    assert!(problems(&plan)[0].starts_with("degraded: ntp.config.template: there is no variable `nothing`"), "{:?}", problems(&plan));
    let plan = template("      ## template: jinja\n      {% for %}\n");
    assert!(problems(&plan)[0].starts_with("failed: ntp.config.template cannot be rendered: "), "{:?}", problems(&plan));
    assert_steps(&plan, &[]);
    let plan = template("      ## template:jinja\n      {% macro again() %}{{ again() }}{% endmacro %}{{ again() }}\n");
    assert!(problems(&plan)[0].starts_with("failed: ntp.config.template cannot be rendered: "), "{:?}", problems(&plan));
}

#[test]
fn what_cannot_be_used_is_named_with_its_place() {
    for (text, problem) in [
        ("ntp: {ntp_client: sntp}", "failed: ntp.ntp_client: how `sntp` is configured here is not known"),
        ("ntp: {ntp_client: myntp, config: {template: x}}", "failed: ntp.ntp_client: how `myntp` is configured here is not known"),
        ("ntp: {ntp_client: openntpd, peers: [a]}", "degraded: `ntp.peers` does nothing with openntpd"),
        ("ntp: [a]", "failed: ntp must be a mapping, not a list"),
        ("ntp: {config: {confpath: x}}", "failed: ntp.config.confpath: `x` is no absolute path"),
        ("ntp: {server: [a]}", "degraded: unknown key `server` in ntp: it is ignored (did you mean `servers`?)"),
        ("ntp: {servers: [a b, c]}", "failed: ntp.servers[0]: `a b` is left out: one word is wanted"),
        ("ntp: {enabled: maybe}", "failed: ntp.enabled must be true or false, not a string"),
    ] {
        let plan = on(&debian(), text);
        assert!(problems(&plan).first().is_some_and(|found| found.starts_with(problem)), "{text}: {:?}", problems(&plan));
    }
    assert!(settings(&on(&debian(), "ntp: {servers: [a b, c]}")).contains(&"server c iburst".to_owned()));
}
