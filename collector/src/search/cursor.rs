//! Where a page of anomalies ended. In: the order of an anomaly. Out: opaque text that stays valid while others come and
//! go.
//!
//! The order is the start, newest first, and then the id: 16 hexadecimal digits that fall as the start grows, `-`, id.

use pitot_model::{Timestamp, api::Anomaly};

/// The place behind one anomaly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor(String);

impl Cursor {
    /// Behind this anomaly.
    pub(crate) fn behind(anomaly: &Anomaly) -> Self {
        Self(order(anomaly.start, &anomaly.id))
    }

    /// What came in a query; `None` if it never was a cursor.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, id) = text.split_once('-')?;
        let is_valid = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && !id.is_empty();
        is_valid.then(|| Self(text.to_owned()))
    }

    /// Compares as the anomalies are ordered.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn order(start: Timestamp, id: &str) -> String {
    // Flipping the sign bit makes signed numbers compare as unsigned ones; the complement turns the order round.
    let falling = !(start.as_micros() as u64 ^ (1 << 63));
    format!("{falling:016x}-{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_comes_first_then_the_id() {
        let t = Timestamp::from_secs;
        let mut all = [order(t(5), "a"), order(t(-5), "a"), order(t(9), "b"), order(t(9), "a"), order(t(0), "a")];
        all.sort();
        assert_eq!(all, [order(t(9), "a"), order(t(9), "b"), order(t(5), "a"), order(t(0), "a"), order(t(-5), "a")]);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "5", "-", "0123456789abcdef", "0123456789abcdef-", "0123456789abcdeg-x", "é-x"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
        assert!(Cursor::parse(&order(Timestamp::EPOCH, "cafe")).is_some());
    }
}
