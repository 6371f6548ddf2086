//! The `landfall` section, and how plans are put together.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps};
use super::super::Way;
use crate::plan::operation::OnInterrupt;
use crate::plan::{Backoff, OnError, Plan};

fn phased(phases: &str, rest: &str) -> Plan {
    applied(&format!("landfall: {{phases: [{phases}]}}\n{rest}"))
}

#[test]
fn a_phase_runs_its_own_keys_after_the_default_order() {
    let plan = phased("{name: base, packages: [curl], runcmd: [echo a], write_files: [{path: /x}]}", "runcmd: [echo b]\nhostname: web\n");
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "set_hostname/file: edit /etc/hostname: name web",
            "set_hostname: set the hostname to web",
            "set_hostname/last-set: write /var/lib/cloud/data/previous-hostname (4 bytes, 0644, root:root)",
            "runcmd/1: runcmd item 1 of 1: echo b @final",
            "base.write_files/x: write /x (0 bytes, 0644, root:root) @final",
            "base.package_update_upgrade_install/update: update the package lists @final",
            "base.package_update_upgrade_install/install: install curl @final",
            "base.runcmd/1: base.runcmd item 1 of 1: echo a @final",
        ],
    );
    assert!(plan.steps[4..].iter().all(|step| step.phase == "base"));
}

#[test]
fn a_key_named_by_a_phase_is_run_there_and_nowhere_else() {
    let plan = phased("{name: base, run: [packages, runcmd]}", "packages: [curl]\nruncmd: [echo b]\nwrite_files: [{path: /x}]\n");
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "write_files/x: write /x (0 bytes, 0644, root:root)",
            "base.package_update_upgrade_install/update: update the package lists @final",
            "base.package_update_upgrade_install/install: install curl @final",
            "base.runcmd/1: base.runcmd item 1 of 1: echo b @final",
        ],
    );
}

#[test]
fn users_that_a_phase_makes_are_not_replaced_by_the_default_user() {
    let plan = first_boot("{landfall: {phases: [{name: people, run: [users]}]}, users: [alice]}");
    let made: Vec<String> = steps(&plan).into_iter().filter(|step| step.contains("create user")).collect();
    assert_eq!(made, ["people.users_groups/alice: create user alice @final"]);
    // A file of that user belongs into the phase, too.
    let plan = first_boot("{landfall: {phases: [{name: people, run: [users, write_files]}]}, users: [alice], write_files: [{path: /home/alice/x, owner: alice}]}");
    let found = steps(&plan);
    let file = found.iter().find(|step| step.contains("/home/alice/x")).expect("the file");
    assert!(file.ends_with("<- people.users_groups/alice"), "{file}");
}

#[test]
fn lists_are_fetched_again_after_scripts_that_may_have_changed_the_sources() {
    let updates = |text: &str| steps(&applied(text)).iter().filter(|step| step.contains("update the package lists")).count();
    assert_eq!(updates("{packages: [a], landfall: {phases: [{name: b, packages: [b]}]}}"), 1);
    assert_eq!(updates("{packages: [a], runcmd: [add-source], landfall: {phases: [{name: b, packages: [b]}]}}"), 2);
    assert_eq!(
        updates("{packages: [a], landfall: {phases: [{name: b, write_files: [{path: /etc/apt/sources.list.d/x.list}], packages: [b]}]}}"),
        2
    );
}

#[test]
fn phases_are_run_in_the_order_of_their_needs() {
    let plan = phased(
        "{name: app, needs: [base, db], runcmd: [echo app]}, {name: db, needs: base, runcmd: [echo db]}, {name: base, runcmd: [echo a, echo base]}, {name: free, runcmd: [echo free]}",
        "",
    );
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "base.runcmd/1: base.runcmd item 1 of 2: echo a @final ~",
            "base.runcmd/2: base.runcmd item 2 of 2: echo base @final",
            "db.runcmd/1: db.runcmd item 1 of 1: echo db @final <- base.runcmd/2",
            "app.runcmd/1: app.runcmd item 1 of 1: echo app @final <- base.runcmd/2 db.runcmd/1",
            "free.runcmd/1: free.runcmd item 1 of 1: echo free @final",
        ],
    );
}

#[test]
fn a_phase_says_how_its_steps_fail() {
    let plan = phased("{name: a, on_error: stop, on_interrupt: skip, retry: 3, timeout: 90s, runcmd: [echo a, echo b]}", "");
    for step in &plan.steps {
        assert_eq!((step.on_error, step.on_interrupt), (OnError::Stop, OnInterrupt::Skip));
        assert_eq!((step.limits.attempts, step.limits.timeout_seconds), (Some(3), Some(90)));
    }
    // Where an error stops the phase, no item matters less than the last.
    assert!(steps(&plan).iter().all(|step| !step.ends_with('~')));
}

#[test]
fn the_section_says_what_holds_for_every_step() {
    let text = "{landfall: {on_error: stop, on_interrupt: stop, retry: {attempts: 2}, timeouts: {commands: 10m, packages: 1h30m}}, packages: [x], runcmd: [y]}";
    let plan = applied(text);
    assert_problems(&plan, &[]);
    for step in &plan.steps {
        // That a script may be run again only its own phase can say.
        let attempts = Some(2).filter(|_| !step.id.starts_with("runcmd"));
        assert_eq!((step.on_error, step.on_interrupt, step.limits.attempts), (OnError::Stop, OnInterrupt::Stop, attempts));
    }
    assert_eq!(plan.steps.iter().map(|step| step.limits.timeout_seconds).collect::<Vec<_>>(), [Some(5400), Some(5400), Some(600)]);

    assert_problems(&applied("{landfall: {on_error: rollback}, runcmd: [y]}"), &[]);
    let plan = applied("{landfall: {timeouts: 45, phases: [{name: a, on_error: warn, runcmd: [x]}]}}");
    assert_eq!((plan.steps[0].limits.timeout_seconds, plan.steps[0].on_error), (Some(45), OnError::Warn));
}

#[test]
fn the_long_form_of_retry_is_carried_to_the_steps_a_phase_before_the_section() {
    let section = "retry: {attempts: 4, delay: 5s, deadline: 10m}";
    let plan = applied(&format!("{{landfall: {{{section}, phases: [{{name: a, retry: {{delay: 1s, max_delay: 2m, jitter: false}}, runcmd: [x]}}]}}, packages: [y]}}"));
    assert_problems(&plan, &[]);
    let limits = |at: usize| (plan.steps[at].limits.attempts, plan.steps[at].limits.backoff);
    let section = Backoff { delay_seconds: Some(5), deadline_seconds: Some(600), ..Backoff::default() };
    let last = plan.steps.len() - 1;
    assert_eq!(limits(0), (Some(4), section));
    assert_eq!(limits(last), (Some(4), Backoff { delay_seconds: Some(1), max_delay_seconds: Some(120), jitter: Some(false), ..section }));
    // A plan that says nothing of it is stored as older versions stored it.
    let stored = String::from_utf8(crate::plan::to_stored_json(&applied("runcmd: [x]")).expect("json")).expect("text");
    assert!(!stored.contains("backoff"), "{stored}");
}

#[test]
fn accepted_exit_codes_are_for_the_users_own_commands_and_shown() {
    let plan =
        applied("{landfall: {accept_exit: [0, 3, 100], phases: [{name: a, accept_exit: 7, packages: [x], runcmd: [x]}]}, runcmd: [y]}");
    assert_problems(&plan, &[]);
    let codes: Vec<&[i32]> = plan.steps.iter().map(|step| &step.limits.accept_exit[..]).collect();
    assert_eq!(codes, [&[3, 100][..], &[], &[], &[7]], "0 always means success, and apt's exit codes are landfall's matter");
    let text = crate::plan::render_text(&plan, &str::to_owned);
    assert!(text.contains("success: exit 0, 3 or 100\n") && text.contains("success: exit 0 or 7\n"), "{text}");
}

#[test]
fn a_phase_is_planned_where_the_facts_meet_its_conditions() {
    let reasons = |phases: &str| {
        let plan = phased(phases, "");
        assert_problems(&plan, &[]);
        let not_here: Vec<String> = plan.phases.iter().filter_map(|phase| phase.not_here.clone()).collect();
        assert_eq!(not_here.len() + plan.steps.len(), plan.phases.len(), "{phases}");
        not_here
    };
    for when in [
        "{}",
        "{distro: debian, release: trixie, arch: amd64}",
        "{distro: [ubuntu, Debian], release: 13}",
        "{memory: '>= 2G', virtualization: vm}",
        "{virtualization: [lxc, kvm]}",
    ] {
        assert_eq!(reasons(&format!("{{name: a, when: {when}, runcmd: [x]}}")), [""; 0], "{when}");
    }
    for (when, reason) in [
        ("{release: bookworm}", "release is trixie, not bookworm"),
        ("{distro: [ubuntu, kali]}", "distro is debian, not ubuntu or kali"),
        ("{distro: debian, arch: arm64}", "arch is amd64, not arm64"),
        ("{memory: '> 2G'}", "memory is 2048 MiB, not > 2G"),
        ("{virtualization: [none, container]}", "virtualization is kvm, not none or container"),
    ] {
        assert_eq!(reasons(&format!("{{name: a, when: {when}, runcmd: [x]}}")), [reason]);
    }
    let text = "{name: a, when: {release: sid}, runcmd: [x]}, {name: b, needs: [a], runcmd: [x]}, {name: c, when: {arch: i386}, on_failure: d, runcmd: [x]}, {name: d, runcmd: [x]}";
    let expected = [
        "release is trixie, not sid",
        "it needs phase `a`, which is not run here",
        "arch is amd64, not i386",
        "phase `c`, whose failure it is for, is not run here",
    ];
    assert_eq!(reasons(text), expected);
    assert!(crate::plan::render_text(&phased(text, ""), &str::to_owned).contains("\na: not run: release is trixie, not sid\n"));
}

#[test]
fn what_is_not_known_of_a_host_is_no_reason_to_run_a_phase() {
    let facts = crate::facts::Facts { memory: None, virtualization: None, ..debian() };
    let text =
        "{landfall: {phases: [{name: a, when: {memory: '> 1M'}, runcmd: [x]}, {name: b, when: {virtualization: none}, runcmd: [x]}]}}";
    let plan = planned(text, &facts, &[], Way::Applied);
    assert!(plan.steps.is_empty());
    let why: Vec<&str> = plan.phases.iter().filter_map(|phase| phase.not_here.as_deref()).collect();
    assert_eq!(why, ["memory is not known here, and it asks for > 1M", "virtualization is not known here, and it asks for none"]);
}

#[test]
fn conditions_of_the_run_are_carried_and_shown_and_a_playbook_stands_behind_its_phase() {
    let plan = phased(
        "{name: after, when: {outcome: {main: [done, degraded]}}, runcmd: [x]}, {name: mend, on_failure: last, runcmd: [x]}, \
         {name: last, runcmd: [x]}, {name: main, creates: /opt/app, on_failure: mend, runcmd: [x]}",
        "",
    );
    assert_problems(&plan, &[]);
    assert_eq!((plan.format, phased("{name: a, runcmd: [x]}", "").format), (2, 1), "a landfall that knows no conditions refuses it");
    let order: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(order, ["main", "mend", "last", "after"]);
    let text = crate::plan::render_text(&plan, &str::to_owned);
    for heading in [
        "  main (unless /opt/app exists)\n",
        "  mend (only if phase `main` fails)\n",
        "  last (only if phase `mend` fails)\n",
        "  after (only if `main` is done or degraded)\n",
    ] {
        assert!(text.contains(heading), "{heading}\n{text}");
    }
}

#[test]
fn silence_is_limited_for_what_runs_a_child() {
    let text = "{landfall: {timeouts: {silence: 10m, commands: 1h}, phases: [{name: a, silence: 90s, runcmd: [x], write_files: [{path: /x}]}]}, runcmd: [y]}";
    let plan = applied(text);
    assert_problems(&plan, &[]);
    let limits: Vec<_> = plan.steps.iter().map(|step| (step.limits.silence_seconds, step.limits.timeout_seconds)).collect();
    assert_eq!(limits, [(Some(600), Some(3600)), (None, None), (Some(90), Some(3600))]);
    assert_eq!(applied("{landfall: {timeouts: 45}, runcmd: [y]}").steps[0].limits.silence_seconds, None);
}

#[test]
fn the_limits_of_breakers_are_the_plans() {
    let limits = |text: &str| {
        let breaker = applied(text).breaker;
        (breaker.failures, breaker.cooldown_seconds)
    };
    assert_eq!(limits("{landfall: {breaker: {failures: 2, cooldown: 5m}}, runcmd: [x]}"), (2, 300));
    assert_eq!(limits("{landfall: {breaker: {cooldown: 5m}}, runcmd: [x]}"), (5, 300));
    assert_eq!(limits("runcmd: [x]"), (5, 60));
}

#[test]
fn closing_modules_come_after_the_phases() {
    let plan = first_boot("{landfall: {phases: [{name: a, runcmd: [x]}]}, power_state: {mode: reboot}}");
    let last: Vec<&str> = plan.steps.iter().rev().take(3).map(|step| step.id.as_str()).collect();
    assert_eq!(last, ["power_state_change", "final_message", "a.runcmd/1"]);
}

#[test]
fn what_is_wrong_with_a_phase_is_said_and_loses_only_that_phase() {
    for (phases, problem) in [
        ("{runcmd: [x]}", "failed: landfall.phases[0] has no `name`"),
        ("{name: 'a b', runcmd: [x]}", "failed: landfall.phases[0].name: `a b` is no phase's name"),
        ("{name: good, runcmd: [x]}", "failed: there are two phases `good`: this one is left out"),
        (
            "{name: a, needs: [goood], runcmd: [x]}",
            "failed: phase `a` needs `goood`, and there is no such phase: it is not run (did you mean `good`?)",
        ),
        ("{name: a, needs: [b], runcmd: [x]}, {name: b, needs: [a], runcmd: [x]}", "failed: phase `a` needs `b`, which waits for it"),
        ("{name: a, needs: [a], runcmd: [x]}", "failed: phase `a` needs `a`, which waits for it"),
        ("{name: a, run: [packages]}", "failed: there is no top-level key `packages` to run"),
        ("{name: a, run: [pakages]}", "failed: `pakages` is no cloud-config key (did you mean `packages`?)"),
        ("{name: a, run: [hostname]}, {name: b, run: [hostname]}", "failed: `hostname` is run by an earlier phase"),
        ("{name: a, run: [hostname], hostname: x}", "failed: phase `a` has its own `hostname`"),
        ("{name: a, when: 'true', runcmd: [x]}", "failed: landfall.phases[0].when must be a mapping, not a string"),
        ("{name: a, when: 'true', runcmd: [x]}", "failed: `when` of phase `a` cannot be read: the phase is not run"),
        ("{name: a, when: {relese: trixie}}", "failed: landfall.phases[0].when: `relese` is no condition (did you mean `release`?)"),
        ("{name: a, when: {arch: amd46}}", "failed: landfall.phases[0].when.arch: `amd46` is none (did you mean `amd64`?)"),
        ("{name: a, when: {virtualization: [kvm, lxd]}}", "failed: landfall.phases[0].when.virtualization[1]: `lxd` is none (did you mean `lxc`?)"),
        ("{name: a, when: {release: bookwrom}}", "degraded: landfall.phases[0].when.release: `bookwrom` is not known (did you mean `bookworm`?)"),
        ("{name: a, when: {memory: 2G}}", "failed: landfall.phases[0].when.memory: this compares no amount of memory (as in \">= 2G\", \"< 512M\")"),
        ("{name: a, when: {outcome: {good: finished}}}", "failed: landfall.phases[0].when.outcome.good: no phase ends `finished`"),
        (
            "{name: a, when: {outcome: {goood: done}}}",
            "failed: phase `a` asks about `goood`, and there is no such phase: it is not run (did you mean `good`?)",
        ),
        ("{name: a, when: {outcome: {a: done}}}", "failed: phase `a` asks about `a`, which waits for it"),
        ("{name: a, creates: x, runcmd: [x]}", "failed: landfall.phases[0].creates: `x` is no absolute path (begin it with /)"),
        ("{name: a, creates: x, runcmd: [x]}", "failed: `creates` of phase `a` cannot be read: the phase is not run"),
        ("{name: a, on_failure: mend, runcmd: [x]}, {name: mendd}", "failed: there is no phase `mend` to run where `a` fails (did you mean `mendd`?)"),
        ("{name: a, on_failure: a, runcmd: [x]}", "failed: phase `a` is run where it fails itself, by way of `a`: it is not run"),
        (
            "{name: a, on_failure: b, runcmd: [x]}, {name: b, on_failure: a, runcmd: [x]}",
            "failed: phase `b` is run where it fails itself, by way of `a`: it is not run",
        ),
        (
            "{name: a, on_failure: c, runcmd: [x]}, {name: b, on_failure: c, runcmd: [x]}, {name: c, runcmd: [x]}",
            "failed: phase `c` is run where `a` fails; it cannot be run where `b` fails too (give each phase its own playbook)",
        ),
        (
            "{name: a, on_failure: c, runcmd: [x]}, {name: c, needs: [good], runcmd: [x]}",
            "failed: phase `c` is run right where `a` fails: that it waits for `good` is ignored",
        ),
        (
            "{name: a, needs: [nope], on_failure: c, runcmd: [x]}, {name: c, runcmd: [x]}",
            "failed: phase `c` is for the failure of `a`, which is left out: it is not run",
        ),
        ("{name: a, neds: [good]}", "degraded: unknown key `neds` in landfall.phases[0]: it is ignored (did you mean `needs`?)"),
        ("{name: a, pakages: [x]}", "degraded: unknown key `pakages` in landfall.phases[0]: it is ignored (did you mean `packages`?)"),
        ("{name: a, datasource: {}}", "degraded: `datasource` in phase a is never read from user-data"),
        ("{name: a, parallel: beside}", "failed: landfall.phases[0].parallel must be true or false"),
        (
            "{name: a, parallel: true, power_state: {mode: reboot}}",
            "degraded: phase `a` may restart the machine: it is not run side by side with others (leave `parallel` out)",
        ),
        ("{name: a, notify: {url: ftp://x}}", "failed: landfall.phases[0].notify.url: `ftp://x` is no http or https address"),
        ("{name: a, on_error: explode}", "failed: landfall.phases[0].on_error: `explode` is none (use stop, continue, warn or rollback)"),
        ("{name: a, retry: 0}", "failed: landfall.phases[0].retry: attempts are counted from 1 to 1000"),
        ("{name: a, retry: {attempts: 0}}", "failed: landfall.phases[0].retry: attempts are counted from 1 to 1000"),
        ("{name: a, retry: {delay: soon}}", "failed: landfall.phases[0].retry.delay: this is no length of time"),
        ("{name: a, retry: {jitter: much}}", "failed: landfall.phases[0].retry.jitter must be true or false"),
        (
            "{name: a, retry: {delay: 10s, max_delay: 5s}}",
            "failed: landfall.phases[0].retry: the longest pause (5 s) is shorter than the first (10 s) (let `max_delay` be at least `delay`)",
        ),
        (
            "{name: a, retry: {max_dely: 5s}}",
            "degraded: unknown key `max_dely` in landfall.phases[0].retry: it is ignored (did you mean `max_delay`?)",
        ),
        ("{name: a, accept_exit: [0, 256]}", "failed: landfall.phases[0].accept_exit[1]: 256 is no exit code (exit codes go from 0 to 255)"),
        ("{name: a, accept_exit: ok}", "failed: landfall.phases[0].accept_exit must be a whole number"),
        ("{name: a, silence: 0}", "failed: landfall.phases[0].silence: this is no length of time"),
        ("{name: a, timeout: soon}", "failed: landfall.phases[0].timeout: this is no length of time"),
        ("{name: a}", "note: phase `a` has nothing to do"),
        ("7", "failed: landfall.phases[0] must be a mapping"),
    ] {
        let plan = phased(&format!("{phases}, {{name: good, runcmd: [echo good]}}"), "hostname: web\n");
        let found = problems(&plan);
        assert!(found.iter().any(|found| found.starts_with(problem)), "{phases}: {found:#?}");
        assert!(steps(&plan).iter().any(|step| step.starts_with("good.runcmd/1")), "{phases}");
    }
    let plan = applied(
        "{landfall: {fases: [], breaker: {failures: 0, cooldown: soon}, resources: {min_disk: much}, on_error: [x]}, hostname: web}",
    );
    assert_eq!(
        problems(&plan),
        [
            "failed: landfall.on_error must be a string, not a list",
            "failed: landfall.breaker.failures: failures are counted from 1 (a large number means: never)",
            "failed: landfall.breaker.cooldown: this is no length of time (as in 90s, 10m, 1h30m)",
            "failed: landfall.resources.min_disk: this is no amount of bytes (as in 500M, 2G)",
            "degraded: unknown key `fases` in landfall: it is ignored (did you mean `phases`?)",
        ]
    );
}

#[test]
fn beside_cloud_init_only_the_section_is_done() {
    let text = "{packages: [curl], users: [alice], nonsense: 1, landfall: {phases: [{name: a, run: [packages], runcmd: [x]}]}}";
    let plan = planned(text, &debian(), &[], Way::Hosted);
    assert_steps(&plan, &["a.runcmd/1: a.runcmd item 1 of 1: x @final"]);
    assert_problems(&plan, &["note: cloud-init does `packages` itself; phase `a` does not repeat it (write the key inside the phase)"]);
}
