//! `landfall query`, on data of the test's own. What the real cloud-init answers is in the parity suite.

use super::run::landfall;

const DATA: &str =
    r#"{"v1": {"instance_id": "i-1", "n": {"b": [1, null, true], "a": 1.5}}, "ds": {"meta_data": {"local-hostname": "web", "k.v": 1}}}"#;

fn asked(arguments: &[&str]) -> super::Ran {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data.json");
    std::fs::write(&data, DATA).expect("write");
    landfall(&[&["query", "--instance-data", data.to_str().expect("path")], arguments].concat())
}

#[test]
fn a_name_gives_its_value_and_hyphens_may_be_written_as_underscores() {
    for (name, value) in [
        ("v1.instance_id", "i-1\n"),
        ("instance_id", "i-1\n"),
        ("ds.meta_data.local_hostname", "web\n"),
        ("ds.meta_data.local-hostname", "web\n"),
        ("ds.meta_data.k_v", "1\n"),
        ("v1.n", "{\n \"a\": 1.5,\n \"b\": [\n  1,\n  null,\n  true\n ]\n}\n"),
    ] {
        assert_eq!(asked(&[name]).ended(0).stdout, value, "{name}");
    }
    assert_eq!(asked(&["-l", "ds.meta_data"]).ended(0).stdout, "k.v\nlocal-hostname\n");
    assert!(asked(&["--all"]).ended(0).json()["v1"]["instance_id"] == "i-1");
}

#[test]
fn a_template_is_filled_in_and_what_is_missing_is_told() {
    let ran = asked(&["--format", "{{ v1.instance_id }}/{{ ds.meta_data.local_hostname }} {{ none_such }}"]).ended(0);
    assert_eq!(ran.stdout, "i-1/web CI_MISSING_JINJA_VAR/none_such\n");
    assert_eq!(ran.stderr, "landfall: there is no variable `none_such`\n");
}

/// What a template makes the engine do ends the process that renders it, and no other.
#[test]
fn a_template_that_takes_all_memory_all_of_the_stack_or_all_time_is_an_error() {
    let doubled = format!("{{% set a = 'x' %}}{}{{{{ a|length }}}}", "{% set a = a ~ a %}".repeat(40));
    let captured = "{% set a %}{% for i in range(9999) %}{% for j in range(99) %}0123456789012345678901234567890123456789{% endfor %}{% endfor %}{% endset %}x";
    let deep = "{% set n = namespace(l=[1]) %}{% for i in range(90000) %}{% set n.l = [n.l] %}{% endfor %}x";
    for template in [&doubled, captured, deep, "{{ 'x' * 90000000 }}", "{{ [] * 99999999999 }}"] {
        let ran = asked(&["--format", template]).ended(1);
        let expected =
            ["it needs more than 44 MiB of memory or 3 s of the processor, its values stand too deep in each other", "longer than"];
        assert!(expected.iter().any(|expected| ran.stderr.contains(expected)) && ran.stdout.is_empty(), "{template}: {}", ran.stderr);
    }
}

#[test]
fn what_is_not_there_ends_with_1_as_under_cloud_init() {
    for (arguments, expected) in [
        (&["nothing"][..], "there is no `nothing` in the instance's data"),
        (&["v1.nothing"], "there is no `nothing` in `v1` of the instance's data"),
        (&["v1.instance_id.x"], "there is no `x` in `v1.instance_id` of the instance's data"),
        (&["-l", "v1.instance_id"], "`v1.instance_id` has no names below it: it is no mapping"),
        (&["-f", "{{ x"], "the template cannot be filled in: syntax error"),
        (&["-f", ""], ""),
        (&[], "nothing is asked for"),
    ] {
        let ran = asked(arguments).ended(1);
        assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
    let ran = landfall(&["query", "--instance-data", "/no/such/file", "v1"]).ended(1);
    assert!(ran.stderr.contains("/no/such/file: there is no instance data"), "{}", ran.stderr);
}
