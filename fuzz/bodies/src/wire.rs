//! What arrives at a collector: reports, and filters in questions.

use pitot_model::{budget::FILTER_CHARS, filter, wire};

/// What was decoded can be encoded, and decodes to the same; the first time, numbers beyond what we count in are clipped.
pub(crate) fn report(bytes: &[u8]) {
    let again = |report| wire::decode_report(&wire::encode_report(report));
    if let Ok(report) = wire::decode_report(bytes) {
        let clipped = again(&report).expect("a report that was decoded can be sent on");
        assert_eq!(again(&clipped).as_ref(), Ok(&clipped), "a report that changes on its way");
    }
    let again = |window| wire::decode_window(&wire::encode_window(window));
    if let Ok(window) = wire::decode_window(bytes) {
        let clipped = again(&window).expect("a window that was decoded can be stored");
        assert_eq!(again(&clipped).as_ref(), Ok(&clipped), "a window that changes in the store");
    }
}

/// What was understood can be written, and is then understood the same unless that made it too long; errors point into
/// the text.
pub(crate) fn filter(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match filter::parse(text) {
        Ok(expr) => {
            let written = expr.to_string();
            if written.chars().count() > FILTER_CHARS {
                return;
            }
            let again = filter::parse(&written).map(|e| e.to_string());
            assert_eq!(again.as_ref(), Ok(&written), "`{text}`");
        }
        Err(error) => assert!(error.at <= text.chars().count(), "{error} points behind the end of `{text}`"),
    }
}
