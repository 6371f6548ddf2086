//! `$RELEASE`, `$MIRROR` and their like in the texts of sources.

use super::distribution::Mirrors;
use crate::modules::Scope;

/// Advice where a name is not known.
pub const HELP: &str = "known are $RELEASE, $MIRROR, $PRIMARY, $SECURITY and $KEY_FILE";

/// The values.
pub struct Variables {
    release: String,
    primary: String,
    security: String,
}

impl Variables {
    /// For this host and these mirrors.
    pub fn new(scope: &Scope<'_>, mirrors: &Mirrors) -> Self {
        Self { release: scope.facts.codename.clone(), primary: mirrors.primary.clone(), security: mirrors.security.clone() }
    }

    fn get<'v>(&'v self, name: &str, key_file: Option<&'v str>) -> Option<&'v str> {
        match name.to_ascii_uppercase().as_str() {
            "RELEASE" | "CODENAME" => Some(&self.release),
            "MIRROR" | "PRIMARY" => Some(&self.primary),
            "SECURITY" => Some(&self.security),
            "KEY_FILE" => key_file,
            _ => None,
        }
    }

    /// Fills in `{{ name }}`, as a jinja template names its values. The error is an expression or a statement that is more than
    /// a name that is known.
    pub fn fill_braces(&self, text: &str) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
            let (before, tag) = rest.split_at(at);
            out.push_str(before);
            let unknown = || tag.lines().next().unwrap_or_default().trim_end().to_owned();
            let inside = tag.strip_prefix("{{").and_then(|tag| tag.split_once("}}"));
            let (name, after) = inside.ok_or_else(unknown)?;
            out.push_str(self.get(name.trim(), None).ok_or_else(unknown)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Fills in `$NAME` and `${NAME}`, in either case; apt's own `$(ARCH)` stays. The error is a name that is not known.
    pub fn fill(&self, text: &str, key_file: Option<&str>) -> Result<String, String> {
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
