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
    for line in text.lines() {
        let mut quoted = false;
        let mut before = ' ';
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '#' => break,
                '/' if before == '/' => break,
                '{' => open += 1,
                '}' if open == 0 => return Some("it closes a `{` that is not open"),
                '}' => open -= 1,
                _ => {}
            }
            before = c;
        }
        if quoted {
            return Some("a quote is not closed");
        }
    }
    (open > 0).then_some("a `{` is not closed")
}
