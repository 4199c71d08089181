//! A client that takes nothing.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::extract::ws::Message as AxumMessage;
use futures::{Sink, Stream};

use super::{ANNA, folded, paid_orders};
use crate::{
    live::session::{Session, Visitor},
    projections::samples::Log,
    testing::{App, PATIENCE},
};

/// A socket whose client sends nothing and takes nothing, not even its end.
struct Stuck {
    sent: Arc<parking_lot::Mutex<Vec<AxumMessage>>>,
}

impl Stream for Stuck {
    type Item = Result<AxumMessage, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Pending
    }
}

impl Sink<AxumMessage> for Stuck {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: AxumMessage) -> Result<(), axum::Error> {
        self.sent.lock().push(item);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_told_to_resume() {
    let app = App::start().await;
    let sent = Arc::<parking_lot::Mutex<Vec<AxumMessage>>>::default();
    let listening = app.state.live.join(ANNA.0).await;
    let visitor = Visitor { user_id: ANNA.0, token_expires_at: chrono::Utc::now() + chrono::Duration::hours(1) };
    let session = Session::new(&app.state, &listening, visitor);
    let running = tokio::spawn(session.run(Stuck { sent: sent.clone() }));
    let mut log = Log::new();
    paid_orders(&mut log, 300);
    folded(&app.db, &mut log).await;
    tokio::time::timeout(PATIENCE, running).await.expect("the session ends").unwrap();
    let last = sent.lock().last().cloned();
    assert!(matches!(last, Some(AxumMessage::Close(Some(frame))) if frame.code == 4408), "{sent:?}");
}
