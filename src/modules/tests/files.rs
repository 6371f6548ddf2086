//! `write_files`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps, written};
use super::super::{Facts, Way};
use crate::plan::operation::{Checksum, Operation};

#[test]
fn files_are_written_early_deferred_appended_or_fetched() {
    let plan = applied(
        "write_files:\n- {path: /etc/a, content: hello}\n- {path: b/c, permissions: '0600', owner: 'root:adm'}\n\
         - {path: /d, append: true, content: x}\n- {path: /e, defer: true}\n- {path: /f, source: {uri: 'https://example.org/f?t=1'}}\n\
         - {path: /g, source: {uri: /srv/g}}\n",
    );
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "write_files/etc/a: write /etc/a (5 bytes, 0644, root:root)",
            "write_files/b/c: write /b/c (0 bytes, 0600, root:adm)",
            "write_files/d: append to /d (1 byte, 0644, root:root)",
            "write_files/g: write /g from file:///srv/g",
            "write_files/f: write /f from https://example.org/f?*** @final",
            "write_files_deferred/e: write /e (0 bytes, 0644, root:root) @final",
        ],
    );
}

#[test]
fn content_is_decoded() {
    for (entry, expected) in [
        ("{path: /a, content: aGVs bG8=, encoding: b64}", "hello"),
        ("{path: /a, content: aGVsbG8=, encoding: base64}", "hello"),
        ("{path: /a, content: H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==, encoding: gz+b64}", "hello"),
        ("{path: /a, content: aGVsbG8=, encoding: rot13}", "aGVsbG8="),
        ("{path: /a, content: 0}", "0"),
    ] {
        assert_eq!(written(&applied(&format!("write_files: [{entry}]")), "write_files/a"), expected, "{entry}");
    }
}

#[test]
fn permissions_are_read_as_the_peer_reads_them() {
    let mode = |text: &str| match &applied(&format!("write_files: [{{path: /a, permissions: {text}}}]")).steps[0].operation {
        Operation::WriteFile(file) => file.mode.expect("a mode"),
        other => panic!("{other:?}"),
    };
    assert_eq!(mode("'0755'"), 0o755);
    assert_eq!(mode("'755'"), 0o755);
    assert_eq!(mode("'0o755'"), 0o755);
    assert_eq!(mode("'04755'"), 0o4755);
    assert_eq!(mode("420"), 0o644);
    assert_eq!(mode("rwx"), 0o644);
}

#[test]
fn a_file_whose_owner_is_yet_to_be_made_waits_for_him() {
    let plan = applied(
        "users: [{name: alice, lock_passwd: false, passwd: $6$a$b}]\nwrite_files:\n- {path: /home/alice/.profile, owner: 'alice:alice'}\n\
         - {path: /srv/x, owner: alice}\n- {path: /srv/y, owner: 'root:www-data'}\n- {path: /home/alicex, content: x}\n",
    );
    assert_steps(
        &plan,
        &[
            "write_files/home/alicex: write /home/alicex (1 byte, 0644, root:root)",
            "users_groups/alice: create user alice",
            "users_groups/alice/unlock: unlock password login of alice <- users_groups/alice",
            "users_groups/alice/ssh-keys: make authorized_keys of alice (no key is given) <- users_groups/alice",
            "write_files_deferred/home/alice/.profile: write /home/alice/.profile (0 bytes, 0644, alice:alice) @final <- users_groups/alice",
            "write_files_deferred/srv/x: write /srv/x (0 bytes, 0644, alice:-) @final <- users_groups/alice",
            "write_files_deferred/srv/y: write /srv/y (0 bytes, 0644, root:www-data) @final",
        ],
    );
    let notices: Vec<&str> = plan.steps.iter().flat_map(|step| &step.notices).map(String::as_str).collect();
    assert_eq!(
        notices,
        [
            "written after the users: it lies in the home of alice",
            "written after users and packages: alice does not exist before",
            "written after users and packages: www-data does not exist before",
        ]
    );
}

/// Written after the user, it must not take away the keys that let him in.
#[test]
fn a_key_file_that_waits_for_its_user_holds_the_keys_that_are_given_elsewhere() {
    let written = |user_data: &str| {
        let facts = Facts { metadata_keys: vec!["ssh-rsa M m".into()], ..debian() };
        let plan = planned(user_data, &facts, &[], Way::FirstBoot);
        let file = plan.steps.iter().rev().find_map(|step| match &step.operation {
            Operation::WriteFile(file) if file.path.ends_with("authorized_keys") => Some(file.content.expose().0.clone()),
            _ => None,
        });
        String::from_utf8(file.expect("written")).expect("text")
    };
    let text = "write_files: [{path: /home/debian/.ssh/authorized_keys, content: 'ssh-rsa B b'}]\nssh_authorized_keys: [ssh-rsa A a]\n";
    assert_eq!(written(text), "ssh-rsa B b\nssh-rsa M m\nssh-rsa A a\n");
    let text = "users: [{name: ann, ssh_authorized_keys: [ssh-rsa A a, ssh-rsa B b]}]\n\
                write_files: [{path: /home/ann/.ssh/authorized_keys, content: \"ssh-rsa B b\\n\"}]\n";
    assert_eq!(written(text), "ssh-rsa B b\nssh-rsa A a\n");
    // What the user wants to be written last is all that there is.
    assert_eq!(written(&text.replace("path:", "defer: true, path:")), "ssh-rsa B b\n");
}

#[test]
fn one_bad_entry_never_loses_the_others() {
    for (entry, problem) in [
        ("{content: x}", "failed: write_files[0] has no `path`"),
        ("{path: /b, content: '%%%', encoding: b64}", "failed: the content of /b is not base64"),
        ("{path: /b, content: aGVsbG8=, encoding: gz+b64}", "failed: the content of /b is not gzip"),
        ("{path: /b, content: [x]}", "failed: write_files[0].content must be a string, not a list"),
        ("{path: /b, permissions: rwx}", "degraded: write_files[0].permissions are not permission bits"),
        ("{path: /b, permissions: 644}", "degraded: write_files[0].permissions `644` is a decimal number"),
        ("{path: /b, encoding: rot13}", "degraded: unknown encoding `rot13`"),
        ("{path: /b, contents: x}", "degraded: unknown key `contents` in write_files[0]: it is ignored (did you mean `content`?)"),
        ("{path: /b, source: {url: x}}", "failed: write_files[0].source has no `uri`"),
        ("{path: /b, source: {uri: 'ftp://x/y'}}", "failed: /b cannot be fetched by ftp: the file is not written"),
        (
            "{path: /b, source: {uri: 'ftp://x/y'}, content: x}",
            "degraded: /b cannot be fetched by ftp: the content given beside it is written",
        ),
        (
            "{path: /b, source: {uri: 'ftp://x/y'}, content: '%%%', encoding: b64}",
            "failed: the content of /b is not base64: the file is not written",
        ),
        ("{path: /b, source: {uri: /x, sha256: abc}}", "failed: `sha256` of /b cannot be read: the file is not written"),
        (
            "{path: /b, source: {uri: /x, sha512: abc}}",
            "failed: write_files[0].source.sha512: this is no checksum of 128 hexadecimal digits",
        ),
        ("5", "failed: write_files[0] must be a mapping"),
    ] {
        let plan = applied(&format!("write_files: [{entry}, {{path: /a}}]"));
        assert!(steps(&plan).iter().any(|step| step.starts_with("write_files/a:")), "{entry}");
        assert!(problems(&plan).iter().any(|found| found.starts_with(problem)), "{entry}: {:?}", problems(&plan));
    }
}

#[test]
fn an_encoding_is_that_of_the_content() {
    for (entry, step) in [
        ("{path: /a, encoding: gzip, source: {uri: 'https://x/y'}}", "write_files/a: write /a from https://x/y @final"),
        ("{path: /a, encoding: gz+b64}", "write_files/a: write /a (0 bytes, 0644, root:root)"),
    ] {
        let plan = applied(&format!("write_files: [{entry}]"));
        assert_problems(&plan, &[]);
        assert_steps(&plan, &[step]);
    }
}

#[test]
fn what_is_fetched_does_not_need_the_content_beside_it() {
    for (encoding, why) in [("b64", "not base64"), ("gzip", "not gzip: unexpected end of file")] {
        let plan = applied(&format!("write_files: [{{path: /a, source: {{uri: 'https://x/y'}}, encoding: {encoding}, content: '!!'}}]"));
        assert_steps(&plan, &["write_files/a: write /a from https://x/y @final"]);
        let problem = format!(
            "degraded: the content of /a is {why}: there is no fallback if it cannot be fetched (correct `encoding` or `content`, or \
             leave `content` out)"
        );
        assert_problems(&plan, &[&problem]);
    }
}

#[test]
fn a_fetched_file_may_name_its_checksum() {
    let (short, long) = ("A0".repeat(32), "b1".repeat(64));
    for (keys, checksum) in [
        (format!("sha256: {short}"), Checksum::Sha256(short.to_lowercase())),
        (format!("sha512: {long}"), Checksum::Sha512(long.clone())),
        (format!("sha512: {long}, sha256: {short}"), Checksum::Sha512(long.clone())),
    ] {
        let plan = applied(&format!("write_files: [{{path: /a, source: {{uri: 'https://x/y', {keys}}}}}]"));
        assert_problems(&plan, &[]);
        assert_steps(&plan, &["write_files/a: write /a from https://x/y, checked by its checksum @final"]);
        assert!(matches!(&plan.steps[0].operation, Operation::Download { checksum: Some(found), .. } if *found == checksum), "{keys}");
    }
}

#[test]
fn request_headers_are_secrets() {
    let plan = applied("write_files: [{path: /a, source: {uri: 'https://x/y', headers: {Authorization: Bearer t0k3n, X-A: geheim}}}]");
    let shown = format!("{plan:?}{}", serde_json::to_string(&plan).expect("json"));
    for secret in ["t0k3n", "geheim"] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(plan.secrets.iter().any(|known| known.expose() == secret), "{secret}");
    }
}
