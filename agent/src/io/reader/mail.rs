//! The mailbox of the owner thread. In: wakes, outcomes, orders, from other threads and tasks. Out: events, in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Instant,
};

use tokio::sync::oneshot;

use crate::io::{daemon::Daemon, shipping::Shipment};

/// What the thread is told.
pub(in crate::io) enum Event {
    /// A source may have news.
    Wake,
    /// What became of a report.
    Shipped(Shipment),
    /// What the spool is to keep in the place of the store's id; whether it does.
    Asking(String, oneshot::Sender<bool>),
    /// Another configuration; whether it was taken.
    Reload(Box<Daemon>, oneshot::Sender<Result<(), String>>),
    /// Read what is there, and end by this moment.
    Stop(Instant),
}

/// The thread's mailbox, as others have it.
#[derive(Clone)]
pub(in crate::io) struct Mail {
    events: mpsc::Sender<Event>,
    /// Whether a [`Event::Wake`] is on its way.
    is_awake: Arc<AtomicBool>,
}

impl Mail {
    pub(in crate::io) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (events, inbox) = mpsc::channel();
        (Self { events, is_awake: Arc::new(AtomicBool::new(false)) }, inbox)
    }

    pub(in crate::io) fn tell(&self, event: Event) {
        // A thread that is gone needs no telling.
        let _ = self.events.send(event);
    }

    /// The thread is awake: the next wake is told again.
    pub(super) fn wake_heard(&self) {
        self.is_awake.store(false, Ordering::Release);
    }

    /// Many wakes at once are one.
    pub(super) fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        let mail = self.clone();
        Arc::new(move || {
            if !mail.is_awake.swap(true, Ordering::AcqRel) {
                mail.tell(Event::Wake);
            }
        })
    }
}
