//! Keys of the embedded store. In: what a value is about. Out: bytes whose order is the order of reading.
//!
//! ```text
//! windows   cube u8 | level u8 | start i64 | resource u64 | number u64    -> window (protobuf)
//! waiting   number u64                                                    -> start i64 | resource u64
//! coverage  level u8 | start i64 | name of the agent                      -> coverage (JSON)
//!           255 u8 | hour i64 | kind u16 | names, each u16 and bytes      -> mark (protobuf)
//! meta      "version" u32, "levels" text, "store" text, "head" JSON, "agent/" name JSON, "alias/" number u64 JSON
//! ```
//!
//! All integers are big endian; `start` is in microseconds since the epoch with its sign bit turned, so that it sorts;
//! `resource` is a hash that gathers the deltas of one resource; `number` counts deltas and makes keys unique.
//!
//! Stores whose coverage was not told apart by agents have it under the empty name, and programs that do not tell them
//! apart read and add up all names of a slot, and write under the empty one: so both read what the other wrote.

use pitot_model::{MarkKey, Resource, Timestamp};

use crate::store::Cube;

/// Length of a key of `windows`.
const WINDOW: usize = 26;

/// What a window's key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WindowKey {
    pub(super) cube: Cube,
    pub(super) level: u8,
    pub(super) start: Timestamp,
    pub(super) resource: u64,
    pub(super) number: u64,
}

impl WindowKey {
    pub(super) fn bytes(self) -> [u8; WINDOW] {
        let mut out = [0; WINDOW];
        out[..10].copy_from_slice(&slot(self.cube, self.level, self.start));
        out[10..18].copy_from_slice(&self.resource.to_be_bytes());
        out[18..].copy_from_slice(&self.number.to_be_bytes());
        out
    }

    /// The number in a key that starts with a known slot and resource.
    pub(super) fn number_of(key: &[u8]) -> Option<u64> {
        key.get(18..WINDOW)?.try_into().ok().map(u64::from_be_bytes)
    }
}

/// First bytes of all windows of a slot.
pub(super) fn slot(cube: Cube, level: u8, start: Timestamp) -> [u8; 10] {
    let mut out = [0; 10];
    out[0] = cube.number();
    out[1] = level;
    out[2..].copy_from_slice(&moment(start));
    out
}

/// First bytes of all windows of a slot and resource.
pub(super) fn series(cube: Cube, level: u8, start: Timestamp, resource: u64) -> [u8; 18] {
    let mut out = [0; 18];
    out[..10].copy_from_slice(&slot(cube, level, start));
    out[10..].copy_from_slice(&resource.to_be_bytes());
    out
}

/// The start in a key of `windows`.
pub(super) fn start_of(key: &[u8]) -> Option<Timestamp> {
    key.get(2..10).and_then(moment_of)
}

/// First bytes of all keys of `coverage` of a slot.
pub(super) fn coverage(level: u8, start: Timestamp) -> [u8; 9] {
    let mut out = [0; 9];
    out[0] = level;
    out[1..].copy_from_slice(&moment(start));
    out
}

/// A key of `coverage`.
pub(super) fn coverage_of(level: u8, start: Timestamp, agent: &str) -> Vec<u8> {
    [&coverage(level, start)[..], agent.as_bytes()].concat()
}

/// What a key of `coverage` says: start and agent.
pub(super) fn covered(key: &[u8]) -> Option<(Timestamp, &str)> {
    let (start, agent) = key.get(1..)?.split_at_checked(8)?;
    Some((moment_of(start)?, std::str::from_utf8(agent).ok()?))
}

/// First byte of the keys of marks; no level has this number. Programs that know no marks leave them alone.
const MARKS: u8 = 255;

/// First bytes of all marks of an hour.
pub(super) fn marks(hour: Timestamp) -> [u8; 9] {
    coverage(MARKS, hour)
}

/// The key of a mark.
pub(super) fn mark(key: &MarkKey) -> Vec<u8> {
    let MarkKey { hour, kind, service, route, consumer } = key;
    let mut out = marks(*hour).to_vec();
    out.extend_from_slice(&(kind.as_wire() as u16).to_be_bytes());
    let evidence = consumer.evidence.name();
    for name in [service.as_str(), &route.method, &route.template, &consumer.id, evidence, &consumer.group] {
        out.extend_from_slice(&(name.len() as u16).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    out
}

/// A value of `waiting`.
pub(super) fn waiting(start: Timestamp, resource: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&moment(start));
    out[8..].copy_from_slice(&resource.to_be_bytes());
    out
}

/// What a value of `waiting` says: start and resource.
pub(super) fn waiting_of(value: &[u8]) -> Option<(Timestamp, u64)> {
    let (start, resource) = value.split_at_checked(8)?;
    Some((moment_of(start)?, resource.try_into().ok().map(u64::from_be_bytes)?))
}

/// A hash of the resource that never changes between versions: FNV-1a, 64 bits.
pub(super) fn resource_hash(r: &Resource) -> u64 {
    let parts = [r.service.as_bytes(), &[0xff], r.version.as_bytes(), &[0xff], r.instance.as_bytes()];
    parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn moment(t: Timestamp) -> [u8; 8] {
    ((t.as_micros() as u64) ^ (1 << 63)).to_be_bytes()
}

fn moment_of(bytes: &[u8]) -> Option<Timestamp> {
    let turned = u64::from_be_bytes(bytes.try_into().ok()?);
    Some(Timestamp::from_micros((turned ^ (1 << 63)) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_time_and_read_back() {
        let keys: Vec<_> = [i64::MIN, -1, 0, 1, 10_000_000, i64::MAX]
            .map(|us| {
                let key = WindowKey {
                    cube: Cube::Routes,
                    level: 2,
                    start: Timestamp::from_micros(us),
                    resource: 7,
                    number: 9,
                };
                let bytes = key.bytes();
                assert_eq!(start_of(&bytes), Some(key.start));
                assert_eq!(WindowKey::number_of(&bytes), Some(9));
                assert!(bytes.starts_with(&series(key.cube, key.level, key.start, key.resource)));
                assert_eq!(covered(&coverage_of(1, key.start, "web")), Some((key.start, "web")));
                assert_eq!(covered(&coverage(1, key.start)), Some((key.start, "")), "as older programs write it");
                assert_eq!(waiting_of(&waiting(key.start, key.resource)), Some((key.start, 7)));
                bytes
            })
            .into();
        assert!(keys.is_sorted());
    }

    #[test]
    fn resources_hash_by_their_parts() {
        let r = |s: &str, v: &str| Resource { service: s.into(), version: v.into(), instance: String::new() };
        assert_ne!(resource_hash(&r("ab", "c")), resource_hash(&r("a", "bc")));
        assert_eq!(resource_hash(&Resource::default()), 0xa99c907b6f64763_u64, "stored keys depend on it");
    }
}
