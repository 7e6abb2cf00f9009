//! Which response answers which request of an HTTP/1 connection.
//!
//! In: requests and responses in the order of their streams, with what each side had received when it sent them. Out: an
//! exchange per request.
//!
//! They pair in order, as long as the acknowledgements allow it: a response that begins at offset `s` of the server's
//! stream and was sent when the server had received the client's stream up to `a` answers a request that begins before
//! `a` and was sent when the client had not received more than `s`. Where a gap may have swallowed whole messages, order
//! is in doubt until a request comes that was sent when all before it had been answered: its sender had received all of the
//! server's stream up to where the next response begins. Until then responses are held back. Those behind the last gap
//! then pair with the last requests: the gap took what is left over, truncated requests or unmatched responses.

mod asked;

use std::collections::VecDeque;

use pitot_model::{Reason, Status, Timestamp};

pub(super) use asked::{Asked, Ends, Kind};
use asked::{Gauge, tell};

use super::{Sink, answer::Answer, graphql::Call, limits, request::Request};

/// Room for the texts of a request that stays for the next.
const SPARE_BYTES: usize = 4 << 10;

/// Whose a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The oldest request's.
    Oldest,
    /// Of a request that was not seen.
    Nobodys,
    /// Not known yet.
    Held,
}

/// Requests that wait, and responses that are held back.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    asked: VecDeque<Asked>,
    /// Memory that `asked` holds beyond itself.
    asked_bytes: usize,
    held: VecDeque<Answer>,
    /// The response that is being read.
    current: Option<(Answer, Whose)>,
    /// Set where a gap may have swallowed requests: the offset that the server's stream had then reached, 0 while that is
    /// not known.
    lost_requests: Option<u64>,
    /// Whether a gap may have swallowed responses.
    has_lost_answers: bool,
    /// For the next request.
    spare: Option<Request>,
    /// Whether nothing was asked since the last tick.
    was_quiet: bool,
}

impl Pairing {
    /// An empty request, with the buffer of an old one.
    pub(super) fn blank(&mut self) -> Request {
        self.spare.take().unwrap_or_default()
    }

    /// Gives a buffer back, to be used again unless it is uncommonly large.
    pub(super) fn recycle(&mut self, mut request: Request) {
        if request.heap_bytes() <= SPARE_BYTES {
            request.clear();
            self.spare = Some(request);
        }
    }

    /// A request began; `reached` is the offset up to which the server's stream was read.
    pub(super) fn ask<S: Sink + ?Sized>(&mut self, ends: &Ends, mut asked: Asked, reached: Option<u64>, sink: &mut S) {
        if self.is_doubtful() {
            if self.lost_requests == Some(0) {
                self.lost_requests = asked.acknowledged.or(Some(0));
            }
            if self.current.is_none() && asked.acknowledged == reached && self.is_barrier(asked.acknowledged) {
                // Those that were sent with it are not answered either.
                let n = self.asked.iter().position(|a| a.acknowledged == asked.acknowledged);
                self.settle(ends, n.unwrap_or(self.asked.len()), sink);
                self.clear_doubt();
            }
            asked.is_after_gap = self.lost_requests.is_some();
        }
        self.flush_answered(ends, sink);
        while self.asked.len() >= limits::REQUESTS || self.asked_bytes > limits::REQUESTS_BYTES {
            self.settle(ends, 1, sink);
        }
        asked.gauge = Gauge::Request;
        sink.in_flight(1, 0);
        self.was_quiet = false;
        // Most connections never have two.
        self.asked.reserve_exact(1);
        self.asked_bytes += asked.heap_bytes();
        self.asked.push_back(asked);
    }

    /// The request that is being read: the newest.
    pub(super) fn newest(&mut self) -> Option<&mut Asked> {
        self.asked.back_mut()
    }

    /// The newest request ended, or its end will not be seen.
    pub(super) fn asked_is_over<S: Sink + ?Sized>(&mut self, ends: &Ends, sink: &mut S) {
        if let Some(newest) = self.asked.back_mut() {
            newest.is_over = true;
            if newest.answer.is_some() {
                self.flush_answered(ends, sink);
            }
        }
    }

    /// The call of GraphQL of the newest request (`is_client`), or of the one whose response is being read.
    pub(super) fn graphql(&mut self, is_client: bool) -> Option<&mut Call> {
        match (is_client, &self.current) {
            (true, _) => self.asked.back_mut()?.graphql.as_deref_mut(),
            (false, Some((_, Whose::Oldest))) => self.asked.front_mut()?.graphql.as_deref_mut(),
            _ => None,
        }
    }

    /// Whether requests wait for their responses behind the one that is being answered.
    pub(super) fn is_waiting_behind_oldest(&self) -> bool {
        self.asked.len() > 1
    }

    /// Whether more than one response may be on its way.
    pub(super) fn may_have_several_answers(&self) -> bool {
        self.asked.len() > 1 || self.lost_requests.is_some()
    }

    /// Whether the newest request asks for another protocol.
    pub(super) fn is_switching(&self) -> bool {
        self.asked.back().is_some_and(|a| matches!(a.kind, Kind::Connect | Kind::Upgrade { .. }))
    }

    /// Something went through the tunnel that the oldest request made.
    pub(super) fn tunnel(&mut self, is_client: bool, at: Timestamp) {
        if let (false, Some((answer, _))) = (is_client, &mut self.current) {
            answer.span.add(at);
        }
    }

    /// Bytes of the client's stream are missing in which requests may have begun; the server's was read up to `reached`.
    pub(super) fn lose_requests(&mut self, reached: Option<u64>) {
        let reached = reached.or_else(|| self.asked.back()?.acknowledged).unwrap_or(0);
        self.lost_requests = self.lost_requests.max(Some(reached));
    }

    /// Bytes of the server's stream are missing in which responses may have begun.
    pub(super) fn lose_answers(&mut self) {
        self.has_lost_answers = true;
    }

    /// Whose the response is that begins here. Interim responses are asked for, too: they may end doubt.
    pub(super) fn whose<S: Sink + ?Sized>(
        &mut self,
        ends: &Ends,
        start: u64,
        acknowledged: Option<u64>,
        sink: &mut S,
    ) -> Whose {
        self.flush_answered(ends, sink);
        // Where order is not in doubt, a server that had received nothing of the request yet may answer it: some send
        // their acknowledgement later than their answer.
        let is_doubtful = self.is_doubtful();
        let fits = |asked: &Asked| {
            acknowledged.is_none_or(|a| a > asked.start || a == asked.start && !is_doubtful)
                && asked.acknowledged.is_none_or(|a| a <= start)
        };
        if self.is_doubtful()
            && let Some(k) =
                self.asked.iter().position(|a| a.acknowledged == Some(start) && self.is_barrier(a.acknowledged))
        {
            self.settle(ends, k, sink);
            self.clear_doubt();
        }
        let Some(oldest) = self.asked.front() else { return Whose::Nobodys };
        if !self.has_lost_answers && !oldest.is_after_gap {
            return if fits(oldest) { Whose::Oldest } else { Whose::Nobodys };
        }
        if self.asked.iter().any(fits) { Whose::Held } else { Whose::Nobodys }
    }

    /// What the response means that was asked about last: the oldest request's kind, where it may be its own.
    pub(super) fn kind(&self, whose: Whose) -> Kind {
        self.asked.front().filter(|_| whose != Whose::Nobodys).map_or(Kind::Plain, |a| a.kind)
    }

    /// The request that an interim response or a switch of protocols belongs to.
    pub(super) fn oldest(&mut self) -> Option<&mut Asked> {
        self.asked.front_mut()
    }

    /// Whatever the oldest request asks for: HTTP/2 does not begin here.
    pub(super) fn forbid_two(&mut self) {
        if let Some(Asked { kind: Kind::Upgrade { is_two }, .. }) = self.asked.front_mut() {
            *is_two = false;
        }
    }

    /// Takes the oldest request away without an exchange, in flight as it is: another reader goes on with it. `None` where its
    /// exchange was told already, since it timed out.
    pub(super) fn hand_over(&mut self) -> Option<Request> {
        self.pop().filter(|asked| !asked.is_told).map(|asked| asked.request)
    }

    /// A final response began; `is_tunnel` where nothing but a tunnel follows.
    pub(super) fn answer<S: Sink + ?Sized>(&mut self, mut answer: Answer, whose: Whose, is_tunnel: bool, sink: &mut S) {
        answer.is_stream |= is_tunnel;
        if whose == Whose::Nobodys {
            sink.count(Reason::ResponseUnmatched, 1);
        }
        self.current = Some((answer, whose));
        self.regauge(sink);
    }

    /// A piece of it came.
    pub(super) fn piece<S: Sink + ?Sized>(&mut self, at: Timestamp, content: u64, is_open: bool, sink: &mut S) {
        if let Some((answer, _)) = &mut self.current {
            let was_stream = answer.is_stream;
            answer.piece(at, content, is_open, sink.limits());
            if answer.is_stream != was_stream {
                self.regauge(sink);
            }
        }
    }

    /// The server ends its stream, which was read up to `reached`, before the client does: for the requests that are whole,
    /// and behind which it said nothing, the connection broke. Where the capture missed something it may have answered.
    pub(super) fn refuse(&mut self, reached: Option<u64>) {
        if self.is_doubtful() {
            return;
        }
        for asked in self.asked.iter_mut().filter(|a| a.is_over && !a.has_gap && !a.request.is_damaged) {
            asked.is_refused = asked.acknowledged.is_some_and(|a| reached.is_none_or(|reached| a == reached));
        }
    }

    /// The response that is being read.
    pub(super) fn current(&mut self) -> Option<&mut Answer> {
        self.current.as_mut().map(|(answer, _)| answer)
    }

    /// The response ended (`has_ended`), or no more will be seen of it.
    pub(super) fn answered<S: Sink + ?Sized>(&mut self, ends: &Ends, has_ended: bool, sink: &mut S) {
        let Some((mut answer, whose)) = self.current.take() else { return };
        answer.has_ended = has_ended;
        match whose {
            Whose::Nobodys => {}
            Whose::Held => {
                self.held.push_back(answer);
                // No more can come than were asked for, unless requests are missing as well.
                if self.lost_requests.is_none() && self.held.len() == self.asked.len()
                    || self.held.len() >= limits::HELD_ANSWERS
                {
                    self.settle(ends, self.asked.len(), sink);
                    self.clear_doubt();
                }
            }
            Whose::Oldest => match self.asked.front_mut() {
                Some(oldest) if !oldest.is_over => oldest.answer = Some(answer),
                Some(_) => {
                    if let Some(asked) = self.pop() {
                        self.tell(ends, asked, Some(&answer), Status::NONE, false, sink);
                    }
                }
                None => {}
            },
        }
    }

    /// Tells of requests that wait too long.
    pub(super) fn tick<S: Sink + ?Sized>(&mut self, ends: &Ends, now: Timestamp, reached: Option<u64>, sink: &mut S) {
        if self.asked.is_empty() && std::mem::replace(&mut self.was_quiet, true) {
            // Idle connections are many: their memory is better used elsewhere.
            (self.asked, self.spare) = (VecDeque::new(), None);
            return;
        }
        let within = sink.limits().answer_within;
        let is_overdue = |a: &Asked| now.since(a.request.span.last) >= within;
        if self.current.is_none() && !self.held.is_empty() && self.asked.iter().all(is_overdue) {
            // Whose they are will not be known better.
            self.settle(ends, self.asked.len(), sink);
            self.clear_doubt();
        }
        let is_answering = matches!(self.current, Some((_, Whose::Oldest)));
        // Bytes that the client has received, and the capture has not: it was answered.
        let received = self.asked.back().and_then(|a| a.acknowledged);
        for asked in self.asked.iter_mut().skip(usize::from(is_answering)) {
            if asked.is_told || asked.answer.is_some() || now.since(asked.request.span.last) < within {
                continue;
            }
            let was_answered = received.is_some_and(|a| Some(a) > reached && Some(a) > asked.acknowledged);
            asked.request.is_damaged |= was_answered;
            let status = match (was_answered, asked.is_refused) {
                (true, _) => Status::TRUNCATED,
                (_, true) => Status::RESET,
                _ => Status::TIMEOUT,
            };
            tell(ends, asked, None, status, sink);
            asked.is_told = true;
        }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.asked.capacity() * size_of::<Asked>()
            + self.asked_bytes
            + self.held.capacity() * size_of::<Answer>()
            + self.spare.as_ref().map_or(0, Request::heap_bytes)
    }

    /// Whether nothing was asked between two ticks, and nothing is open.
    pub(super) fn is_quiet(&self) -> bool {
        self.was_quiet && self.asked.is_empty()
    }

    /// The connection is over: tells of all that is left. `status` is that of requests without an answer.
    pub(super) fn close<S: Sink + ?Sized>(&mut self, ends: &Ends, status: Status, sink: &mut S) {
        if self.current.is_some() {
            if let Some(oldest) = self.asked.front_mut() {
                oldest.is_over = true;
            }
            self.answered(ends, false, sink);
        }
        if self.is_doubtful() && !self.held.is_empty() {
            self.settle(ends, self.asked.len(), sink);
        }
        // A gap may have taken the answer.
        let may_be_lost = self.has_lost_answers;
        while let Some(mut asked) = self.pop() {
            let answer = asked.answer.take();
            let is_damaged = may_be_lost && answer.is_none();
            let status = if asked.is_refused && !may_be_lost { Status::RESET } else { status };
            self.tell(ends, asked, answer.as_ref(), status, is_damaged, sink);
        }
    }

    /// Takes the oldest request out.
    fn pop(&mut self) -> Option<Asked> {
        let asked = self.asked.pop_front()?;
        self.asked_bytes -= asked.heap_bytes();
        Some(asked)
    }

    fn is_doubtful(&self) -> bool {
        self.has_lost_answers || self.lost_requests.is_some()
    }

    fn clear_doubt(&mut self) {
        (self.has_lost_answers, self.lost_requests) = (false, None);
        for asked in &mut self.asked {
            asked.is_after_gap = false;
        }
    }

    /// Whether a request that was sent when this was received may be the first of a new burst: the server has said
    /// something since requests were lost.
    fn is_barrier(&self, acknowledged: Option<u64>) -> bool {
        acknowledged.is_some_and(|a| self.lost_requests.is_none_or(|reached| a > reached))
    }

    /// Ends doubt about the oldest `n` requests: all responses held back are theirs, the last ones surely.
    fn settle<S: Sink + ?Sized>(&mut self, ends: &Ends, n: usize, sink: &mut S) {
        let n = n.min(self.asked.len());
        // What one gap took can be counted. What gaps of both streams took cannot: as many of the one as of the other
        // leave no trace.
        let is_guess = match (self.has_lost_answers, self.lost_requests.is_some()) {
            (true, true) => true,
            (true, false) => self.held.len() > n,
            (false, _) => self.held.len() < n,
        };
        let surplus = self.held.len().saturating_sub(n);
        if surplus > 0 {
            self.held.drain(..surplus);
            sink.count(Reason::ResponseUnmatched, surplus as u64);
        }
        let missing = n - self.held.len();
        for i in 0..n {
            let Some(mut asked) = self.pop() else { break };
            let answer = asked.answer.take().or_else(|| if i < missing { None } else { self.held.pop_front() });
            let is_lost = answer.is_none();
            self.tell(ends, asked, answer.as_ref(), Status::TRUNCATED, is_guess || is_lost, sink);
        }
        if self.asked.is_empty() {
            self.clear_doubt();
        }
    }

    /// Tells of the oldest request where it was answered, and nothing more of it can come.
    fn flush_answered<S: Sink + ?Sized>(&mut self, ends: &Ends, sink: &mut S) {
        if let Some(oldest) = self.asked.front_mut()
            && let Some(answer) = oldest.answer.take()
            && let Some(asked) = self.pop()
        {
            self.tell(ends, asked, Some(&answer), Status::NONE, false, sink);
        }
    }

    fn tell<S: Sink + ?Sized>(
        &mut self,
        ends: &Ends,
        mut asked: Asked,
        answer: Option<&Answer>,
        status: Status,
        is_damaged: bool,
        sink: &mut S,
    ) {
        asked.request.is_damaged |= is_damaged;
        if !asked.is_told {
            tell(ends, &mut asked, answer, status, sink);
        }
        self.recycle(asked.request);
    }

    /// Counts the oldest request as a stream once its answer is one.
    fn regauge<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        if let Some((Answer { is_stream: true, .. }, Whose::Oldest)) = self.current
            && let Some(oldest) = self.asked.front_mut()
            && oldest.gauge == Gauge::Request
        {
            oldest.gauge = Gauge::Stream;
            sink.in_flight(-1, 1);
        }
    }
}
