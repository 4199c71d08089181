//! Whole streams folded in memory, one after the other: each row is made once and never changed.

use std::collections::HashSet;

use shared::log::{Position, RecordedEvent};
use uuid::Uuid;

use super::{
    copy::CopyRows,
    failpoints::Failpoints,
    fold::apply,
    model::Refusal,
    projection::{FoldError, ReadModel},
};

/// Events of one stream that are kept to be folded again if the next one is refused.
const AGAIN_MAX: usize = 64;

/// Folds streams of which nothing is stored.
pub trait BulkFold: Send {
    /// Takes the next event: each stream whole and in order, one after the other.
    fn take(&mut self, event: RecordedEvent);

    /// There is no more; the last stream has ended, too.
    fn end(&mut self);

    /// Gives out what came of the streams that have ended since the last time.
    fn drain(&mut self) -> Result<Bulk, sqlx::Error>;
}

/// What came of some whole streams.
#[derive(Debug, Default)]
pub struct Bulk {
    /// Their rows.
    pub rows: Vec<CopyRows>,
    /// Those that stand still, and why.
    pub refused: Vec<(Uuid, Refusal)>,
    /// How many events they have.
    pub events: u64,
    /// The last event of the last of them; none if no stream has ended.
    pub through: Option<(Uuid, u64)>,
}

/// The streams of one projection.
pub(super) struct Streams<P: ReadModel> {
    failpoints: Failpoints,
    discarded: HashSet<Position>,
    open: Option<Stream<P::Row>>,
    rows: Vec<P::Row>,
    ended: Bulk,
}

/// The stream that has not ended yet.
struct Stream<R> {
    id: Uuid,
    sequence: u64,
    events: u64,
    stands_still: bool,
    row: Option<R>,
    /// The row as it was before these events. A row is folded in place; if an event is refused it is made again.
    before: Option<R>,
    since: Vec<RecordedEvent>,
}

impl<P: ReadModel> Streams<P> {
    pub(super) fn new(failpoints: Failpoints, discarded: HashSet<Position>) -> Self {
        Self { failpoints, discarded, open: None, rows: Vec::new(), ended: Bulk::default() }
    }

    fn fold(&mut self, stream: &mut Stream<P::Row>, event: RecordedEvent) {
        if stream.stands_still || P::keys(&event).is_empty() || self.discarded.contains(&event.position) {
            return;
        }
        let refused = self.failpoints.refuses(P::NAME, event.aggregate_id).then_some(FoldError::Failpoint);
        match refused.map_or_else(|| after::<P>(stream.row.take(), &event), Err) {
            Ok(row) => {
                stream.row = row;
                stream.since.push(event);
                if stream.since.len() == AGAIN_MAX {
                    stream.before.clone_from(&stream.row);
                    stream.since.clear();
                }
            }
            Err(error) => {
                stream.stands_still = true;
                stream.row = stream.before.take();
                for before in stream.since.drain(..) {
                    // It was folded a moment ago.
                    stream.row = after::<P>(stream.row.take(), &before).ok().flatten();
                }
                self.ended.refused.push((stream.id, Refusal::new(&event, &error)));
            }
        }
    }

    fn close(&mut self, stream: Stream<P::Row>) {
        self.ended.events += stream.events;
        self.ended.through = Some((stream.id, stream.sequence));
        if let Some(mut row) = stream.row {
            P::settle(&mut row);
            self.rows.push(row);
        }
    }
}

fn after<P: ReadModel>(row: Option<P::Row>, event: &RecordedEvent) -> Result<Option<P::Row>, FoldError> {
    let domain = event.event.as_ref().map_err(|error| FoldError::Decode(error.clone()))?;
    apply::<P>(row, event, domain)
}

impl<P: ReadModel> BulkFold for Streams<P> {
    fn take(&mut self, event: RecordedEvent) {
        let mut stream = match self.open.take() {
            Some(stream) if stream.id == event.aggregate_id => stream,
            other => {
                if let Some(ended) = other {
                    self.close(ended);
                }
                Stream::new(event.aggregate_id)
            }
        };
        stream.sequence = event.sequence;
        stream.events += 1;
        self.fold(&mut stream, event);
        self.open = Some(stream);
    }

    fn end(&mut self) {
        if let Some(ended) = self.open.take() {
            self.close(ended);
        }
    }

    fn drain(&mut self) -> Result<Bulk, sqlx::Error> {
        let mut bulk = std::mem::take(&mut self.ended);
        bulk.rows = P::copy(&std::mem::take(&mut self.rows))?;
        if let Some(stream) = self.open.as_ref().filter(|stream| stream.stands_still) {
            // What refused it is told with the stream, which has not ended.
            let (told, later) = bulk.refused.into_iter().partition(|(id, _)| *id != stream.id);
            (bulk.refused, self.ended.refused) = (told, later);
        }
        Ok(bulk)
    }
}

impl<R> Stream<R> {
    fn new(id: Uuid) -> Self {
        Self { id, sequence: 0, events: 0, stands_still: false, row: None, before: None, since: Vec::new() }
    }
}
