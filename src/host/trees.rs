//! Whole directory trees, for `landfall clean`.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::files::sync_directory;
use super::Host;

impl Host {
    /// Removes whatever stands at `path`, a directory with everything below it; links are removed, not followed. Says whether
    /// something was there.
    pub fn remove_tree(&self, path: &str) -> io::Result<bool> {
        let (Some(parent), Some(name)) = (Path::new(path).parent().and_then(Path::to_str), Path::new(path).file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} cannot be removed")));
        };
        if !self.exists(parent) {
            return Ok(false);
        }
        let directory = self.inside(parent)?;
        let target = directory.join(name);
        let removed = match fs::symlink_metadata(&target) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&target),
            Ok(_) => fs::remove_file(&target),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        }
        sync_directory(&directory)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_point_to_stays() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("a/b/c")).expect("mkdir");
        std::fs::write(dir.path().join("kept"), "x").expect("write");
        std::os::unix::fs::symlink(dir.path().join("kept"), dir.path().join("a/link")).expect("link");
        let host = Host::rooted(dir.path());
        assert!(host.remove_tree("/a").expect("removed"));
        assert!(!host.exists("/a") && host.exists("/kept"));
        assert!(!host.remove_tree("/a").expect("nothing there"));
        assert!(!host.remove_tree("/none/below").expect("nothing there"));
        assert!(host.remove_tree("/").is_err());
    }
}
