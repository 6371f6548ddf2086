//! The package landfall-cloud-init on booted hosts: scripts and units that know cloud-init work unchanged, and answers have the
//! real 25.1's shape, which is asked the same beside it.

mod lab;

use std::path::PathBuf;
use std::time::Duration;

use lab::{BootOptions, Booted, Disk, Host, Lab, Output, Release};

/// The two packages; `None` says that the test is skipped.
fn packages() -> Option<[PathBuf; 2]> {
    let deb = lab::package()?;
    let name = deb.file_name().unwrap().to_string_lossy().replacen("landfall_", "landfall-cloud-init_", 1);
    let stand_in = deb.with_file_name(name);
    assert!(stand_in.exists(), "{} is missing: run `make deb`", stand_in.display());
    Some([deb, stand_in])
}

fn host(release: Release) -> Option<Host> {
    let lab = Lab::require()?;
    let packages = packages()?;
    let host = lab.host(release, Disk::Directory);
    packages.iter().for_each(|deb| host.install_deb(deb));
    Some(host)
}

fn seed(host: &Host, id: &str, user_data: &str) {
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", format!("instance-id: {id}\n"), 0o600);
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
}

/// A unit of the user's own, enabled for every boot.
fn unit(host: &Host, name: &str, ordering: &str, command: &str) {
    let text = format!(
        "[Unit]\n{ordering}\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c '{command}'\n[Install]\nWantedBy=multi-user.target\n"
    );
    host.files().write(&format!("/etc/systemd/system/{name}.service"), text, 0o644);
    host.chroot(&["systemctl", "enable", &format!("{name}.service")]).expect_ok();
}

/// When a unit began or ended to start, in microseconds since the machine started.
#[track_caller]
fn when(booted: &Booted, unit: &str, property: &str) -> u64 {
    let value = booted.exec(&["systemctl", "show", "--value", "-p", property, unit]).expect_ok();
    match value.trim().parse() {
        Ok(0) | Err(_) => panic!("{unit} was not started"),
        Ok(time) => time,
    }
}

fn begun(booted: &Booted, unit: &str) -> u64 {
    when(booted, unit, "InactiveExitTimestampMonotonic")
}

fn ended(booted: &Booted, unit: &str) -> u64 {
    when(booted, unit, "ActiveEnterTimestampMonotonic")
}

fn assert_no_cycle(booted: &Booted) {
    let journal = booted.journal(&[]);
    let complaints = ["ordering cycle", "deleted to break", "is dropped, as", "dropped, merged into"];
    let found: Vec<_> = journal.lines().filter(|line| complaints.iter().any(|words| line.contains(words))).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// As most scripts look.
fn has_finished(booted: &Booted) -> bool {
    booted.sh("test -f /var/lib/cloud/instance/boot-finished").ok()
}

/// Waits for the end as a script does; what it said and its exit code.
fn waited(booted: &Booted) -> (String, Option<i32>) {
    let output = booted.exec(&["cloud-init", "status", "--wait"]);
    (output.stdout.trim_start_matches('.').trim().to_owned(), output.status.code())
}

fn mode(booted: &Booted) -> String {
    let status = booted.sh("landfall status --format json").stdout;
    serde_json::from_str::<serde_json::Value>(&status).unwrap()["mode"].as_str().unwrap_or_default().to_owned()
}

/// What many users have in a unit of their own.
const SCRIPT: &str =
    "cloud-init status --wait >/run/said; echo $? >/run/code; cloud-init query v1.instance_id >/run/id; cloud-id >/run/cloud; \
    cp /var/lib/cloud/instance/boot-finished /run/finished; cp /root/ran /run/ran";

#[test]
fn scripts_and_units_that_know_cloud_init_work_unchanged() {
    for release in [Release::Trixie, Release::Bookworm] {
        let Some(host) = host(release) else { return };
        seed(&host, "i-scripts", "#cloud-config\nruncmd: ['sleep 2', 'echo ran >>/root/ran']\n");
        host.files().write(
            "/etc/systemd/system/waits.service",
            format!("[Service]\nType=exec\nRemainAfterExit=yes\nExecStart=/bin/sh -c '{SCRIPT}'\n[Install]\nWantedBy=multi-user.target\n"),
            0o644,
        );
        host.chroot(&["systemctl", "enable", "waits.service"]).expect_ok();
        unit(&host, "after-final", "After=multi-user.target cloud-final.service", "cp /root/ran /run/ran-before-me");
        unit(&host, "after-target", "After=cloud-init.target multi-user.target", "true");
        unit(&host, "after-local", "After=cloud-init-local.service cloud-init-main.service", "true");
        unit(&host, "after-network", "After=cloud-init.service cloud-init-network.service", "true");
        unit(&host, "after-config", "After=cloud-config.service", "true");
        unit(&host, "between", "After=cloud-config.target\nBefore=cloud-config.service", "true");
        let booted = host.boot(BootOptions::default());
        assert_eq!(booted.wait_running(), "running", "{release:?}");
        booted.wait_until("the script to end", || booted.files().exists("/run/finished") && booted.files().exists("/run/ran"));
        let read = |path: &str| booted.files().read(path);
        assert_eq!(read("/run/said").trim_start_matches('.'), "status: done\n", "{release:?}");
        assert_eq!(
            (read("/run/code").as_str(), read("/run/id").as_str(), read("/run/cloud").as_str()),
            ("0\n", "i-scripts\n", "nocloud\n")
        );
        assert!(read("/run/finished").contains(" - v. "), "{}", read("/run/finished"));
        assert_eq!(read("/run/ran-before-me"), "ran\n", "{release:?}: after-final ran after landfall");
        assert_eq!(mode(&booted), "standalone", "{release:?}: the link is not taken for cloud-init");
        let final_stage = "landfall.service";
        for (earlier, later, what) in [
            (ended(&booted, final_stage), begun(&booted, "after-final.service"), "landfall before after-final"),
            (ended(&booted, "cloud-init.target"), begun(&booted, "after-target.service"), "cloud-init.target before after-target"),
            (ended(&booted, final_stage), ended(&booted, "cloud-init.target"), "landfall before cloud-init.target"),
            (ended(&booted, "landfall-local.service"), begun(&booted, "after-local.service"), "the local stage before after-local"),
            (ended(&booted, "landfall-local.service"), ended(&booted, "cloud-config.target"), "the local stage before cloud-config.target"),
            (ended(&booted, "cloud-config.target"), begun(&booted, "between.service"), "cloud-config.target before between"),
            (ended(&booted, "between.service"), begun(&booted, "cloud-config.service"), "between before cloud-config.service"),
            (ended(&booted, "cloud-config.service"), begun(&booted, "after-config.service"), "cloud-config.service before after-config"),
            (ended(&booted, "cloud-config.service"), begun(&booted, final_stage), "cloud-config.service before the final stage"),
        ] {
            assert!(earlier <= later, "{release:?}: {what}: {earlier} {later}");
        }
        for name in ["cloud-init-local", "cloud-final", "cloud-config"] {
            assert_eq!(booted.exec(&["systemctl", "is-active", name]).stdout.trim(), "active", "{release:?}: {name}");
        }
        for log in ["cloud-init.log", "cloud-init-output.log"] {
            assert!(booted.files().read(&format!("/var/log/{log}")).contains("stage final: done"), "{release:?}: {log}");
        }
        assert_no_cycle(&booted);
        booted.shutdown();

        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), ("status: done".into(), Some(0)), "{release:?}: a boot with nothing to do");
        booted.wait_running();
        assert!(has_finished(&booted), "{release:?}");
        assert_eq!(host.files().read("/root/ran"), "ran\n", "{release:?}: nothing is repeated");
        assert!(ended(&booted, "cloud-init.target") <= begun(&booted, "after-target.service"));
        assert_no_cycle(&booted);
        booted.shutdown();
    }
}

#[test]
fn exit_codes_tell_how_the_run_ended() {
    let Some(host) = host(Release::Trixie) else { return };
    for (id, user_data, said, code, extended) in [
        ("i-error", "#cloud-config\nruncmd: ['exit 3']\n", "status: error", 1, "error - done"),
        ("i-degraded", "#cloud-config\nhostnam: x\nruncmd: ['true']\n", "status: done", 2, "degraded done"),
        ("i-done", "#cloud-config\nruncmd: ['true']\n", "status: done", 0, "done"),
    ] {
        seed(&host, id, user_data);
        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), (said.to_owned(), Some(code)), "{id}");
        let long = booted.exec(&["su", "-s", "/bin/sh", "nobody", "-c", "cloud-init status --long"]);
        assert_eq!(long.status.code(), Some(code), "{id}: whoever asks is told");
        assert!(long.stdout.contains(&format!("\nextended_status: {extended}\n")), "{id}: {}", long.stdout);
        let status = booted.files().read("/run/cloud-init/status.json");
        assert_eq!(status.contains("runcmd/1: E_EXEC"), id == "i-error", "{status}");
        assert_eq!(status.contains("hostnam"), id == "i-degraded", "{status}");
        booted.shutdown();
    }
}

#[test]
fn a_host_that_is_off_or_was_given_nothing_is_not_waited_for() {
    let Some(host) = host(Release::Trixie) else { return };
    let check = |switch: &str, boot_code: &str, detail: &str| {
        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), ("status: disabled".into(), Some(0)), "{switch}");
        booted.wait_running();
        let long = booted.exec(&["cloud-init", "status", "--long"]).expect_ok();
        let expected = format!("status: disabled\nextended_status: disabled\nboot_status_code: {boot_code}\ndetail: {detail}\n");
        assert!(long.starts_with(&expected), "{switch}: {long}");
        let cloud_id = booted.exec(&["cloud-id"]);
        assert_eq!((cloud_id.stdout.as_str(), cloud_id.status.code()), ("disabled\n", Some(2)), "{switch}");
        assert!(!booted.files().exists("/root/ran"), "{switch}");
        assert_no_cycle(&booted);
        booted.shutdown();
    };
    check("no datasource", "disabled-by-generator", "no datasource and no recorded run: nothing to do");
    seed(&host, "i-off", "#cloud-config\nruncmd: ['touch /root/ran']\n");
    for switch in ["/etc/landfall/disabled", "/etc/cloud/cloud-init.disabled"] {
        host.files().write(switch, "", 0o644);
        check(switch, "disabled-by-marker-file", &format!("{switch} exists"));
        host.files().remove(switch);
    }
    let booted = host.boot(BootOptions::default());
    assert_eq!(waited(&booted), ("status: done".into(), Some(0)));
    assert!(booted.files().exists("/root/ran"));
    booted.exec(&["cloud-init", "clean", "--logs"]).expect_ok();
    assert_eq!(booted.exec(&["cloud-init", "status"]).expect_ok(), "status: not started\n");
    let cloud_id = booted.exec(&["cloud-id"]);
    assert_eq!((cloud_id.stdout.as_str(), cloud_id.status.code()), ("not started\n", Some(3)));
    assert!(!host.files().exists("/var/log/landfall.log") && !host.files().exists("/var/lib/cloud/instance"));
    booted.shutdown();
}

#[test]
fn while_the_run_goes_on_it_is_said_to_run_and_who_waits_early_waits_for_its_end() {
    let Some(host) = host(Release::Trixie) else { return };
    seed(&host, "i-running", "#cloud-config\nruncmd: ['while [ ! -e /run/go ]; do sleep 0.1; done', 'exit 3']\n");
    // Begins before landfall does, and before systemd has queued all of the boot.
    let early = "[Unit]\nDefaultDependencies=no\nBefore=landfall-local.service\n[Service]\nType=exec\n\
        ExecStart=/bin/sh -c 'cloud-init status >/run/first; cloud-init status --wait >/run/said; echo $? >/run/code'\n\
        [Install]\nWantedBy=sysinit.target\n";
    host.files().write("/etc/systemd/system/early.service", early, 0o644);
    host.chroot(&["systemctl", "enable", "early.service"]).expect_ok();
    let booted = host.boot(BootOptions::default());
    booted.wait_until("the script of the run", || {
        booted.files().exists("/run/landfall/status.json") && booted.sh("landfall status").stdout.contains("now: runcmd")
    });
    let running = booted.exec(&["cloud-init", "status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&running.stdout).unwrap();
    assert_eq!((status["status"].as_str(), status["stage"].as_str()), (Some("running"), Some("modules-config")), "{status}");
    assert_eq!((running.status.code(), status["modules-final"]["finished"].is_null()), (Some(0), true), "{status}");
    assert_eq!(booted.exec(&["cloud-id"]).expect_ok(), "nocloud\n");
    assert!(!booted.files().exists("/run/code") && !has_finished(&booted));
    booted.sh("touch /run/go").expect_ok();
    booted.wait_until("who waited to be told", || booted.files().exists("/run/code"));
    assert!(["status: not started\n", "status: running\n"].contains(&booted.files().read("/run/first").as_str()));
    let said = booted.files().read("/run/said");
    assert!(said.starts_with('.') && said.ends_with(".status: error\n"), "{said}");
    assert_eq!(booted.files().read("/run/code"), "1\n");
    booted.shutdown();
}

/// Commands whose answers are the same, word for word.
const SAME: [&str; 28] = [
    "cloud-init status",
    "cloud-init status --wait",
    "cloud-id",
    "cloud-id -l",
    "cloud-init features",
    "cloud-init query v1.instance_id",
    "cloud-init query instance_id",
    "cloud-init query ds.meta_data.instance_id",
    "cloud-init query userdata",
    "cloud-init query --list-keys",
    "cloud-init query --list-keys v1",
    "cloud-init query --format '{{ v1.instance_id }}/{{ cloud_name }}'",
    "cloud-init query --format '{{ v1.distro'",
    "cloud-init query nothing",
    "cloud-init query v1.nothing",
    "cloud-init schema --config-file /root/good",
    "cloud-init schema -c /root/unknown-key",
    "cloud-init schema -c /root/broken",
    "cloud-init schema -c /root/without-header",
    "cloud-init schema -c /root/no-such-file",
    "cloud-init schema",
    "cloud-init status --bogus",
    "cloud-init bogus",
    "cloud-init single --name no_such_module >/dev/null",
    "cloud-init single",
    "cloud-init analyze",
    "cloud-init clean --bogus",
    "su -s /bin/sh nobody -c 'cloud-init query userdata'",
];

/// Commands that print a document: it has the same keys.
const SAME_KEYS: [&str; 3] = ["cloud-init status --format json", "cloud-id -j 2>/dev/null", "cloud-init query --all"];

#[test]
fn answers_are_those_of_the_real_cloud_init() {
    let Some(lab) = Lab::require() else { return };
    let Some(ours) = host(Release::Trixie) else { return };
    let real = lab.host(Release::TrixieCloudInit, Disk::Directory);
    // A plain script makes no module of its own: both end done.
    let user_data = "#cloud-config\nhostname: web-1\nruncmd: ['true']\n";
    let booted = [&ours, &real].map(|host| {
        seed(host, "i-same", user_data);
        host.files().write("/root/good", "#cloud-config\nhostname: x\n", 0o644);
        host.files().write("/root/unknown-key", "#cloud-config\nhostnam: x\n", 0o644);
        host.files().write("/root/broken", "#cloud-config\nusers: [\n", 0o644);
        host.files().write("/root/without-header", "hostname: x\n", 0o644);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        booted
    });
    let answers = |command: &str| booted.each_ref().map(|booted| booted.exec_with(&["sh", "-c", command], b"", Duration::from_secs(30)));
    let shown = |output: &Output| format!("{:?} {}{}", output.status.code(), output.stdout, output.stderr);
    let mut differences = Vec::new();
    for command in SAME {
        let [own, real] = answers(command);
        if (own.status.code(), own.stdout.trim_start_matches('.')) != (real.status.code(), real.stdout.trim_start_matches('.')) {
            differences.push(format!("{command}\n  landfall: {}\n  real: {}", shown(&own), shown(&real)));
        }
    }
    for command in SAME_KEYS {
        let [own, real] = answers(command);
        let keys = |output: &Output| {
            let value: serde_json::Value = serde_json::from_str(&output.stdout).unwrap_or_default();
            value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>())
        };
        if keys(&own).is_none() || keys(&own) != keys(&real) || own.status.code() != real.status.code() {
            differences.push(format!("{command}\n  landfall: {}\n  real: {}", shown(&own), shown(&real)));
        }
    }
    // The same words before the colons, and a YAML document of the same keys.
    let [own, real] = answers("cloud-init status --long").map(|output| output.expect_ok());
    let words = |text: &str| text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(words(&own), words(&real));
    let [own, real] = answers("cloud-init status --format yaml").map(|output| output.expect_ok().replace("    ", "  "));
    assert_eq!(words(&own), words(&real));
    // The same fields of an event, and the same columns of a line.
    let fields = |output: Output| {
        let events: serde_json::Value = serde_json::from_str(&output.expect_ok()).unwrap();
        let of_kind = |kind: &str| {
            let event = events.as_array().unwrap().iter().find(|event| event["event_type"] == kind).unwrap();
            event.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        [of_kind("start"), of_kind("finish")]
    };
    let [own, real] = answers("cloud-init analyze dump").map(fields);
    assert_eq!(own, real);
    let blame = "cloud-init analyze blame | sed -E 's/[0-9]{2}[.][0-9]{5}s/TIME/; s,[(](init-local|init-network|modules-(config|final))/.*[)],(EVENT),' | sort -u";
    let [own, real] = answers(blame).map(|output| output.expect_ok());
    assert_eq!(own, real);
    let show = "cloud-init analyze show | sed -nE 's/ @[0-9]{2}[.][0-9]{5}s [+][0-9]{2}[.][0-9]{5}s$/ TIMES/; s/^[|]`->.* TIMES/STEP/p; \
        s/^(Finished stage: [(]).*[)] [0-9]{2}[.][0-9]{5} seconds$/\\1/p; s/^(Total Time: )[0-9.]+( seconds)$/\\1\\2/p; /analyzed/p' | sort -u";
    let [own, real] = answers(show).map(|output| output.expect_ok());
    assert_eq!((own.lines().count(), &own), (4, &real));
    let [own, real] = answers("cloud-init --version").map(|output| output.expect_ok());
    assert_eq!(own.split(' ').next(), real.split(' ').next());
    assert!(real.split(' ').nth(1).unwrap().starts_with(own.split(' ').nth(1).unwrap()), "{own} {real}");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    booted.iter().for_each(Booted::shutdown);
}

#[test]
fn what_only_prints_or_collects_does() {
    let Some(host) = host(Release::Trixie) else { return };
    seed(
        &host,
        "i-print",
        "#cloud-config\nruncmd: ['echo once >>/root/ran']\nchpasswd: {users: [{name: root, password: planted-Secret-4711, type: text}]}\n",
    );
    let booted = host.boot(BootOptions::default());
    assert_eq!(waited(&booted), ("status: done".into(), Some(0)));
    for (command, expected) in [
        ("show", "Starting stage: modules-final\n"),
        ("blame", "s (modules-final/runcmd/1)\n"),
        ("dump", "\"name\": \"modules-final/runcmd/1\""),
        ("boot", "Container started at: "),
    ] {
        let said = booted.exec(&["cloud-init", "analyze", command]).expect_ok();
        assert!(said.contains(expected), "{command}: {said}");
    }
    for command in ["init --local", "init", "modules --mode=config", "modules --mode final"] {
        assert!(booted.sh(&format!("cloud-init {command}")).expect_ok().contains("landfall"), "{command}");
    }
    booted.sh("cloud-init single --name cc_runcmd").expect_ok();
    assert_eq!(host.files().read("/root/ran"), "once\n", "done is done");
    booted.sh("cloud-init single -n runcmd --frequency always").expect_ok();
    assert_eq!(host.files().read("/root/ran"), "once\nonce\n");
    assert_eq!(booted.sh("cloud-init schema --system").expect_ok(), "Valid schema user-data\n");

    booted.sh("touch /root/other && ln -s other /root/cloud-init.tar.gz").expect_ok();
    booted
        .sh("cd /root && cloud-init collect-logs && cloud-init collect-logs --redact-sensitive --tarfile /root/redacted.tar.gz")
        .expect_ok();
    let listed = booted.sh("tar -tzf /root/cloud-init.tar.gz").expect_ok();
    for file in
        ["/var/log/landfall.log", "/run/cloud-init/status.json", "/var/lib/landfall/instances/i-print/journal", "/journal.txt", "/version"]
    {
        assert!(listed.lines().any(|line| line.ends_with(file)), "{file}: {listed}");
    }
    assert_eq!(booted.sh("stat -c %a%s /root/other; stat -c %a /root/cloud-init.tar.gz").stdout, "6440\n600\n", "not through the link");
    assert!(booted.sh("tar -xzOf /root/cloud-init.tar.gz | grep -q planted-Secret").ok(), "the whole has what was given");
    assert!(!booted.sh("tar -xzOf /root/redacted.tar.gz | grep -q planted-Secret").ok(), "a secret is in the redacted archive");
    assert!(booted.sh("tar -tzf /root/redacted.tar.gz").expect_ok().contains("/run/landfall/status.json"));

    // As an image is made ready.
    host.files().write("/etc/netplan/50-cloud-init.yaml", "network: {}\n", 0o600);
    host.files().write("/etc/cloud/clean.d/10-mine", "#!/bin/sh\ntouch /root/hooked\n", 0o755);
    host.files().write("/etc/cloud/clean.d/README", "exit 1\n", 0o644);
    booted.sh("cloud-init clean --logs --seed --machine-id --configs all").expect_ok();
    assert!(host.files().exists("/root/hooked"));
    for gone in ["/var/lib/cloud/seed", "/var/lib/cloud/instance", "/var/log/landfall.log", "/etc/netplan/50-cloud-init.yaml"] {
        assert!(!host.files().exists(gone), "{gone}");
    }
    assert_eq!(host.files().read("/etc/machine-id"), "uninitialized\n");
    for command in ["clean", "collect-logs", "schema --system", "single -n runcmd"] {
        let said = booted.exec(&["su", "-s", "/bin/sh", "nobody", "-c", &format!("cloud-init {command}")]);
        assert_eq!(said.status.code(), Some(1), "{command}: {}", said.stderr);
        assert!(said.stderr.contains("needs root"), "{command}: {}", said.stderr);
    }
    booted.shutdown();
}

#[test]
fn a_background_job_of_the_run_waits_for_its_end() {
    let Some(host) = host(Release::Trixie) else { return };
    let waiter =
        "nohup sh -c \"cloud-init status --wait >/run/said; echo $? >/run/code; cp /var/lib/cloud/instance/boot-finished /run/finished\" &";
    seed(&host, "i-own", &format!("#cloud-config\nruncmd:\n  - '{waiter}'\n  - sleep 2\n"));
    let booted = host.boot(BootOptions::default());
    assert_eq!(waited(&booted), ("status: done".into(), Some(0)));
    booted.wait_until("the job to end", || booted.files().exists("/run/finished"));
    assert_eq!(booted.files().read("/run/code"), "0\n", "{}", booted.files().read("/run/said"));
    booted.shutdown();
}

#[test]
fn it_takes_the_place_of_a_cloud_init_that_has_provisioned_the_host() {
    let Some(lab) = Lab::require() else { return };
    let Some(packages) = packages() else { return };
    for release in [Release::TrixieCloudInit, Release::BookwormCloudInit] {
        let host = lab.host(release, Disk::Directory);
        seed(&host, "i-replaced", "#cloud-config\nlocale: C.UTF-8\nruncmd: ['echo ran >>/root/ran']\n");
        let debs = packages.each_ref().map(|deb| format!("/root/{}", deb.file_name().unwrap().to_string_lossy()));
        for (deb, path) in packages.iter().zip(&debs) {
            host.files().write(path, std::fs::read(deb).unwrap(), 0o644);
        }
        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted).1, Some(0), "{release:?}: the real one");
        booted.wait_running();
        let install = format!("apt-get -y install {} {}", debs[0], debs[1]);
        let said = booted.exec_with(&["sh", "-c", &install], b"", Duration::from_secs(60)).expect_ok();
        assert!(said.contains("cloud-init"), "{said}");
        let real = booted.exec(&["dpkg-query", "-W", "-f", "${db:Status-Status}", "cloud-init"]).stdout;
        assert_ne!(real, "installed", "{release:?}: the real one is gone");
        assert!(booted.exec(&["cloud-init", "--version"]).expect_ok().contains("landfall"));
        booted.shutdown();

        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), ("status: done".into(), Some(0)), "{release:?}");
        assert_eq!(booted.wait_running(), "running", "{release:?}");
        for (command, said) in [("cloud-init query v1.instance_id", "i-replaced\n"), ("cloud-id", "nocloud\n")] {
            assert_eq!(booted.sh(command).expect_ok(), said, "{release:?}");
        }
        assert!(has_finished(&booted) && booted.files().exists("/run/cloud-init/result.json"), "{release:?}");
        assert_eq!(host.files().read("/root/ran"), "ran\n", "{release:?}: the same instance is not provisioned again");
        assert_no_cycle(&booted);
        booted.shutdown();

        seed(&host, "i-next", "#cloud-config\nlocale: C.UTF-8\nruncmd: ['echo next >>/root/ran']\n");
        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), ("status: done".into(), Some(0)), "{release:?}: a new instance");
        assert_eq!(mode(&booted), "standalone");
        assert_eq!(booted.exec(&["cloud-init", "query", "v1.instance_id"]).expect_ok(), "i-next\n");
        assert_eq!(host.files().read("/root/ran"), "ran\nnext\n", "{release:?}");
        booted.shutdown();
    }
}

#[test]
fn it_takes_the_place_of_cloud_init_in_an_image() {
    let Some(lab) = Lab::require() else { return };
    let Some(packages) = packages() else { return };
    let host = lab.host(Release::TrixieCloudInit, Disk::Directory);
    // dpkg by itself removes what conflicts and is replaced.
    packages.iter().for_each(|deb| host.install_deb(deb));
    seed(&host, "i-image", "#cloud-config\nruncmd: ['echo ran >>/root/ran']\n");
    let booted = host.boot(BootOptions::default());
    assert_eq!(waited(&booted), ("status: done".into(), Some(0)));
    assert_eq!(mode(&booted), "standalone");
    assert_eq!(host.files().read("/root/ran"), "ran\n");
    assert_no_cycle(&booted);
    booted.shutdown();
}

#[test]
fn a_purge_of_both_leaves_nothing() {
    for release in [Release::Trixie, Release::Bookworm] {
        let Some(host) = host(release) else { return };
        seed(&host, "i-purged", "#cloud-config\nruncmd: ['true']\n");
        let booted = host.boot(BootOptions::default());
        assert_eq!(waited(&booted), ("status: done".into(), Some(0)));
        booted.wait_running();
        booted.exec(&["dpkg", "--purge", "landfall", "landfall-cloud-init"]).expect_ok();
        const FIND: &str = "find / -xdev -path /proc -prune -o -path /var/lib/cloud/seed -prune -o -path /var/lib/dpkg -prune \
            -o \\( -name '*landfall*' -o -name '*cloud-*' \\) ! -name '90-cloud-init-users' -print; find /run -name '*cloud*' -o -name '*landfall*'";
        assert_eq!(booted.sh(FIND).stdout, "", "{release:?}");
        let units = booted.exec(&["systemctl", "list-units", "--all", "--plain", "--no-legend", "landfall*", "cloud*"]).expect_ok();
        assert_eq!(units.lines().filter(|line| !line.contains("not-found")).count(), 0, "{release:?}: {units}");
        booted.shutdown();
    }
}

#[test]
fn it_comes_and_goes_beside_a_landfall_that_has_run_and_restarts_nothing() {
    let Some(lab) = Lab::require() else { return };
    let Some([deb, stand_in]) = packages() else { return };
    for release in [Release::Trixie, Release::Bookworm] {
        let host = lab.host(release, Disk::Directory);
        host.install_deb(&deb);
        host.files().write("/root/stand-in.deb", std::fs::read(&stand_in).unwrap(), 0o644);
        seed(&host, "i-later", "#cloud-config\nruncmd: ['echo ran >>/root/ran']\n");
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        booted.sh("landfall status --wait").expect_ok();
        let runs = || booted.sh("systemctl show -p InvocationID,ActiveState landfall-local landfall-network landfall").expect_ok();
        let before = runs();
        booted.exec(&["dpkg", "-i", "/root/stand-in.deb"]).expect_ok();
        assert_eq!(waited(&booted), ("status: done".into(), Some(0)), "{release:?}");
        booted.sh("for i in 1 2 3; do systemctl daemon-reload; done").expect_ok();
        assert_eq!(booted.exec(&["systemctl", "is-active", "cloud-final.service"]).stdout, "active\n", "{release:?}");
        assert_eq!(runs(), before, "{release:?}");
        booted.exec(&["dpkg", "--purge", "landfall-cloud-init"]).expect_ok();
        assert_eq!(runs(), before, "{release:?}");
        assert!(!host.files().exists("/usr/bin/cloud-init") && booted.sh("landfall query v1.instance_id").ok(), "{release:?}");
        booted.shutdown();

        let booted = host.boot(BootOptions::default());
        assert_eq!(booted.wait_running(), "running", "{release:?}");
        assert_eq!(host.files().read("/root/ran"), "ran\n", "{release:?}");
        booted.shutdown();
    }
}
