//! `$RELEASE`, `$MIRROR` and their like in the texts of sources, and `{{ codename }}` where one is a jinja template.

use serde_json::Value as Json;

use super::distribution::{Keyrings, Mirrors};
use crate::modules::Scope;
use crate::ordered::object_of;
use crate::template;

/// The values.
pub struct Variables {
    release: String,
    primary: String,
    security: String,
    keys: Keyrings,
}

/// Why a text cannot be filled in.
pub struct Unfilled {
    /// What it does, as the end of a sentence about it.
    pub why: String,
    /// Advice.
    pub help: &'static str,
}

impl Variables {
    /// For this host, these mirrors, and what the keys of these lie in.
    pub fn new(scope: &Scope<'_>, mirrors: &Mirrors, keys: Keyrings) -> Self {
        Self { release: scope.facts.codename.clone(), primary: mirrors.primary.clone(), security: mirrors.security.clone(), keys }
    }

    fn get<'v>(&'v self, name: &str, key_file: Option<&'v str>) -> Option<&'v str> {
        match name.to_ascii_uppercase().as_str() {
            "RELEASE" | "CODENAME" => Some(&self.release),
            "MIRROR" | "PRIMARY" => Some(&self.primary),
            "SECURITY" => Some(&self.security),
            "KEY_FILE" => key_file,
            "PRIMARY_KEY" => self.keys.primary.as_deref(),
            "SECURITY_KEY" => self.keys.security.as_deref(),
            _ => None,
        }
    }

    /// A text with its names filled in: as jinja has it where the first line says so, and else as [`Self::fill`].
    pub fn filled(&self, text: &str, key_file: Option<&str>) -> Result<String, Unfilled> {
        if !template::is_template(text) {
            return self.fill(text, key_file).map_err(|name| Unfilled {
                why: format!("uses ${name}, which is not known"),
                help: "known are $RELEASE, $MIRROR, $PRIMARY, $SECURITY and $KEY_FILE",
            });
        }
        let rendered = template::process::render(text, &self.values(key_file))
            .map_err(|error| Unfilled { why: format!("cannot be rendered ({error})"), help: "correct the template" })?;
        match rendered.missing.first() {
            None => Ok(rendered.text),
            Some((name, _)) => Err(Unfilled {
                why: format!("uses `{name}`, which is not known"),
                help: "known are RELEASE, MIRROR, PRIMARY and SECURITY, and KEY_FILE, primary_key and security_key where there is a key",
            }),
        }
    }

    /// All of them, in either case.
    fn values(&self, key_file: Option<&str>) -> Json {
        let named = ["RELEASE", "CODENAME", "MIRROR", "PRIMARY", "SECURITY", "KEY_FILE", "PRIMARY_KEY", "SECURITY_KEY"];
        let known = named.into_iter().filter_map(|name| Some((name, self.get(name, key_file)?)));
        object_of(known.flat_map(|(name, value)| [(name.to_owned(), value.into()), (name.to_ascii_lowercase(), Json::from(value))]))
    }

    /// Fills in `$NAME` and `${NAME}`, in either case; apt's own `$(ARCH)` stays. The error is a name that is not known.
    fn fill(&self, text: &str, key_file: Option<&str>) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let braced = after.starts_with('{');
            let named = &after[usize::from(braced)..];
            let length = named.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let name = &named[..length];
            if name.is_empty() || (braced && !named[length..].starts_with('}')) {
                out.push('$');
                rest = after;
                continue;
            }
            out.push_str(self.get(name, key_file).ok_or_else(|| name.to_owned())?);
            rest = &named[length + usize::from(braced)..];
        }
        out.push_str(rest);
        Ok(out)
    }
}
