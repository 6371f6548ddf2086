//! Changes to the lines of a text file, as pure functions of the text. Applying one twice equals applying it once.

use crate::plan::operation::{Edit, IniEntry};

/// `text` after `change`. Returned as it is, byte for byte, where nothing is to change; lines that are not concerned stay as
/// they are in any case.
pub fn edited(text: &str, change: &Edit) -> String {
    let old: Vec<&str> = lines_of(text);
    let new = match change {
        Edit::EnsureLine { line, unless } => ensure_line(&old, line, unless),
        Edit::EnsureBlock { block, header } => return ensure_block(text, block.expose(), header),
        Edit::SetKeyword { keyword, separator, value } => set_keyword(&old, keyword, separator, value),
        Edit::Uncomment { line } => uncomment(&old, line),
        Edit::HostsEntry { address, names } => hosts_entry(&old, address, names),
        Edit::PrefixLines { prefix } => prefix_lines(&old, prefix),
        Edit::HostnameFile { name } => hostname_file(&old, name),
        Edit::SetIni { entries } => entries.iter().fold(owned(&old), set_ini),
    };
    if new == old {
        return text.to_owned();
    }
    let mut out = new.join("\n");
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// Lines without their newline; a carriage return stays part of its line.
fn lines_of(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}

/// The lines as they may be changed.
fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

fn ensure_line(old: &[&str], line: &str, unless: &[String]) -> Vec<String> {
    let mut new = owned(old);
    let wanted = |found: &str| found.trim() == line.trim() || unless.iter().any(|other| found.trim() == other.trim());
    if !old.iter().any(|found| wanted(found)) {
        new.push(line.to_owned());
    }
    new
}

fn ensure_block(text: &str, block: &str, header: &str) -> String {
    let whole_lines = |text: &str| if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let block = whole_lines(block);
    let stands = whole_lines(text);
    if format!("\n{stands}").contains(&format!("\n{block}")) {
        return text.to_owned();
    }
    let before = if text.is_empty() { whole_lines(header) } else { stands };
    format!("{before}{block}")
}

/// One line of a keyword file, taken apart.
struct Setting<'l> {
    keyword: &'l str,
    value: &'l str,
}

/// `Keyword value`, `Keyword=value`; nothing for comments and blank lines.
fn setting<'l>(line: &'l str, separator: &str) -> Option<Setting<'l>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let blank_separated = separator.trim().is_empty();
    let end = line.find(|c: char| c == '=' || blank_separated && c.is_whitespace());
    let end = end.or(blank_separated.then_some(line.len()))?;
    let (keyword, rest) = line.split_at(end);
    let value = rest.trim_start();
    let value = value.strip_prefix('=').unwrap_or(value).trim();
    Some(Setting { keyword: keyword.trim_end(), value })
}

/// sshd takes the first value it meets, and what follows a `Match` line holds for some connections only. So the first line
/// before `Match` is the one that counts, and a new one goes before `Match`. In `NAME=value` files the last one counts: one
/// line is left either way.
fn set_keyword(old: &[&str], keyword: &str, separator: &str, value: &str) -> Vec<String> {
    let blank_separated = separator.trim().is_empty();
    let is_match =
        |line: &&str| blank_separated && setting(line, separator).is_some_and(|found| found.keyword.eq_ignore_ascii_case("match"));
    let global = old.iter().position(is_match).unwrap_or(old.len());
    let mut new = Vec::with_capacity(old.len() + 1);
    let mut set = false;
    for line in &old[..global] {
        match setting(line, separator) {
            Some(found) if found.keyword.eq_ignore_ascii_case(keyword) => {
                if set {
                    new.push(format!("#{line}"));
                } else if has_value(found.value, value) {
                    new.push((*line).to_owned());
                } else {
                    new.push(format!("{keyword}{separator}{value}"));
                }
                set = true;
            }
            _ => new.push((*line).to_owned()),
        }
    }
    if !set {
        new.push(format!("{keyword}{separator}{value}"));
    }
    new.extend(old[global..].iter().map(|line| (*line).to_owned()));
    new
}

/// The same value, whatever quotes and trailing comment it is written with.
fn has_value(found: &str, wanted: &str) -> bool {
    let bare = |text: &str| {
        let text = text.split(" #").next().unwrap_or(text).trim();
        let inner = |quote| text.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote)).map(str::to_owned);
        inner('"').or_else(|| inner('\'')).unwrap_or_else(|| text.to_owned())
    };
    found == wanted || bare(found) == bare(wanted)
}

fn uncomment(old: &[&str], line: &str) -> Vec<String> {
    let mut new = owned(old);
    if old.iter().any(|found| same_words(found, line)) {
        return new;
    }
    let commented = |found: &&str| {
        let found = found.trim_start();
        found.starts_with('#') && same_words(found.trim_start_matches('#'), line)
    };
    match old.iter().position(commented) {
        Some(at) => line.clone_into(&mut new[at]),
        None => new.push(line.to_owned()),
    }
    new
}

/// The new line stands after the others of its address, as a program that asks for the address's first name has it; a line
/// of that address that also holds one of the names loses it, or the name would lead to another canonical one.
fn hosts_entry(old: &[&str], address: &str, names: &[String]) -> Vec<String> {
    let parts = |line: &str| -> Option<Vec<String>> {
        let data = line.split('#').next().unwrap_or("");
        let mut words = data.split_whitespace().map(str::to_owned);
        (words.next()? == address).then(|| words.collect())
    };
    let is_entry =
        |line: &str| parts(line).is_some_and(|found| found.first() == names.first() && names.iter().all(|name| found.contains(name)));
    let entry = old.iter().position(|line| is_entry(line));
    let mut new: Vec<String> = Vec::with_capacity(old.len() + 1);
    let mut last_of_address = None;
    for (at, line) in old.iter().enumerate() {
        let found = parts(line).filter(|found| Some(at) != entry && found.iter().any(|name| names.contains(name)));
        let Some(found) = found else {
            if parts(line).is_some() {
                last_of_address = Some(new.len());
            }
            new.push((*line).to_owned());
            continue;
        };
        let others: Vec<String> = found.into_iter().filter(|name| !names.contains(name)).collect();
        let comment = line.split_once('#').map_or_else(String::new, |(_, comment)| format!(" #{comment}"));
        if others.is_empty() {
            continue;
        }
        last_of_address = Some(new.len());
        new.push(format!("{address}\t{}{comment}", others.join(" ")));
    }
    if entry.is_none() {
        let at = last_of_address.map_or(new.len(), |at| at + 1);
        new.insert(at, format!("{address}\t{}", names.join(" ")));
    }
    new
}

/// `[main]`: the name of the section that begins here.
fn section_of(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim())
}

/// `key = value`, `key: value`: where the value begins, if the line sets `key`. Comments begin with `#` or `;`.
fn ini_value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let (name, value) = line.split_at(line.find(['=', ':'])?);
    let name = name.trim();
    (!name.starts_with(['#', ';']) && name.eq_ignore_ascii_case(key)).then(|| value[1..].trim())
}

/// The last line that sets the key counts for who reads the file: one is left. A new one stands at the end of its section.
fn set_ini(mut lines: Vec<String>, entry: &IniEntry) -> Vec<String> {
    let value = entry.value.expose();
    let new = format!("{} = {value}", entry.key);
    let start = match lines.iter().position(|line| section_of(line) == Some(entry.section.as_str())) {
        Some(at) => at + 1,
        None if entry.section.is_empty() => 0,
        None => {
            if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                lines.push(String::new());
            }
            lines.extend([format!("[{}]", entry.section), new]);
            return lines;
        }
    };
    let end = lines[start..].iter().position(|line| section_of(line).is_some()).map_or(lines.len(), |length| start + length);
    let found: Vec<usize> = (start..end).filter(|at| ini_value(&lines[*at], &entry.key).is_some()).collect();
    let Some((last, others)) = found.split_last() else {
        let filled = lines[start..end].iter().rposition(|line| !line.trim().is_empty()).map_or(start, |at| start + at + 1);
        lines.insert(filled, new);
        return lines;
    };
    if ini_value(&lines[*last], &entry.key) != Some(value.as_str()) {
        let indent: String = lines[*last].chars().take_while(|c| c.is_whitespace()).collect();
        lines[*last] = indent + &new;
    }
    for at in others.iter().rev() {
        lines.remove(*at);
    }
    lines
}

fn prefix_lines(old: &[&str], prefix: &str) -> Vec<String> {
    let prefixed = |line: &&str| -> String {
        let exempt = line.trim().is_empty() || line.trim_start().starts_with('#') || line.starts_with(prefix);
        if exempt {
            (*line).to_owned()
        } else {
            format!("{prefix}{line}")
        }
    };
    old.iter().map(prefixed).collect()
}

fn hostname_file(old: &[&str], name: &str) -> Vec<String> {
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    if old.iter().find(|line| !is_comment(line) && !line.trim().is_empty()).is_some_and(|line| line.trim() == name) {
        return owned(old);
    }
    let mut new: Vec<String> = old.iter().filter(|line| is_comment(line)).map(|line| (*line).to_owned()).collect();
    new.push(name.to_owned());
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use proptest::prelude::*;

    fn keyword(keyword: &str, separator: &str, value: &str) -> Edit {
        Edit::SetKeyword { keyword: keyword.into(), separator: separator.into(), value: value.into() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn hosts(address: &str, list: &[&str]) -> Edit {
        Edit::HostsEntry { address: address.into(), names: names(list) }
    }

    #[track_caller]
    fn becomes(change: &Edit, before: &str, after: &str) {
        assert_eq!(edited(before, change), after);
        assert_eq!(edited(after, change), after, "a second time");
    }

    #[test]
    fn sshd_takes_the_first_value_before_any_match() {
        let no = keyword("PasswordAuthentication", " ", "no");
        becomes(&no, "", "PasswordAuthentication no\n");
        becomes(&no, "# x\npasswordauthentication yes\nPort 22\n", "# x\nPasswordAuthentication no\nPort 22\n");
        becomes(&no, "PasswordAuthentication=yes", "PasswordAuthentication no\n");
        becomes(&no, "passwordauthentication   no # kept\n", "passwordauthentication   no # kept\n");
        becomes(
            &no,
            "Port 22\nMatch User bob\n  PasswordAuthentication yes\n",
            "Port 22\nPasswordAuthentication no\nMatch User bob\n  PasswordAuthentication yes\n",
        );
        becomes(&no, "PasswordAuthentication yes\nPasswordAuthentication no\n", "PasswordAuthentication no\n#PasswordAuthentication no\n");
        becomes(&no, "#PasswordAuthentication yes\n", "#PasswordAuthentication yes\nPasswordAuthentication no\n");
    }

    #[test]
    fn a_shell_variable_is_set_whatever_its_quotes() {
        let lang = keyword("LANG", "=", "de_DE.UTF-8");
        becomes(&lang, "LANG=\"de_DE.UTF-8\"\n", "LANG=\"de_DE.UTF-8\"\n");
        becomes(&lang, "LANGUAGE=x\nLANG=C\nMatch=1\n", "LANGUAGE=x\nLANG=de_DE.UTF-8\nMatch=1\n");
    }

    #[test]
    fn lines_and_blocks_are_added_once() {
        let line = Edit::EnsureLine { line: "#includedir /etc/sudoers.d".into(), unless: vec!["@includedir /etc/sudoers.d".into()] };
        becomes(&line, "root ALL", "root ALL\n#includedir /etc/sudoers.d\n");
        becomes(&line, " @includedir /etc/sudoers.d \n", " @includedir /etc/sudoers.d \n");
        let block = Edit::EnsureBlock { block: Secret::new("\n# User rules for a\na ALL\n".into()), header: "# made by x".into() };
        becomes(&block, "", "# made by x\n\n# User rules for a\na ALL\n");
        becomes(&block, "b ALL", "b ALL\n\n# User rules for a\na ALL\n");
        let inner = Edit::EnsureBlock { block: Secret::new("a ALL\n".into()), header: String::new() };
        becomes(&inner, "aa ALL\n", "aa ALL\na ALL\n");
    }

    #[test]
    fn a_locale_is_enabled_in_place_or_appended() {
        let line = Edit::Uncomment { line: "de_DE.UTF-8 UTF-8".into() };
        becomes(&line, "# de_DE.UTF-8 UTF-8  \n# de_DE ISO-8859-1\n", "de_DE.UTF-8 UTF-8\n# de_DE ISO-8859-1\n");
        becomes(&line, "#de_DE.UTF-8  UTF-8\n", "de_DE.UTF-8 UTF-8\n");
        becomes(&line, "# other\n", "# other\nde_DE.UTF-8 UTF-8\n");
        becomes(&line, "de_DE.UTF-8 UTF-8 \n", "de_DE.UTF-8 UTF-8 \n");
    }

    #[test]
    fn a_hosts_entry_keeps_other_names_and_comments() {
        let entry = hosts("127.0.1.1", &["new.example.org", "new"]);
        becomes(&entry, "127.0.0.1 localhost\n", "127.0.0.1 localhost\n127.0.1.1\tnew.example.org new\n");
        becomes(
            &entry,
            "127.0.0.1 localhost\n127.0.1.1 old.example.org old # mine\n::1 ip6\n",
            "127.0.0.1 localhost\n127.0.1.1 old.example.org old # mine\n127.0.1.1\tnew.example.org new\n::1 ip6\n",
        );
        becomes(&entry, "127.0.1.1 old new # mine\n", "127.0.1.1\told # mine\n127.0.1.1\tnew.example.org new\n");
        becomes(&entry, "127.0.1.1 new.example.org extra new\n", "127.0.1.1 new.example.org extra new\n");
        becomes(&entry, "127.0.1.1 new\n# x\n", "# x\n127.0.1.1\tnew.example.org new\n");
        becomes(&entry, "127.0.1.1 new\n127.0.1.1 new.example.org new\n127.0.1.1 z\n", "127.0.1.1 new.example.org new\n127.0.1.1 z\n");
    }

    fn ini(entries: &[(&str, &str, &str)]) -> Edit {
        let entry = |(section, key, value): &(&str, &str, &str)| IniEntry {
            section: (*section).into(),
            key: (*key).into(),
            value: Secret::new((*value).into()),
        };
        Edit::SetIni { entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn a_setting_is_set_in_its_section_and_nowhere_else() {
        let server = ini(&[("agent", "server", "p.example.org")]);
        becomes(&server, "", "[agent]\nserver = p.example.org\n");
        becomes(&server, "[main]\nserver = x\n", "[main]\nserver = x\n\n[agent]\nserver = p.example.org\n");
        becomes(
            &server,
            "# mine\n[agent]\n  Server=x\n# server = y\nserver: z\n\n[main]\nserver = x\n",
            "# mine\n[agent]\n# server = y\nserver = p.example.org\n\n[main]\nserver = x\n",
        );
        becomes(&server, "[agent]\n  server=p.example.org\n", "[agent]\n  server=p.example.org\n");
        becomes(&server, "[agent]\nx = 1\n\n[b]\n", "[agent]\nx = 1\nserver = p.example.org\n\n[b]\n");
        becomes(&ini(&[("", "a", "1"), ("", "b", "2"), ("s", "a", "3")]), "a = 0\n", "a = 1\nb = 2\n\n[s]\na = 3\n");
    }

    #[test]
    fn prefixes_and_names_leave_comments_alone() {
        let prefix = Edit::PrefixLines { prefix: "!".into() };
        becomes(&prefix, "# c\n\nmozilla/a.crt\n!mozilla/b.crt", "# c\n\n!mozilla/a.crt\n!mozilla/b.crt\n");
        let name = Edit::HostnameFile { name: "web1".into() };
        becomes(&name, "", "web1\n");
        becomes(&name, "# set at install\nold\n", "# set at install\nweb1\n");
        becomes(&name, "web1", "web1");
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![Just("a".to_owned()), Just("Match".to_owned()), Just("127.0.1.1".to_owned()), "[a-cA-C#!]{1,3}"]
    }

    fn change() -> impl Strategy<Value = Edit> {
        let list = prop::collection::vec("[a-c]{1,2}", 1..4);
        prop_oneof![
            (word(), prop::collection::vec(word(), 0..2)).prop_map(|(line, unless)| Edit::EnsureLine { line, unless }),
            ("[a-c# \n]{0,9}", "[a-c#\n]{0,4}")
                .prop_map(|(block, header)| Edit::EnsureBlock { block: Secret::new(format!("{block}\n")), header }),
            ("[a-cA-C]{1,2}", prop_oneof![Just(" "), Just("=")], "[a-c \"]{0,3}").prop_map(|(name, separator, value)| keyword(
                &name,
                separator,
                value.trim()
            )),
            (word(), word()).prop_map(|(one, two)| Edit::Uncomment { line: format!("x{one} {two}") }),
            list.prop_map(|names| Edit::HostsEntry { address: "127.0.1.1".into(), names }),
            "[!a]{1,2}".prop_map(|prefix| Edit::PrefixLines { prefix }),
            "[a-c]{1,3}".prop_map(|name| Edit::HostnameFile { name }),
            ("[ab]{0,1}", "[a-cA-C]{1,2}", "[a-c ]{0,2}").prop_map(|(section, key, value)| ini(&[(&section, &key, &value)])),
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            prop::collection::vec(word(), 0..4).prop_map(|words| words.join(" ")),
            ("[a-cA-C]{1,2}", "[ =]", "[a-c]{0,2}").prop_map(|(key, by, value)| format!("{key}{by}{value}")),
            "[ab]".prop_map(|name| format!("[{name}]")),
        ];
        prop::collection::vec(line, 0..8).prop_flat_map(|lines| {
            let text = lines.join("\n");
            prop_oneof![Just(text.clone()), Just(format!("{text}\n")), Just(text.replace('\n', "\r\n"))]
        })
    }

    proptest! {
        #[test]
        fn applying_twice_equals_applying_once(text in text(), change in change()) {
            let once = edited(&text, &change);
            prop_assert_eq!(edited(&once, &change), once);
        }
    }
}
