//! Serving a router until the program ends.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, ServiceExt, serve::ListenerExt};
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{alias::Alias, request};
use crate::runtime::Metrics;

/// How long a client may take nothing of what is on its way to it.
const STUCK: Duration = Duration::from_secs(60);

/// Serves `router`, with everything that every request needs around it, until `shutdown`; requests under way are
/// answered before it returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_unless_stuck(listener, router, (metrics, STUCK), shutdown).await
}

async fn serve_unless_stuck(
    listener: TcpListener,
    router: Router,
    (metrics, stuck): (Arc<Metrics>, Duration),
    shutdown: CancellationToken,
) -> io::Result<()> {
    // Answers are small and complete; waiting to fill a packet only delays them.
    let listener = listener.tap_io(move |stream| {
        let _ = stream.set_nodelay(true);
        end_when_stuck(stream, stuck);
    });
    let service = Alias::new(request::finish(router, metrics));
    // Whoever connects is told to the handlers: some take requests from known networks only.
    let service = ServiceExt::<Request<axum::body::Body>>::into_make_service_with_connect_info::<SocketAddr>(service);
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Nothing here waits for a client, so nothing here would notice that one takes nothing; whoever sends does.
#[cfg(target_os = "linux")]
fn end_when_stuck(stream: &TcpStream, stuck: Duration) {
    let millis = u32::try_from(stuck.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
        tracing::warn!(%error, "a client that takes nothing will not be cut off");
    }
}

/// Elsewhere the system's own patience has to do.
#[cfg(not(target_os = "linux"))]
fn end_when_stuck(_: &TcpStream, _: Duration) {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{body::Body, routing::get};
    use bytes::Bytes;
    use futures::stream;
    use tokio::{io::AsyncWriteExt, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_cut_off() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let dropped = CancellationToken::new();
        let answering = dropped.clone();
        let endless = get(move || {
            let whole = answering.clone().drop_guard();
            async move {
                Body::from_stream(stream::unfold(whole, |whole| async {
                    Some((Ok::<_, Infallible>(Bytes::from(vec![b'.'; 65_536])), whole))
                }))
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = (Metrics::new("test", "0"), Duration::from_millis(500));
        let router = Router::new().route("/endless", endless);
        let serving = tokio::spawn(serve_unless_stuck(listener, router, settings, CancellationToken::new()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /endless HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        timeout(Duration::from_secs(20), dropped.cancelled()).await.expect("the answer is given up");
        serving.abort();
        drop(client);
    }
}
