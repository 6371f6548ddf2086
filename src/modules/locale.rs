//! `locale`, `locale_configfile`.

use super::{packages, Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::system::LocaleSetting;
use crate::plan::operation::{Command, Edit, Operation};
use crate::plan::{Frequency, Stage};

/// The system's locale.
pub const LOCALE: Module = Module {
    name: "locale",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["locale", "locale_configfile"],
    implied: true,
    plan,
};

/// localedef(1): the locale was made, with warnings.
const ONLY_WARNINGS: i32 = 1;

const CONFIG_FILE: &str = "/etc/default/locale";
/// What a system without a locale of its own gets, as with the peer.
const FALLBACK: &str = "C.UTF-8";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    let (wanted, origin) = match &keys.locale {
        Some(setting) => match &setting.value {
            LocaleSetting::Off => return,
            LocaleSetting::Name(name) => (name.clone(), setting.origin.clone()),
        },
        None if keys.is_unread("locale", true) => {
            steps.report.error("unread", "`locale` cannot be read: the locale is left as it is").at(keys.place("locale"));
            return;
        }
        None if scope.facts.lang.is_some() && keys.locale_configfile.is_none() => return,
        None => (scope.facts.lang.clone().unwrap_or_else(|| FALLBACK.into()), Origin::new("defaults", 0, 0)),
    };
    let locale = with_charset(&wanted);
    if locale != wanted {
        let (what, help) = match wanted.contains('.') {
            true => ("spells the character set in a way of its own", format!("write `{locale}`")),
            false => ("names no character set", "write the character set".to_owned()),
        };
        steps.report.note("locale", format!("locale `{wanted}` {what}: {locale} is set")).at(&origin).help(help);
    }
    if !exists(&locale, scope) {
        generate(&locale, &origin, scope, steps);
    }
    let path = keys.locale_configfile.as_ref().map_or(CONFIG_FILE, |path| &path.0);
    let change = Edit::SetKeyword { keyword: "LANG".into(), separator: "=".into(), value: locale.clone() };
    let operation = Operation::EditFile { path: path.into(), change, mode: 0o644, force_mode: false };
    steps.add("", operation).at(&origin).needs_thing(&format!("locale:{locale}"));
}

/// `de_DE` means ISO-8859-1 to glibc and UTF-8 to whoever writes it today; `utf8` is spelled as locale.gen does.
fn with_charset(name: &str) -> String {
    if matches!(name, "C" | "POSIX") {
        return name.to_owned();
    }
    let (base, modifier) = match name.split_once('@') {
        Some((base, modifier)) => (base, format!("@{modifier}")),
        None => (name, String::new()),
    };
    match base.split_once('.') {
        Some((language, charset)) if ["utf8", "utf-8"].contains(&charset.to_ascii_lowercase().as_str()) => {
            format!("{language}.UTF-8{modifier}")
        }
        Some(_) => name.to_owned(),
        None => format!("{base}.UTF-8{modifier}"),
    }
}

/// Built into glibc, or generated before; compared as `locale -a` spells it, lower case, without `-`.
fn exists(locale: &str, scope: &Scope<'_>) -> bool {
    ["C", "POSIX", FALLBACK].contains(&locale) || scope.facts.locales.contains(&locale.to_ascii_lowercase().replace('-', ""))
}

fn generate(locale: &str, origin: &Origin, scope: &Scope<'_>, steps: &mut Steps) {
    if !scope.facts.has("locale-gen") {
        packages::install_now("locales", steps);
    }
    let charset = locale.split_once('.').map_or("UTF-8", |(_, rest)| rest.split('@').next().unwrap_or(rest));
    // What locale-gen would do for this line. It tells nobody of a locale that cannot be made; localedef does.
    let source = locale.replace(&format!(".{charset}"), "");
    let aliases = "/usr/share/locale/locale.alias";
    let command = Command {
        argv: ["localedef", "-i", &source, "-c", "-f", charset, "-A", aliases, locale].map(str::to_owned).to_vec(),
        accept: vec![0, ONLY_WARNINGS],
        idempotent: true,
        purpose: "generate the locale".into(),
        ..Command::default()
    };
    let made = format!("locale:{locale}");
    steps.add("generate", Operation::Command(command)).at(origin).needs_thing("package:locales").provides(&made);
    // For later runs of locale-gen, which reads this file and, on Debian, takes no names. Only now: a line for a locale that
    // cannot be made would fail all of them.
    let change = Edit::Uncomment { line: format!("{locale} {charset}") };
    let enable = Operation::EditFile { path: "/etc/locale.gen".into(), change, mode: 0o644, force_mode: false };
    steps.add("enable", enable).at(origin).needs_thing(&made);
}
