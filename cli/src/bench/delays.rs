//! How long after its commit an event is seen: by a query, and on a socket.
//!
//! An event's `recorded_at` is the database's clock inside the appending transaction, before its fsync; whoever sees
//! the event reads the same machine's clock. So every delay here contains the fsync and is a little too long.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Deserialize;
use sqlx::{PgPool, Row};
use tokio::{task::JoinSet, time::Instant};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use uuid::Uuid;

use super::{
    load::{Delays, Script, Tally, delays},
    scripts::{Flowing, Shopper},
    wire::Wire,
    world::World,
};

/// Connections that share the rate among them.
pub const LANES: usize = 16;
/// How long the last messages may take to arrive.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

/// An event as somebody saw it: its stream, its version, and when.
type Sighting = (Uuid, i64, DateTime<Utc>);

/// Orders, pays and accepts at a fixed rate, and asks the read side for each accepted order at once.
pub struct Asking {
    flow: Flowing,
    world: World,
    queries: SocketAddr,
    wire: Option<Wire>,
    next: Instant,
    period: Duration,
    /// What the queries showed.
    pub seen: Vec<Sighting>,
}

impl Asking {
    /// Lane `lane` of [`LANES`], which together start `per_second` flows.
    pub fn new(world: &World, queries: SocketAddr, lane: usize, per_second: f64) -> Self {
        let period = Duration::from_secs_f64(LANES as f64 / per_second.max(0.1));
        let next = Instant::now() + period.mul_f64(lane as f64 / LANES as f64);
        let flow = Flowing::new(Shopper::new(world, lane));
        Self { flow, world: world.clone(), queries, wire: None, next, period, seen: Vec::new() }
    }
}

impl Script for Asking {
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()> {
        // An open loop: a late answer does not make the next request later.
        tokio::time::sleep_until(self.next).await;
        self.next += self.period;
        let Some(accepted) = self.flow.flow(wire, tally).await? else { return Ok(()) };
        let queries = match &mut self.wire {
            Some(queries) => queries,
            none => none.insert(Wire::connect(self.queries).await?),
        };
        let path = format_args!("/api/v1/orders/{}", accepted.order_id);
        let token = &self.world.kitchen(accepted.kitchen).token;
        let answer = queries.get(path, token, &accepted.consistency_token).await?;
        let now = Utc::now();
        ensure!(answer.status == 200, "a query answered {}: {}", answer.status, answer.body);
        self.seen.push((accepted.order_id, accepted.version, now));
        Ok(())
    }
}

/// Every customer's open socket.
pub struct Sockets {
    listeners: JoinSet<Result<Vec<Sighting>>>,
}

/// What a socket says of an order.
#[derive(Deserialize)]
struct Update {
    #[serde(rename = "type")]
    kind: String,
    data: Option<UpdateData>,
}

#[derive(Deserialize)]
struct UpdateData {
    #[serde(default)]
    order_id: Uuid,
    #[serde(default)]
    version: i64,
}

impl Sockets {
    /// Opens them, and listens until the window has closed.
    pub async fn open(world: &World, queries: SocketAddr, until: Instant) -> Result<Self> {
        let mut listeners = JoinSet::new();
        for customer in world.customers() {
            let mut request = format!("ws://{queries}/ws").into_client_request()?;
            let bearer = format!("Bearer {}", customer.token);
            request.headers_mut().insert("authorization", bearer.parse()?);
            let (socket, _) = connect_async(request).await.context("a socket cannot be opened")?;
            listeners.spawn(listen(socket, until + LAST_MESSAGES));
        }
        Ok(Self { listeners })
    }

    /// Everything that was heard.
    pub async fn heard(mut self) -> Result<Vec<Sighting>> {
        let mut all = Vec::new();
        while let Some(listener) = self.listeners.join_next().await {
            all.extend(listener.context("a listener panicked")??);
        }
        Ok(all)
    }
}

async fn listen(
    mut socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    until: Instant,
) -> Result<Vec<Sighting>> {
    let mut heard = Vec::new();
    while let Ok(message) = tokio::time::timeout_at(until, socket.next()).await {
        let now = Utc::now();
        let Message::Text(text) = message.context("a socket was closed")?? else { continue };
        let update: Update = serde_json::from_str(&text).with_context(|| text.to_string())?;
        if let ("order_status_update", Some(data)) = (update.kind.as_str(), update.data) {
            heard.push((data.order_id, data.version, now));
        }
    }
    Ok(heard)
}

/// How long after their commit these events were seen; those of the warm-up are left out.
pub async fn since_commit(db: &PgPool, seen: &[Sighting], from: DateTime<Utc>) -> Result<Delays> {
    let mut recorded: HashMap<(Uuid, i64), DateTime<Utc>> = HashMap::new();
    for seen in seen.chunks(10_000) {
        let ids: Vec<String> = seen.iter().map(|(id, ..)| id.to_string()).collect();
        let query = sqlx::query(
            "
            SELECT aggregate_id::uuid, sequence, recorded_at
            FROM events
            WHERE aggregate_type = 'order' AND aggregate_id = ANY($1)
            ",
        );
        for row in query.bind(&ids).fetch_all(db).await? {
            recorded.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
        }
    }
    let mut all = delays();
    for (id, version, at) in seen {
        let recorded = recorded.get(&(*id, *version)).context("something was seen that the log does not have")?;
        if *recorded >= from {
            all.saturating_record((*at - *recorded).num_microseconds().unwrap_or(0).max(0) as u64);
        }
    }
    Ok(all)
}
