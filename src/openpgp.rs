//! OpenPGP's ASCII armour (RFC 9580 section 6): apt keys are given in it, keyrings are binary.

use base64::prelude::{Engine as _, BASE64_STANDARD};

/// Why a text is no armoured key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// There is no block in it.
    #[error("there is no `-----BEGIN PGP PUBLIC KEY BLOCK-----` in it")]
    NoBlock,
    /// A block does not end.
    #[error("the block does not end: `-----END PGP PUBLIC KEY BLOCK-----` is missing")]
    NoEnd,
    /// The text between the lines is damaged.
    #[error("it is damaged: not base64")]
    NotBase64,
    /// The checksum tells otherwise.
    #[error("it is damaged: its checksum does not match")]
    Checksum,
    /// What it holds is no key.
    #[error("it holds no public key")]
    NotAKey,
}

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The binary form of every public key block in the text, one after the other. Text around blocks and headers inside them are
/// passed over; a checksum is verified where there is one.
pub fn dearmor(text: &str) -> Result<Vec<u8>, ArmourError> {
    let mut keys = Vec::new();
    let mut lines = text.lines().map(str::trim);
    let mut found = false;
    while lines.by_ref().any(|line| line == BEGIN) {
        found = true;
        keys.extend(block(&mut lines)?);
    }
    if found {
        Ok(keys)
    } else {
        Err(ArmourError::NoBlock)
    }
}

fn block<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Result<Vec<u8>, ArmourError> {
    let mut data = String::new();
    let mut checksum = None;
    let mut ended = false;
    for line in lines {
        if line == END {
            ended = true;
            break;
        }
        match line.strip_prefix('=') {
            Some(sum) if sum.len() == 4 => checksum = Some(sum.to_owned()),
            // Headers ("Version: ...") hold a colon, which base64 does not.
            _ if line.is_empty() || line.contains(':') => {}
            _ => data.push_str(line),
        }
    }
    if !ended {
        return Err(ArmourError::NoEnd);
    }
    let bytes = BASE64_STANDARD.decode(data).map_err(|_| ArmourError::NotBase64)?;
    if let Some(sum) = checksum {
        let sum = BASE64_STANDARD.decode(sum).map_err(|_| ArmourError::NotBase64)?;
        if sum != crc24(&bytes) {
            return Err(ArmourError::Checksum);
        }
    }
    if !begins_with_a_key(&bytes) {
        return Err(ArmourError::NotAKey);
    }
    Ok(bytes)
}

/// RFC 9580 section 6.1.1.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    const INIT: u32 = 0x00B7_04CE;
    const POLYNOMIAL: u32 = 0x0186_4CFB;
    let mut crc = INIT;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= POLYNOMIAL;
            }
        }
    }
    let [_, a, b, c] = crc.to_be_bytes();
    [a, b, c]
}

/// The first packet is a public key: tag 6 in the old or the new packet format (section 4.2).
fn begins_with_a_key(bytes: &[u8]) -> bool {
    const PUBLIC_KEY: u8 = 6;
    bytes.first().is_some_and(|head| match head & 0xC0 {
        0xC0 => head & 0x3F == PUBLIC_KEY,
        0x80 => (head & 0x3C) >> 2 == PUBLIC_KEY,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The block that `gpg --enarmor`-like tools would write for these bytes.
    fn armoured(bytes: &[u8], checksum: bool) -> String {
        let sum = if checksum { format!("={}\n", BASE64_STANDARD.encode(crc24(bytes))) } else { String::new() };
        format!("{BEGIN}\nComment: x\n\n{}\n{sum}{END}\n", BASE64_STANDARD.encode(bytes))
    }

    #[test]
    fn a_block_is_read_with_and_without_checksum() {
        let key = [0x99, 1, 2, 3];
        for text in [armoured(&key, true), armoured(&key, false), format!("above\n{}below", armoured(&key, true))] {
            assert_eq!(dearmor(&text), Ok(key.to_vec()));
        }
        let both = format!("{}{}", armoured(&key, true), armoured(&[0xC6, 9], false));
        assert_eq!(dearmor(&both), Ok(vec![0x99, 1, 2, 3, 0xC6, 9]));
        assert_eq!(dearmor(&armoured(&key, true).replace('\n', "\r\n")), Ok(key.to_vec()));
    }

    #[test]
    fn what_is_no_key_says_why() {
        let good = armoured(&[0x99, 1, 2, 3], true);
        for (text, why) in [
            (String::from("no key"), ArmourError::NoBlock),
            (good.replace(END, ""), ArmourError::NoEnd),
            (good.replace("mQ", "@@"), ArmourError::NotBase64),
            (good.replace("mQEC", "mQED"), ArmourError::Checksum),
            (armoured(b"hello", true), ArmourError::NotAKey),
        ] {
            assert_eq!(dearmor(&text), Err(why), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_the_standards() {
        // Of the empty text it is its own start value; of "123456789" the catalogue's check value (CRC-24/OPENPGP).
        assert_eq!(crc24(b""), [0xB7, 0x04, 0xCE]);
        assert_eq!(crc24(b"123456789"), [0x21, 0xCF, 0x02]);
    }
}
