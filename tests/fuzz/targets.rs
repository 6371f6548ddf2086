//! What is fed: the library's readers of what others wrote.

use std::path::Path;

use landfall::config::problem::Report;
use landfall::config::typed::CloudConfig;
use landfall::engine::journal::Journal;
use landfall::facts::Facts;
use landfall::host::append_log::AppendLog;
use landfall::modules::{plan_all, Steps, Way};
use landfall::run::input::{self, Giver};
use landfall::run::rendering;
use landfall::userdata::{NoIncludes, Reading};
use landfall::yaml;

/// A reader and what its inputs are made of.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What every input begins with.
    pub header: &'static [u8],
    /// Words that are put in.
    pub words: &'static [&'static str],
    /// Inputs to begin with, beside those of the repository.
    pub seeds: &'static [&'static str],
    /// Inputs are compressed after they were changed, half of the time.
    pub gzip: bool,
    /// Reads one; nobody is interested in what comes out.
    pub read: fn(&[u8], &Path),
}

const YAML_WORDS: &[&str] = &[
    "\n",
    "  ",
    "- ",
    ": ",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!!set ",
    "!!str ",
    "!!omap ",
    "? ",
    "|\n",
    ">-\n",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "#",
    "---\n",
    "...",
    "%YAML 1.1\n",
    "\t",
    "\u{feff}",
    "\u{a0}",
    "\n\u{a0} - ",
    "\u{3000}",
    "‘",
    "😀",
    "0644",
    "1:30",
    ".nan",
    "2024-01-02T03:04:05Z",
    "\\x41",
    "users:\n",
    "landfall:\n",
    "phases:\n",
    "runcmd:\n",
    "write_files:\n",
    "apt:\n",
    "merge_how: 'list(append)'\n",
    "a: &a [x]\n",
    "[*a,*a,*a,*a,*a,*a,*a,*a]",
];

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "yaml", header: b"", words: YAML_WORDS, seeds: YAML_SEEDS, gzip: false, read: read_yaml },
    Target {
        name: "mime",
        header: b"",
        words: &[
            "\r\n", "\n\n", "--B", "--B--", "Content-Type: multipart/mixed; boundary=\"B\"\n", "Content-Type: text/cloud-config\n",
            "Content-Type: text/x-shellscript\n", "Content-Type: text/jinja2\n", "Content-Transfer-Encoding: base64\n",
            "Content-Transfer-Encoding: quoted-printable\n", "Content-Disposition: attachment; filename=\"a\"\n", "MIME-Version: 1.0\n",
            "Merge-Type: list(append)\n", "Launch-Index: 1\n", "=3D=\n", "=?utf-8?B?YQ==?=", "charset=latin1", ";", "\"", "boundary=",
            "#cloud-config\n", "#!/bin/sh\n", "filename*=utf-8''a%20b", "message/rfc822",
        ],
        seeds: &[
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B\nContent-Type: text/cloud-config\nMerge-Type: list(append)\n\n#cloud-config\npackages: [a]\n--B\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\nIyEvYmluL3NoCmVjaG8=\n--B--\n",
            "Content-Type: multipart/mixed; boundary=\"A\"\n\n--A\nContent-Type: multipart/mixed; boundary=\"B\"\n\n--B\nContent-Type: text/cloud-config; charset=\"us-ascii\"\nContent-Disposition: attachment; filename=\"x.yaml\"\n\na: 1\n--B--\n--A--\n",
        ],
        gzip: false,
        read: read_user_data,
    },
    Target {
        name: "archive",
        header: b"#cloud-config-archive\n",
        words: &[
            "- type: text/cloud-config\n  content: |\n    a: 1\n", "- |\n  #!/bin/sh\n", "- type: text/jinja2\n", "  filename: x\n", "  launch-index: 1\n",
            "  content: !!binary aGk=\n", "merge_type: list(append)\n", "- ", "content: ", "type: ", "[", "{", "&a ", "*a", "\n", "    ",
            "#include\nhttp://x/\n", "#cloud-config-archive\n", "#cloud-config\n", "headers:\n",
        ],
        seeds: &[
            "- type: text/cloud-config\n  content: |\n    #cloud-config\n    packages: [a]\n- |\n  #!/bin/sh\n  echo\n- {content: 'a: 1', filename: x, type: text/cloud-config, merge-type: 'list(append)', launch-index: 2}\n",
        ],
        gzip: false,
        read: read_user_data,
    },
    Target {
        name: "jinja",
        header: b"## template: jinja\n",
        words: &[
            "{{ ", " }}", "{% ", " %}", "{% for i in range(9) %}", "{% endfor %}", "{% if x %}", "{% endif %}", "{% set a = 'x' %}", "{% raw %}",
            "{% macro m(a) %}", "{% endmacro %}", "{{ m(m) }}", "v1.distro", "ds.meta_data", "|replace('a','b')", "|join(',')", "|default('x')",
            "|tojson", "|int", "|list", "~", "*", "**", "//", "%", "[::-1]", "[0:9]", ".format(1)", "range(99999)", "'x' * 999", "loop.index",
            "#}", "{#", "-%}", "self", "caller()", "{% include 'x' %}", "{% block b %}", "namespace(a=1)", "999999999999", "|center(9999)",
            "{% set a = [] %}", "{% do a.append(a) %}", "{% do a.extend(a) %}", "{% do m.update({'a': m}) %}", "{% set m = {} %}", ".pop()", ".sort()",
            ".insert(0, a)", "(a, )", "[[", "{'a': ", "|sum(start=a)", "|dictsort", "|round(-3)", "'%g' % ", "{% set a = a + a %}", "{% call(x) m() %}",
            "|batch(3)", "|indent(99)", ".zfill(99)", "{% set a = [a, a] %}", "|map('upper')", "|sort", "|unique", "{% set a = a ~ a %}", "{% set a = [a] %}", "{% set a %}", "{% endset %}",
        ],
        seeds: &[
            "#cloud-config\nhostname: {{ v1.local_hostname }}\nruncmd:\n{% for i in range(3) %}\n- echo {{ i }} {{ v1.distro|upper }}\n{% endfor %}\n",
            "#cloud-config\n{% set a = [1, 2] %}\n{% macro m(x) %}{{ x|replace('a', 'b') }}{% endmacro %}\na: {{ m('aa') }} {{ a|join(', ') }} {{ 'x' * 20 }}\n",
            "#!/bin/sh\n{% if v1.distro == 'debian' %}echo {{ ds.meta_data.x|default('y') }}{% else %}{{ missing }}{% endif %}\n",
        ],
        gzip: false,
        read: read_user_data,
    },
    Target { name: "gzip", header: b"", words: YAML_WORDS, seeds: YAML_SEEDS, gzip: true, read: read_user_data },
    Target {
        name: "journal",
        header: b"",
        words: &["\n", "{", "}", "\"", ":", ",", "null", "[", "]", "0", "e999", "\\u0000", "\\ud800", "\"step\":", "\"run\":", "sha256", "crc", " "],
        seeds: &[include_str!("../formats/journal-1")],
        gzip: false,
        read: read_journal,
    },
];

const YAML_SEEDS: &[&str] = &[
    "#cloud-config\na: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n<<: {d: *c}\n",
    "#cloud-config\nx: !!binary aGk=\ny: !!set {a, b}\nz: !!omap [a: 1]\n? [k]\n: |-\n  text\n   more\n",
    "#cloud-config-jsonp\n[{\"op\": \"add\", \"path\": \"/a/-\", \"value\": [1]}, {\"op\": \"move\", \"from\": \"/a\", \"path\": \"/b\"}]\n",
    "#cloud-config\npackages:\n\u{a0} - nginx\nusers:\n  -\u{3000}name: ‘x’\n",
    "#include-once\nhttp://x/a\n#include\nfile:///b\n",
];

/// A text as the configuration of a first boot: read, typed, planned, its problems shown.
fn read_yaml(bytes: &[u8], _: &Path) {
    let text = String::from_utf8_lossy(bytes);
    let mut report = Report::new();
    let Ok(document) = yaml::parse_with_report("fuzz", &text, &mut report) else { return };
    if let Some(config) = CloudConfig::read(&document, &mut report) {
        let facts = Facts { distro: "debian".into(), codename: "trixie".into(), ..Facts::default() };
        let mut steps = Steps::default();
        plan_all(&config, &facts, &landfall::modules::UserParts::default(), Way::FirstBoot, &mut steps);
        report.extend(steps.finish().1);
    }
    let _ = report.render(&|_| Some(&text), &str::to_owned);
    let _ = yaml::to_string(&document);
}

/// User-data of any form: unpacked, rendered, merged, typed.
fn read_user_data(bytes: &[u8], _: &Path) {
    let data = serde_json::json!({"v1": {"distro": "debian", "local_hostname": "h"}, "ds": {"meta_data": {"k": [1]}}});
    let render = |text: &str| rendering::render(text, &data);
    let mut reading = Reading {
        includes: &mut NoIncludes,
        render: &render,
        knows_instance: true,
        launch_index: Some(1),
        has_handlers: false,
        keeps_message: false,
    };
    let mut report = Report::new();
    let input = input::read("fuzz", bytes, Giver::User, &mut reading, &mut report);
    let _ = CloudConfig::read(&input.document, &mut report);
    let source = |name: &str| input.sources.iter().find(|(part, _)| part == name).map(|(_, text)| text.as_str());
    let _ = report.render(&source, &str::to_owned);
}

/// A journal that was torn or damaged: opened, which mends it, and opened again.
fn read_journal(bytes: &[u8], directory: &Path) {
    let path = directory.join("journal");
    std::fs::write(&path, bytes).expect("write");
    let viewed = Journal::view(AppendLog::new(&path, false)).map(|journal| journal.records().len());
    if let Ok(journal) = Journal::open(AppendLog::new(&path, false)) {
        assert_eq!(viewed.ok(), Some(journal.records().len()), "what is mended has other records");
        let again = Journal::open(AppendLog::new(&path, false)).map(|journal| journal.records().len());
        assert_eq!(again.ok(), Some(journal.records().len()), "a mended journal is read differently");
    }
}
