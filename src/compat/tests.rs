//! The files as other software finds them, in a temporary root.

use serde_json::Value as Json;

use super::*;
use crate::config::node::{Origin, Value};

const STATE: &str = "/var/lib/landfall/instances/i-1";

struct Root {
    dir: tempfile::TempDir,
    host: Host,
}

impl Root {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let system = "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n";
        for (path, text) in [("/etc/os-release", system), ("/etc/hostname", "web\n")] {
            host.write_copy(path, text.as_bytes(), 0o644).expect("system");
        }
        Self { dir, host }
    }

    fn json(&self, path: &str) -> Json {
        serde_json::from_str(&self.text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn text(&self, path: &str) -> String {
        self.host.read_text(path).expect("read").unwrap_or_else(|| panic!("{path} is missing"))
    }

    fn found(id: &str) -> Found {
        let config = serde_json::json!({"instance-id": id, "local-hostname": "web.example.org"});
        Found {
            source: "nocloud",
            places: vec!["kernel command line".into(), "/var/lib/cloud/seed/nocloud".into()],
            instance_id: id.into(),
            local_hostname: Some("web.example.org".into()),
            public_keys: vec!["ssh-ed25519 A".into()],
            user_data: b"#cloud-config\npassword: hunter2\n".to_vec(),
            vendor_data: None,
            vendor_data2: None,
            network_config: Some(b"version: 2\nethernets: {eth0: {dhcp4: yes}}\n".to_vec()),
            dsmode: None,
            metadata: Node::from_json(&config, &Origin::new("meta-data", 1, 1)),
        }
    }

    fn begin(&self, id: &str) {
        let config = Node::new(Value::Map(Vec::new()), Origin::new("user-data", 1, 1));
        let copies =
            [("cloud-config.txt", cloud_config_text(&config).expect("YAML")), ("user-data.txt.i", b"MIME-Version: 1.0\n".to_vec())];
        new_instance(&self.host, STATE, &Self::found(id), &copies, &serde_json::json!({})).expect("instance");
    }
}

fn disk(root: &Root) -> Vec<(String, std::time::SystemTime)> {
    fn walk(path: &std::path::Path, out: &mut Vec<(String, std::time::SystemTime)>) {
        for entry in std::fs::read_dir(path).expect("dir").flatten() {
            let metadata = entry.path().symlink_metadata().expect("metadata");
            out.push((entry.path().display().to_string(), metadata.modified().expect("time")));
            if metadata.is_dir() {
                walk(&entry.path(), out);
            }
        }
    }
    let mut out = Vec::new();
    walk(&root.dir.path().join("var"), &mut out);
    out.sort();
    out
}

#[test]
fn a_first_boot_leaves_what_other_software_waits_for() {
    let root = Root::new();
    root.begin("i-1");
    assert_eq!(root.host.link_target("/var/lib/cloud/instance").expect("link").as_deref(), Some("/var/lib/cloud/instances/i-1"));
    for (path, text) in [
        ("/var/lib/cloud/data/instance-id", "i-1\n"),
        ("/var/lib/cloud/data/previous-instance-id", "i-1\n"),
        ("/var/lib/cloud/instance/datasource", "DataSourceNoCloud: DataSourceNoCloud [seed=cmdline,/var/lib/cloud/seed/nocloud]\n"),
        ("/var/lib/cloud/instance/user-data.txt", "#cloud-config\npassword: hunter2\n"),
    ] {
        assert_eq!(root.text(path), text, "{path}");
    }
    assert_eq!(root.json("/var/lib/cloud/instance/network-config.json")["ethernets"]["eth0"]["dhcp4"], true);
    assert_eq!(root.host.status("/var/lib/cloud/instance/user-data.txt").expect("status").expect("there").attributes.mode, 0o600);
    for stage in [Stage::Local, Stage::Network, Stage::Final] {
        stage_begins(&root.host, STATE, stage).expect("begins");
        assert!(!root.host.exists("/var/lib/cloud/instance/boot-finished"), "not before the last stage");
        assert!(root.json("/run/cloud-init/status.json")["v1"]["stage"].is_string());
        let mut summary = crate::cli::example(State::Done);
        summary.steps.truncate(1);
        stage_ended(&root.host, STATE, stage, &summary).expect("ended");
    }
    assert!(root.text("/var/lib/cloud/instance/boot-finished").contains(" +0000 - v. "));
    let status = root.json("/var/lib/cloud/data/status.json");
    assert!(status["v1"]["stage"].is_null() && status["v1"]["modules-final"]["finished"].is_number(), "{status}");
    assert_eq!(root.json("/run/cloud-init/result.json")["v1"]["errors"], serde_json::json!([]));
    assert_eq!(root.text("/run/cloud-init/cloud-id"), "nocloud\n");
    assert_eq!(root.json("/run/cloud-init/network-config.json")["version"], 2);
}

#[test]
fn a_second_boot_writes_nothing_to_the_disk() {
    let root = Root::new();
    let boot = || {
        for stage in [Stage::Local, Stage::Network, Stage::Final] {
            stage_begins(&root.host, STATE, stage).expect("begins");
            stage_ended(&root.host, STATE, stage, &crate::cli::example(State::Done)).expect("ended");
        }
    };
    root.begin("i-1");
    boot();
    let before = disk(&root);
    std::fs::remove_dir_all(root.dir.path().join("run")).expect("a boot empties /run");
    assert!(!root.host.exists("/var/lib/cloud/instance/boot-finished"));
    boot();
    assert!(root.host.exists("/var/lib/cloud/instance/boot-finished"));
    assert_eq!(disk(&root), before);
}

#[test]
fn a_failed_step_is_an_error_of_its_stage_and_of_the_result() {
    let root = Root::new();
    root.begin("i-1");
    stage_begins(&root.host, STATE, Stage::Final).expect("begins");
    stage_ended(&root.host, STATE, Stage::Final, &crate::cli::example(State::Failed)).expect("ended");
    let expected = serde_json::json!(["runcmd/1: E_EXEC: runcmd item 1 failed with exit 3"]);
    assert_eq!(root.json("/run/cloud-init/result.json")["v1"]["errors"], expected);
    assert_eq!(root.json("/run/cloud-init/status.json")["v1"]["modules-final"]["errors"], expected);
    let passed_over = &root.json("/run/cloud-init/status.json")["v1"]["init"];
    assert!(passed_over["start"].is_number() && passed_over["finished"].is_number(), "{passed_over}");
}

#[test]
fn an_interrupted_run_has_not_finished() {
    let root = Root::new();
    root.begin("i-1");
    stage_begins(&root.host, STATE, Stage::Final).expect("begins");
    stage_ended(&root.host, STATE, Stage::Final, &crate::cli::example(State::WaitingForReboot)).expect("ended");
    assert!(!root.host.exists("/run/cloud-init/result.json") && !root.host.exists("/var/lib/cloud/instance/boot-finished"));
}

#[test]
fn a_new_instance_remembers_the_one_before() {
    let root = Root::new();
    root.begin("i-1");
    root.begin("i/2");
    assert_eq!(root.text("/var/lib/cloud/data/previous-instance-id"), "i-1\n");
    assert_eq!(root.text("/var/lib/cloud/data/instance-id"), "i/2\n");
    assert_eq!(root.host.link_target("/var/lib/cloud/instance").expect("link").as_deref(), Some("/var/lib/cloud/instances/i_2"));
}

#[test]
fn instance_data_shows_everybody_the_metadata_and_nobody_the_user_data() {
    let root = Root::new();
    root.begin("i-1");
    stage_begins(&root.host, STATE, Stage::Local).expect("begins");
    let public = root.json("/run/cloud-init/instance-data.json");
    assert_eq!(public["v1"]["instance_id"], "i-1");
    assert_eq!(public["v1"]["local_hostname"], "web");
    assert_eq!(public["v1"]["subplatform"], "seed-dir (cmdline,/var/lib/cloud/seed/nocloud)");
    assert_eq!(public["ds"]["meta_data"]["local-hostname"], "web.example.org");
    assert_eq!(public["merged_cfg"], "redacted for non-root user");
    assert!(!root.text("/run/cloud-init/instance-data.json").contains("hunter2"));
    let mode = |path: &str| root.host.status(path).expect("status").expect("there").attributes.mode;
    assert_eq!((mode("/run/cloud-init/instance-data.json"), mode("/run/cloud-init/instance-data-sensitive.json")), (0o644, 0o600));
}

#[test]
fn nothing_is_written_where_cloud_init_is_installed_or_no_datasource_answered() {
    let root = Root::new();
    stage_begins(&root.host, STATE, Stage::Local).expect("begins");
    assert!(!root.host.exists("/run/cloud-init"));
    root.host.write_copy("/usr/bin/cloud-init", b"", 0o755).expect("write");
    root.begin("i-1");
    assert!(!root.host.exists("/var/lib/cloud"));
}

#[test]
fn what_is_told_of_the_whole_is_told_also_where_its_stage_was_passed_over() {
    let root = Root::new();
    root.begin("i-1");
    stage_begins(&root.host, STATE, Stage::Final).expect("begins");
    stage_ended(&root.host, STATE, Stage::Final, &crate::cli::example(State::Degraded)).expect("ended");
    let warnings = &root.json("/run/cloud-init/status.json")["v1"]["init"]["recoverable_errors"];
    assert_eq!(warnings, &serde_json::json!({"WARNING": ["unknown key `hostnam`"]}));
}

#[test]
fn files_of_a_cloud_init_that_was_here_before_give_way() {
    let root = Root::new();
    let places = ["/var/lib/cloud/data/status.json", "/var/lib/cloud/data/result.json", "/var/lib/cloud/instances/i-1/boot-finished"];
    for path in places {
        root.host.write_copy(path, b"old", 0o644).expect("write");
    }
    root.begin("i-1");
    for path in places {
        let target = root.host.link_target(path).expect("link");
        assert!(target.is_some_and(|target| target.starts_with("/run/cloud-init/")), "{path}");
    }
    assert!(root.host.exists("/var/lib/cloud/handlers"));
}

#[test]
fn a_host_in_use_has_files_for_who_waits_where_landfall_stands_in() {
    let root = Root::new();
    in_use(&root.host, &Root::found("i-1")).expect("in use");
    assert!(!root.host.exists("/run/cloud-init"), "nothing is said for a cloud-init that nobody has replaced");
    root.host.link_copy("/usr/bin/cloud-init", "landfall").expect("link");
    in_use(&root.host, &Root::found("i-1")).expect("in use");
    assert_eq!(root.json("/run/cloud-init/instance-data.json")["v1"]["instance_id"], "i-1");
    assert_eq!(root.json("/run/cloud-init/result.json")["v1"]["errors"], serde_json::json!([]));
    let status = root.json("/run/cloud-init/status.json");
    assert!(status["v1"]["stage"].is_null() && status["v1"]["modules-final"]["finished"].is_number(), "{status}");
    assert!(!root.host.exists("/var/lib/cloud"), "nothing that lasts is written");
}

#[test]
fn modules_that_are_always_run_are_marked_when_their_stage_has_ended() {
    let root = Root::new();
    root.begin("i-1");
    let marks = || root.host.list("/var/lib/cloud/instance/sem").expect("marks");
    stage_ended(&root.host, STATE, Stage::Local, &crate::cli::example(State::Running)).expect("ended");
    assert!(!marks().contains(&"consume_data".to_owned()));
    stage_ended(&root.host, STATE, Stage::Network, &crate::cli::example(State::Running)).expect("ended");
    let early = marks();
    assert!(early.contains(&"consume_data".to_owned()) && early.contains(&"config_set_hostname".to_owned()), "{early:?}");
    stage_ended(&root.host, STATE, Stage::Final, &crate::cli::example(State::Interrupted)).expect("ended");
    assert!(!marks().contains(&"config_scripts_user".to_owned()));
    let mut summary = crate::cli::example(State::Done);
    summary.steps.clear();
    stage_ended(&root.host, STATE, Stage::Final, &summary).expect("ended");
    assert!(marks().contains(&"config_scripts_user".to_owned()), "{:?}", marks());
    assert!(root.host.exists("/var/lib/cloud/sem/config_scripts_per_once.once"));
}

#[test]
fn a_module_that_the_image_does_not_list_is_not_marked() {
    let listed = |lists: serde_json::Value, name: &str| is_listed(&Subject { system: lists, ..Subject::of(&Root::found("i-1")) }, name);
    let lists = serde_json::json!({"cloud_final_modules": ["scripts-user", ["final-message", "always"]]});
    assert!(listed(lists.clone(), "scripts_user") && listed(lists.clone(), "final_message") && !listed(lists, "locale"));
    assert!(listed(serde_json::json!({"users": []}), "locale"));
}

#[test]
fn a_host_that_is_switched_off_says_so_where_the_generator_would() {
    let root = Root::new();
    switched_off(&root.host).expect("told");
    assert!(root.host.exists("/run/cloud-init/disabled"));
}

#[test]
fn the_version_of_python_is_read_off_the_name_of_the_program() {
    let root = Root::new();
    let version =
        || instance_data(&root.host, &Subject::of(&Root::found("i-1")), &Json::Null).expect("data")["v1"]["python_version"].clone();
    assert_eq!(version(), Json::Null);
    std::fs::create_dir_all(root.dir.path().join("usr/bin")).expect("directory");
    std::os::unix::fs::symlink("python3.13", root.dir.path().join("usr/bin/python3")).expect("link");
    assert_eq!(version(), "3.13");
}
