//! Figures as medians, beside their targets.

use std::fmt::Write as _;

/// The middle one.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

/// What a figure must hold.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most this part of the peer's.
    PartOf(f64),
    /// At most this much, in the row's unit.
    AtMost(f64),
    /// Shown for comparison.
    None,
}

/// One line of the table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Digits after the point, and the unit.
    pub unit: (usize, &'static str),
    /// The peer's, where it has one.
    pub peer: Option<f64>,
    /// landfall's.
    pub ours: f64,
    /// What it must hold.
    pub target: Target,
}

impl Row {
    /// `None` where there is no target.
    pub fn passes(&self) -> Option<bool> {
        match (self.target, self.peer) {
            (Target::PartOf(part), Some(peer)) => Some(self.ours <= peer / part),
            (Target::AtMost(most), _) => Some(self.ours <= most),
            _ => None,
        }
    }

    fn shown(&self, value: f64) -> String {
        format!("{value:.*} {}", self.unit.0, self.unit.1)
    }

    fn target(&self) -> String {
        let verdict = if self.passes() == Some(true) { "PASS" } else { "MISS" };
        match self.target {
            Target::PartOf(part) => format!("1/{part:.0}: {verdict}"),
            Target::AtMost(most) => format!("{most} {}: {verdict}", self.unit.1),
            Target::None => String::new(),
        }
    }
}

/// The table as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| | cloud-init 25.1 | landfall | ratio | target |\n|---|---:|---:|---:|---|\n");
    for row in rows {
        let peer = row.peer.map_or_else(String::new, |peer| row.shown(peer));
        let ratio = row.peer.filter(|_| row.ours > 0.0).map_or_else(String::new, |peer| format!("1/{:.0}", peer / row.ours));
        let _ = writeln!(text, "| {} | {peer} | {} | {ratio} | {} |", row.name, row.shown(row.ours), row.target());
    }
    text
}
