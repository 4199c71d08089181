//! Serving a router until the program ends.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, ServiceExt, serve::ListenerExt};
use http::Request;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{alias::Alias, request};
use crate::runtime::Metrics;

/// Serves `router`, with everything that every request needs around it, until `shutdown`; requests under way are
/// answered before it returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Answers are small and complete; waiting to fill a packet only delays them.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = Alias::new(request::finish(router, metrics));
    // Whoever connects is told to the handlers: some take requests from known networks only.
    let service = ServiceExt::<Request<axum::body::Body>>::into_make_service_with_connect_info::<SocketAddr>(service);
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
