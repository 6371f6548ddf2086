//! User-data formats on real hosts: what takes a real Python, a web server, or a power cut.

mod lab;

use std::time::Duration;

use lab::{BootOptions, Booted, Disk, Host, Lab, Release};

const SEED: &str = "/var/lib/cloud/seed/nocloud";

fn host(release: Release, disk: Disk) -> Option<Host> {
    let lab = Lab::require()?;
    let host = lab.host(release, disk);
    host.install_deb(&lab::package()?);
    Some(host)
}

fn seed(host: &Host, user_data: &str) {
    host.files().write(&format!("{SEED}/meta-data"), "instance-id: i-1\nlocal-hostname: web\n", 0o600);
    host.files().write(&format!("{SEED}/user-data"), user_data, 0o600);
}

fn message(parts: &[(&str, &str)]) -> String {
    let parts: String = parts.iter().map(|(headers, text)| format!("--==\nContent-Type: {headers}\n\n{text}\n")).collect();
    format!("Content-Type: multipart/mixed; boundary=\"==\"\nMIME-Version: 1.0\n\n{parts}--==--\n")
}

fn status(booted: &Booted) -> serde_json::Value {
    booted.wait_unit("landfall.service");
    let text = booted.sh("landfall status --wait --timeout 120s --long --format json").stdout;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A handler that notes each call with everything it was given; `call` is its function's head.
fn handler(kinds: &str, settings: &str, call: &str, given: &str) -> String {
    format!(
        "#part-handler\nfrom cloudinit.settings import PER_ALWAYS, PER_INSTANCE\n{settings}\ndef list_types():\n    return {kinds}\n\
         def handle_part({call}):\n    with open('/root/calls', 'a') as file:\n        print({given}, data.get_instance_id(), file=file)\n    print('said')\n"
    )
}

fn handled_parts() -> String {
    let one = handler("['text/x-one', 'text/x-both']", "", "data, ctype, filename, payload", "1, ctype, filename, repr(payload)");
    let two = handler(
        "('text/x-two',)",
        "handler_version = 2\nfrequency = PER_ALWAYS",
        "data, ctype, filename, payload, frequency",
        "2, ctype, filename, repr(payload), frequency",
    );
    let three = handler(
        "['text/x-three', 'text/x-both', 'application/x-bytes']",
        "handler_version = 3\nfrequency = PER_INSTANCE",
        "data, ctype, filename, payload, frequency, headers",
        "3, ctype, filename, repr(payload), frequency, headers.get('X-Own')",
    );
    message(&[
        ("text/x-one", "too early: nobody's"),
        ("text/part-handler", &one),
        ("text/x-one\nContent-Disposition: attachment; filename=\"a file.txt\"", "one"),
        ("text/x-both", "still the first's"),
        ("text/part-handler", "#part-handler\nthis is no Python\n"),
        ("text/part-handler", &two),
        ("text/plain", &three),
        ("text/x-two", "two"),
        ("text/x-both\nX-Own: yes", "the third's now"),
        ("application/x-bytes\nContent-Transfer-Encoding: base64", "AAEC"),
        ("text/x-nobody", "nobody's"),
        ("text/cloud-config", "#cloud-config\nruncmd: [echo done >/root/done]\n"),
    ])
}

/// The order in which handlers are told that the parts end is the peer's chance.
fn sorted_ends(calls: &str) -> Vec<&str> {
    let (mut calls, mut ends): (Vec<&str>, Vec<&str>) = calls.lines().partition(|line| !line.contains("__end__"));
    ends.sort_unstable();
    calls.extend(ends);
    calls
}

#[test]
fn part_handlers_are_called_as_by_cloud_init() {
    let Some(lab) = Lab::require() else { return };
    let Some(ours) = host(Release::TrixieCloudInit, Disk::Directory) else { return };
    ours.files().write("/etc/cloud/cloud-init.disabled", "", 0o644);
    let peers = lab.host(Release::TrixieCloudInit, Disk::Directory);
    seed(&ours, &handled_parts());
    seed(&peers, &handled_parts());
    let mut calls = Vec::new();
    for boot in ["first", "second"] {
        let booted = peers.boot(BootOptions::default());
        booted.wait_running();
        booted.exec_with(&["cloud-init", "status", "--wait"], b"", Duration::from_secs(60));
        let wanted = peers.files().read("/root/calls");
        booted.shutdown();
        let booted = ours.boot(BootOptions::default());
        let status = status(&booted);
        let found = ours.files().read("/root/calls");
        let why = booted.sh("landfall why; landfall logs boothooks/part-handlers").stdout;
        booted.shutdown();
        assert_eq!(sorted_ends(&found), sorted_ends(&wanted), "{boot} boot: {why}");
        assert_eq!(status["state"], "degraded", "{why}");
        if boot == "first" {
            assert!(why.contains("part-handler-001 cannot be used: SyntaxError"), "{why}");
            assert!(why.contains("no part handler takes part-011 (text/x-nobody)"), "{why}");
            assert!(why.contains("\nsaid\n"), "what a handler prints is kept: {why}");
        }
        assert!(ours.files().exists("/root/done"), "the other parts go on");
        calls.push(found.lines().count());
    }
    assert!(calls[1] > calls[0], "one of them is called at every boot");
}

#[test]
fn without_python_a_part_handler_is_told_and_the_other_parts_go_on() {
    let Some(host) = host(Release::Trixie, Disk::Directory) else { return };
    seed(&host, &handled_parts());
    let booted = host.boot(BootOptions::default());
    assert_eq!(status(&booted)["state"], "degraded");
    let why = booted.sh("landfall why").stdout;
    assert!(why.contains("part handlers are Python, and there is no python3") && why.contains("packages: [python3]"), "{why}");
    assert!(host.files().exists("/root/done"));
    booted.shutdown();
}

/// A web server in the host that is there before the network stage. It answers for files in `/srv/web`, notes what it is asked for,
/// and keeps whoever asks for `/slow` waiting until there is a file `/srv/go`.
fn serve(host: &Host) {
    let files = host.files();
    let before = "[Unit]\nDefaultDependencies=no\nBefore=landfall-network.service\n";
    files.write("/etc/systemd/system/web.socket", format!("{before}[Socket]\nListenStream=127.0.0.1:8000\nAccept=yes\n"), 0o644);
    let service =
        "[Unit]\nDefaultDependencies=no\n[Service]\nStandardInput=socket\nStandardOutput=socket\nExecStart=/bin/bash /srv/answer\n";
    files.write("/etc/systemd/system/web@.service", service, 0o644);
    files.symlink("/etc/systemd/system/web.socket", "/etc/systemd/system/sysinit.target.wants/web.socket");
    let answer = "read -r _ path _\nwhile read -r line && [ \"${line%$'\\r'}\" ]; do :; done\necho \"$path\" >>/run/asked\n\
        while [ $path = /slow ] && ! [ -e /srv/go ]; do sleep 0.1; done\nfile=/srv/web$path\n\
        printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\nConnection: close\\r\\n\\r\\n' \"$(wc -c <\"$file\")\"\ncat \"$file\"\n";
    files.write("/srv/answer", answer, 0o644);
}

#[test]
fn a_power_cut_while_includes_are_fetched_is_finished_by_the_next_boot() {
    ended_while_includes_are_fetched(Booted::power_cut);
}

/// Not even what an include that was asked for had no time to bring makes half a plan of it.
#[test]
fn a_shutdown_while_includes_are_fetched_is_finished_by_the_next_boot() {
    ended_while_includes_are_fetched(Booted::shutdown);
}

fn ended_while_includes_are_fetched(end: fn(&Booted)) {
    let Some(host) = host(Release::Trixie, Disk::Ext4Upper) else { return };
    serve(&host);
    let merged = "merge_how: list(append)+dict(recurse_array)+str()\n";
    host.files().write("/srv/web/once", format!("#cloud-config\n{merged}runcmd: [echo once >>/root/order]\n"), 0o644);
    host.files().write("/srv/web/slow", format!("#cloud-config\n{merged}runcmd: [echo slow >>/root/order]\n"), 0o644);
    let own = "#cloud-config\nwrite_files: [{path: /root/own, content: x}]\nruncmd: [echo own >>/root/order]\n";
    let list = "#include-once http://127.0.0.1:8000/once\n#include http://127.0.0.1:8000/slow\n";
    seed(&host, &message(&[("text/cloud-config", own), ("text/x-include-url", list)]));
    let booted = host.boot(BootOptions::default());
    booted.wait_until("the second address to be asked for", || booted.sh("cat /run/asked").stdout.contains("/slow"));
    assert_eq!(booted.sh("cat /root/own; cat /root/order").stdout, "x", "what needs no network is done, and no command");
    let told = booted.sh("landfall status").stdout;
    end(&booted);
    drop(booted);
    host.files().write("/srv/go", "", 0o644);
    let booted = host.boot(BootOptions::default());
    assert_eq!(status(&booted)["state"], "done", "{}", booted.sh("landfall why").stdout);
    assert_eq!(host.files().read("/root/order"), "own\nonce\nslow\n", "{told}");
    assert_eq!(booted.sh("cat /run/asked").stdout, "/slow\n", "what was included once is not fetched again");
    booted.shutdown();
}

#[test]
fn an_outage_delays_no_login_and_a_boot_with_the_network_finishes() {
    let Some(host) = host(Release::Trixie, Disk::Directory) else { return };
    host.files().write("/etc/landfall/conf.d/retry.yaml", "landfall: {retry: 2}\n", 0o600);
    let own = "#cloud-config\nusers: [{name: alice}]\nruncmd: [echo own >>/root/order]\n";
    seed(&host, &message(&[("text/cloud-config", own), ("text/x-include-url", "http://127.0.0.1:8000/config\n")]));
    let booted = host.boot(BootOptions::default());
    let first = status(&booted);
    assert_eq!(first["state"], "failed");
    let why = booted.sh("landfall why").stdout;
    assert!(why.contains("part-002:1:1: http://127.0.0.1:8000/config is not included"), "{why}");
    assert!(why.contains("cannot be connected to") && why.contains("the next boot tries again"), "{why}");
    assert!(host.files().read("/etc/passwd").contains("alice"), "who may log in does not wait");
    assert!(!host.files().exists("/root/order"), "commands wait for what they may need");
    let ordered = booted.sh("systemctl show -P ActiveState ssh.service landfall-network.service").stdout;
    assert!(ordered.starts_with("active"), "{ordered}");
    booted.shutdown();
    serve(&host);
    host.files().write("/srv/web/config", "#cloud-config\nwrite_files: [{path: /root/included, content: x}]\n", 0o644);
    let booted = host.boot(BootOptions::default());
    assert_eq!(status(&booted)["state"], "done", "{}", booted.sh("landfall why").stdout);
    assert_eq!((host.files().read("/root/order").as_str(), host.files().read("/root/included").as_str()), ("own\n", "x"));
    booted.shutdown();
}

#[test]
fn the_kernel_command_line_configures_and_names_a_configuration() {
    let Some(host) = host(Release::Trixie, Disk::Directory) else { return };
    serve(&host);
    host.files().write("/srv/web/config", "#cloud-config\nruncmd: [echo url >>/root/order]\ntimezone: Europe/Rome\n", 0o644);
    seed(&host, "#cloud-config\n{}\n");
    let usual = BootOptions::default();
    let cmdline =
        format!("{} cloud-config-url=http://127.0.0.1:8000/config cc: timezone: Europe/Paris\\nlocale: C.UTF-8 end_cc", usual.cmdline);
    let booted = host.boot(BootOptions { cmdline, ..usual });
    let status = status(&booted);
    assert_eq!(status["state"], "done", "{}", booted.sh("landfall why").stdout);
    assert_eq!(booted.sh("cat /root/order; readlink /etc/localtime").stdout, "url\n/usr/share/zoneinfo/Europe/Paris\n");
    booted.shutdown();
}
