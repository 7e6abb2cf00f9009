//! Where a message begins: what the bytes there are, and whether there are enough of them.
//!
//! In: the bytes of a chunk, and what was kept of those before. Out: heads, to be read; or that it is another protocol.

use super::{One, Turn, index, other};
use crate::{
    http::{
        Sink, head, limits,
        looks::{self, Match},
        reader::{Begin, Reading},
        two,
    },
    tcp::{Chunk, Peers, Way},
};
use pitot_model::Reason;

impl One {
    /// Reads what begins a message, or goes on with its head. Returns how many bytes were used.
    pub(super) fn message<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        chunk: &Chunk<'_>,
        sink: &mut S,
    ) -> Result<usize, Turn> {
        let bytes = chunk.bytes;
        let reader = &mut self.readers[index(way)];
        if reader.stash.is_empty() {
            if reader.state == Reading::Search && !chunk.begins_segment && self.is_http {
                return Ok(bytes.len());
            }
            return self.begin(peers, way, chunk, bytes, 0, Begin::of(chunk), sink).map(|used| used.min(bytes.len()));
        }
        reader.begin.span.add(chunk.at);
        let is_sure = matches!(reader.state, Reading::Head { is_sure: true, .. });
        let before = reader.stash.len();
        reader.stash.extend_from_slice(bytes);
        if is_sure
            && reader.stash.len() <= limits::HEAD_BYTES
            && head::end(&reader.stash, before.saturating_sub(3)).is_none()
        {
            return Ok(bytes.len());
        }
        let (stash, begin) = (std::mem::take(&mut reader.stash), reader.begin);
        let result = self.begin(peers, way, chunk, &stash, before, begin, sink);
        let reader = &mut self.readers[index(way)];
        match &reader.state {
            Reading::Head { .. } => reader.stash = stash,
            _ => reader.put_back(stash),
        }
        result.map(|used| used.min(bytes.len()))
    }

    /// Looks at the start of a message: `view`, of which the first `before` bytes came with earlier chunks.
    #[expect(clippy::too_many_arguments, reason = "the one place where all of it meets")]
    fn begin<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        chunk: &Chunk<'_>,
        view: &[u8],
        before: usize,
        begin: Begin,
        sink: &mut S,
    ) -> Result<usize, Turn> {
        let all = Ok(chunk.bytes.len());
        // Who opened a connection is its client, unless the other is the first to ask.
        let (may_ask, may_answer) = match self.client {
            Some(client) if self.is_http => (client == way, client != way),
            _ => (true, Some(way) != self.client),
        };
        let answers = if may_answer { looks::response(view) } else { Match::No };
        let asks = if may_ask { looks::request(view) } else { Match::No };
        if answers == Match::Yes || asks == Match::Yes && looks::is_http_1(view) {
            let is_client = asks == Match::Yes;
            if !self.is_http {
                self.client = Some(if is_client { way } else { other(way) });
                self.found(sink);
            }
            let used = match is_client {
                true => self.request(peers, way, view, begin, sink),
                false => self.response(peers, way, view, begin, sink)?,
            };
            return match used {
                Some(used) => Ok(used.saturating_sub(before)),
                None => {
                    self.unfinished(way, chunk, view, before, true, sink);
                    all
                }
            };
        }
        if let Some(turn) = self.other_protocol(peers, way, view, before) {
            return match turn {
                Ok(used) => {
                    self.readers[index(way)].state = Reading::Start;
                    Ok(used)
                }
                Err(Turn::Stay) => {
                    self.unfinished(way, chunk, view, before, false, sink);
                    all
                }
                Err(turn) => Err(turn),
            };
        }
        if answers == Match::Maybe || asks == Match::Maybe {
            self.unfinished(way, chunk, view, before, false, sink);
            return all;
        }
        let reader = &mut self.readers[index(way)];
        let is_start = matches!(reader.state, Reading::Start | Reading::Head { was_search: false, .. });
        if is_start && before == 0 {
            let blank = view.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if blank > 0 {
                return Ok(blank);
            }
        }
        if is_start && may_answer && self.old_answer(peers, way, begin, sink) {
            return Ok(0);
        }
        if !is_start
            && may_answer
            && self.pairing.may_have_several_answers()
            && let Some(at) = looks::response_within(view).filter(|&at| at > before)
        {
            // Behind the rest of an answer whose head a gap took.
            self.readers[index(way)].state = Reading::Start;
            return Ok(at - before);
        }
        let reader = &mut self.readers[index(way)];
        if !self.is_http {
            reader.strangers = reader.strangers.saturating_add(1);
        } else if is_start {
            sink.count(Reason::HeadMalformed, 1);
            match may_ask {
                true => {
                    let reached = self.begun(way);
                    self.pairing.lose_requests(reached);
                }
                false => self.pairing.lose_answers(),
            }
        }
        self.readers[index(way)].search();
        all
    }

    /// Keeps the start of a head, unless it is too long for one.
    fn unfinished<S: Sink + ?Sized>(
        &mut self,
        way: Way,
        chunk: &Chunk<'_>,
        view: &[u8],
        before: usize,
        is_sure: bool,
        sink: &mut S,
    ) {
        let reader = &mut self.readers[index(way)];
        if view.len() > limits::HEAD_BYTES {
            sink.count(Reason::HeadTooLong, 1);
            reader.search();
        } else if before == 0 {
            reader.keep(chunk, view, is_sure);
        } else if let Reading::Head { is_sure: sure, .. } = &mut reader.state {
            *sure = is_sure;
        }
    }

    /// What else may begin here: HTTP/2, TLS, a PROXY header. `Ok` are bytes to pass over; [`Turn::Stay`] asks for more.
    fn other_protocol(&self, peers: &Peers, way: Way, view: &[u8], before: usize) -> Option<Result<usize, Turn>> {
        let client = || if self.client.is_some() || way == Way::Forth { self.client() } else { Way::Back };
        match two::looks_like_preface(view) {
            two::Match::Yes => return Some(Err(Turn::Two(way, view[..before].to_vec(), 0))),
            two::Match::More if self.client != Some(other(way)) => return Some(Err(Turn::Stay)),
            _ => {}
        }
        if self.is_http {
            return None;
        }
        if self.client != Some(other(way)) {
            match looks::proxy_header(view) {
                Some(0) => return Some(Err(Turn::Stay)),
                Some(n) if n > before => return Some(Ok(n - before)),
                _ => {}
            }
        }
        if looks::is_tls(view, peers.has_handshake) {
            return Some(Err(Turn::Tls));
        }
        two::looks_like_frames(view).then(|| Err(Turn::Two(client(), view[..before].to_vec(), 0)))
    }
}
