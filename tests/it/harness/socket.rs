//! A person's socket.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{client::Client, wait::SOON_SECS};

/// How long a message may be awaited.
const PATIENCE: Duration = Duration::from_secs(SOON_SECS);

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The newest entry when it was opened.
    pub head_id: i64,
}

impl Socket {
    /// Opens the feed of whoever the client is, and hears the hello.
    pub async fn open(client: &Client) -> Self {
        Self::try_open(client).await.unwrap_or_else(|code| panic!("the socket was closed with {code}"))
    }

    /// The same, or the code the socket is closed with.
    pub async fn try_open(client: &Client) -> Result<Self, u16> {
        let mut request = format!("{}/ws", client.url().replace("http", "ws")).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", client.token()).parse().unwrap());
        let (stream, _) = connect_async(request).await.unwrap();
        let mut socket = Self { stream, head_id: 0 };
        let hello = socket.next_or_closed().await?;
        assert_eq!(hello["type"], "hello", "{hello}");
        socket.head_id = hello["head_id"].as_i64().unwrap();
        Ok(socket)
    }

    /// Opens a socket without saying who it is.
    pub async fn open_as_stranger(client: &Client) -> Self {
        let (stream, _) = connect_async(format!("{}/ws", client.url().replace("http", "ws"))).await.unwrap();
        Self { stream, head_id: 0 }
    }

    pub async fn say(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        self.next_or_closed().await.unwrap_or_else(|code| panic!("the socket was closed with {code}"))
    }

    /// The next message, or the code the socket is closed with.
    pub async fn next_or_closed(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("the socket is silent");
            match message.expect("the socket was closed").expect("the socket broke") {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                _ => {}
            }
        }
    }

    /// The code it is closed with.
    pub async fn closed_with(&mut self) -> u16 {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("the socket stays open");
            if let Some(Ok(Message::Close(Some(frame)))) = message {
                return frame.code.into();
            }
        }
    }

    /// Says where it was.
    pub async fn resume(&mut self, last_id: i64) {
        self.say(json!({ "type": "resume", "last_id": last_id })).await;
    }

    /// Takes the entries behind those `heard`, up to `last`. Ids are dense, so a client takes the next one only: what is
    /// told live before the replay comes again within it.
    pub async fn take_up_to(&mut self, last: i64, heard: &mut Vec<Value>) {
        while (heard.len() as i64) < last {
            let message = self.next().await;
            if message["id"] == heard.len() + 1 {
                heard.push(message);
            }
        }
    }

    /// Entries of the feed until the one with this id.
    pub async fn entries_until(&mut self, last: i64) -> Vec<Value> {
        let mut entries: Vec<Value> = Vec::new();
        while entries.last().and_then(|entry| entry["id"].as_i64()).is_none_or(|id| id < last) {
            let message = self.next().await;
            if message["id"].is_i64() {
                entries.push(message);
            }
        }
        entries
    }
}

/// The ids of entries.
pub fn ids(entries: &[Value]) -> Vec<i64> {
    entries.iter().filter_map(|entry| entry["id"].as_i64()).collect()
}
