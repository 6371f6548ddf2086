//! The state of a host that is down, as named facts; what a program did is the facts that are not as they were before it.

use std::collections::BTreeMap;

use crate::content::Known;
use crate::lab::{Host, Lab};
use crate::{accounts, authorities, packages, tree};

/// What is so, by the name of what it is said of: an absolute path, `passwd/alice`, `package/hello-lf`, ...
pub type Facts = BTreeMap<String, String>;

/// What a fact says that was there before and is not any more.
pub const GONE: &str = "gone";

/// Everything about a host that is compared. Accounts, packages and authorities are complete lists; of files there are those
/// that differ from the root the host was made of.
pub fn of(host: &Host, lab: Lab, known: &Known) -> Facts {
    let mut facts = Facts::new();
    let files = host.files();
    let names = accounts::Names::of(&files);
    tree::add(host, lab.root(host.release()), &names, known, &mut facts);
    accounts::add(&files, known, &mut facts);
    packages::add(&files, &mut facts);
    authorities::add(&files, lab.root(host.release()), &mut facts);
    facts
}

/// The facts of `after` that are not so in `before`.
pub fn change(before: &Facts, after: &Facts) -> Facts {
    let mut change: Facts =
        after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, value)| (name.clone(), value.clone())).collect();
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    change.extend(gone.map(|name| (name.clone(), GONE.to_owned())));
    change
}
