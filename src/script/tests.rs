//! Tables of shell text, and one property; `sh -n` answers for the real shell.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::plan::operation::StopsMachine::{Forced, Orderly};

fn is_definition(text: &str) -> bool {
    Script::read(text).is_definition()
}

fn stops_machine(text: &str) -> Option<StopsMachine> {
    Script::read(text).stops_machine()
}

fn lost_state(text: &str) -> Vec<String> {
    Script::read(text).lost_state()
}

/// What the host layer passes to [`joint_ranges`].
#[expect(clippy::disallowed_methods, reason = "a test that asks the real shell; nothing is run by it")]
fn sh_parses(text: &str) -> bool {
    let mut child = Command::new("/bin/sh");
    child.args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("sh");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), text.as_bytes()).expect("write");
    child.wait().expect("wait").success()
}

fn ranges(items: &[&str]) -> Vec<(usize, usize)> {
    joint_ranges(items, &mut sh_parses)
}

#[test]
fn items_that_parse_alone_stand_alone() {
    assert_eq!(ranges(&["echo a", "if true; then echo b; fi", "# a comment", ""]), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn items_that_only_parse_jointly_form_one() {
    assert_eq!(ranges(&["if true; then", "echo a", "fi", "echo b"]), [(0, 2), (3, 3)]);
    assert_eq!(ranges(&["echo 'a", "b'", "f() {", "echo c", "}"]), [(0, 1), (2, 4)]);
    assert_eq!(ranges(&["for i in 1 2", "do echo $i", "done"]), [(0, 2)]);
}

#[test]
fn an_open_here_document_takes_what_follows_it() {
    assert_eq!(ranges(&["cat >/f <<EOF", "line )", "EOF", "echo after"]), [(0, 2), (3, 3)]);
    assert_eq!(ranges(&["cat <<EOF\nline\nEOF", "echo after"]), [(0, 0), (1, 1)]);
}

#[test]
fn a_line_continuation_takes_the_next_item() {
    assert_eq!(ranges(&["echo a \\", "b", r"echo c\\"]), [(0, 1), (2, 2)]);
}

#[test]
fn what_never_parses_fails_by_itself() {
    assert_eq!(ranges(&["echo )", "echo a", "fi"]), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(ranges(&["if true; then", "echo a", "echo b"]), [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn the_work_is_bounded() {
    let items = vec!["if"; 2000];
    let mut calls = 0;
    let ranges = joint_ranges(&items, &mut |_| {
        calls += 1;
        false
    });
    assert_eq!(ranges.len(), items.len());
    assert!(calls <= MOST_PARSES, "{calls}");
}

#[test]
fn definitions_are_told_from_work() {
    for text in [
        "deploy() { rm -rf /x; }",
        "deploy() {\n  if a; then b; fi\n  case $1 in x) c;; y|z) d;; esac\n}",
        "f() ( cd /; ls )",
        "f() for i in a; do b; done",
        "f() { echo '}'; echo \"}\"; echo }; }",
        "alias ll='ls -l' la=\"ls -a\"",
        "set -eu",
        "set -e; set -u\nset -o noglob",
        "trap 'rm -f /x' EXIT",
        "trap - INT",
        "ulimit -n 4096",
        "exec >>/var/log/x 2>&1",
        "# only said\nset -e # why",
        "f() { cat <<EOF\n}\nEOF\n}",
    ] {
        assert!(is_definition(text), "{text}");
    }
}

#[test]
fn what_does_anything_else_is_no_definition() {
    for text in [
        "",
        "# nothing",
        "echo a",
        "deploy() { :; }; deploy",
        "deploy() { :; } && rm x",
        "deploy() { :; } | cat",
        "set -e && rm x",
        "set -e & ",
        "! set -e",
        "A=1",
        "A=$(rm x)",
        "A=1 set -e",
        "alias",
        "alias ll",
        "alias x=$(rm y)",
        "alias x=\"`rm y`\"",
        "set -- *",
        "set -- $(ls)",
        "set -- ~",
        "set -- ${A:=b}",
        "set",
        "set -e >/tmp/x",
        "trap \"$(rm x)\" EXIT",
        "trap",
        "exec",
        "exec ls",
        "exec ls >/dev/null",
        "exec >\"$LOG\"",
        "exec <<EOF\nx\nEOF",
        "umask 077",
        "export A=1",
        "{ set -e; }",
        "(set -e)",
        "if a; then set -e; fi",
        "\"set\" -e",
        "set -e 'unfinished",
        "f() { :; ",
        "f() echo a",
        "function f { :; }",
        "f() { :; }\nrm x",
        "exec >x; rm y",
        "f() { :; } $(rm x)",
        "eval 'set -e'",
    ] {
        assert!(!is_definition(text), "{text}");
    }
}

fn definition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("set -e".to_owned()),
        "[a-z]{1,5}".prop_map(|name| format!("f_{name}() {{ echo {name}; }}")),
        "[a-z]{1,5}".prop_map(|name| format!("alias a_{name}='ls {name}'")),
        Just("trap 'echo bye' EXIT".to_owned()),
        Just("ulimit -n 100".to_owned()),
        Just("exec 3>/dev/null".to_owned()),
    ]
}

fn work() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4} [a-z'\"$(){}<>|&;#\\\\ ]{0,12}".prop_map(|text| format!("rm {text}")),
        "[a-z]{2,6}".prop_map(|name| format!("x{name}")),
        "[a-z]{1,5}".prop_map(|name| format!("A={name} run_{name}")),
        Just("set -- $(touch /x)".to_owned()),
        Just("exec touch /x".to_owned()),
        Just("{ touch /x; }".to_owned()),
        Just("true && touch /x".to_owned()),
        Just("echo a | tee /x".to_owned()),
    ]
}

proptest! {
    #[test]
    fn text_with_a_command_among_definitions_is_no_definition(
        before in prop::collection::vec(definition(), 0..4),
        command in work(),
        after in prop::collection::vec(definition(), 0..4),
        separator in prop_oneof![Just("\n"), Just("; "), Just(" && "), Just(" ; \n")],
    ) {
        let parts: Vec<String> = before.into_iter().chain([command]).chain(after).collect();
        let text = parts.join(separator);
        prop_assert!(!is_definition(&text), "{}", text);
    }

    #[test]
    fn definitions_alone_are_definitions(parts in prop::collection::vec(definition(), 1..5)) {
        prop_assert!(is_definition(&parts.join("\n")));
        prop_assert!(is_definition(&parts.join("; ")));
    }

    #[test]
    fn any_text_can_be_judged(text in "[a-z(){};&|<>$'\"`\\\\ \n#=!*~/-]{0,80}") {
        let _ = (is_definition(&text), stops_machine(&text), lost_state(&text), shown(&text, &Redactor::default()));
    }

    /// What is taken for a definition is something the shell takes, too.
    #[test]
    fn the_shell_reads_what_is_taken_for_a_definition(text in "(set|f\\(\\)|alias|exec|trap|[{};a=>'\"/ \n()&|-]){1,10}") {
        if is_definition(&text) {
            prop_assert!(sh_parses(&text), "{}", text);
        }
    }
}

#[test]
fn reboots_are_seen_where_a_command_stands() {
    for (text, expected) in [
        ("reboot", Some(Orderly)),
        ("/sbin/reboot", Some(Orderly)),
        ("shutdown -r now", Some(Orderly)),
        ("shutdown -h +1 'bye'", Some(Orderly)),
        ("poweroff", Some(Orderly)),
        ("halt -p", Some(Orderly)),
        ("systemctl reboot", Some(Orderly)),
        ("systemctl --no-block reboot", Some(Orderly)),
        ("systemctl isolate reboot.target", Some(Orderly)),
        ("systemctl kexec", Some(Orderly)),
        ("systemctl soft-reboot", Some(Orderly)),
        ("init 6", Some(Orderly)),
        ("telinit 0", Some(Orderly)),
        ("apt-get -y upgrade && reboot", Some(Orderly)),
        ("[ -f /run/reboot-required ] && reboot", Some(Orderly)),
        ("if [ -f /x ]; then\n  reboot\nfi", Some(Orderly)),
        ("echo a; sudo -n -u root reboot", Some(Orderly)),
        ("nohup sh -c 'sleep 5; reboot' >/dev/null 2>&1 &", Some(Orderly)),
        ("(sleep 5; shutdown -r now) &", Some(Orderly)),
        ("env A=1 /usr/sbin/reboot", Some(Orderly)),
        ("timeout 10 reboot", Some(Orderly)),
        ("exec reboot", Some(Orderly)),
        ("eval 'reboot'", Some(Orderly)),
        ("bash <<EOF\nreboot\nEOF", Some(Orderly)),
        ("go() { reboot; }; go", Some(Orderly)),
        ("case $x in y) reboot;; esac", Some(Orderly)),
        ("systemd-run --on-active=5 systemctl reboot", Some(Orderly)),
        ("'reboot'", Some(Orderly)),
        ("if [[ -f /x ]]; then reboot; fi", Some(Orderly)),
        ("reboot -f", Some(Forced)),
        ("reboot -nf", Some(Forced)),
        ("systemctl reboot -f -f", Some(Forced)),
        ("systemctl --force --force poweroff", Some(Forced)),
        ("echo b > /proc/sysrq-trigger", Some(Forced)),
        ("echo b | sudo tee /proc/sysrq-trigger", Some(Forced)),
        ("sync; reboot; reboot -f", Some(Forced)),
        ("kexec -e", Some(Forced)),
        ("echo reboot", None),
        ("sudo echo reboot", None),
        ("echo 'please reboot; now'", None),
        ("touch /run/reboot-required", None),
        ("shutdown -c", None),
        ("shutdown -k now", None),
        ("reboot --help", None),
        ("reboot -w", None),
        ("systemctl restart reboot-notifier", None),
        ("systemctl -H other reboot", None),
        ("systemctl enable halt.service", None),
        ("echo s > /proc/sysrq-trigger", None),
        ("init 3", None),
        ("go() { reboot; }", None),
        ("trap 'reboot' EXIT", None),
        ("kexec -l /vmlinuz", None),
        ("ssh host reboot", None),
        ("cat <<EOF\nreboot\nEOF", None),
    ] {
        assert_eq!(stops_machine(text), expected, "{text}");
    }
}

#[test]
fn what_only_bash_has_is_seen_where_a_command_stands() {
    for (text, expected) in [
        ("[[ -f x ]] && echo y", &["[["][..]),
        ("if true; then source ~/.bashrc; fi; [[ a ]] || [[ b ]]", &["[[", "source"]),
        ("apt-get update &> /dev/null", &["&>"]),
        ("f() { pushd /x; }; f", &["pushd"]),
        ("set -euo pipefail; set -e", &["set -o pipefail"]),
        ("set -e -u; set -- -o pipefail", &[]),
        ("sleep 9 & > /x", &["&>"]),
        ("sleep 9 & echo a > /x", &[]),
        ("echo '[[ x ]]' source '&> x'; . /etc/profile; bash -c '[[ -f x ]]'", &[]),
        ("cat <<EOF\nsource x\nEOF", &[]),
    ] {
        assert_eq!(Script::read(text).bashisms(), expected, "{text}");
    }
}

#[test]
fn what_a_resume_could_not_bring_back_is_named() {
    let rows: [(&str, &[&str]); 12] = [
        ("echo a", &[]),
        ("deploy() { :; }; echo a", &["function deploy"]),
        ("alias ll='ls -l'; echo", &["alias ll"]),
        ("mktemp; trap 'rm x' EXIT INT", &["trap on EXIT", "trap on INT"]),
        ("trap - EXIT; echo", &[]),
        ("server & echo", &["background job"]),
        ("if a; then f() { :; }; fi", &["function f"]),
        ("(f() { :; }; f)", &[]),
        ("echo | while read x; do f() { :; }; done", &[]),
        ("exec >>\"$LOG\"; echo", &["redirection by exec"]),
        (". /etc/profile.d/x.sh", &["functions of /etc/profile.d/x.sh"]),
        ("cd /x; A=1; umask 077; set -e; export B=2", &[]),
    ];
    for (text, expected) in rows {
        assert_eq!(lost_state(text), expected, "{text}");
    }
}

#[test]
fn an_item_is_shown_as_one_line_without_secrets() {
    let redactor = Redactor::new(["hunter2".to_owned()]);
    for (text, expected) in [
        ("echo a", "echo a"),
        ("\n  echo a\necho b", "echo a ..."),
        ("login hunter2", "login ***"),
        ("tool --password=geheim", "tool --password=***"),
        ("a\tb\u{1b}[2J", "a b [2J"),
    ] {
        assert_eq!(shown(text, &redactor), expected);
    }
    assert!(shown(&"x".repeat(500), &redactor).chars().count() <= SHOWN + 4);
}

#[test]
fn a_plain_command_is_whole_without_asking_a_shell_and_nothing_else_is() {
    let plain = ["mkdir -p /var/lib/web", "echo one >>/root/runs", "systemctl enable --now nginx", "a=1 b", "echo if", "x>y", " true"];
    let others = [
        "",
        "if true",
        "do",
        "echo >",
        "echo > x",
        "echo >>",
        "echo >>> x",
        "a > >b",
        "echo 'a'",
        "a; b",
        "a && b",
        "(a)",
        "a \\",
        "$x",
        "a # b",
        "a\nb",
        "f() { :",
        "cat <<E",
        "a | b",
        "{ a",
        "! a",
        "while x",
        "function f",
        "a `b`",
        "a\"b\"",
        "[ -e x ]",
        "for",
    ];
    for text in plain {
        assert!(is_plain_command(text), "{text}");
        assert!(sh_parses(text) && !sh_parses(&format!("{text}\n)")), "{text}");
    }
    for text in others {
        assert!(!is_plain_command(text), "{text}");
    }
}
