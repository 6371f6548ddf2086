//! The names of cloud-init that landfall answers to, on hosts of their own.

use super::state::on_host;

/// `cloud-init-per` and `cloud-init` are links to landfall, and a command leaves a line in `/run/ran`.
const NAMES: &str = "mkdir -p /run/bin /var/lib/cloud/instances/i-1; ln -s instances/i-1 /var/lib/cloud/instance; PATH=/run/bin:$PATH; \
    for name in cloud-init cloud-init-per; do ln -s \"$(command -v landfall)\" /run/bin/$name; done; ";

fn on_host_with_names(script: &str) -> Option<super::Ran> {
    on_host("done", &format!("{NAMES}{script}"))
}

#[test]
fn cloud_init_per_runs_a_command_as_often_as_it_says() {
    let script = "for time in 1 2; do for frequency in once instance always; do \
        cloud-init-per $frequency my-name sh -c 'echo $0 >>/run/ran; exit 3' $frequency; echo $?; done; done; \
        cat /run/ran; cd /var/lib/cloud; ls sem instance/sem; cut -f 1 sem/bootper.my_name.once; grep -cE '^3\t[0-9]+$' sem/*.once; \
        printf '' >sem/bootper.old-name.once; cloud-init-per once old-name echo again; \
        cloud-init-per once gone no-such-program 2>/dev/null; echo $?; ls sem/*gone*";
    let Some(ran) = on_host_with_names(script) else { return };
    let expected = "3\n3\n3\n0\n0\n3\nonce\ninstance\nalways\nalways\n\
        instance/sem:\nbootper.my_name.instance\n\nsem:\nbootper.my_name.always\nbootper.my_name.once\n3\n1\n127\nsem/bootper.gone.once\n";
    assert_eq!(ran.ended(0).stdout, expected);
}

#[test]
fn cloud_init_per_refuses_what_it_cannot_read_and_does_not_run_it() {
    for words in ["", "once", "once name", "daily name touch /run/ran", "once a/b touch /run/ran"] {
        let Some(ran) = on_host_with_names(&format!("cloud-init-per {words}; code=$?; test -e /run/ran && exit 99; exit $code")) else {
            return;
        };
        let ran = ran.ended(1);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("usage: cloud-init-per FREQUENCY NAME COMMAND"), "{words}: {}", ran.stderr);
    }
    let Some(ran) = on_host_with_names("cloud-init-per -h") else { return };
    assert!(ran.ended(0).stdout.starts_with("usage: cloud-init-per"));
    let Some(ran) = on_host_with_names("rm /var/lib/cloud/instance; cloud-init-per instance x touch /run/ran") else { return };
    assert!(ran.ended(1).stderr.contains("there is no instance yet"));
}

#[test]
fn a_script_finds_landfalls_own_cloud_init_per_where_the_host_has_none() {
    let script = "mkdir -p /run/over/up /run/over/work && mount -t overlay o -o lowerdir=/usr/lib,upperdir=/run/over/up,workdir=/run/over/work /usr/lib \
        || { echo skipped; exit; }; mkdir -p /usr/lib/landfall/bin && ln -s \"$(command -v landfall)\" /usr/lib/landfall/bin/cloud-init-per && \
        printf '#cloud-config\\nbootcmd: [[cloud-init-per, once, x, touch, /run/ran], \"echo $PATH >/run/path\"]\\n' >/run/user-data && \
        landfall apply /run/user-data >/run/said 2>&1 || { cat /run/said; exit 1; }; ls /run/ran /var/lib/cloud/sem; cat /run/path";
    let Some(ran) = on_host("not-started", script) else { return };
    let said = ran.ended(0).stdout;
    assert!(
        said == "skipped\n" || said.contains("/run/ran\n") && said.contains("bootper.x.once") && said.ends_with(":/usr/lib/landfall/bin\n"),
        "{said}"
    );
}

#[test]
fn schema_ends_as_the_real_one_and_marks_errors_and_deprecations_apart() {
    let shown =
        |text: &str, options: &str| on_host_with_names(&format!("printf '{text}' >/run/u; cd /run; cloud-init schema -c u {options}"));
    for (text, code) in [
        ("chpasswd: {expire: \"yes\"}", 1),
        ("ssh_genkeytypes: [bad]", 1),
        ("final_message: -1", 1),
        ("disable_ec2_metadata: 1", 1),
        ("packages: []", 1),
        ("hostnam: x", 1),
        ("apt_update: true", 0),
        ("ssh_pwauth: \"yes\"", 0),
        ("write_files: [{path: /x, encoding: b64, content: \"?\"}]", 0),
    ] {
        let Some(ran) = shown(&format!("#cloud-config\n{text}\n"), "") else { return };
        let said = ran.ended(code);
        let expected = if code == 1 { "Invalid user-data u\n" } else { "Valid schema u\n" };
        assert!(said.stdout.ends_with(expected), "{text}: {}", said.stdout);
        assert_eq!(said.stderr.contains("Error: Invalid schema: user-data\n"), code == 1, "{text}: {}", said.stderr);
    }
    let Some(ran) = shown("#cloud-config\\nhostname: x\\n", "--annotate") else { return };
    assert_eq!(ran.ended(0).stdout, "Valid schema u\n", "nothing to mark");
    let both = "#cloud-config\nhostnam: x\napt_update: true\n";
    let Some(ran) = shown(both, "") else { return };
    let said = ran.ended(1).stdout;
    assert!(
        said.starts_with("Cloud config schema deprecations: u:3:1: `apt_update`") && said.ends_with("\nInvalid user-data u\n"),
        "{said}"
    );
    let Some(ran) = shown(both, "--annotate") else { return };
    let said = ran.ended(1).stdout;
    let expected = "#cloud-config\nhostnam: x\t\t# E1\napt_update: true\t\t# D1\n\n# Errors: -------------\n# E1: u:2:1: ";
    assert!(said.starts_with(expected) && said.contains("\n\n\n# Deprecations: -------------\n# D1: u:3:1: "), "{said}");
}

#[test]
fn schema_fills_templates_in_with_the_data_it_is_given_or_those_of_the_host() {
    let prepare =
        "cd /run; echo '{\"ds\": {\"x\": \"hostname\"}}' >id.json; printf '## template: jinja\n#cloud-config\n{{ ds.x }}: y\n' >u; ";
    let Some(ran) = on_host_with_names(&format!("{prepare}cloud-init schema -c u -i id.json")) else { return };
    assert_eq!(ran.ended(0).stdout, "Valid schema u\n");
    let Some(ran) =
        on_host_with_names(&format!("{prepare}mkdir cloud-init; cp id.json cloud-init/instance-data.json; cloud-init schema -c u"))
    else {
        return;
    };
    assert_eq!(ran.ended(0).stdout, "Valid schema u\n");
    let Some(ran) = on_host_with_names(&format!("{prepare}sed -i s/hostname/hostnam/ id.json; cloud-init schema -c u -i id.json")) else {
        return;
    };
    assert!(ran.ended(1).stderr.contains("`hostnam`"));
    let Some(ran) = on_host_with_names(&format!("{prepare}cloud-init schema -c u -i nothing.json")) else { return };
    assert!(ran.ended(1).stderr.contains("nothing.json: there is no instance data"));
}

#[test]
fn schema_of_the_instance_lists_what_it_was_given() {
    let script = "cd /var/lib/cloud/instance; printf '#cloud-config\nhostname: x\n' >user-data.txt; cloud-init schema --system; \
        printf '#cloud-config\npackages: []\n' >vendor-data.txt; cloud-init schema --system 2>/dev/null; echo $?";
    let Some(ran) = on_host_with_names(script) else { return };
    let at = "/var/lib/cloud/instance";
    let expected = format!(
        "Valid schema user-data\nFound cloud-config data types: user-data, vendor-data\n\n1. user-data at {at}/user-data.txt:\n  Valid schema \
         user-data\n\n2. vendor-data at {at}/vendor-data.txt:\n  Invalid vendor-data {at}/vendor-data.txt\n1\n"
    );
    assert_eq!(ran.ended(0).stdout, expected);
}

#[test]
fn what_single_cannot_do_is_refused() {
    for words in ["--file /run/u", "--report", "argument"] {
        let Some(ran) = on_host_with_names(&format!("cloud-init single -n runcmd {words}")) else { return };
        assert!(ran.ended(1).stderr.contains("landfall apply FILE"), "{words}");
    }
}

#[test]
fn analyze_takes_the_options_of_the_real_one() {
    let dump = r#"[{"name": "init-local/a", "event_type": "start", "timestamp": 1.5, "description": "do a"},
        {"name": "init-local/a", "event_type": "finish", "timestamp": 3.0, "description": "do a", "result": "SUCCESS"}]"#;
    let script = format!(
        "cd /run; echo '{dump}' >d.json; cloud-init analyze show -i d.json -f '%n %d %r' -o shown; cat shown; \
         cloud-init analyze blame --infile=d.json; cloud-init analyze boot; echo text >log; cloud-init analyze dump -i log; echo $?"
    );
    let Some(ran) = on_host_with_names(&script) else { return };
    let ran = ran.ended(0);
    let (said, told) = (ran.stdout, ran.stderr);
    assert!(said.contains("\ninit-local/a 01.50000 SUCCESS\n") && said.contains("     01.50000s (init-local/a)\n"), "{said}");
    assert!(said.contains(" Boot Record --\n    ") && said.contains("    Cloud-init start: 2026-08-01 12:30:45.000000+00:00\n"), "{said}");
    assert!(said.ends_with("\n1\n") && told.contains("log: these are no events"), "{said}{told}");
}

#[test]
fn devel_makes_one_user_data_of_several_files_and_renders_templates() {
    let script = "cd /run; printf '#!/bin/sh\\n' >s; printf '#cloud-config\\nhostname: x\\n' >c; cloud-init devel make-mime -l | wc -l; \
        cloud-init devel make-mime -a s:x-shellscript -a c:cloud-config >u && cat u; landfall validate u; cloud-init devel make-mime -a s:foo; \
        echo $?; printf '## template: jinja\\n#cloud-config\\n{{ ds.x }}\\n' >t; echo '{\"ds\": {\"x\": \"y: z\"}}' >i; cloud-init devel render -i i t; \
        cloud-init devel net-convert -p x -k yaml; echo $?";
    let Some(ran) = on_host_with_names(script) else { return };
    let ran = ran.ended(0);
    for expected in [
        "12\nContent-Type: multipart/mixed; boundary=\"===============",
        "Content-Type: text/x-shellscript; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"s\"\n\nIyEvYmluL3NoCg==\n\n--",
        "\nu: valid; ",
        "\n1\n#cloud-config\ny: z\n1\n",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout);
    }
    assert!(ran.stderr.contains("no type `text/foo`") && ran.stderr.contains("landfall has no `devel net-convert`"), "{}", ran.stderr);
}
