//! Keys of the agent about delivery: the collectors, and the spool. In: TOML. Out: checked values.

use std::{fmt, path::Path, time::Duration};

use pitot_agent::spool::{SpoolConfig, WhenFull};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};

/// URLs of collectors: one as a text, several as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Collectors(pub(crate) Vec<String>);

impl Serialize for Collectors {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => s.serialize_str(one),
            all => all.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for Collectors {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Vec<String>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the URL of a collector, or a list of them")
            }

            fn visit_str<E>(self, url: &str) -> Result<Self::Value, E> {
                Ok(vec![url.to_owned()])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, urls: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(urls))
            }
        }

        d.deserialize_any(OneOrMore).map(Self)
    }
}

/// `[spool]` of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentSpool {
    #[serde(with = "bytes_text")]
    pub(crate) bytes: u64,
    #[serde(with = "pitot_collector::duration_text")]
    pub(crate) age: Duration,
    pub(crate) when_full: Full,
}

/// What happens when the spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Full {
    DropOldest,
    Block,
}

impl Default for AgentSpool {
    fn default() -> Self {
        let SpoolConfig { limit_bytes, max_age, .. } = SpoolConfig::default();
        Self { bytes: limit_bytes, age: max_age, when_full: Full::DropOldest }
    }
}

impl AgentSpool {
    /// What is wrong with the values.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.bytes < LEAST_BYTES {
            problems.push(format!("spool.bytes = {}: use {} or more", self.bytes, bytes_text::show(LEAST_BYTES)));
        }
        if self.age < LEAST_AGE {
            problems.push(format!("spool.age = {:?}: use 1m or more", self.age));
        }
        problems
    }

    /// The spool of this agent in this directory of state. Names that no file can have are made ones that it can.
    pub(crate) fn config(&self, state: &Path, agent: &str) -> SpoolConfig {
        let is_plain = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
        let name: String = agent.chars().map(|c| if is_plain(c) { c } else { '_' }).take(NAME_CHARS).collect();
        let name = if name.trim_matches('.').is_empty() { "_".to_owned() } else { name };
        SpoolConfig {
            directory: Some(state.join("spool").join(name)),
            limit_bytes: self.bytes,
            max_age: self.age,
            when_full: match self.when_full {
                Full::DropOldest => WhenFull::DropOldest,
                Full::Block => WhenFull::Block,
            },
        }
    }
}

/// A few reports of ordinary size.
const LEAST_BYTES: u64 = 64 << 10;
const LEAST_AGE: Duration = Duration::from_secs(60);
/// Characters of an agent's name in that of its directory, of 255 bytes at most.
const NAME_CHARS: usize = 60;

/// Numbers of bytes as people write them: `"512MiB"`.
mod bytes_text {
    use std::borrow::Cow;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    const UNITS: [(&str, u64); 7] = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("kB", 1_000),
        ("B", 1),
    ];

    pub(super) fn serialize<S: Serializer>(bytes: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&show(*bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is no size; write a whole number and its unit: 64KiB, 512MiB, 2GiB"))
        })
    }

    /// The greatest unit that divides it.
    pub(super) fn show(bytes: u64) -> String {
        let unit = UNITS.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
        unit.map_or_else(|| format!("{bytes}B"), |(name, size)| format!("{}{name}", bytes / size))
    }

    fn parse(text: &str) -> Option<u64> {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(end);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        number.parse::<u64>().ok()?.checked_mul(*size)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn sizes_with_units() {
            for (text, want) in [
                ("512MiB", Some(512 << 20)),
                ("64 KiB", Some(64 << 10)),
                ("3GB", Some(3_000_000_000)),
                ("100B", Some(100)),
                ("100", None),
                ("1.5GiB", None),
                ("-1B", None),
                ("99999999999999999999B", None),
                ("18446744073709551615GiB", None),
                ("", None),
            ] {
                assert_eq!(parse(text), want, "{text}");
            }
            for (bytes, want) in [(512 << 20, "512MiB"), (0, "0B"), (1_500_000, "1500kB"), (1_001, "1001B")] {
                assert_eq!(show(bytes), want);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct File {
        collector: Collectors,
    }

    #[test]
    fn one_collector_or_several() {
        for (text, want) in [
            ("collector = \"http://a\"\n", Some(&["http://a"][..])),
            ("collector = [\"http://a\", \"http://b\"]\n", Some(&["http://a", "http://b"])),
            ("collector = 5\n", None),
        ] {
            let read = toml::from_str::<File>(text).ok();
            assert_eq!(
                read.as_ref().map(|f| f.collector.0.iter().map(String::as_str).collect()),
                want.map(<[_]>::to_vec)
            );
            if let Some(read) = read {
                assert_eq!(toml::to_string(&read).unwrap(), text);
            }
        }
    }
}
