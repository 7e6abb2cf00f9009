//! The life of the owner thread: it takes jobs one at a time, and looks at the clock in between.
//!
//! In: jobs. Out: answers. An answer that promises something to last is held until everything that was stored before it
//! is on disk: the jobs that are there are done first, then one write through to the disk serves all of them. So a hundred
//! agents cost hardly more of those than one. Questions go before reports: a screen waits for one report and one write at
//! most, and a report for no more questions than there are screens.

#![expect(clippy::disallowed_methods, reason = "how long a batch takes is real time, whatever the clock says")]

use std::{
    collections::VecDeque,
    sync::mpsc,
    time::{Duration, Instant},
};

use pitot_model::api::Problem;
use tokio::sync::oneshot;

use super::Core;
use crate::io::clock::Clock;

/// How often the owner thread looks at the clock when nothing happens.
const TICK: Duration = Duration::from_millis(250);

/// Answers held for one write through to the disk.
const HELD: usize = 256;

/// How long jobs are taken before those that are done get what they wait for.
const BATCH: Duration = Duration::from_millis(20);

/// The longest turn of jobs after a long tick.
const SHARE: Duration = Duration::from_millis(500);

/// What is run on the owner thread. It answers by itself, or gives the answer to be held.
pub(super) type Ask = Box<dyn FnOnce(&mut Core) -> Option<Held> + Send>;

/// An answer that waits for the disk; it is told why what it promises may not last.
pub(super) type Held = Box<dyn FnOnce(Result<(), Problem>) + Send>;

pub(super) enum Job {
    Ask(Ask),
    /// A report to store; questions go before it.
    Report(Ask),
    Stop(oneshot::Sender<()>),
}

/// Runs until it is told to stop, or nobody can ask any more; an error is why it cannot go on.
pub(super) fn own(mut core: Core, inbox: &mpsc::Receiver<Job>, clock: &Clock) -> Result<(), String> {
    let mut next = clock();
    let mut share = BATCH;
    loop {
        let patience = if core.is_behind() { Duration::ZERO } else { TICK };
        let stop = match inbox.recv_timeout(patience) {
            Ok(job) => batch(&mut core, job, inbox, clock, share),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                core.close(clock());
                return Ok(());
            }
        };
        if let Some(done) = stop {
            core.close(clock());
            let _ = done.send(());
            return Ok(());
        }
        let now = clock();
        // A clock that was set back must not stop the ticks until it has caught up.
        if now >= next || now + TICK < next || core.is_behind() {
            let began = Instant::now();
            core.tick(now)?;
            // Who waited as long as that gets as long a turn: however much there is to roll up, half of the time is theirs.
            share = began.elapsed().clamp(BATCH, SHARE);
            next = now + TICK;
        }
    }
}

/// Does a job and those that wait behind it, questions before reports, for so long. Answers who wants it all to end.
fn batch(
    core: &mut Core,
    first: Job,
    inbox: &mpsc::Receiver<Job>,
    clock: &Clock,
    share: Duration,
) -> Option<oneshot::Sender<()>> {
    let (began, mut reports, mut held, mut stop) = (Instant::now(), VecDeque::new(), Vec::new(), None);
    let mut next = Some(first);
    loop {
        while let Some(job) = next.take() {
            match job {
                Job::Ask(ask) => held.extend(ask(core)),
                Job::Report(take) => reports.push_back(take),
                Job::Stop(done) => stop = Some(done),
            }
            if stop.is_none() && held.len() < HELD && began.elapsed() < share {
                next = inbox.try_recv().ok();
            }
        }
        let Some(take) = reports.pop_front() else { break };
        held.extend(take(core));
        if stop.is_none() && held.len() < HELD && began.elapsed() < share {
            next = inbox.try_recv().ok();
        }
    }
    if !held.is_empty() {
        let synced = core.sync(clock());
        held.into_iter().for_each(|answer| answer(synced.clone()));
    }
    stop
}
