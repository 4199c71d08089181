//! Listeners over server-sent events: the same entries, resumed by the last id.

use super::*;

/// What a listener hears: the names, ids and data of events, as they come over the wire.
struct Listener {
    answer: reqwest::Response,
    text: String,
}

impl Listener {
    async fn open(address: &str, token: &str, last_id: Option<i64>) -> reqwest::Response {
        let url = address.replace("ws://", "http://").replace("/ws", "/api/v1/feed/stream");
        let mut request = reqwest::Client::new().get(url).bearer_auth(token);
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        request.send().await.unwrap()
    }

    async fn start(address: &str, token: &str, last_id: Option<i64>) -> Self {
        let answer = Self::open(address, token, last_id).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { answer, text: String::new() }
    }

    /// The next event: its name, its id and its data.
    async fn hear(&mut self) -> (String, Option<i64>, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let heard = field("event: ").map(|name| {
                    let id = field("id: ").map(|id| id.parse().unwrap());
                    (name, id, serde_json::from_str(&field("data: ").unwrap()).unwrap())
                });
                self.text = rest.to_owned();
                match heard {
                    Some(heard) => return heard,
                    // A comment, to keep the connection.
                    None => continue,
                }
            }
            let piece = tokio::time::timeout(PATIENCE, self.answer.chunk()).await.expect("in time");
            self.text.push_str(std::str::from_utf8(&piece.unwrap().expect("an open stream")).unwrap());
        }
    }

    async fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.hear().await.1.expect("an entry"));
        }
        ids
    }
}

#[tokio::test]
async fn a_listener_hears_what_a_socket_hears_and_resumes_by_its_last_id() {
    let (app, mut log) = (App::start().await, Log::new());
    let address = app.listen().await;
    let token = token(&app, ANNA);
    let mut listener = Listener::start(&address, &token, None).await;
    assert_eq!(listener.hear().await, ("hello".to_owned(), Some(0), json!({"head_id": 0})));
    let mut socket = open(&app, &address, ANNA).await;
    paid_orders(&mut log, 20);
    log.write(&app.db).await;
    for _ in 0..20 {
        let (name, id, data) = listener.hear().await;
        let said = socket.hear().await;
        assert_eq!((&json!(name), &json!(id), &data), (&said["type"], &said["id"], &said["data"]));
    }
    drop(listener);
    paid_orders(&mut log, 300);
    log.write(&app.db).await;
    eventually("all are told", || async { checkpoint(&app.db, "feed").await == log.events.len() as i64 }).await;
    let mut listener = Listener::start(&address, &token, Some(20)).await;
    assert_eq!(listener.hear().await.0, "hello");
    assert_eq!(listener.ids(300).await, (21..=320).collect::<Vec<_>>());
    // And goes on live, without a step between.
    paid_orders(&mut log, 1);
    log.write(&app.db).await;
    assert_eq!(listener.ids(1).await, [321]);
    // Who loses the stream before the first entry comes back to where it began: browsers send the last id they saw.
    drop(listener);
    let mut listener = Listener::start(&address, &token, None).await;
    let (_, begun_at, _) = listener.hear().await;
    drop(listener);
    paid_orders(&mut log, 1);
    log.write(&app.db).await;
    eventually("it is told", || async { checkpoint(&app.db, "feed").await == log.events.len() as i64 }).await;
    let mut listener = Listener::start(&address, &token, begun_at).await;
    assert_eq!(listener.hear().await.0, "hello");
    assert_eq!(listener.ids(1).await, [322]);
}

#[tokio::test]
async fn what_is_too_old_to_be_told_again_is_named() {
    let (app, mut log) = (App::start().await, Log::new());
    let address = app.listen().await;
    paid_orders(&mut log, 10);
    log.write(&app.db).await;
    eventually("all are told", || async { checkpoint(&app.db, "feed").await == log.events.len() as i64 }).await;
    sqlx::query("DELETE FROM feed_entries WHERE id <= 4").execute(&app.db).await.unwrap();
    let mut listener = Listener::start(&address, &token(&app, ANNA), Some(0)).await;
    assert_eq!(listener.hear().await.0, "hello");
    assert_eq!(listener.hear().await, ("gap".to_owned(), Some(4), json!({"from": 1, "to": 4})));
    assert_eq!(listener.ids(6).await, (5..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn strangers_and_nonsense_are_turned_away_and_a_token_ends_its_stream() {
    let app = App::start().await;
    let address = app.listen().await;
    let refused = Listener::open(&address, "nonsense", None).await;
    assert_eq!(refused.status().as_u16(), 401);
    let wrong = Listener::open(&address, &token(&app, ANNA), Some(-1)).await;
    assert_eq!(wrong.status().as_u16(), 400);
    let answer = loop {
        let answer = Listener::open(&address, &short_token(&app), None).await;
        if answer.status().as_u16() == 200 {
            break answer;
        }
        assert_eq!(answer.status().as_u16(), 401, "its token was over before it came");
    };
    let mut listener = Listener { answer, text: String::new() };
    assert_eq!(listener.hear().await.0, "hello");
    let ended = tokio::time::timeout(PATIENCE, listener.answer.chunk()).await.expect("it ends");
    assert_eq!(ended.unwrap(), None);
}

#[tokio::test]
async fn a_listener_that_is_behind_is_told_nothing_after_its_token() {
    let (app, mut log) = (App::start().await, Log::new());
    paid_orders(&mut log, 300);
    log.write(&app.db).await;
    eventually("all are told", || async { checkpoint(&app.db, "feed").await == log.events.len() as i64 }).await;
    let expires_at = chrono::Utc::now() + chrono::Duration::seconds(2);
    let short = app.token_for(ANNA, &[Role::Customer], None, Duration::from_secs(2));
    let request = http::Request::get("/api/v1/feed/stream").header("authorization", format!("Bearer {short}"));
    let request = request.header("last-event-id", "0").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(app.service_router.clone(), request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let mut pieces = answer.into_body().into_data_stream();
    for _ in 0..10 {
        pieces.next().await.unwrap().unwrap();
    }
    eventually("the token ends", || async { chrono::Utc::now() > expires_at + chrono::Duration::seconds(1) }).await;
    assert!(pieces.next().await.is_none(), "what comes after the token is another's");
}
