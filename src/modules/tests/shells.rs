//! Shell text of ours that a step runs, with programs of the test's in place of the real ones.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command as Process, Stdio};

use super::super::testing::{debian, planned, steps};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{Command, Operation};

/// The command of the step `id`, on Ubuntu with these programs.
fn command(programs: &[&str], text: &str, id: &str) -> Command {
    let mut facts = Facts { distro: "ubuntu".into(), version_id: "24.04".into(), ..debian() };
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    let plan = planned(text, &facts, &[], Way::Applied);
    let step = plan.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no {id} in {:#?}", steps(&plan)));
    match &step.operation {
        Operation::Command(command) => command.clone(),
        other => panic!("{other:?}"),
    }
}

/// Runs it with these programs (name and shell text; `told` writes a line down): its exit code and the lines.
fn run(command: &Command, programs: &[(&str, &str)]) -> (i32, Vec<String>) {
    let dir = tempfile::tempdir().expect("dir");
    let log = dir.path().join("log");
    for (name, text) in programs {
        let path = dir.path().join(name);
        let text = format!("#!/bin/sh\ntold() {{ echo \"{name} $*\" >>'{}'; }}\n{text}\n", log.display());
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let mut child = Process::new(&command.argv[0])
        .args(&command.argv[1..])
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let text = command.stdin.as_ref().map(|text| text.expose().clone()).unwrap_or_default();
    // A script that needs no input may have ended by then.
    let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    let code = child.wait().expect("it ends").code().unwrap_or(-1);
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    (code, said.lines().map(str::to_owned).collect())
}

fn lines(expected: &[&str]) -> Vec<String> {
    expected.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn a_contract_is_attached_by_the_clouds_word_or_by_its_token() {
    let attach = |text: &str| command(&["pro"], &format!("ubuntu_pro: {{{text}}}"), "ubuntu_pro");
    // What Ubuntu's client answers; `attach` tells what it finds in the file.
    let pro = |auto: bool, attached: i32, enabled: &str| {
        format!(
            "case \"$1 $2\" in\n'api u.pro.attach.auto.should_auto_attach.v1') cat >/dev/null; echo '{{\"should_auto_attach\": {auto}}}';;\napi*) told \"$@\";;\n\
             attach*) eval \"file=\\${{$#}}\"; told \"$@\" \"$(cat \"$file\")\"; exit {attached};;\nenable*) told \"$@\"; echo '{enabled}'; exit 1;;\nesac"
        )
    };
    let run = |command: &Command, pro: String| run(command, &[("pro", &pro)]);
    let token = "pro attach --attach-config /dev/stdin token: \"C1\"";
    assert_eq!(run(&attach("token: C1"), pro(false, 0, "")), (0, lines(&[token])));
    assert_eq!(run(&attach("token: C1"), pro(false, 2, "")), (0, lines(&[token])), "it is attached already");
    assert_eq!(run(&attach("token: C1"), pro(false, 1, "")), (1, lines(&[token])));
    let whole = "pro api u.pro.attach.auto.full_auto_attach.v1 --data {\"enable\":[\"fips\"]}";
    assert_eq!(run(&attach("token: C1, enable: [fips]"), pro(true, 0, "")), (0, lines(&[whole])));
    let both =
        ["pro attach --no-auto-enable --attach-config /dev/stdin token: \"C1\"", "pro enable --assume-yes --format json fips livepatch"];
    for (answer, code) in [
        ("{\"result\": \"success\"}", 0),
        ("{\"errors\": [{\"message_code\": \"service-already-enabled\"}], \"result\": \"failure\"}", 0),
        ("{\"errors\": [{\"message_code\": \"service-already-enabled\"}, {\"message_code\": \"other\"}]}", 1),
    ] {
        assert_eq!(run(&attach("token: C1, enable: [fips, livepatch]"), pro(false, 0, answer)), (code, lines(&both)), "{answer}");
    }
    assert_eq!(run(&attach("enable: [fips]"), pro(false, 0, "")), (1, vec![]), "no token, and the cloud has no contract");
    assert_eq!(run(&attach("features: {disable_auto_attach: false}"), pro(false, 0, "")), (0, vec![]), "nobody asked for one");
    assert_eq!(run(&attach("token: C1, features: {disable_auto_attach: true}"), pro(true, 0, "")), (0, lines(&[token])));
    let set = command(&["pro"], "ubuntu_pro: {token: C1, config: {http_proxy: 'http://u:pw 1@p:1'}}", "ubuntu_pro/config/http_proxy");
    assert_eq!(run(&set, "told \"$@\"".into()), (0, lines(&["pro config set http_proxy=http://u:pw 1@p:1"])));
}

#[test]
fn a_host_that_is_registered_is_left_alone() {
    let register = command(&["landscape-config"], "landscape: {client: {account_name: a, computer_title: b c}}", "landscape");
    let answer = |code: i32| {
        format!("case $2 in --is-registered) cat >/dev/null; exit {code};; --import=*) told \"$1 $(tr '\\n' '|' <\"${{2#*=}}\") $(stat -c %a \"${{2#*=}}\")\";; esac")
    };
    let run = |code| run(&register, &[("landscape-config", &answer(code))]);
    assert_eq!(run(5), (0, lines(&["landscape-config --silent [client]|account_name = a|computer_title = b c| 600"])));
    assert_eq!((run(0), run(2)), ((0, vec![]), (1, vec![])));
}

#[test]
fn the_disk_of_grub_is_told_by_its_lasting_name_where_it_has_one() {
    let tell = command(&[], "grub_dpkg: {enabled: true}", "grub_dpkg");
    let set = ("debconf-set-selections", "told \"$(tr '\\n' '|')\"");
    let found = run(&tell, &[set, ("grub-probe", "told \"$@\"; echo /dev/null")]);
    let said =
        "debconf-set-selections grub-pc grub-pc/install_devices string /dev/null|grub-pc grub-pc/install_devices_empty boolean false|";
    assert_eq!(found, (0, lines(&["grub-probe -t disk /boot", said])));
    for probe in ["echo /dev/none-such", "exit 1"] {
        let nowhere = "debconf-set-selections grub-pc grub-pc/install_devices string |grub-pc grub-pc/install_devices_empty boolean true|";
        assert_eq!(run(&tell, &[set, ("grub-probe", probe)]), (0, lines(&[nowhere])), "{probe}");
    }
}

#[test]
fn the_licence_of_drivers_and_storage_without_thin_volumes() {
    let accept = command(&["ubuntu-drivers"], "drivers: {nvidia: {license-accepted: true}}", "ubuntu_drivers/license");
    let debconf = |answer: &str| format!("read -r verb file; told \"$* $verb $(grep -c nvidia/latelink \"$file\")\"; echo '{answer}'");
    assert_eq!(
        run(&accept, &[("debconf-communicate", &debconf("0 OK"))]),
        (0, lines(&["debconf-communicate landfall X_LOADTEMPLATEFILE 1"]))
    );
    assert_eq!(run(&accept, &[("debconf-communicate", &debconf("20 no"))]).0, 1);
    let init = command(&["lxd", "lvcreate"], "lxd: {init: {storage_backend: lvm, storage_pool: p}}", "lxd/init");
    let lxc = ("lxc", "told \"$@\"");
    let good = "lxd init --auto --storage-backend=lvm --storage-pool=p";
    assert_eq!(run(&init, &[("lxd", "told \"$@\""), lxc]), (0, lines(&[good])));
    let bad = "told \"$@\"; case $* in *lvm*) exit 1;; esac";
    let again = ["lxc storage create default lvm lvm.use_thinpool=false", "lxd init --auto --storage-pool=p"];
    assert_eq!(run(&init, &[("lxd", bad), lxc]), (0, lines(&[good, again[0], again[1]])));
}

#[test]
fn snaps_that_are_held_back_for_good_are_not_upgraded() {
    let refresh = command(&["snap"], "package_upgrade: true", "package_update_upgrade_install/snap-refresh");
    let snap = |hold: &str| format!("case $1 in get) {hold};; *) told \"$@\";; esac");
    assert_eq!(run(&refresh, &[("snap", &snap("echo forever"))]), (0, vec![]));
    for hold in ["echo 2032-01-01", "exit 1"] {
        assert_eq!(run(&refresh, &[("snap", &snap(hold))]), (0, lines(&["snap refresh"])), "{hold}");
    }
}
