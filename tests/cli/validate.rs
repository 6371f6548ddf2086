//! `landfall validate`.

use super::run::{landfall, landfall_reading, landfall_unprivileged};

fn validated(text: &str) -> super::Ran {
    landfall_reading(&["validate", "-"], text.as_bytes())
}

#[test]
fn problems_are_located_and_come_with_a_fix() {
    let text = "#cloud-config\nhostnam: web\nusers:\n- name: alice\n  uid: abc\n";
    let ran = validated(text).ended(65);
    let expected = "warning[unknown-key]: unknown key `hostnam`: it is ignored\n --> stdin:2:1\n  |\n2 | hostnam: web\n  | ^\n  = help: did you mean `hostname`?\n";
    assert!(ran.stdout.starts_with(expected), "{}", ran.stdout);
    assert!(ran.stdout.contains(" --> stdin:5:8\n  |\n5 |   uid: abc\n  |        ^\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nstdin: 1 error, 1 warning; "), "{}", ran.stdout);
}

#[test]
fn what_is_right_is_valid_with_its_size() {
    let ran = validated("#cloud-config\nhostname: web\nruncmd: [echo hi]\n").ended(0);
    assert!(ran.stdout.starts_with("stdin: valid; 46 bytes ("), "{}", ran.stdout);
    validated("#cloud-config\n").ended(0);
}

#[test]
fn nothing_is_said_of_what_a_host_has_where_there_is_none() {
    let text = "random_seed: {command: [sh, -c, dd]}\ngroups: [a: [www-data, _apt]]\n\
        users: [default, {name: bob, ssh_redirect_user: true}]\nwrite_files: [{path: /a, owner: 'www-data:tape'}]\n";
    let ran = validated(&format!("#cloud-config\n{text}")).ended(0);
    assert!(ran.stdout.starts_with("stdin: valid; "), "{}", ran.stdout);
    let ran = validated("#cloud-config\ngroups: [a: [nobodies]]\n").ended(0);
    assert!(ran.stdout.contains("there is no such user"), "{}", ran.stdout);
}

#[test]
fn warnings_alone_leave_it_valid() {
    let ran = validated("#cloud-config\nhostnam: web\n").ended(0);
    assert!(ran.stdout.contains("stdin: valid, 1 warning; "), "{}", ran.stdout);
}

#[test]
fn quietly_only_what_makes_it_invalid_is_said() {
    let quietly = |args: &[&str], text: &str| landfall_reading(&[&["validate", "-q"], args, &["-"]].concat(), text.as_bytes());
    let warned = "#cloud-config\nhostnam: web\n";
    assert_eq!(quietly(&[], warned).ended(0).stdout, "");
    let strict = quietly(&["--strict"], warned).ended(65).stdout;
    assert!(strict.starts_with("warning[unknown-key]") && !strict.contains("bytes"), "{strict}");
    let wrong = quietly(&[], "#cloud-config\nhostnam: web\nusers: 5\n").ended(65).stdout;
    assert!(wrong.starts_with("error[type]") && !wrong.contains("hostnam:"), "{wrong}");
}

#[test]
fn a_script_that_the_kernel_will_not_start_is_told_and_no_other() {
    let part = "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\necho hi\n";
    let told = validated(part).ended(0).stdout;
    assert!(told.contains("this script has no `#!` at its start") && told.contains("make `#!/bin/sh` the first line"), "{told}");
    for script in ["#!/bin/sh -e", "#!/bin/sh", "#!/usr/bin/env bash\necho hi\n", "#! /usr/bin/env -S python3 -u\nprint(1)\n"] {
        let told = validated(script).ended(0).stdout;
        assert!(told.starts_with("stdin: valid; "), "{script}: {told}");
    }
}

#[test]
fn a_script_that_its_shell_cannot_read_is_told_with_the_line() {
    let body = "echo hi\nfi\n";
    for (header, shell) in [("#!/bin/sh", "sh"), ("#!/bin/sh -e", "sh"), ("#!/usr/bin/env bash", "bash")] {
        let told = validated(&format!("{header}\n{body}")).ended(0).stdout;
        assert!(told.starts_with(&format!("warning[shell]: stdin: {shell} cannot read this script to its end: ")), "{header}: {told}");
        assert!(told.contains("--> stdin:3:1\n"), "{header}: {told}");
    }
    let windows = "#!/bin/sh\r\nif true; then\r\n  echo\r\nfi\r\n";
    assert!(!validated(windows).ended(0).stdout.contains("warning[shell]"));
    let mail = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n{body}\n--b--\n");
    let told = validated(&mail).ended(0).stdout;
    assert!(told.starts_with("warning[shell]: part-001: sh cannot read"), "{told}");
    // Not a shell's text, and a shell that is not asked.
    for header in ["#!/usr/bin/env python3", "#!/bin/zsh"] {
        assert!(!validated(&format!("{header}\n{body}")).ended(0).stdout.contains("warning[shell]"));
    }
}

#[test]
fn broken_yaml_is_shown_where_it_breaks() {
    for (text, place) in [
        ("#cloud-config\npackages: [a\nruncmd: []\n", "stdin:"),
        ("#cloud-config\na:\n\t- b\n", "stdin:3:1"),
        ("#cloud-config\na: @b\n", "stdin:2:4"),
    ] {
        let ran = validated(text).ended(65);
        assert!(ran.stdout.contains("error[yaml]") && ran.stdout.contains(place), "{}", ran.stdout);
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = "#cloud-config\npassword: [hunter2]\nusers:\n- name: a\n  passwd: [hunter2]\n  uid: hunter2x\n\
        write_files:\n- path: relative\n  content: hunter2\nchpasswd:\n  list: |\n    root:hunter2:x\n    nocolon hunter2\n";
    for args in [vec!["validate", "-"], vec!["validate", "--format", "json", "-"]] {
        let ran = landfall_reading(&args, text.as_bytes()).ended(65);
        assert!(!ran.stdout.replace("hunter2x", "").contains("hunter2"), "{}", ran.stdout);
    }
}

#[test]
fn json_has_every_field_a_program_needs() {
    let text = "#cloud-config\nhostnam: web\n";
    let json = landfall_reading(&["validate", "--format", "json", "-"], text.as_bytes()).ended(0).json();
    assert_eq!(json["valid"], true);
    let file = &json["files"][0];
    assert_eq!((&file["file"], &file["size"]["bytes"]), (&"stdin".into(), &text.len().into()));
    let problem = &file["problems"][0];
    for (key, value) in [("severity", "warning"), ("code", "unknown-key"), ("part", "stdin"), ("help", "did you mean `hostname`?")] {
        assert_eq!(problem[key], value);
    }
    assert_eq!((&problem["line"], &problem["column"]), (&2.into(), &1.into()));
}

#[test]
fn several_files_are_checked_and_one_bad_one_counts() {
    let dir = tempfile::tempdir().expect("dir");
    let path = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.to_string_lossy().into_owned()
    };
    let (good, bad) = (path("good.yaml", "#cloud-config\nhostname: a\n"), path("bad.yaml", "#cloud-config\nusers: 5\n"));
    let ran = landfall(&["validate", &good, &bad]).ended(65);
    assert!(ran.stdout.contains(&format!("{good}: valid; ")) && ran.stdout.contains(&format!("{bad}: 1 error; ")), "{}", ran.stdout);
    landfall(&["validate", &good]).ended(0);
    assert!(landfall(&["validate", "/nonexistent"]).ended(64).stderr.contains("/nonexistent"));
}

#[test]
fn a_section_that_the_file_writes_for_landfall_is_checked_too() {
    let text = "#cloud-config\nwrite_files:\n- path: /etc/landfall/conf.d/50-user.yaml\n  permissions: '0600'\n  content: |\n    landfall:\n      phases:\n      - nam: base\n";
    let ran = validated(text);
    assert!(
        ran.stdout.contains(" --> /etc/landfall/conf.d/50-user.yaml:3:5\n") && ran.stdout.contains("did you mean `name`?"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_written_section_is_read_as_beside_cloud_init() {
    let text = "#cloud-config\npackages: [a]\nwrite_files:\n- path: /etc/landfall/conf.d/50-user.yaml\n  content: |\n    landfall:\n      phases:\n      - name: base\n        run: [packages]\n        runcmd: [echo]\n";
    let ran = validated(text).ended(0);
    assert!(ran.stdout.contains("cloud-init does `packages` itself"), "{}", ran.stdout);
}

#[test]
fn the_section_at_the_top_level_is_warned_of() {
    let ran = validated("#cloud-config\nhostname: a\nlandfall: {on_error: stop}\n").ended(0);
    assert!(
        ran.stdout.contains("warning[top-level-landfall]") && ran.stdout.contains("/etc/landfall/conf.d/50-user.yaml"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_configuration_file_of_landfalls_own_needs_no_header() {
    validated("landfall:\n  on_error: stop\n").ended(0);
    assert!(validated("landfall:\n  on_error: never\n").ended(65).stdout.contains(" --> stdin:2:13\n"));
}

#[test]
fn a_header_that_is_missing_or_misspelt_is_an_error_with_its_fix() {
    for text in ["hostname: a\n", "# cloud-config\nhostname: a\n", "#cloudconfig\nhostname: a\n"] {
        let ran = validated(text).ended(65);
        assert!(ran.stdout.contains("stdin:1:1") && ran.stdout.contains("#cloud-config`"), "{text:?}: {}", ran.stdout);
    }
}

#[test]
fn problems_of_a_part_are_located_in_that_part() {
    let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/cloud-config\n\
        Content-Disposition: attachment; filename=\"one.yaml\"\n\n#cloud-config\nhostname: a\n\
        --B\nContent-Type: text/cloud-config\n\n#cloud-config\nusers: 5\n--B--\n";
    let ran = validated(text).ended(65);
    assert!(ran.stdout.contains(" --> part-002:2:8\n  |\n2 | users: 5\n"), "{}", ran.stdout);
}

#[test]
fn what_no_provider_takes_is_said() {
    let text = format!("#cloud-config\n# {}\n", "x".repeat(20 << 10));
    let ran = validated(&text).ended(0);
    let expected = "warning[size]: 20497 bytes are more than these providers take: Amazon EC2 (16384)\n  = help: gzip it: ";
    assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    // Nothing that can be compressed.
    let text = format!("#cloud-config\n# {}\n", (0..60_000_u64).map(|at| format!("{:x}", at * 0x9e37_79b9)).collect::<String>());
    let ran = validated(&text).ended(0);
    assert!(
        ran.stdout.contains("put a part of it behind `#include URL`") && ran.stdout.contains("too much for Amazon EC2"),
        "{}",
        ran.stdout
    );
    assert!(!validated("#cloud-config\nhostname: a\n").stdout.contains("[size]"));
}

#[test]
fn with_strict_a_warning_is_as_good_as_an_error_and_a_note_is_not() {
    for (text, code) in [("hostnam: web\n", 65), ("hostname: web\n", 0), ("apt_update: true\n", 0), ("users: 5\n", 65)] {
        let text = format!("#cloud-config\n{text}");
        let ran = landfall_reading(&["validate", "--strict", "-"], text.as_bytes()).ended(code);
        assert_eq!(ran.stdout.contains("stdin: valid"), code == 0, "{}", ran.stdout);
        let json = landfall_reading(&["validate", "--strict", "--format", "json", "-"], text.as_bytes()).ended(code).json();
        assert_eq!((&json["valid"], &json["files"][0]["valid"]), (&(code == 0).into(), &(code == 0).into()));
    }
}

#[test]
fn anybody_can_validate() {
    let dir = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().expect("dir");
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, "#cloud-config\nhostname: a\n").expect("write");
    landfall_unprivileged(&["validate", &path.to_string_lossy()]).ended(0);
}

/// The file that is pasted into a provider's panel, with one of its lines changed; the number of that line.
fn bootstrap(line: &str, changed: &str) -> (String, usize) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/cloud-config/bootstrap.yaml");
    let text = std::fs::read_to_string(path).expect("the file");
    let number = text.lines().position(|found| found == line).expect("the line") + 1;
    (text.replacen(line, changed, 1), number)
}

#[test]
fn a_section_that_bootcmd_writes_is_checked_where_it_stands() {
    let (text, _) = bootstrap("#cloud-config", "#cloud-config");
    assert!(validated(&text).ended(0).stdout.starts_with("stdin: valid; "));
    for (line, changed, column, code, message) in [
        ("          package_update: true", "          package_updat: true", 11, 0, "warning[unknown-key]: unknown key `package_updat`"),
        ("          needs: base", "          needs: bas", 18, 65, "error[unknown-phase]: phase `site` needs `bas`"),
        ("          packages: [nginx]", "          packages: [nginx", 21, 65, "error[yaml]: the list in brackets"),
        ("      retry: 5", "      retry: five", 14, 65, "error["),
    ] {
        let (text, number) = bootstrap(line, changed);
        let ran = validated(&text).ended(code);
        let place = format!(" --> stdin:{number}:{column}\n");
        assert!(ran.stdout.contains(&place) && ran.stdout.contains(message), "{place}{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("{number} | {changed}\n")), "{}", ran.stdout);
    }
}

#[test]
fn what_one_place_declares_secret_is_masked_in_the_words_about_another() {
    let text = "#cloud-config\npassword: Tr0ub4dor\nchpasswd: {expire: false}\ntimezone: Tr0ub4dor!\nTr0ub4dor: 1\n";
    for args in [vec!["validate", "-"], vec!["validate", "--format", "json", "-"]] {
        let ran = landfall_reading(&args, text.as_bytes()).ended(65);
        assert!(!ran.stdout.contains("Tr0ub4dor") && ran.stdout.contains("`***!` is no time zone"), "{}", ran.stdout);
    }
}

#[test]
fn our_own_words_are_not_taken_for_secrets() {
    let ran = validated("#cloud-config\nusers:\n- name: ada\n  lock-passwd: maybe\n- name: bob\n  lock_passwd: false\n").ended(65);
    for expected in ["4 |   lock-passwd: maybe\n", "`lock_passwd: false` does nothing for user `bob`, who has no password\n"] {
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("***"), "{}", ran.stdout);
}

#[test]
fn what_is_probably_not_meant_is_said_where_it_stands() {
    let rows = [
        ("users: [{name: a, lock_passwd: false, passwd: Gartenzaun}]", 0, "1:47", "looks like the password itself, in clear"),
        ("users:\n- name: a\n  hashed_passwd: Gartenzaun\n", 0, "3:18", "use `plain_text_passwd`"),
        ("chpasswd: {expire: false, users: [{name: root, password: Gartenzaun}]}", 0, "1:58", "use `type: text`"),
        ("chpasswd: {expire: false, users: [{name: root, password: Gartenzaun, type: hsah}]}", 65, "1:76", "did you mean `hash`?"),
        ("write_files: [{path: /a, owner: 'a:b:c'}]", 65, "1:33", "`a:b:c` is no owner"),
        ("users: [{name: a, homedir: home/a}]", 65, "1:28", "`home/a` is no absolute path"),
        ("users: [{name: a, shell: zsh}]", 65, "1:26", "`zsh` is no absolute path"),
        ("users: [{name: a, expiredate: soon}]", 65, "1:31", "`soon` is no date"),
        ("users: [{name: a, sudo: 'ALL=(ALL NOPASSWD:ALL'}]", 65, "1:25", "`ALL=(ALL NOPASSWD:ALL` is no sudo rule"),
        ("runcmd:\n- echo ok\n- 'if true; then echo'\n- echo 'x\n", 0, "3:3", "item 2 of runcmd is no whole command"),
        ("landfall: {on_error: contine}", 65, "1:22", "did you mean `continue`?"),
        ("landfall: {notify: {on: failure}}", 65, "1:20", "has either `url` or `command`"),
        ("landfall: {notify: [{url: 'http://x/', command: [a]}]}", 65, "1:21", "has either `url` or `command`"),
        ("landfall: {notify: [{url: 'x.org'}]}", 65, "1:27", "`x.org` is no http or https address"),
        ("landfall: {notify: [{url: 'http://x/', on: [sucess]}]}", 65, "1:45", "did you mean `success`?"),
        ("landfall: {notify: {command: []}}", 65, "1:21", "an empty command"),
        ("landfall: {notify: {command: [a], headers: {A: b}}}", 0, "1:35", "a command has no headers"),
        ("landfall: {notify: {comand: [a]}}", 65, "1:21", "did you mean `command`?"),
        ("reporting: {a: {type: webhok, endpoint: 'http://x/'}}", 65, "1:17", "did you mean `webhook`?"),
        ("reporting: {a: {type: webhook}}", 65, "1:16", "a webhook has an `endpoint`"),
        ("reporting: {a: {type: webhook, endpoint: 'http://x/', token_key: k}}", 65, "1:55", "a signed request needs `consumer_key`"),
        ("reporting: {a: {type: hyperv}}", 0, "1:17", "a Hyper-V machine is not told"),
        ("reporting: {a: {type: webhook, endpoint: 'http://x/'}}", 0, "1:16", "only the end of the run is reported"),
        ("power_state: {mode: rebot}", 65, "1:21", "did you mean `reboot`?"),
        ("phone_home: {post: all}", 65, "1:13", "phone_home has no `url`"),
        ("phone_home: {url: 'ftp://x/'}", 65, "1:19", "`ftp://x/` is no http or https address"),
        ("phone_home: {url: 'http://x/', post: [hostnam]}", 0, "1:39", "did you mean `hostname`?"),
        ("phone_home: {url: 'http://x/', post: some}", 65, "1:38", "neither `all` nor a list"),
        ("phone_home: {url: 'http://x/', tries: 0}", 65, "1:39", "counted from 1 to 1000"),
        (
            "apt:\n  sources: {a: {source: deb http://x y z}}\n  primary: [{arches: [default], uri: 'http://x'}]\n",
            0,
            "3:3",
            "`apt.primary` does nothing",
        ),
        (
            "apt:\n  sources:\n    a:\n      source: deb http://x y z\n      key: nonsense\n",
            65,
            "5:7",
            "the key of apt source `a` cannot be used",
        ),
        ("write_files:\n- path: /a\n  encoding: b64\n  content: '%'\n", 65, "4:3", "the content of /a is not base64"),
        ("chpasswd:\n  list: |\n\n    root:Gartenzaun\n    nocolon\n", 65, "5:5", "line 3 of the text has no colon"),
    ];
    for (text, code, place, message) in rows {
        let ran = validated(&format!("#cloud-config\n{text}"));
        let (line, column) = place.split_once(':').expect("a place");
        let place = format!(" --> stdin:{}:{column}\n", line.parse::<u32>().expect("a line") + 1);
        assert!(ran.code == code && ran.stdout.contains(message) && ran.stdout.contains(&place), "{text}: {code} {place}{}", ran.stdout);
        assert!(!ran.stdout.contains("Gartenzaun"), "{}", ran.stdout);
    }
}

#[test]
fn what_is_right_is_not_taken_for_a_mistake() {
    for text in [
        "users: [{name: a, lock_passwd: false, passwd: $6$salt$hash}, {name: b, passwd: '*'}, {name: c, hashed_passwd: '!'}]",
        "users: [{name: a, expiredate: 2032-09-01, shell: /bin/sh, homedir: ''}, {name: b, expiredate: '20000'}]",
        "users: [{name: a, sudo: ['ALL=(ALL:ALL) NOPASSWD: /bin/x (a), /bin/y \\)', 'ALL=(ALL) ALL']}]",
        "runcmd: ['if true; then', echo, fi, [sh, -c, \"'\"], 'echo \\', x]",
        "write_files: [{path: /a, owner: 'a:b'}, {path: /b, owner: a}]",
        "chpasswd: {expire: false, users: [{name: root, password: $y$j9T$salt$hash}]}",
        "vendor_data: {enabled: true, prefix: [timeout, 30]}",
        "{mounts: [[vdb, /srv]], mount_default_fields: [None, None, auto, 'defaults,nofail', '0', '2']}",
        "{swap: {size: .5T}, growpart: {devices: /dev/vdb1}}",
    ] {
        let ran = validated(&format!("#cloud-config\n{text}\n")).ended(0);
        assert!(ran.stdout.starts_with("stdin: valid; "), "{text}: {}", ran.stdout);
    }
}

#[test]
fn old_forms_and_asking_for_nothing_are_notes() {
    for (text, place, expected) in [
        ("growpart: {mode: false}", "2:18", "growpart.mode is an old form\n"),
        ("power_state: {mode: reboot, delay: '+5'}", "2:36", "= help: write `5`\n"),
        ("ssh_pwauth: unchanged", "2:13", "`ssh_pwauth: unchanged` is an old form\n"),
        ("ssh_pwauth: 'yes'", "2:13", "= help: write `true`\n"),
        ("users: [{name: a, uid: '1743'}]", "2:24", "= help: write `1743`\n"),
        ("vendor_data: {enabled: 'yes'}", "2:24", "= help: write `true`\n"),
        ("grub_dpkg: {grub-pc/install_devices_empty: 'off'}", "2:44", "= help: write `false`\n"),
        ("system_info: {distro: debian}", "2:1", "`system_info` in user-data is an old form: it is the image's\n"),
        ("add_apt_repo_match: x", "2:1", "`add_apt_repo_match` is an old spelling of `add_apt_repo_match` under `apt`\n"),
        ("users: {foo: 'yes', bar: true}", "2:14", "= help: write `true`\n"),
        ("locale: en_US.utf8", "2:9", "= help: write `en_US.UTF-8`\n"),
        ("# packages: [a]", "1:1", "note[empty]: nothing is asked for here"),
    ] {
        let ran = validated(&format!("#cloud-config\n{text}\n")).ended(0);
        assert!(ran.stdout.contains(expected) && ran.stdout.contains(&format!(" --> stdin:{place}\n")), "{text}: {}", ran.stdout);
        assert!(!ran.stdout.contains("error[") && !ran.stdout.contains("warning["), "{text}: {}", ran.stdout);
    }
    assert!(validated("").ended(0).stdout.contains("note[empty]"));
}

#[test]
fn what_only_an_instance_or_the_network_can_tell_is_a_note_and_syntax_an_error() {
    for (text, code, expected) in [
        (
            "#include\nhttp://127.0.0.1:9/x\n",
            0,
            "note[include-not-fetched]: http://127.0.0.1:9/x is not fetched here: what it holds is not looked at\n --> stdin:2:1",
        ),
        ("## template: jinja\n#cloud-config\nhostname: {{ ds.meta_data.own }}\n", 0, "note[template-variable]: `own` is not known here"),
        ("## template: jinja\n#cloud-config\nhostname: {{ ds.own.name }}\n", 0, "note[template-not-rendered]"),
        (
            "## template: jinja\n#cloud-config\nhostname: {{ a b }}\n",
            65,
            "error[template]: the template cannot be rendered: syntax error: unexpected identifier",
        ),
        ("## template: jinja\n#cloud-config\npakages: [{{ v1.distro }}]\n", 0, "--> stdin (rendered):2:1"),
        (
            "## template: jinja\n#cloud-config\na: {{ 'x' * 90000000 }}\n",
            65,
            "error[template]: the template cannot be rendered: it needs more than 44 MiB of memory",
        ),
        ("#cloud-boothook\n#!/bin/sh\n", 0, "stdin: valid; "),
        ("#cloud-boothook\necho early\n", 0, "warning[boothook]: part-001 has no `#!` line below `#cloud-boothook`"),
        (
            "#cloud-config\napt: {sources: {x: {source: 'deb http://example.org/d s m', keyid: Archive Key}}}\n",
            0,
            "warning[apt-key]: `Archive Key` is no id of a key: no key server will have it\n --> stdin:2:61",
        ),
        ("#cloud-config\napt: {sources: {x: {source: 'deb http://example.org/d s m', keyid: '0xABCD EF01'}}}\n", 0, "stdin: valid; "),
        (
            "#cloud-config-archive\n- content: {a: 1}\n",
            65,
            "error[archive]: `content` is the text of the part, not a mapping\n --> stdin:2:12",
        ),
        (
            "#cloud-config-jsonp\n[{\"op\": \"remove\", \"path\": \"/x\"}]\n",
            65,
            "error[patch]: the patch `stdin` is left out: there is no `/x`\n --> stdin:2:2",
        ),
    ] {
        let ran = validated(text).ended(code);
        assert!(ran.stdout.contains(expected), "{text}: {}", ran.stdout);
    }
}

#[test]
fn a_configuration_that_begins_as_a_script_is_asked_about() {
    for header in ["#!cloud-config", "#! /cloud-config"] {
        let ran = validated(&format!("{header}\nhostname: a\n")).ended(0);
        assert!(ran.stdout.contains("stdin:1:1\n") && ran.stdout.contains("did you mean `#cloud-config`?"), "{}", ran.stdout);
    }
    assert!(validated("#!/bin/sh\necho\n").ended(0).stdout.starts_with("stdin: valid; "));
}

#[test]
fn nesting_without_end_is_called_so() {
    for text in [format!("a: {}{}\n", "[".repeat(300), "]".repeat(300)), "- ".repeat(300) + "a\n", "{a: ".repeat(3000)] {
        let ran = validated(&format!("#cloud-config\n{text}")).ended(65);
        assert!(ran.stdout.contains("nested deeper than 200 levels"), "{}", ran.stdout.chars().take(600).collect::<String>());
        assert!(!ran.stdout.contains("missing"), "{}", ran.stdout.chars().take(600).collect::<String>());
    }
}

#[test]
fn a_gigabyte_in_a_megabyte_is_refused_with_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let bomb = dir.path().join("bomb");
    let script = "{ echo '#cloud-config'; head -c 1073741824 /dev/zero; } | gzip -1 >\"$1\"; ulimit -v 262144; exec \"$2\" validate \"$1\"";
    let mut shell = std::process::Command::new("sh");
    let said = shell.args(["-c", script, "sh"]).arg(&bomb).arg(env!("CARGO_BIN_EXE_landfall")).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert_eq!(said.status.code(), Some(65), "{said:?}");
    assert!(text.contains("longer than 64 MiB when decompressed"), "{text}");
}

#[test]
fn sixteen_kilobytes_never_take_more_than_a_small_host_has() {
    use std::io::Write as _;
    let packed = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        let bytes = encoder.finish().unwrap();
        assert!(bytes.len() <= 16 << 10, "{}", bytes.len());
        bytes
    };
    let list = |count: usize| format!("#cloud-config\nruncmd:\n{}", "- a\n".repeat(count));
    let parts = (0..40).fold(String::from("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"), |mut text, _| {
        text += &format!("--B\nContent-Type: text/cloud-config\nMerge-Type: list(append)\n\n{}", list(20_000));
        text
    });
    let too_long = "becomes more than 64 times as long, and longer than 4 MiB";
    for (text, expected) in [
        (format!("#cloud-config\n{}", "#\n".repeat(7 << 20)), too_long),
        (format!("#cloud-config\n{}", "# a comment\n".repeat(300_000)), "valid, 1 note; "),
        (list(900_000), "has more than 50000 values"),
        (format!("#cloud-config\nx: [{}]\n", "a,".repeat(1 << 20)), "has more than 50000 values"),
        (format!("#cloud-config\nx: {}\n", "[".repeat(1 << 20)), "nested deeper than"),
        (format!("{parts}--B--\n"), "all parts together have more than 50000 values"),
        (list(49_000), "valid"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, packed(text.as_bytes())).unwrap();
        // The program itself, its libraries and stacks are some 40 MB of addresses.
        let script = "ulimit -v 106496; exec \"$1\" validate \"$2\"";
        let ran = std::process::Command::new("sh").args(["-c", script, "sh", env!("CARGO_BIN_EXE_landfall")]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(said.contains(expected), "{}", said.chars().take(800).collect::<String>());
    }
}

#[test]
fn the_file_of_the_package_is_valid_as_it_is_shipped() {
    let ran = landfall(&["validate", concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/landfall.yaml")]).ended(0);
    assert!(ran.stdout.contains("note[empty]: all of it is commented out"), "{}", ran.stdout);
}
