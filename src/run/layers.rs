//! The configuration that lies on the host, below user-data and vendor-data: `/etc/cloud` as an image may have it, `/etc/landfall`,
//! and what the kernel command line says.
//!
//! Lowest first: `/etc/cloud/cloud.cfg`, `/etc/cloud/cloud.cfg.d/*.cfg` in byte order (or the directory that `conf_d` names),
//! what `cloud-config-url=` names, `/run/cloud-init/cloud.cfg`, `/etc/landfall/landfall.yaml`, `/etc/landfall/conf.d/*.yaml`, `cc:` of
//! the kernel command line. `/etc/cloud`, `/run/cloud-init` and the command line are the peer's places: they count where a first boot
//! goes by the peer's defaults. So does the file that `CLOUD_CFG` names in the environment, which lies over user-data.

use crate::config::merge::overlay_reported;
use crate::config::node::{Node, Origin, Value};
use crate::config::problem::Report;
use crate::config::settings;
use crate::config::typed::cloud::OF_THE_PEER_ITSELF;
use crate::error::Failure;
use crate::host::Host;
use crate::template::{self, Render};
use crate::userdata::{Got, Include, Includes};
use crate::yaml;

const CONFIG_FILE: &str = "/etc/landfall/landfall.yaml";
const CONFIG_DIRECTORY: &str = "/etc/landfall/conf.d";
const PEERS_FILE: &str = "/etc/cloud/cloud.cfg";
const PEERS_DIRECTORY: &str = "/etc/cloud/cloud.cfg.d";
/// What programs of the image that run earlier in this boot say. The peer renders no template there.
const PEERS_RUNTIME_FILE: &str = "/run/cloud-init/cloud.cfg";

/// Names one more file, in the environment of the peer's units.
const VARIABLE: &str = "CLOUD_CFG";

/// What the parts of the command line are called in messages.
const COMMAND_LINE: &str = "kernel command line";

/// The system's configuration.
pub struct System {
    /// All of it, merged.
    pub document: Node,
    /// What of it is the peer's: for instance data.
    pub peers: Node,
    /// `network` of it, which user-data cannot say.
    pub network: Option<Node>,
}

/// Reads the layers. `peers`: also those of the peer's places, whose templates `peers` renders.
pub fn read(host: &Host, peers: Option<Render<'_>>, includes: &mut dyn Includes, report: &mut Report) -> Result<System, Failure> {
    let mut own = Vec::new();
    for path in files(host, Some(CONFIG_FILE), CONFIG_DIRECTORY, ".yaml")? {
        own.extend(file(host, &path, None, report)?);
    }
    let Some(render) = peers else {
        let document = merged(own, report);
        return Ok(System { peers: empty(), document, network: None });
    };
    let mut layers = Vec::new();
    let mut directory = PEERS_DIRECTORY.to_owned();
    if let Some(document) = file(host, PEERS_FILE, Some(render), report)? {
        if let Some(named) = document.get("conf_d").and_then(Node::as_str) {
            named.trim().clone_into(&mut directory);
        }
        layers.push(document);
    }
    for path in files(host, None, &directory, ".cfg")? {
        layers.extend(file(host, &path, Some(render), report)?);
    }
    let line = host.read_text("/proc/cmdline").ok().flatten().unwrap_or_default();
    layers.extend(from_url(&line, includes, report));
    layers.extend(file(host, PEERS_RUNTIME_FILE, None, report)?);
    let said = said_on(&line);
    let said = (!said.trim().is_empty()).then(|| parsed(COMMAND_LINE, &said, report)).flatten();
    // What the peer would call its system's configuration: without that of landfall's own.
    let peers = merged(layers.iter().chain(&said).cloned().collect(), &mut Report::new());
    // Taken out of each, so that nothing is told of what one overwrites of another.
    let document = merged(layers.into_iter().chain(own).chain(said).map(without_the_peers_own).collect(), report);
    let network = peers.get("network").filter(|node| !node.is_null()).cloned();
    Ok(System { document, peers, network })
}

/// What the file says that the environment names, to be laid over user-data; the peer renders no template there.
pub fn of_environment(host: &Host, report: &mut Report) -> Option<Node> {
    let named = host.environment(VARIABLE).filter(|path| !path.is_empty())?;
    let text = host.read_text(&named).map_err(|error| error.to_string());
    match text.and_then(|text| text.ok_or_else(|| "there is no such file".into())) {
        Ok(text) => parsed(&named, &text, report),
        Err(why) => {
            let problem = report.error("environment", format!("{named}, which {VARIABLE} names in the environment, is not used: {why}"));
            problem.help("correct the variable in the unit's `Environment=`, or take it out");
            None
        }
    }
}

/// One document of layers, the lowest first.
fn merged(layers: Vec<Node>, report: &mut Report) -> Node {
    let mut merged: Option<Node> = None;
    for layer in layers.into_iter().rev() {
        merged = Some(match merged {
            Some(high) => over(high, layer, report),
            // The highest says for itself how it is merged onto nothing.
            None => over(Node::new(Value::Map(Vec::new()), layer.origin.clone()), layer, report),
        });
    }
    merged.unwrap_or_else(empty)
}

/// Lays one layer over a lower one and says which keys of that do not count.
pub fn over(high: Node, low: Node, report: &mut Report) -> Node {
    let mut quiet = Report::new();
    let merged = overlay_reported(high.clone(), low.clone(), &mut quiet);
    // Settings of landfall's own have rules of their own, and `landfall config` shows where each comes from.
    quiet.problems.retain(|problem| !problem.message.starts_with("`landfall"));
    report.extend(quiet);
    settings::with_section(merged, &high, &low)
}

fn empty() -> Node {
    Node::new(Value::Map(Vec::new()), Origin::new(CONFIG_FILE, 1, 1))
}

/// The files of a directory with this ending, in byte order, behind one that comes first.
fn files(host: &Host, first: Option<&str>, directory: &str, ending: &str) -> Result<Vec<String>, Failure> {
    let names = host.list(directory).map_err(|error| Failure::io(directory, &error))?;
    let mut files: Vec<String> = first.filter(|path| host.exists(path)).map(str::to_owned).into_iter().collect();
    let wanted = names.iter().filter(|name| name.ends_with(ending) && !name.starts_with('.'));
    files.extend(wanted.map(|name| format!("{directory}/{name}")));
    Ok(files)
}

/// A file's document. One that is a template is rendered, where templates are.
fn file(host: &Host, path: &str, render: Option<Render<'_>>, report: &mut Report) -> Result<Option<Node>, Failure> {
    let Some(text) = host.read_text(path).map_err(|error| Failure::io(path, &error))? else { return Ok(None) };
    let Some(render) = render.filter(|_| template::is_template(&text)) else { return Ok(parsed(path, &text, report)) };
    Ok(match render(&text) {
        Ok(rendered) => {
            for (name, (line, column)) in rendered.missing {
                let message = format!("there is no variable `{name}`");
                report.warning("template-variable", message).at(&Origin::new(path, line, column));
            }
            // The header's line stays: that of everything else then is the file's, where the template has no blocks.
            parsed(path, &format!("\n{}", rendered.text), report)
        }
        Err(error) => {
            report.error("template", format!("the template cannot be rendered: {error}")).at(&Origin::new(path, error.line, 1));
            None
        }
    })
}

/// A document that says something; why it cannot be used is reported.
pub fn parsed(part: &str, text: &str, report: &mut Report) -> Option<Node> {
    match yaml::parse_with_report(part, text, report) {
        Ok(document) if document.is_null() => None,
        Ok(document) if document.as_map().is_none() => {
            report.error("type", format!("a configuration is a mapping, not {}", document.kind())).at(&document.origin);
            None
        }
        Ok(document) => Some(document),
        Err(error) => {
            error.report(part, report);
            None
        }
    }
}

fn without_the_peers_own(mut document: Node) -> Node {
    if let Value::Map(entries) = &mut document.value {
        // Only what the peer's own places say: elsewhere it is somebody's wish, which is answered.
        let is_peers =
            |origin: &Origin| origin.part.starts_with("/etc/cloud/") || [PEERS_RUNTIME_FILE, COMMAND_LINE].contains(&&*origin.part);
        entries.retain(|entry| {
            let is_own = entry.key.as_str().is_some_and(|key| OF_THE_PEER_ITSELF.contains(&key) || key.starts_with('_'));
            !(is_own && is_peers(&entry.key.origin))
        });
    }
    document
}

/// What `cloud-config-url=` names, if it is a cloud-config.
fn from_url(line: &str, includes: &mut dyn Includes, report: &mut Report) -> Option<Node> {
    let word = |name: &str| line.split_whitespace().rev().find_map(|word| word.strip_prefix(name));
    let url = word("cloud-config-url=").or_else(|| word("url=")).filter(|url| !url.is_empty())?;
    let place = Origin::new(COMMAND_LINE, 1, 1);
    let shown = crate::redact::url(url);
    match includes.get(&Include { url, once: true, place: &place }) {
        Got::Content(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !text.starts_with("#cloud-config") {
                let message = format!("{shown} is not used: it does not begin with `#cloud-config`");
                report.warning("cloud-config-url", message).at(&place);
                return None;
            }
            parsed(&shown, &text, report)
        }
        Got::Later => {
            report.note("include-later", format!("{shown} is fetched once the network is there")).at(&place);
            None
        }
        Got::NotFetched => None,
        Got::Failed(failure) => {
            let message = format!("{shown} is not used: {}", failure.message);
            report.error("cloud-config-url", message).at(&place).help(failure.next_action());
            None
        }
    }
}

/// What `cc:` to `end_cc` says, all of them: with `%XX` for any character and `\n` for a new line.
fn said_on(line: &str) -> String {
    const BEGIN: &str = " cc:";
    const END: &str = "end_cc";
    let line = format!(" {}", line.trim_end());
    let mut rest = line.as_str();
    let mut said = Vec::new();
    while let Some(at) = rest.find(BEGIN) {
        let after = &rest[at + BEGIN.len()..];
        let end = after.find(END);
        said.push(decoded(after[..end.unwrap_or(after.len())].trim_start()).replace("\\n", "\n"));
        rest = end.map_or("", |end| &after[end + END.len()..]);
    }
    said.join("\n")
}

/// `%XX` undone; what is none stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{debian, planned};
    use crate::modules::Way;
    use crate::plan::NetworkEvent;
    use crate::userdata::NoIncludes;

    fn system(files: &[(&str, &str)]) -> (System, Report) {
        let dir = tempfile::tempdir().expect("dir");
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, text).expect("write");
        }
        let mut report = Report::new();
        let data = serde_json::json!({"v1": {"instance_id": "i-1"}});
        let render = |text: &str| template::render(text, &template::Variables::of(&data));
        let system = read(&Host::rooted(dir.path()), Some(&render), &mut NoIncludes, &mut report).expect("read");
        (system, report)
    }

    fn told(report: &Report) -> Vec<String> {
        report.problems.iter().map(|problem| format!("{}: {}", problem.severity.name(), problem.sentence())).collect()
    }

    #[test]
    fn later_files_and_the_command_line_win_and_both_places_are_told() {
        let (system, report) = system(&[
            ("etc/cloud/cloud.cfg", "timezone: A\nlocale: a\nruncmd: [x]\napt: {preserve_sources_list: true, conf: c}\n"),
            ("etc/cloud/cloud.cfg.d/10-a.cfg", "timezone: B\n"),
            ("etc/cloud/cloud.cfg.d/20-b.cfg", "timezone: C\napt: {preserve_sources_list: false}\n"),
            ("etc/cloud/cloud.cfg.d/README", "not read"),
            ("etc/landfall/landfall.yaml", "timezone: D\n"),
            ("proc/cmdline", "ro cc: timezone: E\\nfqdn: x%2Ey end_cc quiet cc:locale: l\n"),
        ]);
        let expected =
            "{'timezone': 'E', 'fqdn': 'x.y', 'locale': 'l', 'apt': {'preserve_sources_list': False, 'conf': 'c'}, 'runcmd': ['x']}";
        assert_eq!(system.document.python_str(), expected);
        assert_eq!(
            told(&report),
            [
                "note: kernel command line:1:1: `timezone` replaces the one at /etc/landfall/landfall.yaml:1:1",
                "note: kernel command line:1:1: `timezone` replaces the one at /etc/cloud/cloud.cfg.d/20-b.cfg:1:1",
                "note: kernel command line:1:1: `timezone` replaces the one at /etc/cloud/cloud.cfg.d/10-a.cfg:1:1",
                "note: kernel command line:1:1: `timezone` replaces the one at /etc/cloud/cloud.cfg:1:1",
                "note: kernel command line:3:1: `locale` replaces the one at /etc/cloud/cloud.cfg:2:1",
                "note: /etc/cloud/cloud.cfg.d/20-b.cfg:2:7: `apt.preserve_sources_list` replaces the one at /etc/cloud/cloud.cfg:4:7",
            ]
        );
    }

    #[test]
    fn what_is_about_the_peers_own_process_is_left_out_without_a_word_and_its_network_kept_apart() {
        let stock = "users: [default]\n_log: [x]\nlog_cfgs: [[y]]\noutput: {all: z}\nsyslog_fix_perms: a\ndatasource_list: [NoCloud]\n\
            network: {config: disabled}\n";
        let (system, report) = system(&[("etc/cloud/cloud.cfg", stock)]);
        assert_eq!(system.document.python_str(), "{'users': ['default']}");
        assert_eq!(system.network.map(|network| network.python_str()).as_deref(), Some("{'config': 'disabled'}"));
        assert!(system.peers.get("output").is_some(), "instance data shows all of it");
        assert_eq!(told(&report), [""; 0]);
    }

    #[test]
    fn when_the_network_is_configured_anew_counts_from_the_image_and_the_command_line() {
        let of_image = ("etc/cloud/cloud.cfg.d/10-a.cfg", "updates: {network: {when: [hotplug]}}\n");
        let of_line = ("proc/cmdline", "ro cc: updates: {network: {when: [boot]}} end_cc");
        for (files, expected) in [
            (vec![of_image], vec![NetworkEvent::Hotplug]),
            (vec![of_line], vec![NetworkEvent::Boot]),
            (vec![of_image, of_line], vec![NetworkEvent::Boot]),
            (vec![], vec![]),
        ] {
            let (system, _) = system(&files);
            assert_eq!(planned(&system.document.python_str(), &debian(), &[], Way::FirstBoot).network_events, expected, "{files:?}");
        }
    }

    #[test]
    fn what_is_said_earlier_in_this_boot_lies_over_the_images_files_and_under_the_command_line() {
        let (system, report) = system(&[
            ("etc/cloud/cloud.cfg.d/10-a.cfg", "timezone: A\nlocale: a\nhostname: a\ndatasource_list: [NoCloud]\n"),
            ("run/cloud-init/cloud.cfg", "timezone: B\nlocale: b\ndatasource_list: [ None ]\n"),
            ("etc/landfall/conf.d/1.yaml", "packages: [x]\n"),
            ("proc/cmdline", "ro cc: timezone: C\n"),
        ]);
        assert_eq!(system.document.python_str(), "{'timezone': 'C', 'packages': ['x'], 'locale': 'b', 'hostname': 'a'}");
        let sources = system.peers.get("datasource_list").map(Node::python_str);
        assert_eq!(sources.as_deref(), Some("['None']"), "instance data shows it");
        assert_eq!(
            told(&report),
            [
                "note: kernel command line:1:1: `timezone` replaces the one at /run/cloud-init/cloud.cfg:1:1",
                "note: kernel command line:1:1: `timezone` replaces the one at /etc/cloud/cloud.cfg.d/10-a.cfg:1:1",
                "note: /run/cloud-init/cloud.cfg:2:1: `locale` replaces the one at /etc/cloud/cloud.cfg.d/10-a.cfg:2:1",
            ]
        );
    }

    #[test]
    fn a_file_says_how_it_is_merged_and_may_be_a_template_and_name_another_directory() {
        let (system, report) = system(&[
            ("etc/cloud/cloud.cfg", "conf_d: /srv/conf\nruncmd: [a]\nmerge_how: list(append)+dict(recurse_list)+str()\n"),
            ("srv/conf/1.cfg", "## template: jinja\nruncmd: [b]\nhostname: h-{{ instance_id }}\nfqdn: '{{ no.such }}'\n"),
            ("srv/conf/2.cfg", "## template: jinja\nruncmd: [c]\nhostname: h-{{ v1.instance_id }}\ntimezone: '{{ nothing }}'\n"),
            ("etc/cloud/cloud.cfg.d/3.cfg", "locale: not-read\n"),
            ("srv/conf/4.cfg", "- list\n"),
        ]);
        let expected = "{'runcmd': ['c', 'a'], 'hostname': 'h-i-1', 'timezone': 'CI_MISSING_JINJA_VAR/nothing', 'conf_d': '/srv/conf'}";
        assert_eq!(system.peers.python_str(), expected);
        assert_eq!(
            told(&report),
            [
                "error: /srv/conf/1.cfg:4:1: the template cannot be rendered: undefined value: `no` is not defined, so there is no `such` in it",
                "warning: /srv/conf/2.cfg:4:15: there is no variable `nothing`",
                "error: /srv/conf/4.cfg:1:1: a configuration is a mapping, not a list",
            ]
        );
    }

    #[test]
    fn the_command_line_is_read_as_the_peer_reads_it() {
        for (line, said) in [
            ("ro quiet", ""),
            ("cc: a: 1", "a: 1"),
            ("cc:a: 1 end_cc cc:b: [x] end_cc z", "a: 1 \nb: [x] "),
            ("xcc: a: 1", ""),
            ("cc: a: 100%25\\nb: %zz", "a: 100%\nb: %zz"),
        ] {
            assert_eq!(said_on(line), said, "{line}");
        }
    }
}
