//! Random numbers of the kernel.

use std::io::{self, Read as _};

use super::Host;

impl Host {
    /// A number from 0 to `below` - 1, each as likely as the others. `below` is at most 256.
    pub fn random_below(&self, below: usize) -> io::Result<usize> {
        let below = below.clamp(1, 256);
        // Bytes of the last, incomplete round of the range would favour its beginning.
        let fair = 256 - 256 % below;
        let mut source = fs_err::File::open("/dev/urandom")?;
        loop {
            let mut byte = [0_u8];
            source.read_exact(&mut byte)?;
            if usize::from(byte[0]) < fair {
                return Ok(usize::from(byte[0]) % below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_range_comes_and_no_other() {
        let seen: std::collections::BTreeSet<_> = (0..500).map(|_| Host::default().random_below(5).expect("random")).collect();
        assert_eq!(seen, (0..5).collect());
    }
}
