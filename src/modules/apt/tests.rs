//! `apt`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{Edit, Operation};
use crate::plan::Plan;

/// An armoured block that holds the bytes 99 01 02 03.
const KEY: &str = r#""-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQECAw==\n-----END PGP PUBLIC KEY BLOCK-----\n""#;

const UPDATE: &str = "apt_configure/update: update the package lists @final";

fn mine(plan: &Plan) -> Vec<String> {
    steps(plan).into_iter().filter(|step| step.starts_with("apt_configure")).collect()
}

#[test]
fn a_source_with_an_inline_key_is_written_and_the_lists_are_updated() {
    let plan = applied(&format!(
        "apt:\n  sources:\n    docker.list:\n      source: 'deb [arch=$(ARCH) signed-by=$KEY_FILE] https://download.docker.com/linux/debian $RELEASE stable'\n      key: {KEY}\n"
    ));
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "apt_configure/docker.list/key: write /etc/apt/cloud-init.gpg.d/docker.gpg (4 bytes, 0644, root:root) @final",
            "apt_configure/docker.list: edit /etc/apt/sources.list.d/docker.list: make sure of 1 line @final",
            UPDATE,
        ],
    );
    let expected =
        "deb [arch=$(ARCH) signed-by=/etc/apt/cloud-init.gpg.d/docker.gpg] https://download.docker.com/linux/debian trixie stable\n";
    assert_eq!(written(&plan, "apt_configure/docker.list"), expected);
}

#[test]
fn a_key_that_a_mirror_only_names_needs_gnupg() {
    let plan = applied(
        "apt: {preserve_sources_list: false, primary: [{arches: [default], uri: 'http://mirror.example.org/debian', keyid: ABCD1234, keyserver: keys.example.org}]}\n",
    );
    let fetched = steps(&plan).into_iter().find(|step| step.contains("fetch key ABCD1234"));
    assert!(fetched.as_ref().is_some_and(|step| step.ends_with("<- apt_configure/install-gnupg")), "{fetched:?} of {:#?}", steps(&plan));
}

#[test]
fn keys_go_where_their_source_looks_for_them() {
    let plan = applied(&format!(
        "apt:\n  sources:\n    a: {{source: 'deb http://x/ y z', key: {KEY}}}\n    b: {{key: {KEY}, filename: other.list}}\n    \
         c: {{source: 'deb [signed-by=${{KEY_FILE}}] http://x/ y z', keyid: ABCD1234, keyserver: keys.example.org}}\n    d: {{keyid: FF}}\n"
    ));
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "apt_configure/a/key: write /etc/apt/trusted.gpg.d/a.gpg (4 bytes, 0644, root:root) @final",
            "apt_configure/a: edit /etc/apt/sources.list.d/a.list: make sure of 1 line @final",
            "apt_configure/b/key: write /etc/apt/trusted.gpg.d/other.gpg (4 bytes, 0644, root:root) @final",
            "apt_configure/update: update the package lists @final",
            "apt_configure/install-gnupg: install gnupg @final",
            "apt_configure/c/key: fetch key ABCD1234 from keys.example.org into /etc/apt/cloud-init.gpg.d/c.gpg @final <- apt_configure/install-gnupg",
            "apt_configure/c: edit /etc/apt/sources.list.d/c.list: make sure of 1 line @final <- apt_configure/c/key",
            "apt_configure/d/key: fetch key FF from keyserver.ubuntu.com into /etc/apt/trusted.gpg.d/d.gpg @final <- apt_configure/install-gnupg",
            "apt_configure/update#2: update the package lists @final",
        ],
    );
}

#[test]
fn the_file_of_a_source_is_named_as_by_the_peer() {
    let file = |entry: &str| {
        let plan = applied(&format!("apt: {{sources: {{id: {entry}}}}}"));
        let step = plan.steps.iter().find(|step| step.id == "apt_configure/id").map(|step| step.operation.describe());
        step.unwrap_or_default()
    };
    assert_eq!(file("{source: 'deb http://x/ y z', filename: f}"), "edit /etc/apt/sources.list.d/f.list: make sure of 1 line");
    assert_eq!(
        file("{source: 'deb http://x/ y z', filename: f.sources}"),
        "edit /etc/apt/sources.list.d/f.sources.list: make sure of 1 line"
    );
    assert_eq!(file("{source: 'deb http://x/ y z', filename: /etc/apt/own.list}"), "edit /etc/apt/own.list: make sure of 1 line");
    assert_eq!(file("{source: 'deb http://x/ y z', append: false}"), "write /etc/apt/sources.list.d/id.list (18 bytes, 0644, root:root)");
    assert_eq!(
        file("{source: \"Types: deb\\nURIs: http://x\\nSuites: ./\\n\"}"),
        "write /etc/apt/sources.list.d/id.sources (38 bytes, 0644, root:root)"
    );
}

#[test]
fn mirrors_and_release_are_filled_in_in_either_case() {
    let text = "apt:\n  primary: [{arches: [default], uri: 'http://m/debian'}]\n  security: [{arches: [amd64], uri: 'http://s'}, {arches: [default], uri: 'http://no'}]\n  \
                sources: {a: {source: 'deb $MIRROR ${release} $PRIMARY $security $codename $$'}}\n";
    assert_eq!(written(&applied(text), "apt_configure/a"), "deb http://m/debian trixie http://m/debian http://s trixie $$\n");
    let text = "apt: {security: [{arches: [default], uri: 'http://s'}], sources: {a: {source: 'deb $MIRROR $SECURITY x'}}}";
    let plan = applied(text);
    assert_eq!(written(&plan, "apt_configure/a"), "deb https://deb.debian.org/debian https://deb.debian.org/debian-security x\n");
    assert_problems(&plan, &["degraded: `apt.security` without `apt.primary` is ignored (give both)"]);
}

#[test]
fn proxies_and_conf_are_written_and_leftovers_removed() {
    let plan = applied("apt: {http_proxy: 'http://me:geheim@p:3128', https_proxy: 'http://q', conf: \"APT { };\\n\"}");
    assert_steps(
        &plan,
        &[
            "apt_configure/proxy: write /etc/apt/apt.conf.d/90cloud-init-aptproxy (82 bytes, 0600, root:root) @final",
            "apt_configure/conf: write /etc/apt/apt.conf.d/94cloud-init-config (9 bytes, 0644, root:root) @final",
        ],
    );
    let expected = "Acquire::http::Proxy \"http://me:geheim@p:3128\";\nAcquire::https::Proxy \"http://q\";\n";
    assert_eq!(written(&plan, "apt_configure/proxy"), expected);
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "geheim"));
    assert!(!format!("{plan:?}").contains("geheim"));
    let facts = Facts { files: ["/etc/apt/apt.conf.d/94cloud-init-config".to_owned()].into(), ..debian() };
    let plan = planned("{}", &facts, &[], Way::FirstBoot);
    assert_eq!(mine(&plan), ["apt_configure/conf/remove: remove /etc/apt/apt.conf.d/94cloud-init-config @final"]);
    assert_eq!(planned("{}", &facts, &[], Way::Applied).steps.len(), 0);
}

#[test]
fn debians_sources_are_left_alone_unless_asked() {
    assert_eq!(mine(&first_boot("{}")), [""; 0]);
    let plan = applied("apt: {primary: [{arches: [default], uri: 'http://m'}]}");
    assert_steps(&plan, &[]);
    assert_problems(
        &plan,
        &["degraded: `apt.primary` does nothing: `preserve_sources_list: true` is the default here (add `preserve_sources_list: false` under `apt`)"],
    );
}

#[test]
fn mirrors_that_cannot_be_read_leave_the_sources_as_they_are() {
    for text in ["primary: {arches: [default], uri: 'http://m'}", "primary: [{arches: [default], uri: [x]}]", "security: x"] {
        let plan = applied(&format!("apt: {{preserve_sources_list: false, {text}}}"));
        assert_steps(&plan, &[]);
        let key = text.split(':').next().unwrap_or_default();
        let expected = format!("failed: `apt.{key}` has no mirror that can be read: the sources are left as they are");
        assert!(problems(&plan).iter().any(|found| found.starts_with(&expected)), "{text}: {:?}", problems(&plan));
    }
}

#[test]
fn the_distributions_sources_are_written_anew_where_asked() {
    let facts = Facts { has_sources_list: true, ..debian() };
    let text = "apt: {preserve_sources_list: false, primary: [{arches: [default], uri: 'http://m/debian'}], security: [{arches: [default], uri: 'http://s'}]}";
    let plan = planned(text, &facts, &[], Way::Applied);
    assert_problems(&plan, &[]);
    let file = written(&plan, "apt_configure/sources");
    for stanza in [
        "Types: deb deb-src\nURIs: http://m/debian\nSuites: trixie trixie-updates trixie-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
        "Types: deb deb-src\nURIs: http://s\nSuites: trixie-security\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    ] {
        assert!(file.contains(stanza), "{file}");
    }
    assert_eq!(mine(&plan)[1], "apt_configure/sources/old: remove /etc/apt/sources.list @final <- apt_configure/sources");
    let text = format!("apt: {{preserve_sources_list: false, primary: [{{arches: [default], uri: 'http://m', key: {KEY}}}]}}");
    let plan = applied(&text);
    assert_eq!(mine(&plan)[0], "apt_configure/primary/key: write /etc/apt/trusted.gpg.d/primary.gpg (4 bytes, 0644, root:root) @final");
    assert_eq!(written(&plan, "apt_configure/sources").matches("Signed-By: /etc/apt/trusted.gpg.d/primary.gpg").count(), 2);
}

#[test]
fn ubuntus_sources_are_written_at_first_boot() {
    let facts = Facts { distro: "ubuntu".into(), codename: "noble".into(), has_sources_list: true, ..debian() };
    let plan = planned("{}", &facts, &[], Way::FirstBoot);
    let file = written(&plan, "apt_configure/sources");
    assert!(file.contains("URIs: http://archive.ubuntu.com/ubuntu/\nSuites: noble noble-updates noble-backports\nComponents: main universe restricted multiverse\n"), "{file}");
    assert!(mine(&plan)[0].contains("/etc/apt/sources.list.d/ubuntu.sources"));
    assert!(mine(&plan)[1].starts_with("apt_configure/sources/old: write /etc/apt/sources.list"));
}

#[test]
fn a_template_of_ones_own_is_filled_in() {
    let base = "apt: {preserve_sources_list: false, sources_list: ";
    let plan = applied(&format!("{base}\"deb $MIRROR $RELEASE main\\n\"}}"));
    assert_eq!(mine(&plan), ["apt_configure/sources: write /etc/apt/sources.list (46 bytes, 0644, root:root) @final"]);
    assert_eq!(written(&plan, "apt_configure/sources"), "deb https://deb.debian.org/debian trixie main\n");
    for template in [
        "## template:jinja\\ndeb {{ primary }} {{codename}} main\\n",
        "## template: jinja\\ndeb {{MIRROR}} {{RELEASE}} main\\n",
        "## template: jinja\\n{# one #}{% for suite in [codename] %}\\ndeb {{ mirror | default('x') }} {{ suite|lower }} main\\n{% endfor %}",
    ] {
        let plan = applied(&format!("{base}\"{template}\"}}"));
        assert_eq!(written(&plan, "apt_configure/sources"), "deb https://deb.debian.org/debian trixie main\n", "{template}");
    }
    let plan = applied(&format!("{base}\"## template:jinja\\ndeb {{{{security}}}} x main\\n\"}}"));
    assert_eq!(written(&plan, "apt_configure/sources"), "deb https://deb.debian.org/debian-security x main\n");
    let plan = applied(&format!("{base}\"Types: deb\\nURIs: $security\\n\"}}"));
    assert!(mine(&plan)[0].contains("/etc/apt/sources.list.d/debian.sources"));
    for (text, problem) in [
        ("\"deb $NOPE\"}", "failed: `apt.sources_list` uses $NOPE, which is not known"),
        ("\"## template:jinja\\n{% if x %}\\ndeb {{mirror}}\"}", "failed: `apt.sources_list` cannot be rendered ("),
        ("\"## template:jinja\\ndeb {{ miror }} x\"}", "failed: `apt.sources_list` uses `miror`, which is not known: the sources are left"),
    ] {
        let plan = applied(&format!("{base}{text}"));
        assert_steps(&plan, &[]);
        assert!(problems(&plan)[0].starts_with(problem), "{:?}", problems(&plan));
    }
}

#[test]
fn what_is_no_template_keeps_its_braces_and_a_template_its_dollars() {
    let base = "apt: {preserve_sources_list: false, sources_list: ";
    let plan = applied(&format!("{base}\"deb {{{{mirror}}}} $RELEASE main\\n\"}}"));
    assert_eq!(written(&plan, "apt_configure/sources"), "deb {{mirror}} trixie main\n");
    assert!(problems(&plan)[0].starts_with("degraded: apt.sources_list: this looks like a template that was not rendered"));
    let plan = applied(&format!("{base}\"## template: jinja\\ndeb http://m/$(ARCH)/$RELEASE {{{{codename}}}} main\\n\"}}"));
    assert_eq!(written(&plan, "apt_configure/sources"), "deb http://m/$(ARCH)/$RELEASE trixie main\n");
    assert_problems(&plan, &[]);
}

#[test]
fn a_template_knows_the_keyrings_of_its_mirrors() {
    let template = "## template: jinja\\nTypes: deb\\nURIs: {{mirror}}\\nSuites: {{codename}}\\nComponents: main\\n\
                    Signed-By: {{ primary_key | default('/usr/share/keyrings/x.gpg', true) }}\\n";
    for (key, keyring) in [("", "/usr/share/keyrings/x.gpg"), (KEY, "/etc/apt/trusted.gpg.d/primary.gpg")] {
        let key = if key.is_empty() { String::new() } else { format!(", key: {key}") };
        let plan = applied(&format!(
            "apt: {{preserve_sources_list: false, primary: [{{arches: [default], uri: 'http://m'{key}}}], sources_list: \"{template}\"}}"
        ));
        assert_problems(&plan, &[]);
        let expected = format!("Types: deb\nURIs: http://m\nSuites: trixie\nComponents: main\nSigned-By: {keyring}\n");
        assert_eq!(written(&plan, "apt_configure/sources"), expected);
    }
}

#[test]
fn a_source_may_be_a_template_too() {
    let text = "apt:\n  sources:\n    a:\n      source: |-\n        ## template: jinja\n        deb {{ security }} {{ codename }}-security main\n      \
                append: false\n    b: {source: \"## template: jinja\\ndeb {{ nothing }} x y\"}\n";
    let plan = applied(text);
    assert_eq!(written(&plan, "apt_configure/a"), "deb https://deb.debian.org/debian-security trixie-security main\n");
    assert_problems(
        &plan,
        &["failed: apt source `b` uses `nothing`, which is not known: it is left out (known are RELEASE, MIRROR, PRIMARY and SECURITY, and \
           KEY_FILE, primary_key and security_key where there is a key)"],
    );
}

#[test]
fn suites_can_be_left_out() {
    let text = "apt: {preserve_sources_list: false, disable_suites: [backports, $RELEASE-security]}";
    let file = written(&applied(text), "apt_configure/sources");
    assert!(file.contains("\nSuites: trixie trixie-updates\n"), "{file}");
    assert!(file.contains("# Disabled by user-data:\n# Types: deb deb-src\n"), "{file}");
    assert!(!file.contains("\nSuites: trixie-security"), "{file}");
    let text = "apt:\n  preserve_sources_list: false\n  disable_suites: [updates]\n  sources_list: |\n    deb http://m trixie main\n    \
                deb [ arch=amd64 x=y ] http://m trixie-updates main\n    # deb http://m trixie-updates main\n";
    let expected = "deb http://m trixie main\n# suite disabled by user-data: deb [ arch=amd64 x=y ] http://m trixie-updates main\n# deb http://m trixie-updates main\n";
    assert_eq!(written(&applied(text), "apt_configure/sources"), expected);
}

#[test]
fn debconf_answers_come_first_in_the_order_of_their_names() {
    let plan = applied("apt: {conf: 'x;', debconf_selections: {b: 'p q/b string 2', a: \"p q/a password geheim\"}}");
    assert_eq!(mine(&plan)[0], "apt_configure/debconf: set debconf selections @final");
    let Operation::Debconf { selections } = &plan.steps[0].operation else { panic!() };
    assert_eq!(selections.expose(), "p q/a password geheim\np q/b string 2\n");
    assert_eq!(plan.secrets.iter().map(|secret| secret.expose().as_str()).collect::<Vec<_>>(), ["geheim"]);
}

#[test]
fn a_repository_is_given_to_the_tool_for_it() {
    let plan = applied("apt: {sources: {x: {source: 'ppa:me/tool'}}}");
    assert_steps(
        &plan,
        &[
            "apt_configure/update: update the package lists @final",
            "apt_configure/install-software-properties-common: install software-properties-common @final",
            "apt_configure/x: add the repository: add-apt-repository --yes --no-update ppa:me/tool @final <- apt_configure/install-software-properties-common",
            "apt_configure/update#2: update the package lists @final",
        ],
    );
}

#[test]
fn one_bad_source_never_loses_the_others() {
    for (entry, problem) in [
        ("{source: 'deb $NOPE x y'}", "failed: apt source `bad` uses $NOPE, which is not known: it is left out"),
        ("{source: 'deb [signed-by=$KEY_FILE] x y z'}", "failed: apt source `bad` uses $KEY_FILE and has no key"),
        ("{source: 'deb http://x y z', key: nonsense}", "failed: the key of apt source `bad` cannot be used: there is no `-----BEGIN"),
        ("{source: 'deb http://x y z', filename: ../../passwd}", "failed: apt source `bad`: `../../passwd` is no file name"),
        ("{sauce: 'deb http://x y z'}", "degraded: unknown key `sauce` in apt.sources.bad: it is ignored (did you mean `source`?)"),
        ("[x]", "failed: apt.sources.bad must be a mapping"),
    ] {
        let plan = applied(&format!("apt: {{sources: {{bad: {entry}, good: {{source: 'deb http://a b c'}}}}}}"));
        let found = mine(&plan);
        assert!(found.iter().any(|step| step.starts_with("apt_configure/good:")), "{entry}: {found:?}");
        assert!(!found.iter().any(|step| step.contains("bad")), "{entry}: {found:?}");
        assert!(problems(&plan).iter().any(|found| found.starts_with(problem)), "{entry}: {:?}", problems(&plan));
    }
    for (text, problem) in [
        ("apt: [x]", "failed: apt must be a mapping, not a list"),
        ("apt: {sources: [x]}", "failed: apt.sources must be a mapping of names to sources, not a list"),
        ("apt: {proxy: \"http://x\\\";y\"}", "failed: apt.proxy: this is no address"),
    ] {
        assert!(problems(&applied(text)).iter().any(|found| found.starts_with(problem)), "{text}: {:?}", problems(&applied(text)));
    }
}

#[test]
fn a_pattern_of_ones_own_says_what_is_a_repository() {
    let text =
        "apt: {add_apt_repo_match: '^mine ', sources: {a: {source: 'mine x'}, b: {source: 'ppa:x/y'}, c: {source: 'deb http://a b c'}}}";
    let repositories = |names: Option<&[&str]>| {
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let facts = Facts { repositories: [("^mine ".to_owned(), names)].into(), ..debian() };
        let plan = planned(text, &facts, &[], Way::Applied);
        let found = plan.steps.iter().filter_map(|step| match &step.operation {
            Operation::Command(command) => command.argv.last().cloned(),
            _ => None,
        });
        (found.collect::<Vec<_>>(), problems(&plan))
    };
    // What is no line of sources either is refused, as anywhere.
    let (found, problems) = repositories(Some(&["a"]));
    assert_eq!(found, ["mine x"]);
    assert!(problems.len() == 1 && problems[0].starts_with("failed: apt source `b`"), "{problems:?}");
    let (found, problems) = repositories(None);
    assert_eq!(found, ["ppa:x/y"]);
    assert_eq!(
        problems[0],
        "failed: `apt.add_apt_repo_match` cannot be used as a regular expression: what looks like `ppa:user/name` is matched (write it \
         as for `grep -P`)"
    );
    assert!(problems.len() == 2 && problems[1].starts_with("failed: apt source `a`"), "{problems:?}");
}

#[test]
fn several_mirrors_are_a_list_that_apt_tries_in_turn() {
    let plan = applied("apt: {primary: [{arches: [default], search: [http://a, http://b]}], sources: {x: {source: 'deb $MIRROR x y'}}}");
    let Operation::WriteFile(file) = &plan.steps[0].operation else { panic!("{:?}", mine(&plan)) };
    assert_eq!(file.path, "/etc/apt/mirrors/primary.list");
    assert_eq!(file.content.expose().0, b"http://a\tpriority:1\nhttp://b\tpriority:2\n");
    let Operation::EditFile { change: Edit::EnsureBlock { block, .. }, .. } = &plan.steps[1].operation else { panic!("{:?}", mine(&plan)) };
    assert!(block.expose().contains("deb mirror+file:/etc/apt/mirrors/primary.list x y"), "{:?}", block.expose());
    assert!(problems(&plan).is_empty(), "{:?}", problems(&plan));
    let one = applied("apt: {primary: [{arches: [default], search: [http://a]}], sources: {x: {source: 'deb $MIRROR x y'}}}");
    assert!(mine(&one).iter().all(|step| !step.contains("mirrors")), "{:?}", mine(&one));
}

#[test]
fn mirrors_may_be_lists_that_the_sources_of_the_image_name() {
    let lists = |said: &str| -> Vec<String> {
        let plan = applied(&format!("apt: {{generate_mirrorlists: true, preserve_sources_list: false{said}}}"));
        assert_eq!(mine(&plan).len(), 2, "{:?}", mine(&plan));
        ["primary", "security"].map(|name| written(&plan, &format!("apt_configure/{name}/list"))).into()
    };
    assert_eq!(lists(""), ["https://deb.debian.org/debian\n", "https://deb.debian.org/debian-security\n"]);
    assert_eq!(lists(", primary: [{arches: [default], uri: http://a}]"), ["http://a\n", "http://a\n"]);
    let both = ", primary: [{arches: [amd64], uri: http://a}], security: [{arches: [default], uri: http://b}]";
    assert_eq!(lists(both), ["http://a\n", "http://b\n"]);
    let plan =
        applied("apt: {generate_mirrorlists: true, primary: [{arches: [default], search: [http://a, http://b]}], disable_suites: [x]}");
    assert_eq!(written(&plan, "apt_configure/primary/list"), "http://a\tpriority:1\nhttp://b\tpriority:2\n");
    assert_problems(
        &plan,
        &["degraded: `apt.disable_suites` does nothing: `generate_mirrorlists: true` is set (leave `generate_mirrorlists` out)"],
    );
}

#[test]
fn the_image_may_name_the_mirrors() {
    let sources = |mirrors: &str, apt: &str| -> String {
        let plan = applied(&format!("system_info: {{package_mirrors: {mirrors}}}\napt: {{preserve_sources_list: false{apt}}}"));
        assert_problems(&plan, &[]);
        let uris =
            |text: String| text.lines().filter_map(|line| line.strip_prefix("URIs: ").map(str::to_owned)).collect::<Vec<_>>().join(" ");
        uris(written(&plan, "apt_configure/sources"))
    };
    let failsafe = "failsafe: {primary: http://a, security: http://b}";
    let stock = "https://deb.debian.org/debian https://deb.debian.org/debian-security";
    for (mirrors, apt, expected) in [
        (format!("[{{arches: [default], {failsafe}}}]"), "", "http://a http://b"),
        (format!("[{{arches: [default], failsafe: {{primary: http://c}}}}, {{arches: [amd64], {failsafe}}}]"), "", "http://a http://b"),
        (format!("[{{arches: [arm64], {failsafe}}}]"), "", stock),
        (format!("[{{arches: [default], {failsafe}}}]"), ", primary: [{arches: [default], uri: http://x}]", "http://x http://x"),
        (format!("[{{arches: [default], {failsafe}, search: {{primary: ['http://%(region)s.a']}}}}]"), "", "http://a http://b"),
        (
            format!("[{{arches: [default], {failsafe}, search: {{primary: ['http://near']}}}}]"),
            "",
            "mirror+file:/etc/apt/mirrors/primary.list http://b",
        ),
    ] {
        assert_eq!(sources(&mirrors, apt), expected, "{mirrors} {apt}");
    }
}

#[test]
fn a_mirror_is_looked_for_in_the_domain_of_the_host() {
    let lists = |said: &str| -> Vec<String> {
        let plan = applied(&format!("fqdn: web.example.org\napt: {{preserve_sources_list: false, {said}}}"));
        assert!(problems(&plan).is_empty(), "{:?}", problems(&plan));
        let list = |step: &crate::plan::Step| match &step.operation {
            Operation::WriteFile(file) if file.path.starts_with("/etc/apt/mirrors/") => {
                Some(String::from_utf8_lossy(&file.content.expose().0).replace("\tpriority:", " "))
            }
            _ => None,
        };
        plan.steps.iter().filter_map(list).collect()
    };
    let names = |kind: &str, archive: &str| {
        format!(
            "http://debian-{kind}.example.org/debian 1\nhttp://debian-{kind}.localdomain/debian 2\nhttp://debian-{kind}/debian 3\n\
             https://deb.debian.org/{archive} 4\n"
        )
    };
    let both = "primary: [{arches: [default], search_dns: true}], security: [{arches: [default], search_dns: true}]";
    assert_eq!(lists(both), [names("mirror", "debian"), names("security-mirror", "debian-security")]);
    assert_eq!(
        lists("primary: [{arches: [default], search: [http://a], search_dns: true}]"),
        [format!(
            "http://a 1\n{}",
            names("mirror", "debian").replace(" 4", " 5").replace(" 3", " 4").replace(" 2", " 3").replace(" 1", " 2")
        )]
    );
    assert!(lists("primary: [{arches: [default], uri: http://a, search_dns: true}]").is_empty());
    assert!(lists("primary: [{arches: [default], search_dns: false}]").is_empty());
}

#[test]
fn credentials_in_a_source_are_secrets() {
    let plan = applied("apt: {sources: {x: {source: 'deb https://me:geheim@x/ y z'}}}");
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "geheim"));
    let Operation::EditFile { change: Edit::EnsureBlock { .. }, .. } = &plan.steps[0].operation else { panic!() };
    assert!(!serde_json::to_string(&plan).expect("json").contains("geheim"));
}

#[test]
fn the_keys_of_before_apt_are_still_taken() {
    let old = "apt_mirror: http://m\napt_https_proxy: http://p\napt_preserve_sources_list: false\n\
               apt_sources: [{source: deb http://a b c}, {source: deb http://d e f}, {source: deb http://g h i, filename: own.list}]\n";
    let plan = applied(old);
    let found = mine(&plan);
    assert!(found[0].contains("/etc/apt/sources.list.d/debian.sources"), "{found:?}");
    assert!(written(&plan, "apt_configure/sources").contains("URIs: http://m\n"));
    assert_eq!(written(&plan, "apt_configure/proxy"), "Acquire::https::Proxy \"http://p\";\n");
    let files: Vec<&str> = found.iter().filter_map(|step| step.split("sources.list.d/").nth(1)).collect();
    assert_eq!(files.len(), 4);
    assert_eq!(files.iter().filter(|file| file.starts_with("cloud_config_sources.list:")).count(), 2, "{files:?}");
    assert!(problems(&plan).iter().all(|problem| problem.starts_with("note: `apt_")), "{:?}", problems(&plan));
    let plan = applied("{apt_proxy: http://old, apt: {proxy: http://new}}");
    assert_eq!(written(&plan, "apt_configure/proxy"), "Acquire::http::Proxy \"http://new\";\n");
    assert_eq!(problems(&plan)[1], "degraded: `apt` has its own `proxy` at user-data:1:31: the old key is ignored (remove the old key)");
}

#[test]
fn what_apt_would_refuse_is_left_out_and_the_rest_is_not() {
    for (text, why) in [
        ("deb http://x trixie main", ""),
        ("deb-src\t[arch=amd64 trusted=yes]\thttp://x trixie main contrib # why not\n\n# deb x\n", ""),
        ("deb [ trusted=yes ] file:/srv/mirror ./", ""),
        ("deb cdrom:[Debian 13]/ trixie main", ""),
        ("Types: deb\nURIs: http://x\nSuites: trixie\nComponents: main\n\n# Types\n\ntypes: deb\nuris: http://x\nsuites:\n ./\n", ""),
        ("Enabled: no\nTypes: deb\n", ""),
        ("debs http://x trixie main", "line 1 does not begin with `deb` or `deb-src`"),
        ("# x\nhttp://x trixie main", "line 2 does not begin with `deb` or `deb-src`"),
        ("deb [arch=amd64 http://x trixie main", "line 1 does not close its `[`"),
        ("deb [amd64] http://x trixie main", "line 1 has an option that is no NAME=VALUE"),
        ("deb x.org/debian trixie main", "line 1 has an address without a scheme, as in http://"),
        ("deb http://x", "line 1 has no suite"),
        ("deb http://x trixie", "line 1 has no components, as in `main`"),
        ("deb http://x ./ main", "line 1 has components behind a suite that ends in `/`"),
        ("Types: deb\nSuites: trixie\nComponents: main", "it has no `URIs:`"),
        ("Types: deb\nURIs: http://x\nSuites trixie", "it has a line that is no `Field: value`"),
    ] {
        assert_eq!(super::check::sources(text).unwrap_or_default(), why, "{text}");
    }
    let plan = applied(
        "apt: {sources: {a: {source: 'deb http://x'}, b: {source: 'deb http://x y z'}, c: {}, d: {source: deb http://x y z, key: [x]}}}",
    );
    assert_eq!(mine(&plan).iter().filter(|step| step.contains("sources.list.d")).count(), 1, "{:?}", mine(&plan));
    for told in [
        "failed: apt source `a`: line 1 has no suite: it is left out, apt would read no source at all",
        "degraded: apt source `c` has neither `source` nor a key: nothing is done",
        "failed: the key of apt source `d` cannot be read: the source is left out",
    ] {
        assert!(problems(&plan).iter().any(|problem| problem.starts_with(told)), "{told}: {:?}", problems(&plan));
    }
}

#[test]
fn settings_that_apt_could_not_read_are_left_out() {
    for (text, why) in [
        ("APT { A \"}\"; }; // {\n# \"\n::x \"http://a//b\";\n", None),
        ("APT { A \"x\";", Some("a `{` is not closed")),
        ("APT } A \"x\"; {", Some("it closes a `{` that is not open")),
        ("A \"x;", Some("a quote is not closed")),
    ] {
        assert_eq!(super::check::settings(text), why, "{text}");
    }
    let plan = applied("apt: {conf: 'APT {', proxy: 'http://p:1'}");
    assert_eq!(mine(&plan).len(), 1, "{:?}", mine(&plan));
    assert!(problems(&plan)[0].starts_with("failed: apt.conf: a `{` is not closed: it is left out"), "{:?}", problems(&plan));
    let plan = applied("apt: {proxy: 'p:1', https_proxy: DIRECT}");
    assert_problems(&plan, &["degraded: apt.proxy: this address has no scheme: apt cannot use it (as in http://proxy.example.org:3128)"]);
}
