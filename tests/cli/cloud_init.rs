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
