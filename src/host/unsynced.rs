//! What a power cut leaves of a file that nobody has synced: nothing, or a file as long as it was to be, zeros in the place of the pages
//! that never reached the disk (ext4(5), `auto_da_alloc`).

/// Bytes that a filesystem writes at once, or not at all.
pub(super) const PAGE: usize = 4096;

fn is_unwritten(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}

/// Whether the bytes of a file that was to have some, or a whole page of them, never reached the disk.
pub(super) fn has_lost_bytes(bytes: &[u8]) -> bool {
    bytes.is_empty() || bytes.chunks(PAGE).any(is_unwritten)
}

/// Whether a copy is what a cut has left of it: whole pages, and zeros in the place of the others; or nothing.
pub(super) fn is_cut_copy(copy: &[u8], of: &[u8]) -> bool {
    let is_long_enough = copy.len() == of.len() || (copy.len() < of.len() && copy.len() % PAGE == 0);
    let is_page = |(copy, of): (&[u8], &[u8])| of.starts_with(copy) || is_unwritten(copy);
    is_long_enough && copy != of && copy.chunks(PAGE).zip(of.chunks(PAGE)).all(is_page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_a_cut_has_spoiled_is_told_from_what_somebody_wrote() {
        let model = "line\n".repeat(1000).into_bytes();
        let with_zeros = |range: std::ops::Range<usize>| {
            let mut copy = model.clone();
            copy[range].fill(0);
            copy
        };
        for cut in [Vec::new(), model[..4096].to_vec(), vec![0; 4096], vec![0; 5000], with_zeros(0..4096), with_zeros(4096..5000)] {
            assert!(is_cut_copy(&cut, &model), "{} bytes", cut.len());
        }
        let longer = [&model[..], b"more\n"].concat();
        for own in [model.clone(), model[..10].to_vec(), with_zeros(10..20), vec![b'x'; 5000], longer] {
            assert!(!is_cut_copy(&own, &model), "{} bytes", own.len());
        }
        assert!(!is_cut_copy(b"", b""));
    }
}
