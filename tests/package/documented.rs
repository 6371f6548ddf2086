//! What is said about the program beside the program: versions, man page, completions.

use std::fs;
use std::path::Path;

fn tree(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_place_that_names_the_version_names_the_same() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(tree("debian/changelog").starts_with(&format!("landfall ({version}) ")));
    let newest = tree("CHANGELOG.md").lines().find(|line| line.starts_with("## ")).unwrap().to_owned();
    assert!(newest.starts_with(&format!("## [{version}]")), "{newest}");
    assert!(tree("packaging/landfall.1").contains(&format!("\"landfall {version}\"")));
}
