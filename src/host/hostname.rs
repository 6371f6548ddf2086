//! The name the kernel has.

use std::io;

use super::Host;

impl Host {
    /// The kernel's hostname; an image has none.
    pub fn running_hostname(&self) -> Option<String> {
        self.is_live().then(super::facts::running_hostname)
    }

    /// Gives the kernel a hostname. Nothing is done for an image.
    pub fn set_running_hostname(&self, name: &str) -> io::Result<()> {
        if self.is_live() {
            nix::unistd::sethostname(name)?;
        }
        Ok(())
    }
}
