//! apt's package lists on the disk, checked against what their own Release files say.

use std::collections::BTreeMap;
use std::io;

use super::Host;

pub(super) const LISTS: &str = "/var/lib/apt/lists";

/// Size and SHA-256 of each index, from the `SHA256` section of a Release file.
fn indexes(release: &str) -> BTreeMap<&str, (u64, &str)> {
    let mut found = BTreeMap::new();
    let section = release.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1).take_while(|line| line.starts_with(' '));
    for line in section {
        let mut words = line.split_whitespace();
        if let (Some(hash), Some(Ok(size)), Some(path)) = (words.next(), words.next().map(str::parse), words.next()) {
            found.insert(path, (size, hash));
        }
    }
    found
}

/// A Release file that was cut: a signed one ends with its signature, any ends its last line.
fn is_whole(name: &str, text: &str) -> bool {
    let signed = !name.ends_with("_InRelease") || text.trim_end().ends_with("-----END PGP SIGNATURE-----");
    signed && text.ends_with('\n') && !text.contains('\0')
}

impl Host {
    /// Lists that are not what their Release file says: by size, or, where `thorough`, by hash too. There a list without its
    /// Release file counts as damaged, since apt takes any that has the size and time it expects for good.
    pub fn damaged_lists(&self, thorough: bool) -> io::Result<Vec<String>> {
        let names = self.list(LISTS)?;
        let is_list = |name: &str| name.contains('_') && !name.ends_with("Release") && !name.ends_with("Release.gpg");
        let (mut damaged, mut vouched, mut orphaned) = (Vec::new(), Vec::new(), Vec::new());
        for release in &names {
            let Some(prefix) = release.strip_suffix("InRelease").or_else(|| release.strip_suffix("Release")) else { continue };
            if !prefix.is_empty() && !prefix.ends_with('_') {
                continue;
            }
            let path = format!("{LISTS}/{release}");
            let text = self.read_text(&path)?.unwrap_or_default();
            if !is_whole(release, &text) {
                damaged.push(path);
                orphaned.push(prefix);
                continue;
            }
            vouched.push(prefix);
            for (index, (size, hash)) in indexes(&text) {
                let name = format!("{prefix}{}", index.trim_start_matches("./").replace('/', "_"));
                if names.binary_search(&name).is_err() {
                    continue;
                }
                let path = format!("{LISTS}/{name}");
                let held = self.status(&path)?.map_or(0, |status| status.size);
                if held != size || thorough && self.sha256_of(&path)? != hash {
                    damaged.push(path);
                }
            }
        }
        let starts = |prefixes: &[&str], name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let unvouched = names.iter().filter(|name| is_list(name) && !starts(&vouched, name) && (thorough || starts(&orphaned, name)));
        damaged.extend(unvouched.map(|name| format!("{LISTS}/{name}")));
        damaged.sort();
        damaged.dedup();
        Ok(damaged)
    }

    /// Removes lists, so that the next update fetches them, and what apt derived from all of them.
    pub fn remove_lists(&self, paths: &[String]) -> io::Result<()> {
        for path in paths {
            self.remove(path)?;
        }
        self.remove_apt_caches()
    }

    /// apt's memory-mapped caches, which it makes anew.
    pub fn remove_apt_caches(&self) -> io::Result<()> {
        for cache in ["/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin"] {
            self.remove(cache)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256_hex;

    #[test]
    fn a_list_is_damaged_if_its_release_file_says_otherwise() {
        let dir = tempfile::tempdir().expect("dir");
        let lists = dir.path().join("var/lib/apt/lists");
        std::fs::create_dir_all(&lists).expect("directories");
        let put = |name: &str, text: &str| std::fs::write(lists.join(name), text).expect("write");
        let packages = "Package: a\n";
        let release = format!(
            "Origin: x\nSHA256:\n {} {} main/binary-amd64/Packages\n {} 0 contrib/binary-amd64/Packages\n {} 99 main/binary-amd64/Packages.xz\nEnd: x\n",
            sha256_hex(packages.as_bytes()),
            packages.len(),
            sha256_hex(b""),
            sha256_hex(b"x"),
        );
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\n{release}-----END PGP SIGNATURE-----\n");
        put("host_debian_dists_trixie_InRelease", &signed);
        put("host_debian_dists_trixie_main_binary-amd64_Packages", packages);
        put("host_debian_dists_trixie_contrib_binary-amd64_Packages", "");
        put("_srv_repo_._Release", &format!("SHA256:\n {} {} Packages\n", sha256_hex(packages.as_bytes()), packages.len()));
        put("_srv_repo_._Packages", packages);
        put("lock", "");
        let host = Host::rooted(dir.path());
        assert!(host.damaged_lists(true).expect("look").is_empty());
        put("host_debian_dists_trixie_main_binary-amd64_Packages", "Package: b\n");
        put("_srv_repo_._Packages", "Pack");
        assert_eq!(host.damaged_lists(false).expect("look"), ["/var/lib/apt/lists/_srv_repo_._Packages"]);
        assert_eq!(host.damaged_lists(true).expect("look").len(), 2);
        std::fs::remove_file(lists.join("_srv_repo_._Release")).expect("remove");
        assert!(host.damaged_lists(false).expect("look").is_empty(), "a source without a Release file has lists like that");
        assert!(host.damaged_lists(true).expect("look").contains(&"/var/lib/apt/lists/_srv_repo_._Packages".to_owned()));
        put("host_debian_dists_trixie_InRelease", &signed[..50]);
        let found = host.damaged_lists(false).expect("look");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|path| path.starts_with("/var/lib/apt/lists/host_debian_dists_trixie_")));
    }
}
