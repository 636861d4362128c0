//! How execution speaks, and how it is told to stop.
use incline_model::event::{Event, Outcome};
use tokio::sync::{mpsc, watch};

/// Where events go.
#[derive(Debug, Clone)]
pub struct Say(mpsc::UnboundedSender<Event>);

impl Say {
    /// A speaker, and what hears it.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Says an event. Whoever listened may be gone; the work goes on.
    pub fn event(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Says that a request was accepted.
    pub fn sent(&self, target: &str, what: impl Into<String>) {
        self.event(Event::Sent { target: target.to_owned(), what: what.into() });
    }

    /// Says what goes on.
    pub fn progress(&self, target: &str, what: impl Into<String>) {
        self.event(Event::Progress { target: target.to_owned(), what: what.into() });
    }

    /// Says how a step ended.
    pub(crate) fn finished(&self, target: &str, outcome: Outcome) {
        self.event(Event::Finished { target: target.to_owned(), outcome });
    }
}

/// Whether incline was told to stop. Whoever waits for long looks at it.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A way to say stop, and what is told by it.
pub fn stop() -> (watch::Sender<bool>, Stop) {
    let (sender, receiver) = watch::channel(false);
    (sender, Stop(receiver))
}

impl Stop {
    /// Whether it was said.
    pub fn is_said(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is said; for ever, if nobody can say it any more.
    pub async fn said(&mut self) {
        if self.0.wait_for(|said| *said).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
