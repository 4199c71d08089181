//! A stream in pages, of which the next one comes while the last one is worked on.

use shared::log::{LogError, LogReader, RecordedEvent};
use tokio_util::task::AbortOnDropHandle;

use super::replay::StreamId;

/// Events of a page. Two pages are in memory at a time.
const PAGE: u64 = 2_000;

type Page = Result<Vec<RecordedEvent>, LogError>;

/// The events of a stream in order, page by page. To fetch and read them takes as long as to apply them, so both are done
/// at the same time.
pub(super) struct Pages {
    log: LogReader,
    stream: StreamId,
    /// The last version that is wanted.
    last: u64,
    coming: Option<AbortOnDropHandle<Page>>,
}

impl Pages {
    /// The events behind version `after`, up to version `last`.
    pub(super) fn between(log: &LogReader, stream: StreamId, after: u64, last: u64) -> Self {
        let mut pages = Self { log: log.clone(), stream, last, coming: None };
        pages.fetch(after);
        pages
    }

    /// The next page; none behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        let Some(coming) = self.coming.take() else { return Ok(None) };
        let page = coming.await.expect("only the end of the program keeps a page from coming")?;
        match page.last() {
            // A page that is not full is the last one.
            Some(newest) if page.len() as u64 == PAGE => self.fetch(newest.sequence),
            Some(_) | None => {}
        }
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    fn fetch(&mut self, after: u64) {
        let limit = self.last.saturating_sub(after).min(PAGE) as u32;
        if limit == 0 {
            return;
        }
        let (log, StreamId { aggregate_type, aggregate_id }) = (self.log.clone(), self.stream);
        let page = async move { log.stream(aggregate_type, aggregate_id, after, limit).await };
        self.coming = Some(AbortOnDropHandle::new(tokio::spawn(page)));
    }
}
