//! `## template: jinja`: a part that is rendered with the instance's data and then is what its first characters say.

use crate::config::node::Origin;
use crate::template;

use super::{sniff, Part, PartKind, Unpacking};

/// What is added to the name of a part for its rendered text, whose lines are others.
const RENDERED: &str = " (rendered)";

impl Unpacking<'_, '_> {
    /// The part that a template becomes; `None` where that is nothing, which is reported.
    pub(super) fn rendered(&mut self, part: Part) -> Option<Part> {
        let text = part.text(self.report)?.to_owned();
        self.out.others.push((part.name.clone(), text.clone()));
        let place = |line: u32| Origin::new(part.name.as_str(), line, 1);
        if !template::is_template(&text) {
            let first = text.lines().next().unwrap_or_default().trim();
            let message = format!("`{first}` is not the header of a template");
            self.report.error("template", message).at(&place(1)).help("make `## template: jinja` the first line, exactly so");
            return None;
        }
        let rendered = match (self.reading.render)(&text) {
            Ok(rendered) => rendered,
            Err(error) if !self.reading.knows_instance && !error.is_certain => {
                let message = format!("this template cannot be rendered without an instance, so it is not looked into: {error}");
                self.report.note("template-not-rendered", message).at(&place(error.line));
                return None;
            }
            Err(error) => {
                self.report.error("template", format!("the template cannot be rendered: {error}")).at(&place(error.line));
                return None;
            }
        };
        for (name, (line, column)) in &rendered.missing {
            let place = Origin::new(part.name.as_str(), *line, *column);
            let message = format!("there is no variable `{name}`: `{}{name}` stands in its place", template::MISSING);
            if self.reading.knows_instance {
                let problem = self.report.warning("template-variable", message).at(&place);
                problem.help("`landfall query --list-keys` shows which there are");
            } else {
                self.report.note("template-variable", format!("`{name}` is not known here: an instance may have it")).at(&place);
            }
        }
        let kind = sniff::kind(rendered.text.as_bytes());
        match kind {
            Some(kind @ (PartKind::CloudConfig | PartKind::ShellScript | PartKind::Boothook)) => {
                let name = format!("{}{RENDERED}", part.name);
                Some(Part { name, kind, content: rendered.text.into_bytes(), ..part })
            }
            _ if rendered.text.trim().is_empty() => {
                self.report.note("template", "this template has become nothing").at(&place(1));
                None
            }
            kind => {
                let became = kind.as_ref().map_or("a text without a header", PartKind::mime_type);
                let message = format!("the template has become {became}: nothing is done with it");
                let problem = self.report.error("template", message).at(&place(1));
                problem.help("a template may become a `#cloud-config`, a script or a `#cloud-boothook`; its second line says which");
                None
            }
        }
    }
}
