//! Sockets over real servers: every entry once, in order, on any instance, whatever is lost on the way.

mod listeners;
mod stuck;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shared::{
    domain::{ProducerId, UserId},
    web::Role,
};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use uuid::Uuid;

use crate::{
    projections::samples::{self, Log},
    testing::{App, PATIENCE, checkpoint, eventually, nats},
};

const ANNA: UserId = UserId(Uuid::from_u128(0xA));
const KITCHEN: ProducerId = ProducerId(Uuid::from_u128(0xF));
const COOK: UserId = UserId(Uuid::from_u128(0xFF));

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(address: &str, token: &str) -> Self {
        let mut request = address.into_client_request().unwrap();
        let protocols = format!("homefood.v1, bearer.{token}");
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        let (socket, answer) = connect_async(request).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "homefood.v1");
        Self(socket)
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, pings passed over.
    async fn hear(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
                _ => {}
            }
        }
    }

    /// The next `count` entries' ids.
    async fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.hear().await["id"].as_i64().expect("an entry"));
        }
        ids
    }
}

fn token(app: &App, user: UserId) -> String {
    app.token(user, &[Role::Customer], None)
}

/// A token that is about to end. On a busy machine it may end on its way, and then takes another.
fn short_token(app: &App) -> String {
    app.token_for(ANNA, &[Role::Customer], None, Duration::from_secs(2))
}

async fn open(app: &App, address: &str, user: UserId) -> Client {
    let mut client = Client::open(address, &token(app, user)).await;
    assert_eq!(client.hear().await["type"], "hello");
    client
}

/// `count` orders of Anna's that are paid: one entry for her each, two for the cook.
fn paid_orders(log: &mut Log, count: usize) {
    for _ in 0..count {
        let id = Uuid::now_v7();
        log.push(id, samples::created(ANNA, KITCHEN));
        log.push(id, samples::paid(id));
    }
}

async fn folded(db: &PgPool, log: &mut Log) {
    log.write(db).await;
    let head = log.events.len() as i64;
    eventually("the feed is folded", || async { checkpoint(db, "feed").await == head }).await;
}

async fn kitchen(db: &PgPool) {
    let insert = sqlx::query("INSERT INTO producers (id, user_id, name, city) VALUES ($1, $2, 'Olga', 'Moscow')");
    insert.bind(KITCHEN.0).bind(COOK.0).execute(db).await.unwrap();
}

#[tokio::test]
async fn a_socket_greets_answers_and_loses_patience() {
    let app = App::start().await;
    let address = app.listen().await;
    let mut client = Client::open(&address, &token(&app, ANNA)).await;
    let hello = client.hear().await;
    assert_eq!((&hello["type"], &hello["head_id"]), (&json!("hello"), &json!(0)));
    assert!(hello["session"].is_string());
    client.say(json!({"type": "ping"})).await;
    assert_eq!(client.hear().await, json!({"type": "pong"}));
    client.say(json!({"type": "ack", "id": 1})).await;
    client.say(json!({"type": "resume", "last_id": 5})).await;
    assert_eq!(client.hear().await, json!({"type": "resumed", "replayed": 0}));
    client.0.send(Message::text("{")).await.unwrap();
    assert_eq!(client.hear().await, json!({"type": "error", "code": "INVALID_JSON"}));
    for _ in 0..9 {
        client.say(json!({"type": "dance"})).await;
        assert_eq!(client.hear().await, json!({"type": "error", "code": "UNKNOWN_MESSAGE_TYPE"}));
    }
    assert_eq!(client.hear().await, json!({"closed": 4400}));
}

#[tokio::test]
async fn a_token_that_is_offered_as_a_subprotocol_is_never_sent_back() {
    let app = App::start().await;
    let address = app.listen().await;
    let host = address.strip_prefix("ws://").unwrap().split('/').next().unwrap();
    let token = token(&app, ANNA);
    for (offered, chosen) in [
        (format!("bearer.{token}"), false),
        (format!("bearer.{token}, homefood.v1"), true),
        (format!("homefood.v1, bearer.{token}"), true),
    ] {
        let mut socket = TcpStream::connect(host).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {offered}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(5).any(|bytes| bytes == b"hello") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
        }
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert!(!answer.contains(&token.to_lowercase()), "{answer}");
        assert_eq!(answer.contains("sec-websocket-protocol: homefood.v1\r\n"), chosen, "{answer}");
        assert_eq!(answer.contains("sec-websocket-protocol"), chosen, "{answer}");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_no_ticket_none() {
    let app = App::start().await;
    let address = app.listen().await;
    let bearer = format!("Bearer {}", token(&app, ANNA));
    let (status, _, body) = app.ask("POST", "/api/v1/ws-tickets", &[("authorization", &bearer)]).await;
    assert_eq!((status, &body["data"]["expires_in"]), (201, &json!(30)));
    let with_ticket = format!("{address}?ticket={}", body["data"]["ticket"].as_str().unwrap());
    for (address, expected) in [
        (&with_ticket, json!("hello")),
        (&with_ticket, json!(4401)),
        (&format!("{address}?ticket=forged"), json!(4401)),
        (&address, json!(4401)),
    ] {
        let mut client = Client(connect_async(address).await.unwrap().0);
        let answer = client.hear().await;
        assert_eq!(answer.get("type").or(answer.get("closed")), Some(&expected), "{address}");
    }
    assert_eq!(app.ask("POST", "/api/v1/ws-tickets", &[]).await.0, 401);
}

#[tokio::test]
async fn a_token_is_warned_of_its_end_and_then_ends() {
    let app = App::start().await;
    let address = app.listen().await;
    let mut client = loop {
        let mut client = Client::open(&address, &short_token(&app)).await;
        let answer = client.hear().await;
        if answer["type"] == "hello" {
            break client;
        }
        assert_eq!(answer, json!({"closed": 4401}), "its token was over before it came");
    };
    assert_eq!(client.hear().await["type"], "token_expiring");
    assert_eq!(client.hear().await, json!({"closed": 4403}));
}

#[tokio::test]
async fn sockets_on_every_instance_hear_every_entry_once_and_in_order() {
    let (_server, connection) = nats().await;
    let base = App::start().await;
    base.stop();
    let apps = [base.beside(Some(connection.clone())).await, base.beside(Some(connection)).await];
    kitchen(&base.db).await;
    let mut clients = Vec::new();
    for app in &apps {
        let address = app.listen().await;
        clients.push((open(app, &address, ANNA).await, 40));
        clients.push((open(app, &address, COOK).await, 80));
    }
    let mut log = Log::new();
    for _ in 0..4 {
        paid_orders(&mut log, 10);
        folded(&base.db, &mut log).await;
    }
    for (client, count) in &mut clients {
        assert_eq!(client.ids(*count).await, (1..=*count as i64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_resume_brings_what_was_missed_and_the_tail_follows_on() {
    let (_server, connection) = nats().await;
    let base = App::start().await;
    base.stop();
    let app = base.beside(Some(connection)).await;
    let address = app.listen().await;
    let mut log = Log::new();
    let mut client = open(&app, &address, ANNA).await;
    paid_orders(&mut log, 3);
    folded(&base.db, &mut log).await;
    assert_eq!(client.ids(3).await, [1, 2, 3]);
    drop(client);
    paid_orders(&mut log, 500);
    folded(&base.db, &mut log).await;

    let mut client = Client::open(&address, &token(&app, ANNA)).await;
    assert_eq!(client.hear().await["head_id"], 503);
    client.say(json!({"type": "resume", "last_id": 3})).await;
    // More comes while the replay runs.
    paid_orders(&mut log, 20);
    log.write(&base.db).await;
    let mut ids = Vec::new();
    let mut replayed = None;
    while ids.len() < 520 || replayed.is_none() {
        let message = client.hear().await;
        match message["id"].as_i64() {
            Some(id) => ids.push(id),
            None => replayed = message["replayed"].as_i64(),
        }
    }
    ids.dedup();
    assert_eq!(ids, (4..=523).collect::<Vec<_>>());
    assert!(replayed >= Some(500));
}

#[tokio::test]
async fn without_nats_the_heads_are_polled() {
    let (server, connection) = nats().await;
    let base = App::start().await;
    base.stop();
    let apps = [base.beside(Some(connection.clone())).await, base.beside(Some(connection)).await];
    let mut clients = Vec::new();
    for app in &apps {
        clients.push(open(app, &app.listen().await, ANNA).await);
    }
    drop(server);
    let mut log = Log::new();
    paid_orders(&mut log, 5);
    folded(&base.db, &mut log).await;
    for client in &mut clients {
        assert_eq!(client.ids(5).await, [1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn what_is_older_than_a_week_is_a_gap() {
    let app = App::start().await;
    let mut log = Log::new();
    paid_orders(&mut log, 5);
    folded(&app.db, &mut log).await;
    sqlx::query("UPDATE feed_entries SET created_at = now() - interval '8 days' WHERE id <= 3")
        .execute(&app.db)
        .await
        .unwrap();
    let address = app.listen().await;
    let mut client = open(&app, &address, ANNA).await;
    client.say(json!({"type": "resume", "last_id": 1})).await;
    assert_eq!(client.hear().await, json!({"type": "gap", "from": 2, "to": 3}));
    assert_eq!(client.ids(2).await, [4, 5]);
    assert_eq!(client.hear().await, json!({"type": "resumed", "replayed": 2}));
}
