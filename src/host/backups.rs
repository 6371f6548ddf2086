//! Copies of what files held before they were changed, stored under their own digest.

use std::io;

use ring::digest::{Algorithm, Context, SHA256, SHA512};

use super::files::Attributes;
use super::Host;
use crate::hash::{hex, sha256_hex};

/// What is written into it is hashed.
struct Hash(Context);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Host {
    /// SHA-256 of a file, in hex; that of nothing where it does not exist.
    pub fn sha256_of(&self, path: &str) -> io::Result<String> {
        self.hash_of(path, &SHA256)
    }

    /// SHA-512 of a file, in hex; that of nothing where it does not exist.
    pub fn sha512_of(&self, path: &str) -> io::Result<String> {
        self.hash_of(path, &SHA512)
    }

    fn hash_of(&self, path: &str, algorithm: &'static Algorithm) -> io::Result<String> {
        let mut hash = Hash(Context::new(algorithm));
        if let Some(mut file) = self.open_to_read(path)? {
            io::copy(&mut file, &mut hash)?;
        }
        Ok(hex(hash.0.finish().as_ref()))
    }

    /// Keeps `bytes` in `directory` (made 0700 if missing), durably, and returns the name it can be fetched by.
    pub fn back_up(&self, directory: &str, bytes: &[u8]) -> io::Result<String> {
        let sha256 = sha256_hex(bytes);
        let path = format!("{directory}/{sha256}");
        if self.status(&path)?.is_none_or(|status| status.size != bytes.len() as u64) {
            self.make_directories(directory, Attributes::own(0o700))?;
            self.write(&path, bytes, Attributes::own(0o600))?;
        }
        Ok(sha256)
    }

    /// What was kept under this name; damage is an error, not other bytes.
    pub fn backed_up(&self, directory: &str, sha256: &str) -> io::Result<Vec<u8>> {
        let path = format!("{directory}/{sha256}");
        match self.read(&path)? {
            Some(bytes) if sha256_hex(&bytes) == sha256 => Ok(bytes),
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, format!("the backup {path} is damaged"))),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("the backup {path} is missing"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_found_by_its_digest_and_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let name = host.back_up("/state/backups", b"old").expect("kept");
        assert_eq!(host.back_up("/state/backups", b"old").expect("kept again"), name);
        assert_eq!(host.backed_up("/state/backups", &name).expect("there"), b"old");
        assert_eq!(host.status(&format!("/state/backups/{name}")).expect("status").expect("file").attributes.mode, 0o600);
        std::fs::write(dir.path().join("state/backups").join(&name), "bad").expect("damage");
        assert_eq!(host.backed_up("/state/backups", &name).expect_err("damaged").kind(), io::ErrorKind::InvalidData);
    }
}
