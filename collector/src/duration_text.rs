//! Durations in configuration files: `"10s"`, `"3d"`. For `#[serde(with = "crate::duration_text")]`.

use std::{borrow::Cow, time::Duration};

use pitot_model::parse_duration;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Writes the greatest unit that divides it.
pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    let ms = d.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(n, _)| ms > 0 && ms.is_multiple_of(*n));
    match unit {
        Some((n, unit)) => s.collect_str(&format_args!("{}{unit}", ms / n)),
        None if ms == 0 => s.serialize_str("0s"),
        None => s.collect_str(&format_args!("{ms}ms")),
    }
}

/// Reads a number with a unit.
pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = Cow::<'de, str>::deserialize(d)?;
    parse_duration(&text).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is no duration; write a number and its unit: 250ms, 10s, 5m, 2h, 7d"))
    })
}
