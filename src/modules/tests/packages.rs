//! `packages` and its companions.

use super::super::testing::{applied, assert_problems, assert_steps, problems, steps};

const UPDATE: &str = "package_update_upgrade_install/update: update the package lists @final";
const UPGRADE: &str = "package_update_upgrade_install/upgrade: upgrade all packages @final";
const REBOOT: &str = "package_update_upgrade_install/reboot: reboot if an upgrade asks for it, then go on @final";

#[test]
fn packages_are_installed_together_in_the_users_order() {
    let install = |names: &str| format!("package_update_upgrade_install/install: install {names} @final");
    for (text, names) in [
        ("packages: [nginx, curl, nginx]", "nginx curl"),
        (
            "packages: [[nginx, 1.2-3], nginx/trixie-backports, vim-, tasksel^, 'g++', libc6:arm64]",
            "nginx=1.2-3 nginx/trixie-backports vim- tasksel^ g++ libc6:arm64",
        ),
        ("packages: [{apt: [nginx, [curl, '8']]}]", "nginx curl=8"),
        ("packages: [{apt: nginx}, ~, curl]", "nginx curl"),
        ("packages: nginx curl", "nginx curl"),
    ] {
        assert_eq!(steps(&applied(text)), [UPDATE.to_owned(), install(names)], "{text}");
    }
}

#[test]
fn lists_are_updated_once_and_the_reboot_comes_last() {
    assert_steps(&applied("package_update: true"), &[UPDATE]);
    assert_steps(&applied("apt_update: true"), &[UPDATE]);
    assert_steps(&applied("package_upgrade: true"), &[UPDATE, UPGRADE]);
    assert_steps(&applied("{package_upgrade: true, package_reboot_if_required: true, package_update: true}"), &[UPDATE, UPGRADE, REBOOT]);
    assert_steps(&applied("{package_reboot_if_required: true, package_update: true}"), &[UPDATE]);
    assert_steps(&applied("packages: []"), &[]);
    assert_problems(&applied("apt_upgrade: true"), &["note: `apt_upgrade` is an old spelling of `package_upgrade`"]);
}

#[test]
fn one_bad_entry_never_loses_the_others() {
    for (entry, problem) in [
        ("--purge", "failed: packages[0]: `--purge` cannot be a package's name"),
        ("nginx curl", "failed: packages[0]: `nginx curl` cannot be a package's name"),
        ("{snap: [x]}", "failed: snaps are installed on Ubuntu only: x is not installed"),
        ("{snap: ['-x']}", "failed: packages[0].snap: this is no snap: it is not installed"),
        ("{dnf: [x]}", "failed: packages[0]: `dnf` is no package manager of this system (use apt)"),
        ("[a, b, c]", "failed: packages[0] must be [NAME, VERSION], not a list"),
        ("[]", "failed: packages[0] must be [NAME, VERSION], not a list"),
    ] {
        let plan = applied(&format!("packages: [{entry}, git]"));
        assert_eq!(steps(&plan)[1], "package_update_upgrade_install/install: install git @final", "{entry}");
        assert!(problems(&plan)[0].starts_with(problem), "{entry}: {:?}", problems(&plan));
    }
}
