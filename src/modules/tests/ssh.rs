//! `ssh_keys`, `ssh_authorized_keys`, `disable_root`, `password`, `chpasswd`, `ssh_pwauth`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{NewPassword, Operation};
use crate::plan::Plan;

fn of(plan: &Plan, prefix: &str) -> Vec<String> {
    steps(plan).into_iter().filter(|step| step.starts_with(prefix)).collect()
}

#[test]
fn host_keys_are_made_anew_unless_told_otherwise() {
    let made = |text: &str| of(&first_boot(text), "ssh/").into_iter().filter(|step| step.contains("host-key")).collect::<Vec<_>>();
    let [remove, rsa, ecdsa, ed25519] = [
        "ssh/delete-host-keys: remove /etc/ssh/ssh_host_*key*",
        "ssh/host-key/rsa: generate the rsa SSH host key ~",
        "ssh/host-key/ecdsa: generate the ecdsa SSH host key ~",
        "ssh/host-key/ed25519: generate the ed25519 SSH host key ~",
    ];
    assert_eq!(made("{}"), [remove, rsa, ecdsa, ed25519]);
    assert_eq!(made("ssh_deletekeys: false"), [rsa, ecdsa, ed25519]);
    assert_eq!(made("ssh_genkeytypes: [ed25519]"), [remove, ed25519]);
    assert_eq!(made("ssh_genkeytypes: [dsa, rsa]"), [remove, rsa]);
    // By hand on a running host nothing is removed that nobody asked to remove.
    assert_eq!(of(&applied("ssh_genkeytypes: [rsa]"), "ssh/"), [rsa]);
    assert_eq!(of(&applied("ssh_deletekeys: true"), "ssh/"), [remove, rsa, ecdsa, ed25519]);
    let mut without = debian();
    without.programs.remove("ssh-keygen");
    assert_eq!(of(&planned("{}", &without, &[], Way::FirstBoot), "ssh/host-key"), [""; 0]);
}

#[test]
fn given_host_keys_are_written_and_stop_all_generation() {
    let plan = first_boot(
        "ssh_keys: {rsa_private: -----BEGIN PRIVATE KEY-----, rsa_public: ssh-rsa AAAA, rsa_certificate: CERT, ed25519_private: -----BEGIN OPENSSH PRIVATE KEY-----, dsa_private: X, ecdsa_sk_public: Y}",
    );
    let expected = [
        "ssh/delete-host-keys: remove /etc/ssh/ssh_host_*key*",
        "ssh/host-key/rsa/private: write /etc/ssh/ssh_host_rsa_key (28 bytes, 0600, root:root)",
        "ssh/host-key/rsa/public: write /etc/ssh/ssh_host_rsa_key.pub (13 bytes, 0644, root:root)",
        "ssh/host-key/rsa/certificate: write /etc/ssh/ssh_host_rsa_key-cert.pub (5 bytes, 0644, root:root)",
        "ssh/host-key/ed25519/private: write /etc/ssh/ssh_host_ed25519_key (36 bytes, 0600, root:root)",
    ];
    assert_eq!(of(&plan, "ssh/")[..5], expected);
    let derived = &of(&plan, "ssh/")[5];
    assert!(derived.starts_with("ssh/host-key/ed25519/derive: derive the public ed25519 host key: /bin/sh -c"), "{derived}");
    assert!(derived.ends_with("~ <- ssh/host-key/ed25519/private"), "{derived}");
    let line = "make sure of the line \"HostCertificate /etc/ssh/ssh_host_rsa_key-cert.pub\"";
    assert_eq!(
        of(&plan, "ssh/host-certificate"),
        [format!("ssh/host-certificate: edit /etc/ssh/sshd_config.d/50-cloud-init.conf: {line}")]
    );
    assert_eq!(written(&plan, "ssh/host-key/rsa/private"), "-----BEGIN PRIVATE KEY-----\n");
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "-----BEGIN PRIVATE KEY-----"));
    assert!(problems(&plan).iter().all(|problem| problem.starts_with("degraded: unknown key")), "{:?}", problems(&plan));
}

#[test]
fn what_is_no_host_key_is_not_written_and_never_leaves_sshd_without_one() {
    let plan = first_boot("ssh_keys: {rsa_private: geheim, rsa_public: ssh-rsa AAAA}");
    let help = "give the whole file behind `|`, from its line `-----BEGIN ... PRIVATE KEY-----` on";
    assert_problems(&plan, &[&format!("failed: ssh_keys.rsa_private: this is no private key: it is not written ({help})")]);
    let made = ["rsa", "ecdsa", "ed25519"].map(|kind| format!("ssh/host-key/{kind}: generate the {kind} SSH host key ~"));
    assert_eq!(of(&plan, "ssh/host-key"), made);
    let plan = first_boot("ssh_keys: {rsa_private: geheim, ed25519_private: -----BEGIN OPENSSH PRIVATE KEY-----}");
    assert!(of(&plan, "ssh/host-key").iter().all(|step| step.starts_with("ssh/host-key/ed25519/")), "{:?}", of(&plan, "ssh/host-key"));
    assert_eq!(of(&first_boot("ssh_keys: {}"), "ssh/host-key"), made);
    assert_eq!(of(&applied("ssh_keys: {rsa_private: geheim}"), "ssh/host-key"), [""; 0], "this host has keys");
}

#[test]
fn keys_go_to_the_default_user_and_root_is_closed() {
    let keys = |plan: &Plan, name: &str| {
        plan.steps.iter().find_map(|step| match &step.operation {
            Operation::AuthorizedKeys { user, keys, options } if user == name => Some((keys.clone(), options.clone())),
            _ => None,
        })
    };
    let facts = Facts { metadata_keys: vec!["ssh-rsa META".into()], ..debian() };
    let plan = planned("ssh_authorized_keys: [ssh-rsa MINE, ssh-rsa MINE]", &facts, &[], Way::FirstBoot);
    let both = vec!["ssh-rsa META".to_owned(), "ssh-rsa MINE".to_owned()];
    assert_eq!(keys(&plan, "debian"), Some((both.clone(), None)));
    let (root, options) = keys(&plan, "root").expect("root");
    assert_eq!(root, both);
    let expected = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \\\"debian\\\" \
                    rather than the user \\\"root\\\".';echo;sleep 10;exit 142\"";
    assert_eq!(options.as_deref(), Some(expected));
    let plan = planned("{disable_root: false, allow_public_ssh_keys: false}", &facts, &[], Way::FirstBoot);
    assert_eq!(keys(&plan, "root"), Some((vec![], None)));
    let plan = first_boot("{users: [], ssh_authorized_keys: [ssh-rsa A], disable_root_opts: 'no-pty,command=\"$USER $DISABLE_USER\"'}");
    assert_eq!(keys(&plan, "root").and_then(|(_, options)| options).as_deref(), Some("no-pty,command=\"NONE root\""));
    assert!(plan.steps.iter().any(|step| step.notices.iter().any(|notice| notice.contains("let nobody in"))));
    // By hand, root keeps the way in that it has.
    assert_eq!(keys(&applied("ssh_authorized_keys: [ssh-rsa A]"), "root"), Some((vec!["ssh-rsa A".into()], None)));
}

#[test]
fn key_lines_are_read_in_every_form_and_what_is_none_is_reported() {
    let count = |text: &str| {
        let plan = applied(text);
        let found = steps(&plan).into_iter().find(|step| step.starts_with("ssh/authorized-keys/root")).unwrap_or_default();
        (found, problems(&plan))
    };
    for text in [
        "ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5]",
        "ssh_authorized_keys: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@host",
        "ssh_authorized_keys: {a: sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t}",
        "ssh_authorized_keys: ['from=\"10.0.0.0/8, x\",no-pty ssh-rsa AAAAB3NzaC1yc2E=']",
        "ssh_authorized_keys: ['# a comment', 'ssh-rsa AAAAB3NzaC1yc2E=']",
    ] {
        let (found, problems) = count(text);
        assert_eq!((found.as_str(), problems), ("ssh/authorized-keys/root: authorize 1 SSH key for root", vec![]), "{text}");
    }
    for key in ["ssh-rsa AAAAC3NzaC1lZDI1NTE5", "no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE", "ssh-rsa AAAA..."] {
        let (found, problems) = count(&format!("ssh_authorized_keys: ['{key}']"));
        assert_eq!(found, "ssh/authorized-keys/root: authorize 1 SSH key for root", "{key}");
        assert!(problems[0].starts_with("degraded: ssh_authorized_keys[0]: this key is damaged"), "{problems:?}");
    }
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Zf0v6rVQ3nXvYxq7mJt8m0q8b4bJ0yXgkq7m8b4bJ";
    let (found, problems) = count(&format!("ssh_authorized_keys:\n  - {key} a@b\n   - {key} c@d\n"));
    assert_eq!(found, "ssh/authorized-keys/root: authorize 1 SSH key for root");
    assert!(problems[0].starts_with("degraded: ssh_authorized_keys[0]: there is more than one key in this line"), "{problems:?}");
    assert_eq!(count("ssh_authorized_keys: [ssh-rsa-cert-v01@openssh.com AAAA]").1, [""; 0]);
    for text in ["ssh_authorized_keys: [AAAA]", "ssh_authorized_keys: [ssh-rsa]", "ssh_authorized_keys: [ssh-dss AAAA]"] {
        let (found, problems) = count(text);
        assert_eq!(found, "ssh/authorized-keys/root: make authorized_keys of root (no key is given)", "{text}");
        assert!(problems[0].starts_with("failed: ssh_authorized_keys[0]: this is not an SSH public key"), "{problems:?}");
    }
}

fn password(plan: &Plan, name: &str) -> Option<(NewPassword, bool)> {
    plan.steps.iter().find_map(|step| match &step.operation {
        Operation::Password { user, password, expire } if user == name => Some((password.clone(), *expire)),
        _ => None,
    })
}

fn kind(password: &NewPassword) -> String {
    match password {
        NewPassword::Plain(text) => format!("plain {}", text.expose()),
        NewPassword::Hash(text) => format!("hash {}", text.expose()),
        NewPassword::Random => "random".into(),
    }
}

#[test]
fn passwords_are_told_by_their_type_or_their_looks() {
    for (entry, expected) in [
        ("{name: root, password: $6$a$b}", "hash $6$a$b"),
        ("{name: root, password: geheim, type: text}", "plain geheim"),
        ("{name: root, type: RANDOM}", "random"),
    ] {
        let plan = applied(&format!("chpasswd: {{users: [{entry}]}}"));
        let (found, expire) = password(&plan, "root").expect("a password");
        assert_eq!((kind(&found).as_str(), expire), (expected, true), "{entry}");
    }
    for (line, expected) in [
        ("root:geheim", "plain geheim"),
        ("root:with:colon", "plain with:colon"),
        ("root:R", "random"),
        ("root:RANDOM", "random"),
        ("root:$6$salt$hash", "hash $6$salt$hash"),
        ("root:$6$rounds=5000$salt$hash", "hash $6$rounds=5000$salt$hash"),
        ("root:$y$j9T$salt$hash", "hash $y$j9T$salt$hash"),
        ("root:$2b$10$abcdefghij", "hash $2b$10$abcdefghij"),
        ("root:$1$a$b", "hash $1$a$b"),
        ("root:$notahash", "plain $notahash"),
        ("root:$6$onlysalt", "plain $6$onlysalt"),
        ("root: blanks count ", "plain  blanks count "),
    ] {
        for text in
            [format!("chpasswd: {{expire: false, list: ['{line}']}}"), format!("chpasswd:\n  expire: false\n  list: |\n    {line}\n")]
        {
            let plan = applied(&text);
            let (found, expire) = password(&plan, "root").expect("a password");
            assert_eq!((kind(&found).as_str(), expire), (expected, false), "{text}");
        }
    }
}

#[test]
fn a_password_of_an_unknown_type_is_not_set() {
    let plan = applied("chpasswd: {users: [{name: root, password: geheim, type: hsah}, {name: alice, type: RANDOM}]}");
    assert!(password(&plan, "root").is_none() && password(&plan, "alice").is_some());
    let expected = "failed: chpasswd.users[0].type: `hsah` is no type of password (did you mean `hash`?)";
    assert_problems(&plan, &[expected]);
}

#[test]
fn the_password_key_is_for_the_default_user() {
    let plan = first_boot("{password: geheim, chpasswd: {expire: false}}");
    assert_eq!(of(&plan, "set_passwords"), ["set_passwords/debian: set the password of debian <- users_groups/debian"]);
    assert_eq!(plan.secrets[0].expose(), "geheim");
    let plan = first_boot("{password: geheim, users: [alice]}");
    assert_problems(
        &plan,
        &["degraded: `password` is for the default user, and there is none (add `default` to `users`, or use `chpasswd`)"],
    );
    let plan = first_boot("{password: geheim, chpasswd: {users: [{name: root, password: $6$a$b}]}}");
    assert_eq!(of(&plan, "set_passwords"), ["set_passwords/root: set the password hash of root, to be changed at first login"]);
    assert_eq!(kind(&password(&first_boot("password: $y$j9T$a$b"), "debian").expect("password").0), "hash $y$j9T$a$b");
}

#[test]
fn a_bad_password_line_loses_only_itself_and_is_not_quoted() {
    for (text, problem) in [
        ("chpasswd: {list: [geheimnis, 'root:x1y2']}", "failed: chpasswd.list[0]: the entry has no colon"),
        ("chpasswd: {list: \"geheimnis\\n\\nroot:x1y2\"}", "failed: chpasswd.list: line 1 of the text has no colon"),
        ("chpasswd: {list: [{geheimnis: 1}, 'root:x1y2']}", "failed: chpasswd.list[0] must be a string USER:PASSWORD"),
        ("chpasswd: {list: ['geh eim:nis', 'root:x1y2']}", "failed: chpasswd.list[0]: the user's name in the entry has a character"),
        ("chpasswd: {users: [{name: bob}, {name: root, password: x1y2, type: text}]}", "failed: `chpasswd.users` names `bob` without"),
        (
            "chpasswd: {users: [{name: \"a\\nroot\", password: geheimnis}, {name: root, password: x1y2, type: text}]}",
            "failed: chpasswd.users[0].name: ",
        ),
        (
            "chpasswd: {users: [{name: bob, password: \"geheim\\nnis\"}, {name: root, password: x1y2, type: text}]}",
            "failed: chpasswd.users[0].password: a password is one line",
        ),
        ("chpasswd: {users: [{password: geheimnis}, {name: root, password: x1y2, type: text}]}", "failed: chpasswd.users[0] has no `name`"),
        (
            "chpasswd: {users: [{name: bob, password: [geheimnis]}, {name: root, password: x1y2, type: text}]}",
            "failed: chpasswd.users[0].password must be a string, not a list",
        ),
    ] {
        let plan = applied(text);
        assert!(password(&plan, "root").is_some(), "{text}");
        let found = problems(&plan);
        assert!(found.iter().any(|found| found.starts_with(problem)), "{text}: {found:?}");
        assert!(!found.join(" ").contains("geheim"), "{found:?}");
    }
}

#[test]
fn password_login_is_switched_where_sshd_reads_it() {
    let drop_in = "set_passwords/ssh-password-login: edit /etc/ssh/sshd_config.d/50-cloud-init.conf: set PasswordAuthentication no";
    let restart = "set_passwords/ssh-restart: restart ssh.service if it runs ~ <- set_passwords/ssh-password-login";
    assert_steps(&applied("ssh_pwauth: false"), &[drop_in, restart]);
    assert_steps(&applied("ssh_pwauth: 'no'"), &[drop_in, restart]);
    assert_steps(&applied("ssh_pwauth: unchanged"), &[]);
    let lacking = Facts { sshd_includes_dropins: false, ..debian() };
    let found = steps(&planned("ssh_pwauth: true", &lacking, &[], Way::Applied));
    assert_eq!(found[0], "set_passwords/ssh-password-login: edit /etc/ssh/sshd_config: set PasswordAuthentication yes");
    // Without sshd, its file is for its package to bring.
    let mut without = lacking;
    without.programs.remove("sshd");
    assert_eq!(steps(&planned("ssh_pwauth: false", &without, &[], Way::Applied))[0], drop_in);
    assert!(problems(&applied("ssh_pwauth: maybe"))[0].starts_with("failed: ssh_pwauth must be true, false or unchanged"));
}
