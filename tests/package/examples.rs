//! The cloud-configs of `cloud-config/`: what can be said of them without booting.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::built::binary;
use crate::documented::tree;
use crate::lab::{run, Disk, Lab, Release};

const FILES: [&str; 4] = ["bootstrap.yaml", "web-server.yaml", "database-host.yaml", "hardened-bastion.yaml"];

#[test]
fn the_script_in_the_bootstrap_is_the_master_copy() {
    let pasted = tree("cloud-config/bootstrap.yaml");
    let begin = pasted.find("    put /var/lib/cloud/scripts/per-boot/landfall <<'END'\n").unwrap();
    let script: String = pasted[begin..]
        .lines()
        .skip(1)
        .take_while(|line| *line != "    END")
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect();
    assert_eq!(script, tree("packaging/per-boot-landfall"));
}

#[test]
fn cloud_init_finds_no_fault_with_the_examples() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::BookwormCloudInit, Release::TrixieCloudInit] {
        let host = lab.host(release, Disk::Directory);
        for file in FILES {
            host.files().write("/root/user-data", tree(&format!("cloud-config/{file}")), 0o600);
            let checked = host.chroot(&["cloud-init", "schema", "--config-file", "/root/user-data"]);
            assert!(checked.ok() && !checked.stdout.contains("deprecat"), "{file} {release:?}: {checked:?}");
        }
    }
}

#[test]
fn landfall_finds_no_fault_with_the_examples() {
    let Some(binary) = binary() else { return };
    for file in FILES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-config").join(file);
        let checked = run(Command::new(&binary).arg("validate").arg(path), b"", Duration::from_secs(30));
        assert!(checked.ok() && !checked.stdout.contains("warning"), "{file}: {checked:?}");
    }
}
