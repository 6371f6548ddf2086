//! The table of keys in `cloud-config/README.md`: made of the types that read the keys and of the modules that do them.
//! With `UPDATE=1` in the environment it is written anew (`make keys`).

use std::fmt::Write as _;
use std::path::Path;

use landfall::config::typed::keys::CONSUMED;
use landfall::config::typed::landfall::Section;
use landfall::config::typed::shape::{Record, Shape};
use landfall::config::typed::Keys;
use landfall::modules::{Module, CLOSING, MODULES};
use landfall::plan::Frequency;

const BEGIN: &str = "<!-- keys: begin (made by `make keys`) -->\n";
const END: &str = "<!-- keys: end -->\n";

/// Keys that have nothing done by themselves, and the module that heeds them.
const HEEDED_BY: [(&str, &str); 4] = [
    ("preserve_hostname", "set_hostname"),
    ("prefer_fqdn_over_hostname", "set_hostname"),
    ("create_hostname_file", "set_hostname"),
    ("package_reboot_if_required", "package_update_upgrade_install"),
];

/// What is done of a key where it is not all of what cloud-init does, or not on every system.
const NOTES: [(&str, &str); 10] = [
    ("autoinstall", "reported: Ubuntu's installer reads it"),
    ("drivers", UBUNTU),
    ("fan", UBUNTU),
    ("landscape", UBUNTU),
    ("lxd", UBUNTU),
    ("manage_resolv_conf", "reported: for another system"),
    ("reporting", "partial: of all events the end of the run, by webhook"),
    ("resolv_conf", "reported: for another system"),
    ("snap", UBUNTU),
    ("ubuntu_pro", UBUNTU),
];

const UBUNTU: &str = "full on Ubuntu; on Debian reported, unless `unverified_modules` names the module";

fn modules() -> impl Iterator<Item = &'static Module> {
    MODULES.iter().chain(CLOSING)
}

/// What may be written, in words.
fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Any | Shape::Ignored => "anything".into(),
        Shape::Null => "nothing".into(),
        Shape::Text => "text".into(),
        Shape::TextOrNumber => "text or number".into(),
        Shape::Scalar => "text, number or truth value".into(),
        Shape::Bool => "true or false".into(),
        Shape::Integer => "whole number".into(),
        Shape::Number => "number".into(),
        Shape::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::List(item) => format!("list of {}", enclosed(item)),
        Shape::Map(item) => format!("mapping of names to {}", enclosed(item)),
        Shape::Record(_) | Shape::Both(..) => "mapping".into(),
        Shape::Either(shapes) => {
            let mut kinds: Vec<String> = shapes.iter().map(kind).collect();
            kinds.dedup();
            kinds.join("; or ")
        }
    }
}

fn enclosed(shape: &Shape) -> String {
    match shape {
        Shape::Either(_) | Shape::Words(_) => format!("({})", kind(shape)),
        _ => kind(shape),
    }
}

/// The records that a shape holds, with what stands before their keys.
fn inside(shape: &Shape, path: &str, found: &mut Vec<(String, &'static Record)>) {
    match shape {
        Shape::List(item) => inside(item, &format!("{path}[]"), found),
        Shape::Map(item) => inside(item, &format!("{path}.NAME"), found),
        Shape::Record(record) => found.push((path.to_owned(), record)),
        // Of a phase, what it says of itself; the other keys are those of this table.
        Shape::Both(first, _) => found.push((path.to_owned(), first)),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| inside(shape, path, found)),
        _ => {}
    }
}

/// `name`, `sub.name`: every key below, `*` where it must be there; and those that do nothing.
fn keys_below(shape: &Shape, path: &str, keys: &mut Vec<String>, idle: &mut Vec<String>) {
    let mut found = Vec::new();
    inside(shape, path, &mut found);
    for (path, record) in found {
        // A list of mappings, or one mapping: the same keys.
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}").trim_start_matches('.').to_owned() };
        for field in record.fields() {
            let name = below(field.key);
            let shown = format!("`{name}`{}", if field.required { "*" } else { "" });
            if keys.contains(&shown) || keys.iter().any(|known| known.replace("[]", "") == shown.replace("[]", "")) {
                continue;
            }
            keys.push(shown);
            if matches!(field.shape, Shape::Ignored) {
                idle.push(format!("`{name}`"));
            }
            keys_below(&field.shape, &name, keys, idle);
        }
        idle.extend(record.later.iter().map(|key| format!("`{}`", below(key))));
    }
}

fn how_often(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Boot => "every boot",
        Frequency::Once => "once",
        Frequency::Instance => "once per instance",
    }
}

fn module_and_frequency(key: &str) -> (String, &'static str) {
    let of = |key: &str| modules().find(|module| module.keys.contains(&key));
    let heeded = HEEDED_BY.iter().find(|(heeded, _)| *heeded == key).map(|(_, name)| *name);
    let module = of(key).or_else(|| modules().find(|module| heeded == Some(module.name)));
    match module {
        Some(module) => (format!("`{}`", module.name), how_often(module.frequency)),
        None => ("the run itself".into(), "every run"),
    }
}

fn row(out: &mut String, key: &str, shape: &Shape) {
    let (mut keys, mut idle) = (Vec::new(), Vec::new());
    keys_below(shape, "", &mut keys, &mut idle);
    let (module, frequency) = module_and_frequency(key);
    let note = NOTES.iter().find(|(noted, _)| *noted == key);
    let support = match (shape, idle.is_empty()) {
        _ if note.is_some() => note.map(|(_, note)| (*note).to_owned()).unwrap(),
        (Shape::Ignored, _) if module == "the run itself" => "full: it means nothing".to_owned(),
        (Shape::Ignored, _) => "reported: for another system".to_owned(),
        (_, true) => "full".to_owned(),
        (_, false) => format!("partial: {} not used", idle.join(", ")),
    };
    writeln!(out, "| `{key}` | {} | {} | {module} | {frequency} | {support} |", kind(shape), keys.join(" ")).unwrap();
}

fn table() -> String {
    let mut out = String::from("| Key | Type | Keys in it | Module | How often | Support |\n|---|---|---|---|---|---|\n");
    for field in Keys::RECORD.fields() {
        row(&mut out, field.key, &field.shape);
        for old in field.old {
            writeln!(out, "| `{old}` | | | | | old spelling of `{}` |", field.key).unwrap();
        }
    }
    row(&mut out, "landfall", &Shape::Record(Section::RECORD));
    for key in CONSUMED {
        writeln!(out, "| `{key}` | text | | the reading of user-data | every run | full |").unwrap();
    }
    for key in Keys::LATER {
        writeln!(out, "| `{key}` | anything | | | | reported: ignored |").unwrap();
    }
    out
}

#[test]
fn the_table_of_keys_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-config/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the place of the table");
    let (_, after) = rest.split_once(END).expect("its end");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    } else {
        assert!(wanted == text, "cloud-config/README.md is not up to date: `make keys` writes its table anew");
    }
}

#[test]
fn the_table_names_every_module_with_a_key_and_no_module_twice() {
    let table = table();
    for module in modules().filter(|module| !module.keys.is_empty()) {
        let first = module.keys.iter().any(|key| table.contains(&format!("\n| `{key}` | ")));
        assert!(first, "{}", module.name);
    }
    for (key, module) in HEEDED_BY {
        assert!(Keys::KEYS.contains(&key) && modules().any(|known| known.name == module), "{key}");
    }
    for expected in [
        "| `hostname` | text | ",
        "`galaxy.actions`*",
        "`phases[].name`*",
        "| partial: `distro`, `paths`, `ssh_svcname`, `network`, `ntp_client` not used |",
        "| reported: ignored |",
    ] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
}

#[test]
fn what_the_table_says_is_for_ubuntu_validate_says_too() {
    let documents = [
        ("drivers", "drivers: {nvidia: {license-accepted: true}}"),
        ("fan", "fan: {config: x}"),
        ("landscape", "landscape: {client: {account_name: a, computer_title: b}}"),
        ("lxd", "lxd: {init: {}}"),
        ("snap", "snap: {commands: [snap install x]}"),
        ("ubuntu_pro", "ubuntu_pro: {token: x}"),
    ];
    let noted: Vec<&str> = NOTES.iter().filter(|(_, note)| *note == UBUNTU).map(|(key, _)| *key).collect();
    assert_eq!(noted, documents.map(|(key, _)| key));
    for (key, document) in documents {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("#cloud-config\n{document}\n")).unwrap();
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_landfall")).arg("validate").arg(file.path()).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(said.contains(&format!("`{key}` is done on Ubuntu only")), "{said}");
    }
}
