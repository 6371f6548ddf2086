//! `users`, `groups`, `user`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::{Account, Facts};
use crate::plan::operation::{CreateUser, Operation};
use crate::plan::Plan;

fn created(plan: &Plan, name: &str) -> CreateUser {
    let found = plan.steps.iter().find_map(|step| match &step.operation {
        Operation::User(user) if user.name == name => Some(user.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{name} is not made: {:#?}", steps(plan)))
}

fn names(plan: &Plan) -> Vec<String> {
    let name = |operation: &Operation| match operation {
        Operation::User(user) => Some(user.name.clone()),
        _ => None,
    };
    plan.steps.iter().filter_map(|step| name(&step.operation)).collect()
}

fn with_alice() -> Facts {
    let mut facts = debian();
    let alice = Account { uid: 1000, gid: 1000, home: "/home/alice".into(), shell: "/bin/sh".into(), has_password: true };
    facts.users.insert("alice".into(), alice);
    facts
}

#[test]
fn a_user_gets_groups_password_sudo_and_keys_in_that_order() {
    let plan = applied(
        "users:\n- name: alice\n  gecos: Alice\n  groups: sudo, docker\n  shell: /bin/bash\n  uid: 1500\n  lock_passwd: false\n  \
         hashed_passwd: $6$a$b\n  sudo: ALL=(ALL) NOPASSWD:ALL\n  ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 a@b]\n",
    );
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "users_groups/group/docker: create group docker",
            "users_groups/alice: create user alice (uid 1500, groups sudo,docker, shell /bin/bash) <- users_groups/group/docker",
            "users_groups/alice/password: set the password hash of alice <- users_groups/alice",
            "users_groups/alice/unlock: unlock password login of alice <- users_groups/alice",
            "users_groups/sudo/directory: make directory /etc/sudoers.d (0750)",
            "users_groups/alice/sudo: edit /etc/sudoers.d/90-cloud-init-users: make sure of 3 lines <- users_groups/alice",
            "users_groups/alice/ssh-keys: authorize 1 SSH key for alice <- users_groups/alice",
        ],
    );
    assert_eq!(written(&plan, "users_groups/alice/sudo"), "\n# User rules for alice\nalice ALL=(ALL) NOPASSWD:ALL\n");
    assert_eq!(created(&plan, "alice").gecos.as_deref(), Some("Alice"));
}

#[test]
fn users_can_be_written_in_every_form_the_peer_takes() {
    for (text, expected) in [
        ("users: [alice, bob]", vec!["alice", "bob"]),
        ("users: alice,bob", vec!["alice", "bob"]),
        ("users: [[alice, bob]]", vec!["alice", "bob"]),
        ("users: ['alice, bob']", vec!["alice", "bob"]),
        ("users: {alice: {}, bob: true, carl: false}", vec!["alice", "bob"]),
        ("users: [{name: alice}, {name: alice, uid: 7}]", vec!["alice"]),
        ("users: []", vec![]),
        ("users: [default]", vec!["debian"]),
        ("users: [default, alice]", vec!["alice", "debian"]),
        ("users: [{uid: 7}]", vec!["debian"]),
        ("user: {name: bob}", vec!["bob"]),
        ("user: bob", vec!["bob"]),
        ("{user: {name: bob}, users: [alice]}", vec!["alice", "bob"]),
        ("users: [5, alice]", vec!["alice"]),
        ("users: 5", vec![]),
        ("users:", vec![]),
        ("{}", vec!["debian"]),
    ] {
        assert_eq!(names(&first_boot(text)), expected, "{text}");
    }
}

#[test]
fn the_first_of_several_entries_for_a_user_holds() {
    let plan = applied("users: [{name: alice, shell: /bin/zsh}, {name: alice, shell: /bin/sh, uid: 7}]");
    let alice = created(&plan, "alice");
    assert_eq!((alice.shell.as_deref(), alice.uid), (Some("/bin/zsh"), Some(7)));
}

#[test]
fn the_default_user_is_merged_as_the_peer_merges_him() {
    let groups = |text: &str| created(&first_boot(text), "debian").groups.join(",");
    let stock = "adm,audio,cdrom,dialout,dip,floppy,plugdev,sudo,video";
    assert_eq!(groups("users: [default]"), stock);
    assert_eq!(groups("users: [default, {name: debian, groups: [www-data]}]"), format!("{stock},www-data"));
    assert_eq!(groups("users: [{name: default, groups: [docker]}]"), "docker");
    assert_eq!(groups("user: {groups: [docker]}"), "docker");
    let shell = |text: &str| created(&first_boot(text), "debian").shell;
    // What the distribution says of him holds over the entry, but not over `user`.
    assert_eq!(shell("users: [{name: default, shell: /bin/zsh}]").as_deref(), Some("/bin/bash"));
    assert_eq!(shell("user: {shell: /bin/zsh}").as_deref(), Some("/bin/zsh"));
}

#[test]
fn debian_12_puts_its_default_user_into_netdev_and_ubuntu_has_its_own() {
    let old = Facts { version_id: "12".into(), ..debian() };
    assert!(created(&planned("{}", &old, &[], Way::FirstBoot), "debian").groups.contains(&"netdev".to_owned()));
    let ubuntu = Facts { distro: "ubuntu".into(), ..debian() };
    assert_eq!(names(&planned("{}", &ubuntu, &[], Way::FirstBoot)), ["ubuntu"]);
}

#[test]
fn unquoted_dates_and_numbers_reach_useradd() {
    let plan = applied("users: [{name: alice, inactive: 30, expiredate: '2032-09-01', primary_group: users, no_log_init: true}]");
    let alice = created(&plan, "alice");
    assert_problems(&plan, &[]);
    assert_eq!((alice.inactive.as_deref(), alice.expire_date.as_deref()), (Some("30"), Some("2032-09-01")));
    assert_eq!((alice.primary_group.as_deref(), alice.no_log_init, alice.create_home), (Some("users"), true, true));
}

#[test]
fn groups_come_before_users_and_their_members_after() {
    let plan = applied("groups: [admins: [alice, root, nobody-there], docker, sudo]\nusers: [alice]");
    assert_steps(
        &plan,
        &[
            "users_groups/group/admins: create group admins",
            "users_groups/group/docker: create group docker",
            "users_groups/alice: create user alice",
            "users_groups/alice/lock: lock password login of alice <- users_groups/alice",
            "users_groups/alice/ssh-keys: make authorized_keys of alice (no key is given) <- users_groups/alice",
            "users_groups/group/admins/members: add alice, root to group admins <- users_groups/group/admins users_groups/alice",
        ],
    );
    assert_problems(&plan, &["degraded: group `admins` names `nobody-there`, and there is no such user (add the user to `users`)"]);
}

#[test]
fn groups_can_be_written_in_every_form_the_peer_takes() {
    for text in ["groups: [a, b]", "groups: 'a, b'", "groups: {a: [], b: }", "groups: [a: root, b: [root]]"] {
        let plan = applied(text);
        let made: Vec<String> = steps(&plan).into_iter().filter(|step| step.contains("create group")).collect();
        assert_eq!(made, ["users_groups/group/a: create group a", "users_groups/group/b: create group b"], "{text}");
    }
}

#[test]
fn a_user_named_as_a_group_of_this_configuration_becomes_its_member() {
    let plan = applied("groups: [alice]\nusers: [alice]");
    assert_eq!(created(&plan, "alice").primary_group.as_deref(), Some("alice"));
}

#[test]
fn missing_groups_are_made_unless_forbidden() {
    let plan = applied("users: [{name: alice, groups: [x], primary_group: y}]");
    assert_eq!(steps(&plan).iter().filter(|step| step.contains("create group")).count(), 2);
    let plan = applied("users: [{name: alice, groups: [x], create_groups: false}]");
    assert_eq!(steps(&plan).iter().filter(|step| step.contains("create group")).count(), 0);
}

#[test]
fn an_existing_user_is_left_as_he_is_but_for_password_rules_and_keys() {
    let text = "users: [{name: alice, uid: 7, groups: [docker], plain_text_passwd: geheim, lock_passwd: false, passwd: $6$a$b}]";
    let plan = planned(text, &with_alice(), &[], Way::Applied);
    assert_steps(
        &plan,
        &[
            "users_groups/alice/password: set the password of alice",
            "users_groups/alice/unlock: unlock password login of alice",
            "users_groups/alice/ssh-keys: make authorized_keys of alice (no key is given)",
        ],
    );
    assert_problems(&plan, &["note: user `alice` exists already: `passwd`, `uid`, `groups` are not used"]);
}

#[test]
fn passwords_are_locked_unless_asked_otherwise() {
    let step = |text: &str| {
        let mut found = steps(&applied(text));
        found.retain(|step| !step.contains("create user") && !step.contains("(no key is given)"));
        found.join("; ")
    };
    let lock = "users_groups/alice/lock: lock password login of alice <- users_groups/alice";
    let unlock = "users_groups/alice/unlock: unlock password login of alice <- users_groups/alice";
    assert_eq!(step("users: [alice]"), lock);
    assert_eq!(step("users: [{name: alice, passwd: $6$a$b}]"), lock);
    assert_eq!(step("users: [{name: alice, passwd: $6$a$b, lock_passwd: false}]"), unlock);
    assert_eq!(
        step("users: [{name: alice, passwd: '', lock_passwd: false}]"),
        "users_groups/alice/unlock: take away the password of alice: passwd -d alice <- users_groups/alice"
    );
    assert_eq!(step("users: [{name: alice, lock_passwd: false}]"), "");
}

#[test]
fn a_password_that_stays_locked_is_pointed_out() {
    let plan = applied("users: [{name: alice, plain_text_passwd: geheim}]");
    let lock = plan.steps.iter().find(|step| step.id == "users_groups/alice/lock").expect("lock");
    assert!(lock.notices[0].contains("lock_passwd: false"), "{:?}", lock.notices);
    let plan = applied("users: [{name: alice, lock_passwd: false}]");
    assert_problems(
        &plan,
        &["degraded: `lock_passwd: false` does nothing for user `alice`, who has no password (add `hashed_passwd`, or remove `lock_passwd`)"],
    );
    for given in ["chpasswd: {expire: false, users: [{name: debian, password: a, type: text}]}", "password: a"] {
        let plan = first_boot(&format!("users: [default, {{name: debian, lock_passwd: false}}]\n{given}\n"));
        assert!(!problems(&plan).iter().any(|problem| problem.contains("who has no password")), "{:?}", problems(&plan));
    }
}

#[test]
fn sudoers_is_made_to_include_the_directory_only_where_sudo_is_there_and_does_not() {
    let text = "users: [{name: alice, sudo: 'ALL=(ALL) ALL'}, {name: bob, sudo: ['ALL=(ALL) ALL']}]";
    let lacking = Facts { sudoers_includes_dropins: false, ..debian() };
    let found = steps(&planned(text, &lacking, &[], Way::Applied)).join("\n");
    assert_eq!(found.matches("edit /etc/sudoers: make sure of the line \"@includedir /etc/sudoers.d\"").count(), 1, "{found}");
    let mut without = Facts { sudoers_includes_dropins: false, ..debian() };
    without.programs.remove("sudo");
    let plan = planned(text, &without, &[], Way::Applied);
    assert!(!steps(&plan).join("\n").contains("/etc/sudoers:"), "{:?}", steps(&plan));
    assert!(plan.steps.iter().any(|step| step.notices.iter().any(|notice| notice.contains("sudo is not installed"))));
}

#[test]
fn one_bad_entry_never_loses_the_others() {
    for (text, problem) in [
        ("{name: bob, system: true, ssh_authorized_keys: [ssh-rsa AAAA]}", "failed: user `bob` is not made: SSH keys need a home"),
        ("{name: 'bad name'}", "failed: users[0].name: `bad name` has a character no account may have"),
        ("{name: -x}", "failed: users[0].name: `-x` begins with a character"),
        ("{name: bob, snapuser: b}", "failed: users[0].snapuser: `b` is no address of mail"),
        ("{name: bob, sudo: true}", "failed: users[0].sudo: `true` is no rule"),
        ("{name: bob, sudo: [nonsense, 'ALL=ALL']}", "failed: users[0].sudo: `nonsense` is no sudo rule"),
        ("{name: bob, uid: many}", "failed: users[0].uid must be a whole number"),
        ("{name: bob, shel: /bin/sh}", "degraded: unknown key `shel` in users[0]: it is ignored (did you mean `shell`?)"),
        ("{name: bob, ssh_authorized_keys: [nonsense]}", "failed: users[0].ssh_authorized_keys[0]: this is not an SSH public key"),
        ("{name: bob, doas: [permit nopass carl]}", "failed: a doas rule of user `bob` does not name the user"),
        ("{name: bob, ssh-authorized-keys: []}", "note: `ssh-authorized-keys` is an old spelling of `ssh_authorized_keys`"),
        ("{name: bob, plain_text_passwd: \"two\\nlines\"}", "failed: users[0].plain_text_passwd: a password is one line"),
        ("7", "failed: users[0] must be a user's name or a mapping, not an integer"),
    ] {
        let plan = applied(&format!("users: [{text}, alice]"));
        assert!(names(&plan).contains(&"alice".to_owned()), "{text}: {:#?}", steps(&plan));
        assert!(problems(&plan).iter().any(|found| found.starts_with(problem)), "{text}: {:#?}", problems(&plan));
    }
}

#[test]
fn a_user_of_two_entries_is_one_and_what_both_say_is_told() {
    let plan = applied("users: [{name: a, shell: /bin/bash}, {name: b}, {name: a, shell: /bin/zsh, uid: 5000}, {name: b, uid: 5001}]");
    let told = "degraded: users: `a` stands here twice: shell of the first entry counts (write one entry for each user)";
    assert_eq!((names(&plan), problems(&plan)), (vec!["a".to_owned(), "b".to_owned()], vec![told.to_owned()]));
}

#[test]
fn a_bad_rule_leaves_the_good_ones() {
    let plan = applied("users: [{name: bob, sudo: [nonsense, 'ALL=(ALL) /bin/ls']}]");
    assert_eq!(written(&plan, "users_groups/bob/sudo"), "\n# User rules for bob\nbob ALL=(ALL) /bin/ls\n");
    let plan = applied("users: [{name: bob, doas: [permit nopass bob, 'deny setenv { A=1 } bob as root cmd ls']}]");
    assert_eq!(
        written(&plan, "users_groups/bob/doas"),
        "\n# User rules for bob\npermit nopass bob\ndeny setenv { A=1 } bob as root cmd ls\n"
    );
}

#[test]
fn a_redirected_user_gets_the_instances_keys_with_a_message() {
    let mut facts = debian();
    facts.metadata_keys = vec!["ssh-rsa AAAA me".into()];
    let plan = planned("users: [default, {name: bob, ssh_redirect_user: default}]", &facts, &[], Way::FirstBoot);
    let options = plan.steps.iter().find_map(|step| match &step.operation {
        Operation::AuthorizedKeys { user, options, .. } if user == "bob" => options.clone(),
        _ => None,
    });
    let options = options.expect("options");
    assert!(options.contains(r#"Please login as the user \"debian\" rather than the user \"bob\"."#), "{options}");
}

#[test]
fn secrets_are_known_to_the_redactor_and_shown_nowhere() {
    let text = "users: [{name: a, plain_text_passwd: geheim1, hashed_passwd: $6$ge$heim2}, {name: b, passwd: 12345678}]";
    let plan = applied(text);
    let secrets: Vec<&str> = plan.secrets.iter().map(|secret| secret.expose().as_str()).collect();
    let shown = format!("{plan:?}{}{}", crate::plan::render_text(&plan, &str::to_owned), serde_json::to_string(&plan).expect("json"));
    for secret in ["geheim1", "$6$ge$heim2", "12345678"] {
        assert!(secrets.contains(&secret), "{secret}");
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn a_user_with_a_home_has_his_key_file_also_without_keys() {
    let keys =
        |text: &str| steps(&first_boot(text)).iter().filter(|step| step.contains("make authorized_keys of bob (no key is given)")).count();
    assert_eq!(keys("users: [bob]"), 1);
    assert_eq!(keys("users: [{name: bob, system: true}]"), 0);
    assert_eq!(keys("users: [{name: bob, no_create_home: true}]"), 0);
    assert_eq!(keys("user: bob"), 1, "the default user's come with the top-level keys");
}

#[test]
fn sudo_rules_that_visudo_would_refuse_are_left_out() {
    let told = |rule: &str| {
        let plan = applied(&format!("users: [{{name: bob, sudo: ['{rule}']}}]"));
        problems(&plan).into_iter().find_map(|problem| Some(problem.split_once("`: ")?.1.split_once(';')?.0.to_owned()))
    };
    for rule in [
        "ALL=(ALL) NOPASSWD:ALL",
        "ALL=(ALL:ALL) NOPASSWD: ALL",
        "ALL = (root : wheel) NOPASSWD : SETENV: /bin/ls, !/bin/su, sudoedit /etc/x, USERS",
        "ALL=(ALL) NOPASSWD:ALL # the admin",
        "ALL=/bin/ls : web1, web2 = /bin/ps",
        "ALL=ALL : web1=(root) ALL",
        "ALL=(ALL) sha256:abcdef= /bin/ls, sha224:ab /bin/ps",
        "ALL=(ALL) CWD=/tmp NOPASSWD: /bin/ls, TIMEOUT=5m /bin/ps",
        "ALL=/bin/x a\\,b\\:c d\\=e, LOG_OUTPUT: NOINTERCEPT: /bin/y, list",
        "ALL=/bin/ls ^a:b,c$",
        "ALL=NOPASSWD",
        "ALL=(%wheel, #1000) ALL",
        "! web1 , +web2,10.0.0.0/8 = ALL, !SHELLS, /usr/bin/x y z",
        "fe80::1=ALL",
        "web\\ 1=ALL",
        "ALL=TIMEOUT=5m ALL",
        "ALL=ALL : web = USERS",
        "",
    ] {
        assert_eq!(told(rule), None, "{rule}");
    }
    for (rule, why) in [
        ("ALL=(ALL) NOPASSWD ALL", "`NOPASSWD` wants a colon behind it"),
        ("ALL=(ALL) NOPASSWD:/bin/ls,", "a command is missing at its end"),
        ("ALL=(ALL)", "a command is missing at its end"),
        ("ALL=(ALL) NOPASSWD:", "a command is missing at its end"),
        ("ALL=(ALL) NOPASSWORD:ALL", "`NOPASSWORD:` is no tag"),
        ("ALL=(ALL) nopasswd:ALL", "`nopasswd:` is no tag"),
        ("ALL=NOPASSWD: /bin/ls, systemctl restart x", "`systemctl` is no absolute path"),
        ("ALL=!apt update", "`apt` is no absolute path"),
        ("bob ALL=(ALL) ALL", "`bob ALL` is no host"),
        ("%admin ALL=(ALL) NOPASSWD:ALL", "`%admin ALL` is no host"),
        ("Defaults x=y", "`Defaults x` is no host"),
        ("web1 web2 = ALL", "`web1 web2` is no host"),
        ("web1,=ALL", "a host is missing before the `=`"),
        ("ALL=(ALL) NOPASSWD:ALL ALL", "`ALL` takes nothing behind it but a comma"),
        ("ALL=(ALL) USERS, !SHELLS /bin/ls", "`SHELLS` takes nothing behind it but a comma"),
        ("ALL=(ALL) ALL NOPASSWD: /bin/ls", "`ALL` takes nothing behind it but a comma"),
    ] {
        assert_eq!(told(rule).as_deref(), Some(why), "{rule}");
    }
    let plan = applied("users: [{name: bob, sudo: ['ALL=(ALL) NOPASSWD', 'bob ALL=(ALL) ALL']}]");
    assert!(problems(&plan)[0].starts_with("degraded: users[0].sudo: `ALL=(ALL) NOPASSWD`: no command is behind `NOPASSWD`"));
    assert!(problems(&plan)[1].contains("leave out the user's name"), "{:?}", problems(&plan));
    assert_problems(&applied("users: [{name: bob, sudo: ''}]"), &[]);
}

#[test]
fn a_name_that_cannot_be_used_makes_nobody_else() {
    for text in ["users: ['alice bob']", "users: x y", "users: [[x y]]", "users: {x y: true}", "users: [{name: x y}]"] {
        let plan = first_boot(text);
        assert!(!steps(&plan).iter().any(|step| step.contains("create user")), "{text}: {:?}", steps(&plan));
        assert_eq!(problems(&plan).iter().filter(|problem| problem.contains("`x y`") || problem.contains("`alice bob`")).count(), 1);
    }
    let made = |text: &str| {
        let all = steps(&first_boot(text));
        all.iter().filter_map(|step| Some(step.split_once("create user ")?.1.split(' ').next()?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(made("users: [x y, {name: ok}]"), ["ok"]);
    assert_eq!(made("users: [x y, default]"), ["debian"]);
}

#[test]
fn an_entry_without_a_name_and_a_name_without_an_entry_are_told() {
    for (text, told) in [
        ("users: [{lock_passwd: true}]", "degraded: users[0]: this entry has no `name`: it changes the default user (add `name: ...`)"),
        (
            "users: [{username: bob}]",
            "degraded: users[0]: this entry has no `name`: it changes the default user (write `name` in place of `username`)",
        ),
        ("users: {bob: }", "degraded: users.bob has nothing behind it: no such user is made (write `bob: true`)"),
    ] {
        let found = problems(&first_boot(text));
        assert!(found.iter().any(|problem| problem == told), "{text}: {found:?}");
    }
}
