//! What lies below user-data: `/etc/cloud`, the kernel command line, the vendor's data; and what is told of the instance.

use super::*;

fn config(machine: &Machine) -> serde_json::Value {
    serde_json::from_str(&machine.read("var/lib/landfall/instances/i-1/config.json").expect("a configuration")).expect("JSON")
}

fn vendor(machine: &Machine, text: &str) {
    machine.write("var/lib/cloud/seed/nocloud/vendor-data", text);
}

fn steps(summary: &Summary) -> Vec<&str> {
    summary.steps.iter().map(|step| step.id.as_str()).collect()
}

const QUIET: &str = "#cloud-config\nusers: []\ndisable_root: false\nssh_deletekeys: false\n";

#[test]
fn each_layer_holds_over_those_below_it() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/cloud/cloud.cfg", "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\n");
    machine.write("etc/cloud/cloud.cfg.d/10.cfg", "b: 2\nc: 2\nd: 2\ne: 2\nf: 2\n");
    machine.write("etc/landfall/landfall.yaml", "c: 3\nd: 3\ne: 3\nf: 3\n");
    machine.write("proc/cmdline", "quiet cc: {d: 4, e: 4, f: 4} end_cc\n");
    machine.seed("i-1", &format!("{QUIET}f: 6\n"));
    vendor(&machine, "#cloud-config\ne: 5\nf: 5\n");
    summary(machine.boot());
    let config = config(&machine);
    for (key, layer) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", 6)] {
        assert_eq!(config[key], layer, "{key}");
    }
}

#[test]
fn the_stock_files_of_a_distribution_change_nothing_and_say_nothing() {
    let Some(machine) = Machine::new() else { return };
    machine.seed("i-1", QUIET);
    let without = summary(machine.boot());
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/cloud/cloud.cfg", include_str!("../data/cloud.cfg-debian-13"));
    machine.write("etc/cloud/cloud.cfg.d/05_logging.cfg", "_log: [&a x]\nlog_cfgs: [[y]]\noutput: {all: '| tee -a /var/log/x'}\n");
    machine.write("etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ NoCloud, None ]\n");
    machine.seed("i-1", QUIET);
    let with = summary(machine.boot());
    assert_eq!(steps(&with), steps(&without));
    assert!(with.told.iter().all(|told| told.weight.is_none()), "{:?}", with.told);
    let public = machine.read("run/cloud-init/instance-data.json").expect("data");
    assert!(!public.contains("preserve_sources_list") && public.contains("redacted for non-root user"), "{public}");
    let sensitive = machine.read("run/cloud-init/instance-data-sensitive.json").expect("data");
    let data: serde_json::Value = serde_json::from_str(&sensitive).expect("JSON");
    assert_eq!(data["merged_system_cfg"]["apt"]["preserve_sources_list"], true);
    assert_eq!(data["merged_system_cfg"].get("system_info"), None);
    assert_eq!(data["system_info"]["default_user"]["name"], "debian");
}

#[test]
fn the_image_says_who_the_default_user_is() {
    let Some(machine) = Machine::new() else { return };
    let own = "system_info: {default_user: {name: admin, gecos: Boss, groups: [adm], sudo: null}}\n";
    machine.write("etc/cloud/cloud.cfg", own);
    machine.seed("i-1", "#cloud-config\ndisable_root: false\nssh_deletekeys: false\n");
    let shown = run::plan_of_boot(&machine.host, &Overrides::default()).expect("read").expect("a plan").0;
    let user = shown.steps.iter().find(|step| step.id == "users_groups/admin").expect("the user");
    assert!(user.operation.describe().contains("admin"), "{}", user.operation.describe());
    assert!(
        !shown.steps.iter().any(|step| step.id.contains("debian")),
        "{:?}",
        shown.steps.iter().map(|step| &step.id).collect::<Vec<_>>()
    );
}

#[test]
fn the_vendors_data_has_its_gates() {
    for (system, user, expected) in [
        ("", "", true),
        ("vendor_data: {enabled: false}\n", "", false),
        ("", "vendor_data: {enabled: false}\n", false),
        ("vendor_data: {enabled: false}\n", "vendor_data: {enabled: true}\n", true),
        ("", "vendor_data: no\n", false),
        ("", "vendor_data: {disabled_handlers: [text/cloud-config]}\n", false),
        ("", "vendor_data2: {enabled: false}\n", true),
    ] {
        let Some(machine) = Machine::new() else { return };
        machine.write("etc/cloud/cloud.cfg", system);
        machine.seed("i-1", &format!("{QUIET}{user}"));
        vendor(&machine, "#cloud-config\nwrite_files: [{path: /etc/vendor, content: x}]\nvendor_data: {enabled: true}\n");
        summary(machine.boot());
        assert_eq!(machine.read("etc/vendor").is_some(), expected, "{system:?} {user:?}");
    }
}

#[test]
fn user_data_counts_only_where_the_image_allows_it() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/cloud/cloud.cfg", "allow_userdata: false\nusers: []\ndisable_root: false\nssh_deletekeys: false\n");
    machine.seed("i-1", &files(&[("/etc/one", "1")]));
    vendor(&machine, "#cloud-config\nwrite_files: [{path: /etc/vendor, content: x}]\n");
    let first = summary(machine.boot());
    assert_eq!((machine.read("etc/one"), machine.read("etc/vendor").as_deref()), (None, Some("x")));
    let told = "/etc/cloud/cloud.cfg:1:1: user-data is not used: `allow_userdata: false`";
    assert!(first.told.iter().any(|one| one.message == told), "{:?}", first.told);
}

#[test]
fn what_is_known_of_the_instance_is_there_for_templates_and_for_root() {
    let Some(machine) = Machine::new() else { return };
    machine.write("etc/cloud/cloud.cfg", "preserve_hostname: false\n");
    machine.write("var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-1\nlocal-hostname: web.example.org\nfoo-bar: [1]\n");
    machine.write(
        "var/lib/cloud/seed/nocloud/user-data",
        "## template: jinja\n#cloud-config\nusers: []\ndisable_root: false\nssh_deletekeys: false\nwrite_files:\n- path: /etc/{{ v1.local_hostname }}\n  \
         content: '{{ ds.meta_data.foo_bar }} {{ v1.distro_release }} {{ merged_system_cfg.preserve_hostname }}'\n",
    );
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert_eq!(machine.read("etc/web").as_deref(), Some("[1] trixie False"));
    let combined: serde_json::Value =
        serde_json::from_str(&machine.read("run/cloud-init/combined-cloud-config.json").expect("written")).expect("JSON");
    assert_eq!((&combined["preserve_hostname"], &combined["write_files"][0]["path"]), (&false.into(), &"/etc/web".into()));
    assert!(combined["features"].is_object() && combined["system_info"]["default_user"]["name"] == "debian", "{combined}");
    let mode = |path: &str| fs::metadata(machine.path(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode("run/cloud-init/combined-cloud-config.json"), 0o600);
    assert_eq!(summary(machine.boot()).state, State::Done);
    assert!(machine.read("run/cloud-init/combined-cloud-config.json").is_some(), "at every boot");
}

#[test]
fn the_image_may_say_what_the_network_is_or_that_nobody_is_to_touch_it() {
    let datasource = "version: 2\nethernets: {eth0: {dhcp4: true}}\n";
    for (system, user, expected) in [
        ("", "", Some("eth0")),
        ("network: {config: disabled}\n", "", None),
        ("network: {version: 2, ethernets: {lan0: {dhcp4: true}}}\n", "", Some("lan0")),
        ("", "network: {config: disabled}\n", Some("eth0")),
    ] {
        let Some(machine) = Machine::new() else { return };
        machine.write("usr/sbin/netplan", "");
        fs::set_permissions(machine.path("usr/sbin/netplan"), fs::Permissions::from_mode(0o755)).expect("mode");
        machine.write("etc/cloud/cloud.cfg.d/99-network.cfg", system);
        machine.write("var/lib/cloud/seed/nocloud/network-config", datasource);
        machine.seed("i-1", &format!("{QUIET}{user}"));
        let plan = run::plan_of_boot(&machine.host, &Overrides::default()).expect("read").expect("a plan").0;
        let step = plan.steps.iter().find(|step| step.phase == "network");
        let files = step.map(|step| match &step.operation {
            landfall::plan::Operation::ConfigureNetwork(network) => {
                network.files.iter().map(|file| String::from_utf8_lossy(&file.content.expose().0).into_owned()).collect::<String>()
            }
            other => panic!("{other:?}"),
        });
        match (expected, files) {
            (None, None) => {}
            (Some(device), Some(text)) => assert!(text.contains(device), "{system} {user}: {text}"),
            (expected, files) => panic!("{system} {user}: {expected:?}, {files:?}"),
        }
    }
}
