//! How the owner thread hands reports on, and what it makes of the answers.

use tracing::warn;

use super::Reader;
use crate::io::{
    now,
    shipping::{Fate, Shipment},
};

impl Reader {
    /// Hands the oldest report on, if none is on its way.
    pub(super) fn offer(&mut self) {
        if self.offered.is_some() || self.fronts.capacity() == 0 {
            return;
        }
        match self.spool.front() {
            Ok(Some(front)) => {
                self.offered = Some(front.incarnation);
                // There was room, and nobody else sends.
                let _ = self.fronts.try_send(front);
                self.is_unreadable = false;
            }
            Ok(None) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.is_unreadable, true) {
                    warn!(%error, "no report can be shipped from the spool");
                }
            }
        }
    }

    pub(super) fn settle(&mut self, Shipment { number, fate }: Shipment) {
        let done = match fate {
            Fate::Waiting => {
                self.is_answered = false;
                return;
            }
            Fate::Taken(accepted) => {
                (self.is_answered, self.read.n_taken) = (true, self.read.n_taken + 1);
                let store = if accepted.store.is_empty() { self.spool.store().to_owned() } else { accepted.store };
                let is_ours = !self.is_behind(accepted.sequence);
                if !is_ours {
                    self.renew();
                }
                // Whether it was a repeat of ours or of somebody else's, nobody can tell any more.
                let done = match is_ours || !accepted.duplicate {
                    true => self.spool.acknowledge(number),
                    false => self.spool.refuse(number),
                };
                done.and_then(|()| self.spool.set_store(&store))
            }
            Fate::Refused(why, has_conflict) => {
                self.is_answered = true;
                warn!(why, "report refused; its transactions are counted as `report_refused`");
                if has_conflict {
                    self.renew();
                }
                self.spool.refuse(number)
            }
        };
        self.offered = None;
        if let Err(error) = done {
            warn!(%error, "the spool could not be tidied; what was shipped may be shipped again, and counts once");
        }
    }

    /// Whether the collector knows later reports of this incarnation than were ever made here: of another agent of this
    /// name, or of this one before its state was restored from a copy.
    fn is_behind(&self, stored: u64) -> bool {
        let (incarnation, last) = self.spool.last_made();
        self.offered == Some(incarnation) && stored > last
    }

    fn renew(&mut self) {
        warn!(
            agent = self.daemon.name,
            "the collector has other reports of this agent than were made here: its state is an old copy, or another agent \
             has the same name and state; reports that are made from now on count as those of another start"
        );
        self.spool.renew(u64::try_from(now().as_micros()).unwrap_or(0));
    }
}
