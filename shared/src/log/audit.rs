//! Judging a whole log: page by page, so that it needs the memory of the auditor and of two pages.

use super::{LogError, LogReader, Position};
use crate::domain::invariants::Auditor;

/// Events that are read at a time.
const PAGE: u32 = 1_000;

/// Has the auditor take every event after what it has taken, up to `head`, and says after each page how far it is. While
/// one page is judged the next one is read.
pub async fn audit(
    reader: &LogReader,
    auditor: &mut Auditor,
    head: Position,
    mut progress: impl FnMut(Position, &Auditor) + Send,
) -> Result<(), LogError> {
    let mut position = auditor.report().position;
    let mut page = if position < head { reader.page(position, PAGE).await? } else { Vec::new() };
    while let Some(last) = page.last().map(|event| event.position) {
        let read = async { if last < head { reader.page(last, PAGE).await } else { Ok(Vec::new()) } };
        // Judging yields nowhere, so it runs between the polls of the read that was started before it.
        let judge = async {
            tokio::task::yield_now().await;
            for event in page.iter().filter(|event| event.position <= head) {
                auditor.take(event);
            }
        };
        let (next, ()) = tokio::join!(read, judge);
        position = last.min(head);
        progress(position, auditor);
        page = next?;
    }
    // What was promised and is not there must not pass as judged.
    if position < head { Err(LogError::EndsEarly { position, head }) } else { Ok(()) }
}
