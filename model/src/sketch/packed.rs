//! A sketch in as few bytes as possible, for memory that this process reads again. Nothing that is sent or kept on disk
//! has this form: that is what the V2 encoding is for.
//!
//! ```text
//! flags: 0 empty, else 1 | 2 one value | 4 one bucket | 8 clipped
//! where not empty:      min
//! where not one value:  n, max - min, sum - n * min (wrapping)
//! where clipped:        clipped
//! where not one bucket: buckets - 1, count of the first - 1,
//!                       then per bucket: (distance - 1) << 1 | is one, and where it is not one: count - 2
//! ```
//!
//! All numbers are [`varint`](crate::varint)s. A single value takes four or five bytes.

use super::{BUCKETS, Counts, Sketch, index_of};
use crate::varint::{read, write};

const SOME: u64 = 1;
const ONE_VALUE: u64 = 2;
const ONE_BUCKET: u64 = 4;
const CLIPPED: u64 = 8;

impl Sketch {
    /// Appends the packed form.
    pub fn write_packed(&self, out: &mut Vec<u8>) {
        if self.n == 0 {
            return write(out, 0);
        }
        let is_one = self.single() == index_of(u64::from(self.max_us));
        let flag = |is: bool, flag| if is { flag } else { 0 };
        write(out, SOME | flag(self.n == 1, ONE_VALUE) | flag(is_one, ONE_BUCKET) | flag(self.clipped > 0, CLIPPED));
        write(out, u64::from(self.min_us));
        if self.n > 1 {
            write(out, self.n);
            write(out, u64::from(self.max_us - self.min_us));
            write(out, self.sum_us.wrapping_sub(self.n.wrapping_mul(u64::from(self.min_us))));
        }
        if self.clipped > 0 {
            write(out, self.clipped);
        }
        if !is_one {
            self.write_buckets(out);
        }
    }

    /// Reads what [`Sketch::write_packed`] wrote, and moves `bytes` behind it. `None` when it is something else.
    pub fn read_packed(bytes: &mut &[u8]) -> Option<Self> {
        let flags = read(bytes)?;
        let has = |flag| flags & flag > 0;
        if !has(SOME) {
            return Some(Self::new());
        }
        let us = |n: u64| u32::try_from(n).ok().filter(|us| u64::from(*us) <= Self::MAX_US);
        let min_us = us(read(bytes)?)?;
        let (n, max_us, sum_us) = match has(ONE_VALUE) {
            true => (1, min_us, u64::from(min_us)),
            false => {
                let (n, span, more) = (read(bytes)?, read(bytes)?, read(bytes)?);
                let max_us = us(u64::from(min_us).checked_add(span)?)?;
                (n, max_us, more.wrapping_add(n.wrapping_mul(u64::from(min_us))))
            }
        };
        let clipped = if has(CLIPPED) { read(bytes)? } else { 0 };
        let mut sketch = Self { min_us, ..Self::new() };
        let last = match has(ONE_BUCKET) {
            true => {
                sketch.n = n;
                sketch.single()
            }
            false => sketch.read_buckets(bytes)?,
        };
        let is_whole = n > 0 && sketch.n == n && index_of(u64::from(max_us)) == last;
        is_whole.then_some(Self { sum_us, max_us, clipped, ..sketch })
    }

    fn write_buckets(&self, out: &mut Vec<u8>) {
        write(out, self.iter().count() as u64 - 1);
        let mut last = self.single();
        for (i, count) in self.iter() {
            if i == last {
                write(out, count - 1);
                continue;
            }
            write(out, (i as u64 - last as u64 - 1) << 1 | u64::from(count == 1));
            if count > 1 {
                write(out, count - 2);
            }
            last = i;
        }
    }

    /// Gives the last bucket.
    fn read_buckets(&mut self, bytes: &mut &[u8]) -> Option<usize> {
        let n_more = usize::try_from(read(bytes)?).ok().filter(|n| *n < BUCKETS)?;
        let mut i = self.single();
        self.n = read(bytes)?.checked_add(1)?;
        self.counts = Counts::with_capacity(i, self.n, n_more + 1);
        for _ in 0..n_more {
            let step = read(bytes)?;
            i = i.checked_add(usize::try_from(step >> 1).ok()? + 1).filter(|i| *i < BUCKETS)?;
            let count = if step & 1 > 0 { 1 } else { read(bytes)?.checked_add(2)? };
            self.push(i, count);
        }
        Some(i)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sketches_come_back(values in proptest::collection::vec((0u64..4_000_000_000, 1u64..300), 0..60), few in 0usize..60) {
            let mut sketch = Sketch::new();
            values.iter().take(few).for_each(|&(us, n)| sketch.record_n(us, n));
            let mut bytes = Vec::new();
            sketch.write_packed(&mut bytes);
            let mut rest = &bytes[..];
            prop_assert_eq!(Sketch::read_packed(&mut rest), Some(sketch));
            prop_assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                prop_assert_eq!(Sketch::read_packed(&mut &bytes[..cut]), None);
            }
        }

        #[test]
        fn any_bytes_read_or_fail_cleanly(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(sketch) = Sketch::read_packed(&mut &bytes[..]) {
                let _ = sketch.quantile_us(0.5);
            }
        }
    }

    #[test]
    fn a_value_takes_few_bytes() {
        for (us, most) in [(0, 2), (900, 3), (250_000, 4), (Sketch::MAX_US, 6)] {
            let (mut sketch, mut bytes) = (Sketch::new(), Vec::new());
            sketch.record(us);
            sketch.write_packed(&mut bytes);
            assert!(bytes.len() <= most, "{us}: {bytes:?}");
        }
    }
}
