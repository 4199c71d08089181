//! The bank's door: calls, pages and control over HTTP, with connections that close without an answer.

use std::{
    convert::Infallible,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::{
    FakeBank, calls, control,
    faults::{Fault, Operation},
    page,
};

/// The answer that is none.
#[derive(Clone, Copy)]
struct Dropped {
    /// Whether the other side is to see a reset instead of an end.
    is_reset: bool,
}

/// Bytes of an answer that does not end.
const HUGE: usize = 4 * 1024 * 1024;

pub(crate) async fn run(bank: FakeBank, listener: TcpListener) {
    let router = router(bank.clone());
    loop {
        let stream = tokio::select! {
            () = bank.inner.closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        tokio::spawn(serve(stream, router.clone(), bank.clone()));
    }
}

/// Between two bytes of an answer that trickles.
const DRIP: Duration = Duration::from_millis(50);

/// Serves one connection; an answer that is to be dropped ends it.
async fn serve(stream: TcpStream, router: Router, bank: FakeBank) {
    let _ = stream.set_nodelay(true);
    let is_reset = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_reset);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (router, told) = (router.clone(), Arc::clone(&told));
        async move {
            let answered: Result<Response, Infallible> = router.oneshot(request.map(Body::new)).await;
            let response = answered.unwrap_or_else(|never| match never {});
            if let Some(dropped) = response.extensions().get::<Dropped>() {
                told.store(dropped.is_reset, Ordering::Relaxed);
                return Err("the bank hangs up");
            }
            Ok(response)
        }
    });
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = bank.inner.closing.cancelled() => {}
        _ = &mut connection => {}
    }
    if is_reset.load(Ordering::Relaxed) {
        // A socket that is closed without lingering is reset.
        let _ = connection.into_parts().io.into_inner().set_zero_linger();
    }
}

fn router(bank: FakeBank) -> Router {
    let calls = Operation::ALL.into_iter().fold(Router::new(), |router, operation| {
        let call = move |State(bank): State<FakeBank>, body: Bytes| async move { call(bank, operation, body).await };
        router.route(&format!("/v2/{}", operation.name()), post(call))
    });
    calls.merge(control::router()).merge(page::router()).with_state(bank)
}

async fn call(bank: FakeBank, operation: Operation, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return json(&calls::refusal("9999", "Неверные параметры"));
    };
    let order_ref = bank.order_of(&body);
    let fault = {
        let mut faults = bank.inner.faults.lock();
        faults.count(operation);
        faults.next(operation, &order_ref)
    };
    let fault = fault.or_else(|| bank.fault_of_kopecks(operation, &body));
    let fault = fault.or_else(|| bank.inner.chaos.lock().as_mut().and_then(|dice| dice.fault(operation)));
    match fault {
        None => done(&bank, operation, &body).await,
        Some(fault) => go_wrong(&bank, operation, &body, fault).await,
    }
}

async fn done(bank: &FakeBank, operation: Operation, body: &Map<String, Value>) -> Response {
    let answer = bank.answer(operation, body);
    match answer.news {
        Some(news) if answer.news_first => bank.tell(news).await,
        Some(news) => bank.tell_later(news),
        None => {}
    }
    json(&answer.body)
}

async fn go_wrong(bank: &FakeBank, operation: Operation, body: &Map<String, Value>, fault: Fault) -> Response {
    bank.inner.faults.lock().did(fault.name());
    let status = |status: u16| StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match fault {
        Fault::DropBefore => dropped(false),
        Fault::DropAfter => {
            done(bank, operation, body).await;
            dropped(false)
        }
        Fault::ResetAfter => {
            done(bank, operation, body).await;
            dropped(true)
        }
        Fault::StallBefore { ms } => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            dropped(false)
        }
        Fault::StallAfter { ms } => {
            let response = done(bank, operation, body).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            response
        }
        Fault::TrickleAfter { ms } => trickling(done(bank, operation, body).await, ms),
        Fault::StatusBefore { status: code } => status(code).into_response(),
        Fault::StatusAfter { status: code } => {
            done(bank, operation, body).await;
            status(code).into_response()
        }
        Fault::RateLimit { retry_after_s } => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry_after_s.to_string())]).into_response()
        }
        Fault::Code { code, message } => json(&calls::refusal(&code, &message)),
        Fault::GarbageAfter => {
            done(bank, operation, body).await;
            "<html>Ведутся технические работы</html>".into_response()
        }
        Fault::PaidMeanwhile => {
            // Whoever cannot pay any more does not.
            let _ = bank.pay(&bank.order_of(body), crate::Telling::nothing()).await;
            done(bank, operation, body).await
        }
        Fault::HugeAfter => {
            done(bank, operation, body).await;
            vec![b' '; HUGE].into_response()
        }
    }
}

fn dropped(is_reset: bool) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Dropped { is_reset });
    response
}

/// The same head, and a body that begins and does not end.
fn trickling(response: Response, ms: u64) -> Response {
    let drips = ms / u64::try_from(DRIP.as_millis()).unwrap_or(1);
    let drops = futures::stream::unfold(0, move |drip| async move {
        tokio::time::sleep(DRIP).await;
        let next: io::Result<Bytes> =
            if drip < drips { Ok(Bytes::from_static(b" ")) } else { Err(io::Error::other("the bank hangs up")) };
        (drip <= drips).then_some((next, drip + 1))
    });
    let (head, _) = response.into_parts();
    Response::from_parts(head, Body::from_stream(drops))
}

fn json(body: &Map<String, Value>) -> Response {
    let text = Value::Object(body.clone()).to_string();
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
