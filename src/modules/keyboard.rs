//! `keyboard`.

use super::{ops, Module, Scope, Steps};
use crate::config::typed::keyboard::KeyboardWord;
use crate::plan::operation::UnitAction;
use crate::plan::{Frequency, Stage};

/// The layout of the console's keyboard.
pub const KEYBOARD: Module =
    Module { name: "keyboard", stage: Stage::Final, frequency: Frequency::Instance, keys: &["keyboard"], implied: false, plan };

const FILE: &str = "/etc/default/keyboard";
/// What most keyboards are, as with the peer.
const MODEL: &str = "pc105";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(keyboard) = &scope.keys.keyboard else { return };
    if ops::is_unread("keyboard", keyboard.unread(), "the keyboard is left as it is", steps) {
        return;
    }
    let word = |word: &Option<KeyboardWord>, otherwise: &str| word.as_ref().map_or_else(|| otherwise.to_owned(), |word| word.0.clone());
    let text = format!(
        "# Written by landfall from user-data.\nXKBMODEL=\"{}\"\nXKBLAYOUT=\"{}\"\nXKBVARIANT=\"{}\"\nXKBOPTIONS=\"{}\"\n\
         BACKSPACE=\"guess\"\n",
        word(&keyboard.model, MODEL),
        keyboard.layout.0,
        word(&keyboard.variant, ""),
        word(&keyboard.options, ""),
    );
    let written = steps.add("", ops::write(FILE, text, 0o644)).at(&keyboard.origin).id();
    if scope.facts.has("setupcon") {
        steps.add("console", ops::unit("console-setup", UnitAction::Restart)).at(&keyboard.origin).needs(written);
    } else {
        // The package takes the file up as it is installed.
        steps.want_package("console-setup", &keyboard.origin);
    }
}
