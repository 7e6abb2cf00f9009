//! A horizontal bar in eighths of a cell. In: a share. Out: text of a fixed width.

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A bar for a share in `[0, 1]`, padded to its width; what is not nothing shows at least a sliver.
pub(crate) fn bar(share: f64, cells: usize) -> String {
    let exact = share.clamp(0.0, 1.0) * cells as f64 * 8.0;
    let eighths = if share > 0.0 { (exact.round() as usize).max(1) } else { 0 };
    let mut out = "█".repeat(eighths / 8);
    out.push_str(EIGHTHS[eighths % 8]);
    let used = eighths.div_ceil(8);
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(used)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        for (share, want) in [
            (0.0, "    "),
            (0.000_1, "▏   "),
            (0.5, "██  "),
            (0.53, "██▏ "),
            (1.0, "████"),
            (7.0, "████"),
            (f64::NAN, "    "),
        ] {
            assert_eq!(bar(share, 4), want, "{share}");
        }
    }
}
