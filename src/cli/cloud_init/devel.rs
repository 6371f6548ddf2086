//! `cloud-init devel`: `render` and `make-mime`; what there is for the rest.

use std::fmt::Write as _;

use base64::prelude::{Engine as _, BASE64_STANDARD};

use super::super::{input, out, query, Answer, Refusal};
use super::words::Words;
use crate::error::exit;
use crate::host::Host;
use crate::plan::digest_of;
use crate::run::rendering;
use crate::template;

/// What a part may be, without `text/`.
const TYPES: [&str; 12] = [
    "cloud-boothook",
    "cloud-config",
    "cloud-config-archive",
    "cloud-config-jsonp",
    "jinja2",
    "part-handler",
    "x-include-once-url",
    "x-include-url",
    "x-shellscript",
    "x-shellscript-per-boot",
    "x-shellscript-per-instance",
    "x-shellscript-per-once",
];

/// Runs one of the tools. `words` are all that stand behind `devel`.
pub fn devel(words: &[String], host: &Host) -> Answer {
    const REQUIRED: &str = "the following arguments are required: subcommand (hotplug-hook, net-convert, render, make-mime)";
    let (tool, words) = words.split_first().ok_or_else(|| super::usage(REQUIRED))?;
    let read = |known| Words::read(known, words).map_err(super::usage);
    match tool.as_str() {
        "render" => render(&read("i/instance-data= d/debug")?, host),
        "make-mime" => make_mime(&read("a/attach= l/list-types f/force")?),
        "net-convert" => not_here(
            tool,
            "`landfall plan FILE` shows what becomes of a network configuration on this host, `netplan generate` what of netplan's",
        ),
        "hotplug-hook" => not_here(
            tool,
            "landfall-hotplug@.service does this where `updates.network.when` has `hotplug`, `landfall run --network` by hand",
        ),
        "-h" | "--help" => {
            out::print("usage: cloud-init devel render FILE [-i, --instance-data FILE]\n       cloud-init devel make-mime [-l, --list-types] [-f, --force] -a, --attach FILE:TYPE...\n");
            Ok(exit::OK)
        }
        other => Err(super::usage(format!(
            "argument subcommand: invalid choice: '{other}' (choose from hotplug-hook, net-convert, render, make-mime)"
        ))),
    }
}

fn not_here(tool: &str, instead: &str) -> Answer {
    Err(Refusal::new(exit::FAILED, format!("landfall has no `devel {tool}`")).help(instead))
}

/// A template, filled in with an instance's data.
fn render(words: &Words, host: &Host) -> Answer {
    let [file] = &words.rest[..] else { return Err(super::usage("the following arguments are required: user_data")) };
    let data = query::instance_data(words.value("instance-data"), host)?;
    let bytes = input::read(file)?;
    let failed = |why: String| Refusal::new(exit::FAILED, format!("{file}: {why}"));
    let text = std::str::from_utf8(&bytes).ok().filter(|text| template::is_template(text));
    let text = text.ok_or_else(|| failed("this is no template: its first line is not `## template: jinja`".into()))?;
    let rendered = rendering::render(text, &data).map_err(|error| failed(error.to_string()))?;
    super::tell_missing(&rendered);
    out::print(&rendered.text);
    Ok(exit::OK)
}

/// Several files as one user-data.
fn make_mime(words: &Words) -> Answer {
    if words.has("list-types") {
        out::print(&(TYPES.join("\n") + "\n"));
        return Ok(exit::OK);
    }
    let mut parts = Vec::new();
    let mut unknown = false;
    for (attached, number) in words.values("attach").zip(1..) {
        let (file, kind) = attached.rsplit_once(':').ok_or_else(|| super::usage(format!("`{attached}` names no type: FILE:TYPE does")))?;
        let kind = kind.trim().trim_start_matches("text/");
        if !TYPES.contains(&kind) {
            unknown = true;
            let level = if words.has("force") { "WARNING" } else { "ERROR" };
            out::complain(&format!("{level}: attachment {number}: cloud-init knows no type `text/{kind}`\n"));
        }
        parts.push((file, kind, input::read(file)?));
    }
    if unknown && !words.has("force") {
        return Err(Refusal::new(exit::FAILED, "a type is not known").help("`--list-types` shows those that are; `--force` takes any"));
    }
    let boundary = format!("==============={}==", &digest_of(&parts)[..20]);
    let mut message = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n");
    for (file, kind, bytes) in &parts {
        // Writing to a String cannot fail.
        let _ = write!(
            message,
            "--{boundary}\nContent-Type: text/{kind}; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\
             Content-Disposition: attachment; filename=\"{}\"\n\n",
            file.replace(['"', '\n', '\r'], "_")
        );
        let encoded = BASE64_STANDARD.encode(bytes);
        for line in encoded.as_bytes().chunks(76) {
            message.extend(line.iter().copied().map(char::from));
            message.push('\n');
        }
        message.push('\n');
    }
    out::print(&format!("{message}--{boundary}--\n\n"));
    Ok(exit::OK)
}
