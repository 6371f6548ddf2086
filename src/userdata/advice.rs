//! What to tell about a part that is not acted on, or whose first line is not what it should be.

use base64::Engine as _;

use crate::config::node::Origin;
use crate::config::problem::Report;
use crate::config::typed::reader::nearest;

use super::{is_gzip, sniff, Part, PartKind, UNDECLARED};

/// How many lines are searched for a header that is not on the first.
const SEARCHED_LINES: usize = 20;

const HEADER_HELP: &str = "make `#cloud-config` the first line, exactly so";

/// Reports what is wrong with a part as such. `is_handled`: a part handler may take what is not known here.
pub(super) fn report(part: &Part, is_handled: bool, report: &mut Report) {
    let text = String::from_utf8_lossy(&part.content);
    if part.kind == PartKind::CloudConfig || part.kind.is_script() {
        late_template(part, &text, report);
        if sniff::kind(&part.content) == Some(PartKind::Jinja) {
            let message = format!("{}: nothing is filled in, because this is declared `{}`", part.name, part.kind.mime_type());
            report.warning("user-data-header", message).at(&place(part, 1)).help("declare it `text/jinja2`");
        }
    }
    match &part.kind {
        PartKind::CloudConfig => odd_header(part, &text, report),
        PartKind::Unknown(_) if is_handled => {}
        PartKind::Unknown(declared) if sniff::kind(&part.content).is_some() || !sniff::is_sniffed_type(declared) => {
            odd_type(part, declared, &text, report);
        }
        PartKind::Unknown(declared) => match mistake(part, &text) {
            Some(Mistake { line, message, help }) => {
                report.error("user-data-header", message).at(&place(part, line)).help(help);
            }
            None => {
                let message = format!("{}: this is of an unknown type ({declared}); nothing is done with it", part.name);
                // As the whole user-data it means that nothing at all is done.
                let problem = match declared.as_str() {
                    UNDECLARED => report.error("unknown-part", message),
                    _ => report.warning("unknown-part", message),
                };
                problem
                    .at(&place(part, 1))
                    .help("the first line says what user-data is: `#cloud-config` for configuration, `#!/bin/sh` for a script");
            }
        },
        kind if kind.is_script() => {
            odd_interpreter(part, &text, report);
            no_interpreter(part, report);
        }
        kind if kind.is_handled() => {}
        kind => {
            let message =
                format!("{}: nothing inside an archive is unpacked again, so nothing is done with this {}", part.name, kind.mime_type());
            report.error("part-not-supported", message).at(&place(part, 1)).help("put it beside the archive, as a part of a MIME message");
        }
    }
}

/// A declared type that nothing is done with. What the first line says does not count then.
fn odd_type(part: &Part, declared: &str, text: &str, report: &mut Report) {
    let message = format!("{}: this is of the type `{declared}`, which is not one that is handled: nothing is done with it", part.name);
    let start = text.lines().find(|line| !is_comment(line) && line.trim() != "---").unwrap_or_default();
    let is_config = is_almost_header(first_line(text).trim()) || looks_like_yaml(start);
    let meant = sniff::kind(&part.content).or(is_config.then_some(PartKind::CloudConfig));
    match meant {
        Some(meant) => {
            let help = format!("declare it `{}`", meant.mime_type());
            report.error("user-data-header", message).at(&place(part, 1)).help(help);
        }
        None => {
            let help = "a configuration is `text/cloud-config`, a script `text/x-shellscript`, a template `text/jinja2`";
            report.warning("unknown-part", message).at(&place(part, 1)).help(help);
        }
    }
}

/// `#!cloud-config`, which is a script for an interpreter of that name.
fn odd_interpreter(part: &Part, text: &str, report: &mut Report) {
    let first = first_line(text);
    let letters: String = first.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    if letters.to_ascii_lowercase().starts_with("cloudconfig") {
        let message = format!("`{}` makes this a script for an interpreter `{}`", first.trim(), first.trim_start_matches("#!").trim());
        report.warning("user-data-header", message).at(&place(part, 1)).help("did you mean `#cloud-config`?");
    }
}

/// A script that does not say what it is for. What is no text may be a program.
fn no_interpreter(part: &Part, report: &mut Report) {
    let is_text = std::str::from_utf8(&part.content).is_ok_and(|text| !text.trim().is_empty());
    if is_text && !part.content.starts_with(b"#!") {
        let message = format!("{}: this script has no `#!` at its start: the kernel will not start it", part.name);
        report.warning("script", message).at(&place(part, 1)).help("make `#!/bin/sh` the first line");
    }
}

/// A template's header below the part's own, where it is only a comment.
fn late_template(part: &Part, text: &str, report: &mut Report) {
    let late = text.lines().zip(1..).skip(1).find(|(line, _)| !is_comment(line));
    if let Some((line, number)) = late.filter(|(line, _)| line.starts_with("##") && sniff::kind(line.as_bytes()) == Some(PartKind::Jinja)) {
        let message = format!("`{}` stands on line {number}, so nothing is filled in", line.trim());
        report.warning("user-data-header", message).at(&place(part, number)).help("the template header must be the first line");
    }
}

fn place(part: &Part, line: u32) -> Origin {
    Origin::new(part.name.as_str(), line, 1)
}

/// `#cloud-config:` and `#cloud-configuration` are taken for the header, as cloud-init takes them.
fn odd_header(part: &Part, text: &str, report: &mut Report) {
    let first = first_line(text);
    let rest = first.trim_start().get("#cloud-config".len()..).filter(|_| sniff::kind(first.as_bytes()) == Some(PartKind::CloudConfig));
    if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(char::is_whitespace)) {
        let message = format!("`{}` is taken as `#cloud-config`", first.trim());
        report.warning("user-data-header", message).at(&place(part, 1)).help(HEADER_HELP);
    }
}

/// A mistake that keeps the user's configuration from being seen as such.
struct Mistake {
    line: u32,
    message: String,
    help: &'static str,
}

fn mistake(part: &Part, text: &str) -> Option<Mistake> {
    let at_first = |message: &str, help| Some(Mistake { line: 1, message: message.to_string(), help });
    if is_gzip(&part.content) {
        return at_first("the content is compressed twice", "compress it once");
    }
    if part.content.starts_with(&[0xff, 0xfe]) || part.content.starts_with(&[0xfe, 0xff]) {
        return at_first("the text is UTF-16", "save it as UTF-8");
    }
    if is_base64_of_user_data(text) {
        return at_first("the user-data is encoded as base64", "decode it first: nothing here says that it is base64");
    }
    let first = first_line(text).trim();
    if first.to_ascii_lowercase().starts_with("## template:jinja") {
        return at_first("`## template:jinja` is not the header of a template", "put a space after the colon: `## template: jinja`");
    }
    if is_almost_header(first) {
        return at_first(&format!("`{first}` is not the header `#cloud-config`"), HEADER_HELP);
    }
    let lines = || text.lines().take(SEARCHED_LINES).zip(1..);
    let late = lines().find(|(line, _)| sniff::kind(line.as_bytes()).is_some());
    let only_comments_above =
        |number: u32| lines().take_while(|(_, above)| *above < number).all(|(line, _)| is_comment(line) || line.trim() == "---");
    if let Some((line, number)) = late.filter(|(_, number)| only_comments_above(*number)) {
        let header = line.trim();
        return Some(Mistake {
            line: number,
            message: format!("`{header}` stands on line {number}, so it is not seen"),
            help: "make it the first line",
        });
    }
    let (start, number) = text.lines().zip(1..).find(|(line, _)| !is_comment(line) && line.trim() != "---")?;
    if is_mail_without_version(text) {
        return at_first(
            "this looks like a MIME message without the header `MIME-Version`, so nothing is done with it",
            "make `MIME-Version: 1.0` the first line",
        );
    }
    if is_network_config(text) {
        return Some(Mistake {
            line: number,
            message: "this looks like a network configuration, which user-data cannot give".into(),
            help: "give it as the datasource's network configuration: the file `network-config` beside `user-data`, or the provider's own field",
        });
    }
    looks_like_yaml(start).then(|| Mistake {
        line: number,
        message: "this looks like a cloud-config without its header, so nothing is done with it".into(),
        help: HEADER_HELP,
    })
}

fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || (line.starts_with('#') && sniff::kind(line.as_bytes()).is_none())
}

/// `# cloud-config`, `#cloud_config`, `cloud-config`, `#clodu-config`.
fn is_almost_header(line: &str) -> bool {
    let letters: String = line.chars().filter(char::is_ascii_alphabetic).collect();
    let others = line.chars().filter(|c| !c.is_ascii_alphabetic());
    others.clone().count() <= 6 && others.clone().all(|c| "# -_:".contains(c)) && nearest(&letters, &["cloudconfig"]).is_some()
}

/// `version` beside what only a network configuration has, at the top or below `network`, and nothing else at the top.
fn is_network_config(text: &str) -> bool {
    const SECTIONS: [&str; 6] = ["ethernets", "wifis", "bonds", "bridges", "vlans", "config"];
    let has = |wanted: &[&str]| text.lines().filter_map(|line| line.split_once(':')).any(|(key, _)| wanted.contains(&key.trim()));
    let is_of_it = |line: &str| {
        line.split_once(':').is_some_and(|(key, _)| ["network", "version", "renderer"].contains(&key) || SECTIONS.contains(&key))
    };
    let mut top = text.lines().filter(|line| !is_comment(line) && line.trim() != "---" && !line.starts_with([' ', '-']));
    has(&["version"]) && has(&SECTIONS) && top.all(is_of_it)
}

/// Headers of a MIME message that says its parts' boundary.
fn is_mail_without_version(text: &str) -> bool {
    let mut headers = text.trim_start().lines().take_while(|line| !line.trim().is_empty());
    headers.any(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("content-type:").is_some_and(|rest| rest.trim_start().starts_with("multipart/"))
    })
}

/// A key at the start of the line, as a cloud-config has it.
fn looks_like_yaml(line: &str) -> bool {
    let Some((key, rest)) = line.split_once(':') else { return false };
    let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    !key.is_empty() && key.chars().all(is_key) && (rest.is_empty() || rest.starts_with([' ', '\r']))
}

fn is_base64_of_user_data(text: &str) -> bool {
    let start: String = text.chars().filter(|c| !c.is_ascii_whitespace()).take(64).collect();
    let whole_groups = &start.as_bytes()[..start.len() / 4 * 4];
    match base64::engine::general_purpose::STANDARD.decode(whole_groups) {
        Ok(bytes) => is_gzip(&bytes) || sniff::kind(&bytes).is_some(),
        Err(_) => false,
    }
}
