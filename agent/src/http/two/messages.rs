//! How many gRPC messages a body holds.
//!
//! In: the pieces of the body. Out: a count. Each message has a head of five bytes before it: flags, and its length;
//! nothing else is looked at. Source: gRPC over HTTP/2, "Length-Prefixed-Message".

/// Bytes of the head of a message.
const HEAD_BYTES: u8 = 5;

/// Flag of the trailers that gRPC-Web sends in the body.
const TRAILERS: u8 = 0x80;

/// Counts the messages of one body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Messages {
    /// Heads that were read; trailers are none.
    pub(super) count: u32,
    /// Bytes of the head that were read.
    head_len: u8,
    flags: u8,
    len: u32,
    /// Bytes of the present message that are still to come.
    left: u32,
    is_lost: bool,
}

impl Messages {
    /// The next piece.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_lost {
            if self.left > 0 {
                let n = bytes.len().min(self.left as usize);
                self.left -= n as u32;
                bytes = &bytes[n..];
                continue;
            }
            let (&byte, rest) = (&bytes[0], &bytes[1..]);
            bytes = rest;
            match self.head_len {
                0 => (self.flags, self.len) = (byte, 0),
                _ => self.len = self.len << 8 | u32::from(byte),
            }
            self.head_len += 1;
            if self.head_len == HEAD_BYTES {
                (self.head_len, self.left) = (0, self.len);
                self.count = self.count.saturating_add(u32::from(self.flags & TRAILERS == 0));
            }
        }
    }

    /// A piece that nobody can look at. When there is a head in it, counting stops.
    pub(super) fn skip(&mut self, len: u64) {
        match self.left.checked_sub(u32::try_from(len).unwrap_or(u32::MAX)) {
            Some(left) => self.left = left,
            None => self.is_lost = true,
        }
    }

    /// Bytes that need not be looked at.
    pub(super) fn unneeded(&self) -> u64 {
        if self.is_lost { u64::MAX } else { self.left.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut body = Vec::new();
        for (flags, len) in [(0, 3_u8), (1, 0), (0, 200), (0x80, 7)] {
            body.extend([flags, 0, 0, 0, len]);
            body.extend(vec![0; len.into()]);
        }
        for size in 1..body.len() {
            let mut messages = Messages::default();
            for piece in body.chunks(size) {
                messages.read(piece);
            }
            assert_eq!((messages.count, messages.unneeded()), (3, 0), "{size}");
        }
    }

    #[test]
    fn what_lies_inside_a_message_is_not_needed() {
        let mut messages = Messages::default();
        messages.read(&[0, 0, 0, 0, 9, 1]);
        assert_eq!(messages.unneeded(), 8);
        messages.skip(8);
        messages.read(&[0, 0, 0, 0, 0]);
        assert_eq!((messages.count, messages.unneeded()), (2, 0));
        messages.skip(1);
        messages.read(&[0; 50]);
        assert_eq!((messages.count, messages.unneeded()), (2, u64::MAX));
    }
}
