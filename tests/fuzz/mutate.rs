//! From inputs to other inputs.

use std::io::Write as _;
use std::path::Path;

use crate::random::Random;
use crate::targets::Target;

/// The longest input.
pub const LONGEST: usize = 16 << 10;

/// What the inputs of a target are made from: its own, the examples, the data of the tests.
pub fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    if !matches!(target.name, "jinja" | "archive" | "journal") {
        for directory in ["cloud-config", "tests/validate/documents", "tests/bench"] {
            corpus.extend(files(&root.join(directory)));
        }
    }
    corpus.retain(|input| !input.is_empty());
    corpus.iter_mut().for_each(|input| input.truncate(LONGEST));
    corpus
}

/// What was found before, and is not to come back.
pub fn found(target: &Target) -> Vec<Vec<u8>> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found").join(target.name))
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).filter(|bytes| bytes.len() <= 64 << 10).collect()
}

/// Another input.
pub fn mutated(target: &Target, corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    if random.below(4) == 0 {
        // The beginning of one and the end of another.
        let other = &corpus[random.below(corpus.len())];
        input.truncate(random.below(input.len() + 1));
        input.extend_from_slice(&other[random.below(other.len())..]);
    }
    for _ in 0..1 + random.below(8) {
        change(&mut input, target.words, random);
        input.truncate(LONGEST);
    }
    let mut whole = target.header.to_vec();
    whole.extend_from_slice(&input);
    whole.truncate(LONGEST);
    if target.gzip {
        whole = packed(whole, random);
    }
    whole
}

fn change(input: &mut Vec<u8>, words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = (at + 1 + random.below(64)).min(input.len());
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.number() as u8,
        2 => drop(input.drain(at.min(end)..end)),
        3 | 4 => drop(input.splice(at..at, random.pick(words).bytes())),
        5 => {
            // One word or stretch, over and over.
            let piece = if random.below(2) == 0 { random.pick(words).as_bytes().to_vec() } else { input[at.min(end)..end].to_vec() };
            let times = 1 << random.below(11);
            let room = LONGEST.saturating_sub(input.len());
            let all: Vec<u8> = piece.iter().copied().cycle().take((piece.len() * times).min(room)).collect();
            input.splice(at..at, all);
        }
        6 => {
            let piece = input[at.min(end)..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        7 => {
            let digits = random.pick(&["0", "-1", "18446744073709551616", "1e400", "4294967296", "65536", "0x7fffffffffffffff"]);
            input.splice(at..at, digits.bytes());
        }
        _ => input.truncate(at),
    }
}

/// Compressed, cut, with something behind it, twice, or with a bit changed.
fn packed(input: Vec<u8>, random: &mut Random) -> Vec<u8> {
    // What a bomb is made of: much of the same.
    let input = if random.below(8) == 0 { input.iter().copied().cycle().take(random.below(4 << 20) + 1).collect() } else { input };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(random.below(10) as u32));
    encoder.write_all(&input).expect("memory");
    let mut bytes = encoder.finish().expect("memory");
    match random.below(5) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => bytes.extend(b"tail"),
        2 => bytes.extend(bytes.clone()),
        3 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        _ => {}
    }
    bytes.truncate(LONGEST);
    bytes
}
