//! What apt would refuse, and every source and setting with it.

/// What is wrong with a text of sources (sources.list(5)): the line and what it is. No address is quoted, which may hold a password.
pub fn sources(text: &str) -> Option<String> {
    if super::distribution::is_deb822(text) {
        return text.replace('\r', "").split("\n\n").find_map(stanza);
    }
    text.lines().zip(1..).find_map(|(line, number)| Some(format!("line {number} {}", one_line(line)?)))
}

fn one_line(line: &str) -> Option<&'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let rest = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb")).filter(|rest| rest.starts_with([' ', '\t', '[']));
    let Some(rest) = rest.map(str::trim_start) else { return Some("does not begin with `deb` or `deb-src`") };
    let rest = match rest.strip_prefix('[').map(|options| options.split_once(']')) {
        None => rest,
        Some(Some((options, rest))) if options.split_whitespace().all(|option| option.contains('=')) => rest,
        Some(Some(_)) => return Some("has an option that is no NAME=VALUE"),
        Some(None) => return Some("does not close its `[`"),
    };
    // An address may be in quotes, and the name of a medium in brackets.
    if rest.contains(['"', '[']) {
        return None;
    }
    let mut words = rest.split('#').next().unwrap_or_default().split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Some("has no address"),
        (Some(address), ..) if !address.contains(':') => Some("has an address without a scheme, as in http://"),
        (_, None, _) => Some("has no suite"),
        (_, Some(suite), Some(_)) if suite.ends_with('/') => Some("has components behind a suite that ends in `/`"),
        (_, Some(suite), None) if !suite.ends_with('/') => Some("has no components, as in `main`"),
        _ => None,
    }
}

fn stanza(text: &str) -> Option<String> {
    let lines = || text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    if lines().any(|line| !line.starts_with([' ', '\t']) && !line.contains(':')) {
        return Some("it has a line that is no `Field: value`".into());
    }
    let has = |field: &str| lines().any(|line| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(field)));
    if lines().next().is_none() || has("Enabled") {
        return None;
    }
    let missing = ["Types", "URIs", "Suites"].into_iter().find(|field| !has(field))?;
    Some(format!("it has no `{missing}:`"))
}

/// What is wrong with a text of settings (apt.conf(5)).
pub fn settings(text: &str) -> Option<&'static str> {
    let mut open = 0_u32;
    let mut entry = String::new();
    let mut commented = false;
    for line in text.lines() {
        let mut quoted = false;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if commented {
                let end = if c == '*' { rest.strip_prefix('/') } else { None };
                commented = end.is_none();
                rest = end.unwrap_or(rest);
                continue;
            }
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '#' if !DIRECTIVES.iter().any(|word| rest.starts_with(word)) => break,
                '/' if rest.starts_with('/') => break,
                '/' if rest.starts_with('*') => {
                    (commented, rest) = (true, &rest[1..]);
                    continue;
                }
                '{' | '}' | ';' => {
                    if has_too_much(&entry) {
                        return Some("an entry has more than a name and a value, or the `;` behind the one before is missing");
                    }
                    if c == '{' && entry.trim().is_empty() {
                        return Some("a `{` has no name before it");
                    }
                    match c {
                        '{' => open += 1,
                        '}' if open == 0 => return Some("it closes a `{` that is not open"),
                        '}' => open -= 1,
                        _ => {}
                    }
                    entry.clear();
                    continue;
                }
                _ => {}
            }
            entry.push(c);
        }
        if quoted {
            return Some("a quote is not closed");
        }
        entry.push(' ');
    }
    match (open > 0, entry.trim().is_empty()) {
        (true, _) => Some("a `{` is not closed"),
        (_, false) => Some("the `;` behind its last entry is missing"),
        _ => None,
    }
}

/// What apt does not take for a comment.
const DIRECTIVES: [&str; 3] = ["clear", "include", "x-apt-configure-index"];

/// Whether more than one value stands behind an entry's name. Several texts in quotes are one.
fn has_too_much(entry: &str) -> bool {
    let mut quoted = false;
    let mut values = entry.split(|c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    let values: Vec<&str> = values.by_ref().filter(|word| !word.is_empty()).skip(1).collect();
    let is_text = |word: &&str| word.len() > 1 && word.starts_with('"') && word.ends_with('"');
    values.len() > 1 && !values.iter().all(is_text)
}

#[cfg(test)]
mod tests {
    use super::settings;

    /// As `apt-config dump` says of each.
    #[test]
    fn settings_are_refused_where_apt_refuses_them() {
        for good in [
            "",
            "# foo bar baz",
            "/* x",
            "A::B true;",
            "A::B \"x\" \"y\";",
            "A { B \"x\" }",
            "A { B \"x\"; };",
            "A { \"x\"; \"y\"; };\n",
            "A { B { C \"d\"; }; }",
            "A \"x\"; /* c\n d */ B \"y\"; // c",
            "#clear A::B;",
            "A::B::\"c d\" \"x\";",
            "A::B \"x\" # c\n;;",
            "A:: \"http://x/;y#{\";",
            "A\t\"x\"y;",
            "A;",
        ] {
            assert_eq!(settings(good), None, "{good}");
        }
        for (bad, why) in [
            ("APT::Get::Assume-Yes \"true\"", "`;` behind its last entry"),
            ("foo bar baz", "`;` behind its last entry"),
            ("A \"b\"; B", "`;` behind its last entry"),
            ("A http://x;", "`;` behind its last entry"),
            ("#clear A::B", "`;` behind its last entry"),
            ("foo bar baz;", "more than a name and a value"),
            ("A::B \"x\"\nC::D \"y\";\n", "more than a name and a value"),
            ("A \"x\" y;", "more than a name and a value"),
            ("A = \"b\";", "more than a name and a value"),
            ("A { B \"x\" C \"y\"; };", "more than a name and a value"),
            ("{ A \"b\"; };", "no name before it"),
            ("A \"x\ny\";", "a quote is not closed"),
            ("A {", "a `{` is not closed"),
        ] {
            assert!(settings(bad).is_some_and(|said| said.contains(why)), "{bad}: {:?}", settings(bad));
        }
    }
}
