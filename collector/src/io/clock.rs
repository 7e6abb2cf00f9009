//! The clock. In: nothing. Out: the time, or a time that a test makes up.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use pitot_model::Timestamp;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock; before 1970 it is the epoch.
pub fn system() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}
