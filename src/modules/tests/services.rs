//! `services` of a phase.

use super::super::testing::{applied, assert_problems, assert_steps};
use crate::plan::Plan;

fn phase(services: &str) -> Plan {
    applied(&format!("landfall: {{phases: [{{name: web, {services}}}]}}\n"))
}

#[test]
fn a_name_alone_is_started_waited_for_and_then_enabled_after_all_else_of_its_phase() {
    let plan = phase("services: [nginx], runcmd: [echo a], packages: [nginx]");
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "web.package_update_upgrade_install/update: update the package lists @final",
            "web.package_update_upgrade_install/install: install nginx @final",
            "web.runcmd/1: web.runcmd item 1 of 1: echo a @final",
            "web.services/nginx.service: start nginx.service, and wait until it is active, 90 s at most @final",
            "web.services/nginx.service/enable: enable nginx.service @final <- web.services/nginx.service",
        ],
    );
}

#[test]
fn an_entry_says_what_becomes_of_it_what_is_waited_for_and_which_ports_it_needs() {
    for (entry, expected) in [
        (
            "{name: a, ports: [80, 443], wait: {port: 80}, timeout: 2m}",
            &[
                "web.services/a.service: start a.service if ports 80, 443 are free, and wait until port 80 answers, 120 s at most @final",
                "web.services/a.service/enable: enable a.service @final <- web.services/a.service",
            ][..],
        ),
        (
            "{name: a.socket, state: restarted, ports: 22, wait: {ports: [22, 23], address: '::1'}}",
            &["web.services/a.socket: restart a.socket if port 22 is free, and wait until ports 22, 23 at ::1 answer, 90 s at most @final"]
                [..],
        ),
        (
            "{name: a, state: reloaded, enable: true}",
            &[
                "web.services/a.service: reload a.service, and wait until it is active, 90 s at most @final",
                "web.services/a.service/enable: enable a.service @final <- web.services/a.service",
            ][..],
        ),
        (
            "{name: a, state: stopped, enable: false}",
            &[
                "web.services/a.service: stop a.service @final",
                "web.services/a.service/disable: disable a.service @final <- web.services/a.service",
            ][..],
        ),
        ("{name: wg-quick@wg0, state: stopped}", &["web.services/wg-quick@wg0.service: stop wg-quick@wg0.service @final"][..]),
        ("{name: a, enable: false}", &["web.services/a.service/disable: disable a.service @final"][..]),
    ] {
        let plan = phase(&format!("services: [{entry}]"));
        assert_problems(&plan, &[]);
        assert_steps(&plan, expected);
    }
}

#[test]
fn what_is_wrong_with_a_service_is_said_and_loses_only_that_one() {
    for (entry, problem) in [
        ("{name: a, state: strated}", "`strated` is none"),
        ("{name: a, state: stopped, wait: active}", "`wait` is for a service that is started"),
        ("{name: a, enable: false, ports: [80]}", "`ports` is for a service that is started"),
        ("{name: 'a b'}", "`a b` is no unit's name"),
        ("--help", "`--help` is no unit's name"),
        ("{state: started}", "has no `name`"),
    ] {
        let plan = phase(&format!("services: [{entry}, {{name: b, enable: false}}]"));
        assert_steps(&plan, &["web.services/b.service/disable: disable b.service @final"]);
        assert!(plan.problems.len() == 1 && plan.problems[0].message.contains(problem), "{entry}: {:?}", plan.problems);
    }
    for (wait, problem) in [
        ("{port: 0}", "0 is no port"),
        ("{port: 65536}", "65536 is no port"),
        ("{address: '::1'}", "no port is given"),
        ("{port: 1, address: localhost}", "`localhost` is no IP address"),
        ("ready", "`ready` cannot be waited for"),
    ] {
        let plan = phase(&format!("services: [{{name: a, wait: {wait}}}]"));
        assert!(plan.problems.iter().any(|found| found.message.contains(problem)), "{wait}: {:?}", plan.problems);
    }
}
