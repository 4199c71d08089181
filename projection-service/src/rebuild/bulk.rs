//! Streams on their way from the log into a generation: one task fetches pages, a thread understands and folds them, and
//! the job writes what comes of them. Each is at most two pages ahead of the next, however long the log is.

use std::collections::HashSet;

use shared::{
    domain::AggregateType,
    log::{LogReader, Position, StoredPage, StreamRange},
};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::generations::Generation;
use crate::{
    engine::{Bulk, BulkFold, Model},
    operations::JobError,
};

/// The transaction of a page. Rows and place are lost together or not at all, and what is lost is folded again, so it
/// need not wait for the disk; the swap does.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL synchronous_commit = off";

/// The streams that a generation lacks.
pub(super) struct Pump {
    folded: mpsc::Receiver<Result<Bulk, JobError>>,
}

impl Pump {
    /// Begins behind the last stream that the generation has.
    pub(super) fn start(
        log: &LogReader,
        (model, kind): (&dyn Model, AggregateType),
        generation: &Generation,
        (discarded, page_events): (HashSet<Position>, u32),
    ) -> Self {
        let (fetched, pages) = mpsc::channel(1);
        let (bulks, folded) = mpsc::channel(1);
        let fold = model.bulk(discarded);
        let (log, after, through) = (log.clone(), generation.after.clone(), generation.target);
        tokio::spawn(async move {
            let range = Range { kind, after, through, page_events };
            fetch(&log, range, &fetched).await;
        });
        tokio::task::spawn_blocking(move || fold_pages(fold, pages, &bulks));
        Self { folded }
    }

    /// What came of the next streams; none if there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Bulk>, JobError> {
        self.folded.recv().await.transpose()
    }
}

struct Range {
    kind: AggregateType,
    after: Option<(String, u64)>,
    through: Position,
    page_events: u32,
}

/// Ends when there is no more, or nobody wants it.
async fn fetch(log: &LogReader, mut range: Range, fetched: &mpsc::Sender<Result<StoredPage, JobError>>) {
    loop {
        let after = range.after.as_ref().map(|(id, sequence)| (id.as_str(), *sequence));
        let streams = StreamRange { aggregate_type: range.kind, after, through: range.through };
        let page = log.stored_streams(streams, range.page_events).await;
        let page = page.and_then(|page| Ok((page.last()?, page)));
        let (page, last) = match page {
            Ok((Some(last), page)) => (Ok(page), Some(last)),
            Ok((None, _)) => return,
            Err(error) => (Err(error.into()), None),
        };
        let is_last = page.as_ref().is_ok_and(|page: &StoredPage| page.len() < range.page_events as usize);
        if fetched.send(page).await.is_err() || is_last {
            return;
        }
        let Some((id, sequence)) = last else { return };
        range.after = Some((id.to_string(), sequence));
    }
}

fn fold_pages(
    mut fold: Box<dyn BulkFold>,
    mut pages: mpsc::Receiver<Result<StoredPage, JobError>>,
    bulks: &mpsc::Sender<Result<Bulk, JobError>>,
) {
    while let Some(page) = pages.blocking_recv() {
        let folded = page.and_then(|page| fold_page(&mut *fold, &page));
        let failed = folded.is_err();
        if bulks.blocking_send(folded).is_err() || failed {
            return;
        }
    }
    fold.end();
    // If nobody waits for it, it is folded again.
    let _ = bulks.blocking_send(fold.drain().map_err(Into::into));
}

fn fold_page(fold: &mut dyn BulkFold, page: &StoredPage) -> Result<Bulk, JobError> {
    for event in page.events() {
        fold.take(event?);
    }
    Ok(fold.drain()?)
}

/// Writes the rows.
pub(super) async fn write(tx: &mut PgConnection, bulk: Bulk) -> Result<(), sqlx::Error> {
    for rows in bulk.rows {
        rows.write(tx).await?;
    }
    Ok(())
}
