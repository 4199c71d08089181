//! Bodies that a refusal left unread: taken and thrown away if they are small, else the connection is closed and says so.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;

/// Bytes of a body nobody wanted that are taken nevertheless.
const TAKEN_BYTES_MAX: usize = 64 * 1024;
/// How long the caller may take to send them.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// A body on loan to a handler; what the handler leaves is still here.
#[derive(Clone)]
pub(super) struct Lent(Arc<Mutex<Body>>);

impl Lent {
    /// Lends `body` out.
    pub(super) fn new(body: Body) -> (Self, Body) {
        let lent = Self(Arc::new(Mutex::new(body)));
        (lent.clone(), Body::new(lent))
    }

    /// After the answer: a caller who still writes would lose it with the connection, or the next answer on it.
    pub(super) async fn settle(self, response: &mut Response) {
        if self.0.lock().is_end_stream() {
            return;
        }
        let announced = self.0.lock().size_hint().lower();
        let is_small = announced <= TAKEN_BYTES_MAX as u64;
        if !is_small || tokio::time::timeout(TAKEN_WITHIN, self.take()).await != Ok(true) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Whether the body came to its end within the bound.
    async fn take(&self) -> bool {
        let mut taken = 0;
        while taken <= TAKEN_BYTES_MAX {
            match poll_fn(|context| Pin::new(&mut *self.0.lock()).poll_frame(context)).await {
                Some(Ok(frame)) => taken += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => return false,
                None => return true,
            }
        }
        false
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
