//! How the relay is doing, for health and metrics.

use std::sync::Arc;

use shared::log::Position;
use tokio::sync::watch;

use super::mirror::ReseedReason;

/// A picture of the relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayStatus {
    /// Whether this process mirrors the log, or stands by.
    pub leader: bool,
    /// Whether the mirror was in step when last looked at.
    pub in_step: bool,
    /// How far the mirror reaches, as far as this process knows; 0 on a standby.
    pub position: Position,
    /// How far the log reaches, as far as this process knows.
    pub head: Position,
    /// How often the mirror was made anew from the log since this process started.
    pub reseeds: u64,
    /// Why it was, the last time.
    pub last_reseed: Option<ReseedReason>,
    /// Why the stream is being deleted and made again, until it is there.
    pub(super) remaking: Option<ReseedReason>,
    /// How often something surprised the relay since this process started.
    pub surprises: u64,
    /// What keeps it from going on; gone as soon as it goes on.
    pub trouble: Option<Arc<str>>,
}

impl RelayStatus {
    /// How many events of the log the mirror lacks; 0 on a standby, which does not know.
    pub fn lag(&self) -> u64 {
        if self.leader { self.head.saturating_sub(self.position) } else { 0 }
    }
}

/// Where the relay writes its status.
#[derive(Debug, Clone)]
pub(super) struct StatusBoard(Arc<watch::Sender<RelayStatus>>);

impl StatusBoard {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(RelayStatus::default())))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<RelayStatus> {
        self.0.subscribe()
    }

    pub(super) fn position(&self) -> Position {
        self.0.borrow().position
    }

    pub(super) fn leads(&self, leader: bool) {
        self.0.send_modify(|status| *status = RelayStatus { leader, in_step: false, position: 0, ..status.clone() });
    }

    /// The database answers, and another process leads.
    pub(super) fn stands_by(&self) {
        self.0.send_if_modified(|status| status.trouble.take().is_some());
    }

    /// The mirror was looked at and holds the log up to `position`.
    pub(super) fn in_step(&self, position: Position, head: Position) {
        self.0.send_modify(|status| {
            status.in_step = true;
            status.position = position;
            status.head = head.max(position);
            status.trouble = None;
            // It was made again, and the answer that said so was lost.
            if let Some(reason) = status.remaking.take() {
                status.reseeds += 1;
                status.last_reseed = Some(reason);
            }
        });
    }

    pub(super) fn mirrored(&self, position: Position, head: Position) {
        self.0.send_modify(|status| {
            status.position = position;
            status.head = head.max(position);
        });
    }

    pub(super) fn head(&self, head: Position) {
        self.0.send_if_modified(|status| std::mem::replace(&mut status.head, head) != head);
    }

    /// The stream is made again. Should the relay not hear how that ended, the next look finds no stream or a new one:
    /// then this is why.
    pub(super) fn remaking(&self, reason: ReseedReason) {
        self.0.send_modify(|status| status.remaking = Some(status.remaking.unwrap_or(reason)));
    }

    pub(super) fn reseeded(&self, reason: ReseedReason) {
        self.0.send_modify(|status| {
            status.reseeds += 1;
            status.last_reseed = Some(status.remaking.take().unwrap_or(reason));
        });
    }

    /// Says whether it is news.
    pub(super) fn trouble(&self, trouble: &dyn std::fmt::Display) -> bool {
        let trouble = trouble.to_string();
        self.0.send_if_modified(|status| {
            let news = status.trouble.as_deref() != Some(&trouble);
            status.in_step = false;
            status.surprises += u64::from(news);
            status.trouble = Some(trouble.into());
            news
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_was_not_made_again_at_once_keeps_its_reason() {
        let board = StatusBoard::new();
        board.remaking(ReseedReason::Foreign);
        // The answer to making it again did not come, and nothing was made.
        board.remaking(ReseedReason::Missing);
        board.reseeded(ReseedReason::Missing);
        assert_eq!((board.0.borrow().reseeds, board.0.borrow().last_reseed), (1, Some(ReseedReason::Foreign)));
        board.in_step(1, 1);
        assert_eq!(board.0.borrow().reseeds, 1);
    }

    #[test]
    fn a_stream_that_was_made_again_counts_though_the_answer_was_lost() {
        let board = StatusBoard::new();
        board.remaking(ReseedReason::Ahead);
        board.in_step(0, 1);
        board.in_step(1, 1);
        assert_eq!((board.0.borrow().reseeds, board.0.borrow().last_reseed), (1, Some(ReseedReason::Ahead)));
    }
}
