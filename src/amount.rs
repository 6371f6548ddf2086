//! Amounts of bytes as text.

/// `512 B`, `4 KiB`, `16.0 MiB`, `1.5 GiB`, `2.0 TiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        1_073_741_824..1_099_511_627_776 => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
        _ => format!("{:.1} TiB", bytes as f64 / 1_099_511_627_776.0),
    }
}
