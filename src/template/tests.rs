//! What is not told by the stored results of the real templates (`tests/template_parity.rs`).

use serde_json::json;

use super::*;

#[test]
fn the_first_line_says_what_a_template_is() {
    for (text, is) in [
        ("## template: jinja\nx", true),
        ("## TEMPLATE: Jinja  \nx", true),
        ("##template:jinja", true),
        ("# template: jinja\n", false),
        ("## template: basic\n", false),
        ("#cloud-config\n## template: jinja\n", false),
        ("", false),
    ] {
        assert_eq!(is_template(text), is, "{text}");
    }
}

#[test]
fn data_gets_aliases_and_the_keys_of_v1_at_the_top() {
    let data = json!({"v1": {"a-b": 1}, "ds": {"k.v": {"x-y": [1]}}, "version": 2, "v2x": {"no": 1}, "n": null});
    let plain = json!({"v1": {"a-b": 1}, "a-b": 1, "ds": {"k.v": {"x-y": [1]}}, "version": 2, "v2x": {"no": 1}, "n": null});
    assert_eq!(converted(&data, false), plain);
    let aliased = converted(&data, true);
    for (path, value) in [("/a_b", json!(1)), ("/v1/a_b", json!(1)), ("/ds/k_v/x_y", json!([1])), ("/ds/k.v/x-y", json!([1]))] {
        assert_eq!(aliased.pointer(path), Some(&value), "{path}");
    }
    assert_eq!((alias("plain_key"), alias("a-b.c:d e/é")), (None, Some("a_b_c_d e_é".to_owned())));
}

#[test]
fn a_template_without_an_end_or_a_bound_is_refused() {
    let variables = Variables::of(&json!({}));
    let rendered = |body: &str| render(&format!("## template: jinja\n{body}"), &variables).map_err(|error| error.message);
    assert_eq!(
        rendered("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        Err("it does not come to an end".into())
    );
    let long = "{% for a in range(2000) %}{{ 'x' * 40000 }}{% endfor %}";
    assert_eq!(rendered(long), Err("it becomes longer than 8 MiB".into()));
    let value = |body: &str| assert!(rendered(body).is_err_and(|message| message.contains("a value becomes longer than 4 MiB")), "{body}");
    for body in [
        &format!("{{{{ 'x'{} }}}}", "|tojson".repeat(90)),
        "{{ 'x'.zfill(99999999999) }}",
        "{{ ('a' * 9999).replace('a', 'b' * 9999) }}",
        "{{ ('\\n' * 9999)|indent(999) }}",
        "{{ [range(9999)|list|join]|map('upper')|join }}{{ (['x' * 9999] * 9999)|join(',') }}",
        "{{ ([1] * 99999999999)|list }}",
        "{{ ' '.join([['x' * 9999] * 9999] * 9) }}",
        &format!("{{% set a = [1] %}}{}{{{{ a }}}}", "{% set a = [a, a] %}".repeat(60)),
        &format!("{{% set a = [1] %}}{}{{{{ a|tojson }}}}", "{% set a = [a, a] %}".repeat(60)),
        &format!("{{% set a = [1] %}}{}{{{{ a }}}}", "{% set a = [a] %}".repeat(300)),
    ] {
        value(body);
    }
    assert!(rendered("{% include 'x' %}").is_err(), "a template has no files");
}

#[test]
fn a_slice_that_steps_back_is_refused_where_it_stands_and_no_other() {
    let variables = Variables::of(&json!({"a": [1, 2, 3]}));
    let rendered = |body: &str| render(&format!("## template: jinja\n{body}"), &variables);
    for body in [
        "x\n{{ a[::-1] }}",
        "x\n{{ [][::-1] }}",
        "x\n{{ [][::2 - 5] }}",
        "x\n{{ ''[ : : -1] }}",
        "x\n{% if nothing[2:0:n] %}{% endif %}",
        "x\n{{ {'b': a[::-1]} }}",
    ] {
        let error = rendered(body).expect_err(body);
        assert!(error.line == 3 && error.is_certain && error.message.contains("|reverse"), "{body}: {error:?}");
    }
    assert!(rendered(&format!("{{{{ 'x'{} }}}}", " * 20".repeat(400))).is_err_and(|error| error.message.contains("more than twenty `*`")));
    for (body, expected) in [
        ("[::1] {{ a[::2] }} [::-1]", "[::1] [1, 3] [::-1]"),
        ("{{ '[::-1]' }} {{ a[1:] }} {{ a[:-1] }}", "[::-1] [2, 3] [1, 2]"),
        ("{{ {'b': -1, 'c': {'d': -2}} }}", "{'b': -1, 'c': {'d': -2}}"),
    ] {
        assert_eq!(rendered(body).expect(body).text, expected);
    }
}

#[test]
fn missing_names_are_told_once_with_the_line_they_are_asked_for_on() {
    let template = "## template: jinja\nnothing here\n{% if a %}{% endif %}{{ nothing }} {{ nothing }} '{{ other }}'\n";
    let rendered = render(template, &Variables::of(&json!({}))).expect("rendered");
    assert_eq!(rendered.missing, [("nothing".to_owned(), (3, 25)), ("other".to_owned(), (3, 54))]);
}

#[test]
fn a_missing_name_ends_where_the_template_ends_it() {
    for (body, name, place) in [
        ("a: {{ hostname }}\\'", "hostname", (2, 7)),
        ("\nfqdn: {{ hostname }}-web.example.org", "hostname", (3, 10)),
        ("{{ a.b['no-thing'] }}.", "no-thing", (2, 9)),
        ("{{ a.b['k.v'] }}.x", "k.v", (2, 9)),
        ("the host is {{ host }}.", "host", (2, 16)),
        ("{{ host|upper }}.", "HOST", (1, 1)),
    ] {
        let found = render(&format!("## template: jinja\n{body}"), &Variables::of(&json!({"a": {"b": {}}}))).expect(body);
        assert_eq!(found.missing, [(name.to_owned(), place)], "{body}");
    }
}

#[test]
fn what_is_not_known_can_never_be_rendered() {
    for body in ["{{ 1 is version('2') }}", "{{ 1|nofilter }}"] {
        let error = render(&format!("## template: jinja\n{body}"), &Variables::of(&json!({}))).expect_err(body);
        assert!(error.is_certain, "{error:?}");
    }
    for (body, is_certain) in [("a-b\n{{ 'c-d' ~ v1.cloud-name }}", true), ("a-b\n{{ ds.meta_data.local-hostname }}", false)] {
        let error =
            render(&format!("## template: jinja\n{body}"), &Variables::of(&json!({"v1": {}, "ds": {"meta_data": {}}}))).expect_err(body);
        assert!(error.line == 3 && error.is_certain == is_certain, "{error:?}");
        assert!(error.message.contains("takes away") && error.message.contains("is written with `_` here"), "{error:?}");
    }
}
