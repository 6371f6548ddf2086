//! Hostname, commands and the final message.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::process::Spec;
use crate::ordered::{map_of, object_of};
use crate::plan::operation::Command;
use crate::secret::Secret;
use crate::template::process;

/// An image gets its name from `/etc/hostname` when it boots.
pub(super) fn check_hostname(context: &Context<'_>, name: &str) -> Checked {
    Checked::satisfied_if(context.host.running_hostname().is_none_or(|running| running == name))
}

pub(super) fn prior_hostname(context: &Context<'_>) -> Prior {
    context.host.running_hostname().map_or(Prior::None, |running| Prior::Hostname { running })
}

pub(super) fn hostname(context: &Context<'_>, name: &str) -> Result<Effect, Failure> {
    context.host.set_running_hostname(name).map_err(|error| Failure::io(format!("set the hostname to {name}"), &error))?;
    Ok(Effect::default())
}

/// Runs a command of ours.
pub(super) fn command(context: &Context<'_>, command: &Command) -> Result<Effect, Failure> {
    let mut spec = Spec::new(command.argv.iter().cloned()).output(&context.output);
    spec.env = map_of(context.env.iter().chain(&command.env).map(|(name, value)| (name.clone(), value.clone())));
    spec.stdin = command.stdin.clone().map(Secret::into_bytes);
    spec.deadline = context.deadline.left();
    spec.silence = context.silence;
    let program = command.argv.first().map_or("", String::as_str);
    let known = program.starts_with('/') || context.host.finds_program(program);
    if !known {
        return Err(Failure::new(Kind::NotFound, format!("{}: there is no program {program}", command.purpose)));
    }
    let ended = context.host.run(&spec)?;
    let accepted = ended.code == 0 || command.accept.contains(&ended.code);
    if ended.cut.is_none() && accepted {
        Ok(Effect::default())
    } else {
        Err(ended.failure(&format!("{}: {}", command.purpose, command.argv.join(" "))))
    }
}

/// Shows the message with its variables filled in: `$NAME` or `${NAME}`, upper or lower case, an unknown one stays as it is; or as
/// jinja has it, where the first line says so.
pub(super) fn message(context: &Context<'_>, template: &str) -> Effect {
    let (text, warning) = told(template, &variables(context));
    for line in text.lines() {
        (context.say)(line);
    }
    Effect { warnings: warning.into_iter().collect(), ..Effect::default() }
}

fn told(template: &str, variables: &BTreeMap<&'static str, String>) -> (String, Option<String>) {
    if !crate::template::is_template(template) {
        return (filled(template, variables), None);
    }
    let named = variables.iter().flat_map(|(name, value)| [((*name).to_owned(), value.as_str()), (name.to_ascii_uppercase(), value)]);
    match process::render(template, &object_of(named.map(|(name, value)| (name, Json::from(value))))) {
        Ok(rendered) => (rendered.text, None),
        Err(error) => (String::new(), Some(format!("the final message cannot be rendered: {error}"))),
    }
}

fn variables(context: &Context<'_>) -> BTreeMap<&'static str, String> {
    map_of([
        ("uptime", format!("{:.2}", context.host.uptime_seconds())),
        ("timestamp", crate::clock::rfc2822(context.host.now())),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("datasource", peers_name(&context.datasource).to_owned()),
    ])
}

/// A datasource as cloud-init's messages name it: who reads the console looks for that.
fn peers_name(datasource: &str) -> &str {
    match datasource {
        "nocloud" => "DataSourceNoCloud",
        other => other,
    }
}

fn filled(template: &str, variables: &BTreeMap<&'static str, String>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(name, _)| (name, name.len() + 2));
        let plain_end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, length) = braced.unwrap_or((&after[..plain_end], plain_end));
        match variables.get(name.to_ascii_lowercase().as_str()) {
            Some(value) => {
                out.push_str(value);
                rest = &after[length..];
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_unknown_ones_stay() {
        let variables = BTreeMap::from([("uptime", "12.50".to_owned()), ("datasource", "nocloud".to_owned())]);
        for (template, text) in [
            ("up $UPTIME s from ${datasource}", "up 12.50 s from nocloud"),
            ("$uptime.", "12.50."),
            ("cost $5 ${other} $UPTIMEX $", "cost $5 ${other} $UPTIMEX $"),
        ] {
            assert_eq!(filled(template, &variables), text);
        }
    }

    #[test]
    fn a_message_with_the_header_is_rendered() {
        let variables = BTreeMap::from([("uptime", "12.50".to_owned()), ("version", "1a".to_owned())]);
        let told = |body: &str| told(&format!("## template: jinja\n{body}"), &variables);
        assert_eq!(told("{% if uptime %}up {{ uptime }}{% endif %} {{- VERSION|upper }}"), ("up 12.501A".to_owned(), None));
        assert!(told("{{ uptime + 1 }}").1.is_some_and(|warning| warning.starts_with("the final message cannot be rendered: ")));
    }
}
