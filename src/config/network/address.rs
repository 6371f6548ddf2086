//! Addresses with the network they are in.

use std::fmt;
use std::net::IpAddr;

/// `192.0.2.7/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// How many of its bits are the network's.
    pub prefix: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Cidr {
    /// Reads `ADDRESS[/PREFIX or netmask]`; `mask` is what stands beside it. Without either it is a /24, or a /64 for IPv6, as the
    /// peer takes it; `host` says that it is a single address instead.
    pub fn parse(text: &str, mask: Option<&str>, host: bool) -> Result<Self, String> {
        let (address, inside) = match text.trim().split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| format!("`{text}` is no IP address"))?;
        let prefix = match inside.or(mask) {
            Some(mask) => prefix(mask, address.is_ipv6()).ok_or_else(|| format!("`{mask}` is no netmask for {address}"))?,
            None => match (host, address.is_ipv6()) {
                (true, false) => 32,
                (true, true) => 128,
                (false, false) => 24,
                (false, true) => 64,
            },
        };
        Ok(Self { address, prefix })
    }

    /// The network it is in.
    #[must_use]
    pub fn network(&self) -> Self {
        let kept = u32::from(self.prefix);
        let address = match self.address {
            IpAddr::V4(address) => IpAddr::V4((address.to_bits() & u32::MAX.checked_shl(32 - kept).unwrap_or(0)).into()),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & u128::MAX.checked_shl(128 - kept).unwrap_or(0)).into()),
        };
        Self { address, prefix: self.prefix }
    }

    /// Everything of its family.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0 && self.address.is_unspecified()
    }
}

fn prefix(mask: &str, ipv6: bool) -> Option<u8> {
    let most = if ipv6 { 128 } else { 32 };
    if let Ok(length) = mask.trim().parse::<u8>() {
        return (length <= most).then_some(length);
    }
    let bits = match mask.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(mask) if !ipv6 => u128::from(mask.to_bits()) << 96,
        IpAddr::V6(mask) if ipv6 => mask.to_bits(),
        _ => return None,
    };
    let ones = bits.leading_ones();
    (bits.checked_shl(ones).unwrap_or(0) == 0).then(|| u8::try_from(ones).unwrap_or(most))
}

/// Whether `address` is in the network of `cidr`.
pub fn contains(cidr: &Cidr, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    let differing = bits(cidr.address) ^ bits(address);
    cidr.address.is_ipv6() == address.is_ipv6() && differing.leading_zeros() >= u32::from(cidr.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_in_every_spelling() {
        for (text, mask, host, expected) in [
            ("10.0.0.2/8", Some("255.255.255.0"), false, Ok("10.0.0.2/8")),
            ("10.0.0.2", Some("255.255.240.0"), false, Ok("10.0.0.2/20")),
            ("10.0.0.2/255.255.255.252", None, false, Ok("10.0.0.2/30")),
            ("10.0.0.2", None, false, Ok("10.0.0.2/24")),
            ("10.0.0.2", None, true, Ok("10.0.0.2/32")),
            ("2001:db8::2", None, false, Ok("2001:db8::2/64")),
            ("2001:db8::2", Some("ffff:ffff:ffff::"), false, Ok("2001:db8::2/48")),
            ("0.0.0.0", Some("0.0.0.0"), false, Ok("0.0.0.0/0")),
            ("::", Some("::"), false, Ok("::/0")),
            ("10.0.0.2", Some("255.0.255.0"), false, Err("`255.0.255.0` is no netmask for 10.0.0.2")),
            ("10.0.0.2/33", None, false, Err("`33` is no netmask for 10.0.0.2")),
            ("10.0.0", None, false, Err("`10.0.0` is no IP address")),
        ] {
            assert_eq!(
                Cidr::parse(text, mask, host).map(|cidr| cidr.to_string()),
                expected.map(String::from).map_err(String::from),
                "{text} {mask:?}"
            );
        }
    }

    #[test]
    fn what_a_network_contains() {
        let is_in = |cidr, address: &str| contains(&Cidr::parse(cidr, None, false).expect("CIDR"), address.parse().expect("address"));
        assert!(is_in("10.0.0.2/24", "10.0.0.1") && is_in("0.0.0.0/0", "192.0.2.1") && is_in("2001:db8::2/64", "2001:db8::1"));
        assert!(!is_in("10.0.0.2/24", "10.0.1.1") && !is_in("10.0.0.2/32", "10.0.0.1") && !is_in("::/0", "10.0.0.1"));
    }
}
