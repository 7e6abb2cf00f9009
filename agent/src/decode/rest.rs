//! What is left of a frame below the headers that were read.
//!
//! In: what was captured and how long it was on the wire. Out: fields and shorter rests, or the news that it ends too early.

use pitot_model::Reason;

/// The undecoded rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest<'a> {
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// Its length on the wire; at least that of `bytes`.
    pub len: usize,
}

impl<'a> Rest<'a> {
    /// A rest of `len` bytes of which `bytes` were captured.
    pub(super) fn new(bytes: &'a [u8], len: usize) -> Self {
        Self { bytes, len: len.max(bytes.len()) }
    }

    /// Leaves out the first `n` bytes, which must have been captured.
    pub(super) fn skip(&mut self, n: usize) -> Result<(), Reason> {
        self.bytes = self.bytes.get(n..).ok_or(Reason::PacketMalformed)?;
        self.len -= n;
        Ok(())
    }

    /// Takes the first `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (first, rest) = self.bytes.split_first_chunk().ok_or(Reason::PacketMalformed)?;
        self.bytes = rest;
        self.len -= N;
        Ok(*first)
    }

    /// Takes two bytes as a number, greatest first.
    pub(super) fn take_u16(&mut self) -> Result<u16, Reason> {
        self.take().map(u16::from_be_bytes)
    }

    /// One byte, without taking it.
    pub(super) fn peek(&self, at: usize) -> Result<u8, Reason> {
        self.bytes.get(at).copied().ok_or(Reason::PacketMalformed)
    }

    /// Two bytes as a number, greatest first, without taking them.
    pub(super) fn peek_u16(&self, at: usize) -> Result<u16, Reason> {
        Ok(u16::from_be_bytes([self.peek(at)?, self.peek(at + 1)?]))
    }

    /// States how long it really is: what follows is padding, and what is missing was not captured.
    pub(super) fn set_len(&mut self, len: usize) {
        if self.bytes.len() > len {
            self.bytes = &self.bytes[..len];
        }
        self.len = len;
    }
}
