//! `landfall schema`, asked about documents by the jsonschema of Debian 13.

use std::path::Path;
use std::process::Command;

use crate::lab::{Lab, Release};
use crate::peer;

/// Reads the schema on the first line, documents on the others (as JSON strings of YAML); prints what is wrong with each.
const CHECK: &str = r#"
import sys, json, yaml, jsonschema
schema = json.loads(sys.stdin.readline())
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
def plain(v):
    # As editors have it: no dates, and keys are text.
    if isinstance(v, dict): return {"on" if k is True else str(k): plain(x) for k, x in v.items()}
    if isinstance(v, list): return [plain(x) for x in v]
    return v if isinstance(v, (str, int, float, bool, type(None))) else str(v)
for line in sys.stdin:
    document = plain(yaml.safe_load(json.loads(line)))
    print(json.dumps(sorted("/".join(map(str, e.absolute_path)) + ": " + e.validator for e in validator.iter_errors(document))))
"#;

/// What the schema says to each document: `place: word of JSON Schema`.
pub fn refused(documents: &[&str]) -> Option<Vec<Vec<String>>> {
    let lab = Lab::require()?;
    let printed = Command::new(env!("CARGO_BIN_EXE_landfall")).arg("schema").output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let lines = std::iter::once(schema).chain(documents.iter().map(|text| (*text).into()));
    let input: String = lines.map(|line: serde_json::Value| format!("{line}\n")).collect();
    let answers = peer::python(lab.root(Release::TrixieCloudInit), CHECK, input.as_bytes());
    let answers: Vec<Vec<String>> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), documents.len());
    Some(answers)
}

#[test]
fn the_schema_accepts_the_examples() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-config");
    let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    assert!(names.len() >= 4);
    let texts: Vec<String> = names.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let Some(answers) = refused(&texts.iter().map(String::as_str).collect::<Vec<_>>()) else { return };
    for (name, answer) in names.iter().zip(answers) {
        assert!(answer.is_empty(), "{}: {answer:?}", name.display());
    }
    let strict = Command::new(env!("CARGO_BIN_EXE_landfall")).args(["validate", "--strict"]).args(&names).output().unwrap();
    assert!(strict.status.success(), "{}", String::from_utf8_lossy(&strict.stdout));
}

#[test]
fn the_schema_takes_what_validate_takes_without_a_warning() {
    let good = [
        "",
        "hostname: web\npackages: [nginx, [git, '1:2'], {apt: [curl]}]\nruncmd: [echo hi, [ls, -l, 1], null]\n",
        "ssh_pwauth: yes\npackage_update: true\nmanage_etc_hosts: localhost\n",
        "ssh_pwauth: unchanged\npackage_update: 'yes'\n",
        "users: [default, {name: bob, groups: [sudo], lock-passwd: false, uid: 1000, expiredate: 2032-09-01}]\ngroups: [a, {b: [bob]}]\n",
        "users: bob\nuser: {name: eve}\nrsyslog: {configs: ['*.* /x', {content: a, filename: b}]}\n",
        "apt: {sources: {x.list: {source: deb http://x y z, keyid: A}}, conf: 'x;'}\napt_proxy: http://x\n",
        "ntp:\nwrite_files: [{path: /a, content: x, permissions: '0644', source: {uri: http://x, headers: {A: b}}}]\n",
        "power_state: {mode: reboot, delay: +5, condition: [test, -e, /x]}\nlocale: false\ntimezone: Europe/Berlin\n",
        "package_upgrade: false\nlandfall: {phases: [{name: a, run: package_upgrade, on_error: rollback, when: {memory: '>= 1G'}, services: [nginx]}, {name: b, runcmd: [x]}], retry: 3, timeouts: 10m}\n",
        "chpasswd: {expire: false, users: [{name: root, password: x, type: text}]}\nswap: {}\nmounts: []\n",
        "landfall: {notify: {url: 'https://x/y', on: failure}}\npackages:\n",
    ];
    for text in good {
        let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("#cloud-config\n{text}")).unwrap();
        let ran = child.args(["validate", "--format", "json"]).arg(file.path()).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(said["valid"], true, "{text}: {said}");
    }
    let Some(answers) = refused(&good) else { return };
    for (text, answer) in good.iter().zip(answers) {
        assert!(answer.is_empty(), "{text}: {answer:?}");
    }
}

#[test]
fn the_schema_refuses_what_is_wrong_and_says_where() {
    let bad = [
        ("hostnam: web\n", ": additionalProperties"),
        ("hostname: [web]\n", "hostname: type"),
        ("users: 5\n", "users: anyOf"),
        ("users: [{name: bob, uidd: 1}]\n", "users: anyOf"),
        ("write_files: [{content: x}]\n", "write_files/0: anyOf"),
        ("power_state: {mode: sleep}\n", "power_state: anyOf"),
        ("runcmd: echo\n", "runcmd: type"),
        ("runcmd: [{echo: a}]\n", "runcmd/0: anyOf"),
        ("apt: {sources: [x]}\n", "apt: anyOf"),
        ("ssh_pwauth: maybe\n", "ssh_pwauth: anyOf"),
        ("package_update: maybe\n", "package_update: pattern"),
        ("package_update: 3\n", "package_update: maximum"),
        ("landfall: {on_error: explode}\n", "landfall/on_error: enum"),
        ("landfall: {phases: [{runcmd: [a]}]}\n", "landfall/phases/0: anyOf"),
        ("landfall: {phases: [{name: a, run_cmd: [a]}]}\n", "landfall/phases/0: additionalProperties"),
        ("keyboard: {model: pc105}\n", "keyboard: anyOf"),
        ("- a\n", ": type"),
    ];
    let texts: Vec<&str> = bad.iter().map(|(text, _)| *text).collect();
    let Some(answers) = refused(&texts) else { return };
    for ((text, expected), answer) in bad.iter().zip(answers) {
        assert!(answer.iter().any(|said| said == expected), "{text}: {answer:?}");
    }
}

/// Reads our schema and walks it beside that of the peer: prints every key and every word of the peer's that ours has not.
const COMPARE: &str = r#"
import sys, json
ours = json.load(sys.stdin)
peer = json.load(open("/usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"))
def forms(root, node):
    while "$ref" in node:
        names, node = node["$ref"][2:].split("/"), root
        for name in names: node = node[name]
    inner = [form for word in ("anyOf", "oneOf", "allOf") for one in node.get(word, []) for form in forms(root, one)]
    return [node] + inner
missing, keys = set(), 0
def takes(form, word):
    types = str(form.get("type", ""))
    plain = "pattern" not in form and "enum" not in form and ("string" in types or ("integer" in types and isinstance(word, int)))
    return plain or word in form.get("enum", [])
def walk(theirs, mine, path):
    global keys
    mine = [form for one in mine for form in forms(ours, one)]
    free = any(set(form) <= {"description"} for form in mine)
    if free: return
    below = lambda word: [form[word] for form in mine if isinstance(form.get(word), dict)]
    def deeper(sub, found, path):
        if found: walk(sub, found, path)
        else: missing.add(path)
    for form in forms(peer, theirs):
        for word in form.get("enum", []):
            if not (isinstance(word, bool) or word is None or any(takes(one, word) for one in mine)): missing.add("%s = %s" % (path, word))
        for key, sub in form.get("properties", {}).items():
            keys += 1
            deeper(sub, [one["properties"][key] for one in mine if key in one.get("properties", {})] or below("additionalProperties"), path + "." + key)
        if isinstance(form.get("additionalProperties"), dict): deeper(form["additionalProperties"], below("additionalProperties"), path + ".*")
        if isinstance(form.get("items"), dict): deeper(form["items"], below("items"), path + "[]")
walk(peer, [ours], "")
print(json.dumps([keys, sorted(missing)]))
"#;

#[test]
fn every_key_and_word_of_the_schema_of_cloud_init_is_in_that_of_landfall() {
    let Some(lab) = Lab::require() else { return };
    let printed = Command::new(env!("CARGO_BIN_EXE_landfall")).arg("schema").output().unwrap();
    let answer = peer::python(lab.root(Release::TrixieCloudInit), COMPARE, &printed.stdout);
    let (keys, missing): (usize, Vec<String>) = serde_json::from_str(&answer).unwrap();
    assert!(keys > 300, "{keys} keys are looked at");
    // A tool of FreeBSD's: on Linux the peer fails with it.
    assert_eq!(missing, [".growpart.mode = gpart"]);
}

/// What landfall has to say of an example, and why that is right.
const FAULTS_OF_THE_EXAMPLES: [(&str, &str); 4] = [
    ("cloud-config-ca-certs.txt", "what stands between BEGIN and END of a certificate is not base64"),
    ("cloud-config-chef-oneiric.txt", "chef.validation_key"),
    ("cloud-config-write-files.txt", "the content of /etc/sysconfig/selinux is not base64"),
    ("cloud-config.txt", "this looks like a template that was not rendered"),
];

#[test]
fn the_examples_of_cloud_init_are_valid_but_for_their_own_faults() {
    let Some(lab) = Lab::require() else { return };
    let directory = lab.root(Release::TrixieCloudInit).join("usr/share/doc/cloud-init");
    let mut checked = 0;
    for entry in ["examples", "module-docs"].iter().flat_map(|name| std::fs::read_dir(directory.join(name)).unwrap()) {
        let path = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if !(text.starts_with("#cloud-config\n") || text.starts_with("## template")) {
            continue;
        }
        let ran = Command::new(env!("CARGO_BIN_EXE_landfall")).args(["validate", "--format", "json"]).arg(&path).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        for problem in said["files"][0]["problems"].as_array().unwrap() {
            let message = problem["message"].as_str().unwrap();
            let known = FAULTS_OF_THE_EXAMPLES.iter().any(|(file, fault)| *file == name && message.contains(fault));
            assert!(problem["code"] != "unknown-key" && (problem["severity"] != "error" || known), "{name}: {problem}");
        }
        checked += 1;
    }
    assert!(checked > 25, "{checked} examples");
}
