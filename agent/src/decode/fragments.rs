//! IP datagrams in fragments, put together again.
//!
//! In: fragments in any order. Out: the whole datagram with the last of them. At most [`budget::FRAGMENTED_DATAGRAMS`] are
//! worked on; when another comes, the oldest is given up and its fragments are counted as lost.

use etherparse::{IpNumber, defrag::IpDefragBuf};
use pitot_model::{Reason, Timestamp};

use super::{
    network::{FragmentHeader, Whole},
    rest::Rest,
};
use crate::budget;

/// Age at which fragments are given up: identifications come back. Linux's default.
const PATIENCE_US: i64 = 30_000_000;

/// Runs of bytes with holes between them in one datagram; honest ones have a few.
const RUNS: usize = 64;

/// A part of a datagram.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub header: FragmentHeader,
    pub payload: Rest<'a>,
}

/// Datagrams of which parts are missing, oldest first.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    partial: Vec<Partial>,
    lost: u64,
}

#[derive(Debug)]
struct Partial {
    whole: Whole,
    identification: u32,
    since: Timestamp,
    n_fragments: u64,
    buffer: IpDefragBuf,
}

impl Fragments {
    /// Adds a fragment. When it was the last, writes what the datagram holds to `datagram`.
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        fragment: &Fragment<'_>,
        datagram: &mut Vec<u8>,
    ) -> Result<Option<Whole>, Reason> {
        let Fragment { header, payload } = fragment;
        if payload.bytes.len() < payload.len {
            return Err(Reason::PacketFragment);
        }
        let idx = self.find(at, header);
        let partial = &mut self.partial[idx];
        let added = partial.buffer.add(header.offset, header.has_more, payload.bytes);
        if added.is_err() || partial.buffer.sections().len() > RUNS {
            self.give_up(idx);
            return Err(Reason::PacketFragment);
        }
        partial.n_fragments += 1;
        if !partial.buffer.is_complete() {
            return Ok(None);
        }
        let partial = self.partial.remove(idx);
        *datagram = partial.buffer.take_bufs().0;
        Ok(Some(partial.whole))
    }

    /// How many fragments were given up since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Gives up all that is kept.
    pub(super) fn finish(&mut self) -> u64 {
        while !self.partial.is_empty() {
            self.give_up(self.partial.len() - 1);
        }
        self.take_lost()
    }

    /// Where the datagram of a fragment is kept; begins it where it is new.
    fn find(&mut self, at: Timestamp, header: &FragmentHeader) -> usize {
        let known =
            self.partial.iter().position(|p| p.identification == header.identification && p.whole == header.whole);
        if let Some(idx) = known {
            let age_us = at.as_micros().saturating_sub(self.partial[idx].since.as_micros());
            if age_us < PATIENCE_US {
                return idx;
            }
            self.give_up(idx);
        }
        if self.partial.len() >= budget::FRAGMENTED_DATAGRAMS {
            self.give_up(0);
        }
        self.partial.push(Partial {
            whole: header.whole,
            identification: header.identification,
            since: at,
            n_fragments: 0,
            buffer: IpDefragBuf::new(IpNumber(header.whole.protocol), Vec::new(), Vec::new()),
        });
        self.partial.len() - 1
    }

    fn give_up(&mut self, idx: usize) {
        self.lost += self.partial.remove(idx).n_fragments;
    }
}
