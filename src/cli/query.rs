//! `landfall query`: what is known of this instance, as cloud-init's command of this name gives it. Its files are those of
//! cloud-init's, so that it works beside that too.
//!
//! Exit code 1 where there is no such name or no data, as under cloud-init.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value as Json};

use crate::compat;
use crate::error::exit;
use crate::host::Host;
use crate::run::rendering;
use crate::template;

use super::{out, Answer, Refusal};

const RUN: &str = "/run/cloud-init";
const INSTANCE: &str = "/var/lib/cloud/instance";

/// `landfall query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// What is asked for: `v1.instance_id`, `ds.meta_data.local_hostname`
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// All there is
    #[arg(short, long)]
    pub(super) all: bool,
    /// Only the names, of everything or below NAME
    #[arg(short, long)]
    pub(super) list_keys: bool,
    /// A jinja template to be filled in: '{{ v1.instance_id }}'
    #[arg(short, long, value_name = "TEMPLATE")]
    pub(super) format: Option<String>,
    /// Other instance data than this host's
    #[arg(short, long, value_name = "FILE")]
    pub(super) instance_data: Option<PathBuf>,
    /// Other user-data than this host's
    #[arg(short, long, value_name = "FILE")]
    pub(super) user_data: Option<PathBuf>,
    /// Other vendor-data than this host's
    #[arg(long, value_name = "FILE")]
    pub(super) vendor_data: Option<PathBuf>,
}

/// Answers.
pub fn query(args: &QueryArgs, host: &Host) -> Answer {
    if args.name.is_none() && args.format.is_none() && !args.all && !args.list_keys {
        let refusal = Refusal::new(exit::FAILED, "nothing is asked for");
        return Err(refusal.help("name something (`landfall query v1.instance_id`), or use --all, --list-keys or --format"));
    }
    let data = read(args, host)?;
    if let Some(format) = &args.format {
        return filled_in(format, &data);
    }
    let plain = template::converted(&data, false);
    let found = match &args.name {
        Some(name) => lookup(&plain, &template::converted(&data, true), name)?,
        None => &plain,
    };
    if args.list_keys {
        let Json::Object(entries) = found else {
            let name = args.name.as_deref().unwrap_or_default();
            return Err(Refusal::new(exit::FAILED, format!("`{name}` has no names below it: it is no mapping")));
        };
        out::print(&entries.keys().map(|key| format!("{key}\n")).collect::<String>());
        return Ok(exit::OK);
    }
    match found {
        Json::String(text) => out::print(&format!("{text}\n")),
        other => {
            out::print(&String::from_utf8_lossy(&compat::pretty(other).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?))
        }
    }
    Ok(exit::OK)
}

fn filled_in(format: &str, data: &Json) -> Answer {
    let rendered = rendering::render(&format!("## template: jinja\n{format}"), data)
        .map_err(|error| Refusal::new(exit::FAILED, format!("the template cannot be filled in: {error}")))?;
    for (name, _) in &rendered.missing {
        out::complain(&format!("landfall: there is no variable `{name}`\n"));
    }
    if rendered.text.is_empty() {
        return Ok(exit::FAILED);
    }
    out::print(&format!("{}\n", rendered.text));
    Ok(exit::OK)
}

/// The value of a name, each of whose steps may be spelled with `_` for what cannot stand in a name.
fn lookup<'d>(plain: &'d Json, with_aliases: &Json, name: &str) -> Result<&'d Json, Refusal> {
    let (mut found, mut known) = (plain, with_aliases);
    let mut walked = String::new();
    for step in name.split('.') {
        let undefined = || {
            let message = if walked.is_empty() {
                format!("there is no `{name}` in the instance's data")
            } else {
                format!("there is no `{step}` in `{walked}` of the instance's data")
            };
            Refusal::new(exit::FAILED, message).help("`landfall query --list-keys` shows what there is")
        };
        known = known.get(step).ok_or_else(undefined)?;
        let spelled = || found.as_object()?.iter().find(|(key, _)| template::alias(key).as_deref() == Some(step)).map(|(_, value)| value);
        found = found.get(step).or_else(spelled).ok_or_else(undefined)?;
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(step);
    }
    Ok(found)
}

/// The instance's data: those in a file, or this host's, of which root has all.
pub(super) fn instance_data(path: Option<&str>, host: &Host) -> Result<Json, Refusal> {
    let sensitive = format!("{RUN}/instance-data-sensitive.json");
    let usual =
        || if nix::unistd::geteuid().is_root() && host.exists(&sensitive) { sensitive } else { format!("{RUN}/instance-data.json") };
    let path = path.map_or_else(usual, str::to_owned);
    let refused = |why: String| Refusal::new(exit::FAILED, format!("{path}: {why}"));
    let bytes = host.read(&path).map_err(|error| refused(error.to_string()))?;
    let bytes =
        bytes.ok_or_else(|| refused("there is no instance data; it is made when a datasource has been found in this boot".into()))?;
    let data: Map<String, Json> = serde_json::from_slice(&bytes).map_err(|error| refused(format!("this is no instance data: {error}")))?;
    Ok(Json::Object(data))
}

/// The data, with what was given to the instance. Who is not root sees the names of what he may not see.
fn read(args: &QueryArgs, host: &Host) -> Result<Json, Refusal> {
    let is_root = nix::unistd::geteuid().is_root();
    let given = |path: &Option<PathBuf>, usual: String| path.as_ref().map_or(usual, |path| path.display().to_string());
    let own = args.instance_data.as_ref().map(|path| path.display().to_string());
    let mut data = instance_data(own.as_deref(), host)?;
    let files = [
        ("userdata", given(&args.user_data, format!("{INSTANCE}/user-data.txt"))),
        ("vendordata", given(&args.vendor_data, format!("{INSTANCE}/vendor-data.txt"))),
        ("combined_cloud_config", format!("{RUN}/combined-cloud-config.json")),
    ];
    for (key, file) in files {
        let value = match is_root {
            false => format!("<{}> file:{file}", compat::REDACTED).into(),
            true => {
                let bytes = host.read(&file).ok().flatten();
                match key {
                    "combined_cloud_config" => bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Json::Null),
                    _ => shown(bytes.unwrap_or_default()).into(),
                }
            }
        };
        data[key] = value;
    }
    Ok(data)
}

/// As text, decompressed where it is not; what is none even so is base64.
fn shown(bytes: Vec<u8>) -> String {
    use base64::Engine as _;
    use std::io::Read as _;
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        let mut text = String::new();
        let limit = crate::userdata::MAX_BYTES as u64;
        match flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(limit).read_to_string(&mut text) {
            Ok(_) => text,
            Err(_) => format!("ci-b64:{}", base64::engine::general_purpose::STANDARD.encode(&bytes)),
        }
    })
}
