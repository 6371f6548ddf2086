//! `locale`, `timezone`, `ca_certs`, `final_message`, `power_state`, `ssh`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{Condition, FormValue, Operation};
use crate::plan::Plan;

#[test]
fn a_locale_is_generated_enabled_and_set() {
    assert_steps(
        &applied("locale: de_DE.UTF-8"),
        &[
            "locale/generate: generate the locale: localedef -i de_DE -c -f UTF-8 -A /usr/share/locale/locale.alias de_DE.UTF-8 @final",
            "locale/enable: edit /etc/locale.gen: enable \"de_DE.UTF-8 UTF-8\" @final <- locale/generate",
            "locale: edit /etc/default/locale: set LANG=de_DE.UTF-8 @final <- locale/generate",
        ],
    );
    let mut bare = debian();
    bare.programs.remove("locale-gen");
    let found = steps(&planned("locale: de_DE.utf8@euro", &bare, &[], Way::Applied));
    assert_eq!(
        found,
        [
            "locale/update: update the package lists @final",
            "locale/install-locales: install locales @final",
            "locale/generate: generate the locale: localedef -i de_DE@euro -c -f UTF-8 -A /usr/share/locale/locale.alias de_DE.UTF-8@euro @final <- locale/install-locales",
            "locale/enable: edit /etc/locale.gen: enable \"de_DE.UTF-8@euro UTF-8\" @final <- locale/generate",
            "locale: edit /etc/default/locale: set LANG=de_DE.UTF-8@euro @final <- locale/generate",
        ]
    );
}

#[test]
fn a_locale_that_is_there_is_only_set() {
    let facts = Facts { locales: ["de_de.utf8".to_owned()].into(), lang: None, ..debian() };
    let set =
        |text: &str, way| steps(&planned(text, &facts, &[], way)).into_iter().filter(|step| step.starts_with("locale")).collect::<Vec<_>>();
    assert_eq!(set("locale: de_DE.UTF-8", Way::Applied), ["locale: edit /etc/default/locale: set LANG=de_DE.UTF-8 @final"]);
    assert_eq!(set("locale: C.UTF-8", Way::Applied), ["locale: edit /etc/default/locale: set LANG=C.UTF-8 @final"]);
    assert_eq!(set("locale: POSIX", Way::Applied), ["locale: edit /etc/default/locale: set LANG=POSIX @final"]);
    assert_eq!(set("{locale: C.UTF-8, locale_configfile: /etc/x}", Way::Applied), ["locale: edit /etc/x: set LANG=C.UTF-8 @final"]);
    // A system without one gets the peer's default at first boot.
    assert_eq!(set("{}", Way::FirstBoot), ["locale: edit /etc/default/locale: set LANG=C.UTF-8 @final"]);
    assert_eq!(set("locale: false", Way::FirstBoot), [""; 0]);
    assert_eq!(set("{}", Way::Applied), [""; 0]);
}

#[test]
fn a_locale_without_a_character_set_means_utf_8() {
    let plan = applied("locale: de_DE");
    assert_eq!(steps(&plan)[1], "locale/enable: edit /etc/locale.gen: enable \"de_DE.UTF-8 UTF-8\" @final <- locale/generate");
    assert_problems(&plan, &["note: locale `de_DE` names no character set: de_DE.UTF-8 is set (write the character set)"]);
    let plan = applied("locale: de_DE.ISO-8859-15");
    assert_eq!(steps(&plan)[1], "locale/enable: edit /etc/locale.gen: enable \"de_DE.ISO-8859-15 ISO-8859-15\" @final <- locale/generate");
    assert!(problems(&applied("locale: 'de DE'"))[0].starts_with("failed: locale: `de DE` is no locale"));
    assert!(problems(&applied("locale: 7")).iter().any(|problem| problem.starts_with("failed: locale: `7` is no locale")));
    assert!(problems(&applied("locale_configfile: x"))[0].starts_with("failed: locale_configfile: `x` is no absolute path"));
}

#[test]
fn the_time_zone_is_linked_and_named() {
    let facts = |known: Option<Option<&str>>| {
        let zones = known.map(|known| ("Europe/Berlin".to_owned(), known.map(str::to_owned)));
        Facts { zones: zones.into_iter().collect(), ..debian() }
    };
    let zone = |facts: &Facts| planned("timezone: Europe/Berlin", facts, &[], Way::Applied);
    let link = "timezone: link /etc/localtime to /usr/share/zoneinfo/Europe/Berlin @final";
    let name = "timezone/name: write /etc/timezone (14 bytes, 0644, root:root) @final <- timezone";
    let plan = zone(&facts(Some(Some("Europe/Berlin"))));
    assert_steps(&plan, &[link, name]);
    assert_eq!(written(&plan, "timezone/name"), "Europe/Berlin\n");
    let plan = zone(&facts(Some(None)));
    assert_steps(&plan, &[]);
    assert!(problems(&plan)[0].starts_with("failed: there is no time zone `Europe/Berlin` on this host"));
    let plan = zone(&facts(Some(Some("Europe/Bonn"))));
    assert_eq!(written(&plan, "timezone/name"), "Europe/Bonn\n");
    assert_eq!(problems(&plan), ["note: `Europe/Berlin` is a former name of `Europe/Bonn`, which is set (write the name of now)"]);
    let phases = "{timezone: Europe/Berlin, landfall: {phases: [{name: later, timezone: Europe/Nowhere}]}}";
    let known =
        Facts { zones: [("Europe/Berlin".into(), Some("Europe/Berlin".into())), ("Europe/Nowhere".into(), None)].into(), ..debian() };
    let plan = planned(phases, &known, &[], Way::Applied);
    assert_steps(&plan, &[link, name]);
    assert!(problems(&plan)[0].starts_with("failed: there is no time zone `Europe/Nowhere` on this host"), "{:?}", problems(&plan));
    let found = steps(&zone(&facts(None)));
    assert_eq!(found[1], "timezone/install-tzdata: install tzdata @final");
    assert_eq!(found[2], format!("{link} <- timezone/install-tzdata"));
}

#[test]
fn what_is_no_time_zone_is_refused() {
    for zone in ["/etc/passwd", "../etc", "'Europe Berlin'", "''", "[x]"] {
        let plan = applied(&format!("timezone: {zone}"));
        assert_steps(&plan, &[]);
        assert!(problems(&plan)[0].starts_with("failed: timezone"), "{zone}: {:?}", problems(&plan));
    }
}

const PEM: &str = "\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\"";

#[test]
fn certificates_are_written_by_number_and_taken_up() {
    let plan = applied(&format!("ca_certs: {{trusted: [{PEM}, nonsense, {PEM}]}}"));
    let file =
        |n: u8| format!("ca_certs/{n}: write /usr/local/share/ca-certificates/cloud-init-ca-cert-{n}.crt (59 bytes, 0644, root:root)");
    let update = "ca_certs/update: update the certificate store: update-ca-certificates";
    assert_eq!(steps(&plan), [file(1), file(3), update.to_owned()]);
    assert!(problems(&plan)[0].starts_with("failed: ca_certs.trusted[1]: this is not a PEM certificate"));
    for bad in ["!!! not base64 !!!", "", "AAAAA", "AAAA\\n-----BEGIN CERTIFICATE-----"] {
        let text = format!("\"-----BEGIN CERTIFICATE-----\\n{bad}\\n-----END CERTIFICATE-----\\n\"");
        let plan = applied(&format!("ca_certs: {{trusted: [{text}, {PEM}]}}"));
        assert_eq!(steps(&plan), [file(2), update.to_owned()], "{bad}");
        assert!(problems(&plan)[0].contains("is not base64"), "{bad}: {:?}", problems(&plan));
    }
    let plan = applied(&format!("ca-certs: {{remove-defaults: true, trusted: {PEM}}}"));
    let remove = "ca_certs/remove-defaults: edit /etc/ca-certificates.conf: put ! before every entry";
    assert_eq!(steps(&plan), [remove.to_owned(), "ca_certs/trust-no-new: set debconf selections".into(), file(1), update.into()]);
    assert_eq!(problems(&plan).iter().filter(|problem| problem.contains("old spelling")).count(), 2);
}

#[test]
fn where_the_certificate_store_is_missing_its_package_is_installed_with_the_others() {
    let mut bare = debian();
    bare.programs.remove("update-ca-certificates");
    let plan = planned(&format!("{{ca_certs: {{trusted: [{PEM}]}}, packages: [curl]}}"), &bare, &[], Way::Applied);
    assert_eq!(steps(&plan)[2], "package_update_upgrade_install/install: install curl ca-certificates @final");
    let plan = planned(&format!("ca_certs: {{trusted: [{PEM}]}}"), &bare, &[], Way::Applied);
    assert_eq!(steps(&plan)[2], "package_update_upgrade_install/install: install ca-certificates @final");
}

fn message(plan: &Plan) -> String {
    let found = plan.steps.iter().find_map(|step| match &step.operation {
        Operation::Message { template } => Some(template.clone()),
        _ => None,
    });
    found.expect("a message")
}

#[test]
fn the_final_message_is_kept_for_the_run_to_fill_in_and_what_it_cannot_is_told() {
    let jinja = "## template: jinja\n{% if uptime %}up {{ uptime|upper }}{% endif %} {{-VERSION}}";
    for (text, kept, problem) in [
        ("up $UPTIME, v. ${version}", "up $UPTIME, v. ${version}", None),
        (jinja, jinja, None),
        ("##template: basic\nup $uptime", "up $uptime", None),
        ("costs $5, $foo", "costs $5, $foo", Some("degraded: final_message: there is no variable `5`, so `$5` stays as it is")),
        (
            "## template: jinja\n{{ nothing }}",
            "## template: jinja\n{{ nothing }}",
            Some("degraded: final_message: there is no variable `nothing`"),
        ),
        (
            "## template: jinja\n{{ version",
            "landfall $VERSION finished",
            Some("degraded: final_message cannot be rendered, so the usual message is shown: "),
        ),
    ] {
        let plan = applied(&format!("final_message: {}", serde_json::Value::from(text)));
        assert!(message(&plan).starts_with(kept), "{text}: {}", message(&plan));
        assert!(
            problems(&plan).first().map_or(problem.is_none(), |found| problem.is_some_and(|problem| found.starts_with(problem))),
            "{text}: {:?}",
            problems(&plan)
        );
    }
    assert!(message(&first_boot("{}")).contains("finished at $TIMESTAMP"));
    assert!(message(&first_boot("final_message: ''")).contains("finished at $TIMESTAMP"));
}

#[test]
fn phone_home_sends_what_it_is_told_to_when_all_else_is_done() {
    let form = |plan: &Plan| match plan.steps.first().map(|step| &step.operation) {
        Some(Operation::PhoneHome { url, form, tries }) => {
            let value = |value: &FormValue| match value {
                FormValue::Text(text) => text.clone(),
                FormValue::File(path) => path.trim_start_matches("/etc/ssh/").to_owned(),
            };
            let fields: Vec<String> = form.iter().map(|field| format!("{}={}", field.name, value(&field.value))).collect();
            format!("{url} {tries} {}", fields.join(" "))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        form(&applied("phone_home: {url: 'https://x.org/$INSTANCE_ID/${INSTANCE_ID}'}")),
        "https://x.org/i-1/i-1 10 pub_key_rsa=ssh_host_rsa_key.pub pub_key_ecdsa=ssh_host_ecdsa_key.pub \
         pub_key_ed25519=ssh_host_ed25519_key.pub instance_id=i-1 hostname=localhost fqdn=localhost"
    );
    let some = "{fqdn: web.example.org, phone_home: {url: 'http://x/', post: [fqdn, hostname], tries: 3}}";
    let plan = applied(some);
    let last = plan.steps.last().expect("steps");
    assert_eq!((last.id.as_str(), last.weight), ("phone_home", crate::plan::Weight::Degraded));
    assert_eq!(last.operation.describe(), "phone home to http://x: fqdn, hostname");
    assert_eq!(form(&Plan { steps: vec![last.clone()], ..plan.clone() }), "http://x/ 3 fqdn=web.example.org hostname=web");
    assert_eq!(first_boot(some).steps.last().map(|step| step.id.clone()).as_deref(), Some("final_message"), "after it");
    assert_problems(
        &applied("phone_home: {url: 'http://x/{{ v1.instance_id }}/'}"),
        &["failed: phone_home.url: this looks like a template that was not rendered (render it first, or, where it is jinja, make \
           `## template: jinja` the first line)"],
    );
}

#[test]
fn power_state_says_that_its_timeout_means_nothing() {
    assert_problems(
        &applied("power_state: {mode: reboot, timeout: 120}"),
        &["note: `power_state.timeout` is not needed: landfall acts when the run has ended, however long that takes"],
    );
    assert_problems(
        &applied("power_state: {mode: reboot, timeout: soon}"),
        &[
            "failed: power_state.timeout must be a number of seconds, not a string",
            "failed: `power_state.timeout` cannot be read: the host stays on",
        ],
    );
}

#[test]
fn power_state_takes_the_peers_forms() {
    let of = |text: &str| {
        let plan = applied(&format!("power_state: {text}"));
        plan.steps.first().map(|step| match &step.operation {
            Operation::PowerState { delay_minutes, condition, message, .. } => {
                let condition = match condition {
                    Condition::Constant(yes) => yes.to_string(),
                    Condition::Shell(text) => format!("sh {}", text.expose()),
                    Condition::Argv(words) => format!("run {}", words.join(" ")),
                };
                format!("{} {delay_minutes} {condition} {}", step.operation.describe(), message.clone().unwrap_or_default())
            }
            other => panic!("{other:?}"),
        })
    };
    for (text, expected) in [
        ("{mode: reboot}", "reboot when the run has ended 0 true "),
        ("{mode: poweroff, delay: now, timeout: 120, message: Bye}", "power off when the run has ended 0 true Bye"),
        ("{mode: halt, delay: '+5'}", "halt 5 minutes after the run has ended 5 true "),
        ("{mode: halt, delay: 5, timeout: 1.5}", "halt 5 minutes after the run has ended 5 true "),
        ("{mode: reboot, condition: test -f /x}", "reboot when the run has ended 0 sh test -f /x "),
        ("{mode: reboot, condition: [test, -f, /x]}", "reboot when the run has ended 0 run test -f /x "),
    ] {
        assert_eq!(of(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(of("{mode: reboot, condition: false}"), None);
    for (text, problem) in [
        ("{mode: restart}", "failed: power_state.mode: `restart` is none (use poweroff, reboot or halt)"),
        ("{delay: now}", "failed: power_state has no `mode`"),
        ("reboot", "failed: power_state must be a mapping"),
        ("{mode: reboot, delay: soon}", "failed: power_state.delay: this is no delay"),
        ("{mode: reboot, condition: {a: b}}", "failed: power_state.condition must be true, false"),
        ("{mode: reboot, timeout: long}", "failed: power_state.timeout must be a number of seconds"),
    ] {
        let plan = applied(&format!("power_state: {text}"));
        assert!(problems(&plan).iter().any(|found| found.starts_with(problem)), "{text}: {:?}", problems(&plan));
    }
}

#[test]
fn fingerprints_are_shown_at_first_boot_unless_forbidden() {
    let shows = |plan: &Plan| steps(plan).iter().any(|step| step.contains("host-key fingerprints"));
    assert!(shows(&first_boot("{}")));
    assert!(!shows(&first_boot("ssh: {emit_keys_to_console: false}")));
    assert!(shows(&applied("ssh: {emit_keys_to_console: true}")));
    assert!(!shows(&applied("hostname: x")));
}

#[test]
fn the_keyboard_is_set_and_the_console_told() {
    let mut facts = debian();
    facts.programs.insert("setupcon".into());
    let plan = planned("keyboard: {layout: de, variant: nodeadkeys, options: 'ctrl:nocaps'}", &facts, &[], Way::Applied);
    assert_steps(
        &plan,
        &[
            "keyboard: write /etc/default/keyboard (137 bytes, 0644, root:root) @final",
            "keyboard/console: restart console-setup.service @final <- keyboard",
        ],
    );
    let text = written(&plan, "keyboard");
    for line in ["XKBMODEL=\"pc105\"", "XKBLAYOUT=\"de\"", "XKBVARIANT=\"nodeadkeys\"", "XKBOPTIONS=\"ctrl:nocaps\"", "BACKSPACE=\"guess\""]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let plan = applied("keyboard: {layout: us, model: pc104}");
    assert!(written(&plan, "keyboard").contains("XKBMODEL=\"pc104\"\n"));
    assert_eq!(steps(&plan)[2], "package_update_upgrade_install/install: install console-setup @final", "it takes the file up");
    for (text, problem) in [
        ("{model: pc105}", "failed: keyboard has no `layout`"),
        ("{layout: 'us\"; reboot'}", "failed: keyboard.layout: `us\"; reboot` has a character that no keyboard setting has"),
        ("us", "failed: keyboard must be a mapping, not a string"),
    ] {
        let plan = applied(&format!("keyboard: {text}"));
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
        assert_steps(&plan, &[]);
    }
}

#[test]
fn apt_has_as_many_requests_on_their_way_as_is_said() {
    for (value, depth) in
        [("false", Some("0")), ("'False'", Some("0")), ("0", Some("0")), ("5", Some("5")), ("'3'", Some("3")), ("os", None)]
    {
        let plan = applied(&format!("apt_pipelining: {value}"));
        assert_problems(&plan, &[]);
        match depth {
            None => assert_steps(&plan, &[]),
            Some(depth) => assert_eq!(
                written(&plan, "apt_pipelining").lines().last(),
                Some(format!("Acquire::http::Pipeline-Depth \"{depth}\";").as_str()),
                "{value}"
            ),
        }
    }
    assert_problems(&applied("apt_pipelining: none"), &["note: `none` is an old form (write `os`)"]);
    for value in ["true", "6", "-1", "[1]", "fast"] {
        let plan = applied(&format!("apt_pipelining: {value}"));
        assert!(problems(&plan)[0].starts_with("degraded: apt_pipelining: `"), "{value}: {:?}", problems(&plan));
        assert_steps(&plan, &[]);
    }
}
