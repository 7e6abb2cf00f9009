//! The header blocks of one direction: HEADERS or PUSH_PROMISE and the CONTINUATION frames behind them, made one.
//!
//! In: fragments. Out: whole blocks, with the table to read them by. Blocks are bounded; what is beyond is not read.

use pitot_model::Reason;

use super::{
    super::{Limits, request::Span},
    frame::{CONTINUATION, Head},
    framer::PAYLOAD_BYTES,
    head::Message,
    hpack::{Given, Table},
};

/// Room for blocks in several frames that stays when one was larger.
const ORDINARY_BYTES: usize = 4 << 10;

/// Where a direction stands.
pub(super) struct Blocks {
    table: Table,
    /// Whether the table is what it will be: known from the beginning, or not.
    is_settled: bool,
    /// Whether SETTINGS came before anything else that matters, as at the beginning of a connection.
    has_settings: bool,
    open: Option<Block>,
    bytes: Vec<u8>,
}

/// A block, of which the bytes are elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The frame that it begins with.
    pub(super) head: Head,
    /// The stream that it opens or belongs to.
    pub(super) id: u32,
    pub(super) span: Span,
    /// Why it cannot be read.
    problem: Option<Reason>,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self { table: Table::unknown(), is_settled: false, has_settings: false, open: None, bytes: Vec::new() }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.table.heap_bytes()
    }

    /// Nothing was said for a while: frees what the next block does not need.
    pub(super) fn rest(&mut self) {
        if self.open.is_none() {
            self.bytes = Vec::new();
            self.table.rest();
        }
    }

    /// The connection begins.
    pub(super) fn begin(&mut self) {
        self.has_settings = true;
    }

    /// SETTINGS came.
    pub(super) fn settings(&mut self) {
        self.has_settings |= !self.is_settled;
    }

    /// Something was missed.
    pub(super) fn lose(&mut self) {
        self.table.forget();
        (self.is_settled, self.open) = (true, None);
    }

    /// Takes a fragment for the stream `id`, and gives the block that it ends, if it does. With `Err`, the fragment is
    /// missing, and why.
    pub(super) fn add(
        &mut self,
        head: &Head,
        id: u32,
        fragment: Result<&[u8], Reason>,
        span: Span,
    ) -> Result<Option<Block>, Reason> {
        let mut block = match (self.open.take(), head.kind) {
            (Some(open), CONTINUATION) if open.head.stream == head.stream => open,
            (None, CONTINUATION) => {
                self.table.forget();
                return Err(Reason::HeadLost);
            }
            (Some(_), _) => {
                self.table.forget();
                return Err(Reason::HeadMalformed);
            }
            (None, _) => {
                self.bytes.clear();
                Block { head: *head, id, span, problem: None }
            }
        };
        block.span.add(span.first);
        block.span.add(span.last);
        match fragment {
            _ if block.problem.is_some() => {}
            Err(reason) => block.problem = Some(reason),
            // One that is whole is read where it is.
            Ok(_) if head.ends_block() && head.kind != CONTINUATION => {}
            Ok(fragment) if self.bytes.len() + fragment.len() > PAYLOAD_BYTES => {
                block.problem = Some(Reason::HeadTooLong);
            }
            Ok(fragment) => self.bytes.extend_from_slice(fragment),
        }
        if head.ends_block() {
            return Ok(Some(block));
        }
        self.open = Some(block);
        Ok(None)
    }

    /// Reads a block that `fragment` has ended. `is_from_start` tells whether the connection was seen from its beginning.
    pub(super) fn read(
        &mut self,
        block: &Block,
        fragment: &[u8],
        is_from_start: bool,
        limits: &Limits,
        message: &mut Message,
    ) -> Result<Given, Reason> {
        if !self.is_settled && is_from_start && self.has_settings {
            self.table = Table::empty();
        }
        self.is_settled = true;
        if let Some(reason) = block.problem {
            self.table.forget();
            return Err(reason);
        }
        let bytes = if self.bytes.is_empty() { fragment } else { &self.bytes };
        let given = message.read(&mut self.table, bytes, limits).map_err(|_| Reason::HeadMalformed);
        self.bytes.clear();
        self.bytes.shrink_to(ORDINARY_BYTES);
        given
    }
}
