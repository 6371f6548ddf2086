//! The `landfall` section, and how plans are put together.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps};
use super::super::Way;
use crate::plan::operation::OnInterrupt;
use crate::plan::{OnError, Plan};

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
        assert_eq!((step.on_error, step.on_interrupt, step.limits.attempts), (OnError::Stop, OnInterrupt::Stop, Some(2)));
    }
    assert_eq!(plan.steps.iter().map(|step| step.limits.timeout_seconds).collect::<Vec<_>>(), [Some(5400), Some(5400), Some(600)]);

    assert_problems(&applied("{landfall: {on_error: rollback}, runcmd: [y]}"), &[]);
    let plan = applied("{landfall: {timeouts: 45, phases: [{name: a, on_error: warn, runcmd: [x]}]}}");
    assert_eq!((plan.steps[0].limits.timeout_seconds, plan.steps[0].on_error), (Some(45), OnError::Warn));
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
        ("{name: a, when: 'true', runcmd: [x]}", "failed: `when` is not supported yet: phase `a` is not run"),
        ("{name: a, neds: [good]}", "degraded: unknown key `neds` in landfall.phases[0]: it is ignored (did you mean `needs`?)"),
        ("{name: a, pakages: [x]}", "degraded: unknown key `pakages` in landfall.phases[0]: it is ignored (did you mean `packages`?)"),
        ("{name: a, ntp: {}}", "degraded: `ntp` in phase a is not supported yet"),
        ("{name: a, on_failure: good}", "degraded: `on_failure` in landfall.phases[0] is not supported yet"),
        ("{name: a, on_error: explode}", "failed: landfall.phases[0].on_error: `explode` is none (use stop, continue, warn or rollback)"),
        ("{name: a, retry: 0}", "failed: landfall.phases[0].retry: attempts are counted from 1 to 1000"),
        ("{name: a, timeout: soon}", "failed: landfall.phases[0].timeout: this is no length of time"),
        ("{name: a}", "note: phase `a` has nothing to do"),
        ("7", "failed: landfall.phases[0] must be a mapping"),
    ] {
        let plan = phased(&format!("{phases}, {{name: good, runcmd: [echo good]}}"), "hostname: web\n");
        let found = problems(&plan);
        assert!(found.iter().any(|found| found.starts_with(problem)), "{phases}: {found:#?}");
        assert!(steps(&plan).iter().any(|step| step.starts_with("good.runcmd/1")), "{phases}");
    }
    let plan = applied("{landfall: {fases: [], breaker: {}, on_error: [x]}, hostname: web}");
    assert_eq!(
        problems(&plan),
        [
            "failed: landfall.on_error must be a string, not a list",
            "degraded: unknown key `fases` in landfall: it is ignored (did you mean `phases`?)",
            "degraded: `breaker` in landfall is not supported yet: it is ignored",
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
