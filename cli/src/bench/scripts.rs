//! What the load does: orders, payments, acceptances, promises moved.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    load::{Script, Tally},
    wire::{Answer, Post, Wire},
    world::World,
};

/// A cook accepts an order when the customer is this many orders further.
const ACCEPT_BEHIND: usize = 2;
/// How long a cook rests before trying an order again that is not paid yet, and how often.
const NOT_PAID_REST: Duration = Duration::from_millis(2);
const TRIES_MAX: u32 = 5_000;

/// The kinds of requests, as reports name them.
pub const CREATE: &str = "create";
pub const PAY: &str = "pay";
pub const BANK: &str = "bank page";
pub const ACCEPT: &str = "accept";
pub const ETA: &str = "eta";
pub const BARE: &str = "post";

/// The commands of a flow that are ours.
pub const COMMANDS: [&str; 3] = [CREATE, PAY, ACCEPT];

/// One connection's customers and kitchens, and the orders it was promised.
pub struct Shopper {
    world: World,
    lane: usize,
    run: Uuid,
    turn: usize,
    /// Every order that was acknowledged.
    pub created: Vec<Uuid>,
}

impl Shopper {
    /// The shopper of connection `lane`.
    pub fn new(world: &World, lane: usize) -> Self {
        Self { world: world.clone(), lane, run: Uuid::now_v7(), turn: 0, created: Vec::new() }
    }

    /// Numbers that are spread over everybody.
    fn pick(&self) -> usize {
        self.lane.wrapping_mul(7_919).wrapping_add(self.turn)
    }

    async fn create(&mut self, wire: &mut Wire, tally: &Tally) -> Result<Uuid> {
        self.turn += 1;
        let pick = self.pick();
        let kitchen = self.world.kitchen(pick);
        let started = Instant::now();
        let answer = wire
            .post(Post {
                path: format_args!("/api/v1/orders"),
                token: &self.world.customer(pick).token,
                key: Some(format_args!("{}-{}-create", self.run, self.turn)),
                body: &kitchen.orders[pick / 20 % kitchen.orders.len()],
            })
            .await?;
        expect(CREATE, answer, 201)?;
        tally.ended(CREATE, started);
        let id: Uuid = answer.text("id").context("the answer names no order")?.parse()?;
        self.created.push(id);
        Ok(id)
    }
}

/// Places orders and nothing else: one event per command.
pub struct Creating(pub Shopper);

impl Script for Creating {
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()> {
        self.0.create(wire, tally).await.map(drop)
    }
}

/// Places an order, pays it, and has an earlier one accepted.
pub struct Flowing {
    /// Who orders.
    pub shopper: Shopper,
    /// Paid orders that no cook has taken on yet, with the kitchen's number.
    paid: VecDeque<(Uuid, usize)>,
}

impl Flowing {
    /// The flow of one connection.
    pub fn new(shopper: Shopper) -> Self {
        Self { shopper, paid: VecDeque::new() }
    }

    async fn pay(&mut self, order_id: Uuid, wire: &mut Wire, tally: &Tally) -> Result<Uuid> {
        let shopper = &self.shopper;
        let started = Instant::now();
        let answer = wire
            .post(Post {
                path: format_args!("/api/v1/orders/{order_id}/payments"),
                token: &shopper.world.customer(shopper.pick()).token,
                key: Some(format_args!("{}-{}-pay", shopper.run, shopper.turn)),
                body: r#"{"return_url":"http://localhost/paid"}"#,
            })
            .await?;
        // 202: the page was not open within two seconds.
        ensure!(matches!(answer.status, 201 | 202), "{PAY} answered {}: {}", answer.status, answer.body);
        tally.ended(PAY, started);
        if answer.status == 202 {
            tally.note("pages that opened late");
        }
        Ok(answer.text("payment_id").context("the answer names no payment")?.parse()?)
    }

    /// The customer pays at the imitation bank.
    async fn complete(&mut self, payment_id: Uuid, wire: &mut Wire, tally: &Tally) -> Result<()> {
        let shopper = &self.shopper;
        for _ in 0..TRIES_MAX {
            let started = Instant::now();
            let answer = wire
                .post(Post {
                    path: format_args!("/api/v1/dev/fake/{payment_id}/complete"),
                    token: &shopper.world.customer(shopper.pick()).token,
                    key: None,
                    body: "",
                })
                .await?;
            match answer.status {
                200 => {
                    tally.ended(BANK, started);
                    return Ok(());
                }
                // The page is not open yet.
                404 => tokio::time::sleep(NOT_PAID_REST).await,
                _ => return expect(BANK, answer, 200),
            }
        }
        bail!("the page of payment {payment_id} never opened")
    }

    /// The cook takes on the oldest order that is paid by now.
    async fn accept(&mut self, wire: &mut Wire, tally: &Tally) -> Result<Option<Accepted>> {
        let Some((order_id, kitchen)) = self.paid.pop_front() else { return Ok(None) };
        let shopper = &self.shopper;
        for attempt in 0..TRIES_MAX {
            let started = Instant::now();
            let answer = wire
                .post(Post {
                    path: format_args!("/api/v1/orders/{order_id}/accept"),
                    token: &shopper.world.kitchen(kitchen).token,
                    key: Some(format_args!("{}-{order_id}-accept-{attempt}", shopper.run)),
                    body: r#"{"eta_minutes":30}"#,
                })
                .await?;
            if answer.status == 200 {
                tally.ended(ACCEPT, started);
                return Accepted::read(order_id, kitchen, answer).map(Some);
            }
            let is_early = answer.status == 422 && answer.body.contains("invalid_transition");
            ensure!(is_early, "{ACCEPT} answered {}: {}", answer.status, answer.body);
            tally.note("accepted too early, tried again");
            tokio::time::sleep(NOT_PAID_REST).await;
        }
        bail!("order {order_id} was paid and cannot be accepted")
    }
}

impl Flowing {
    /// Does it once, and says which order was accepted.
    pub async fn flow(&mut self, wire: &mut Wire, tally: &Tally) -> Result<Option<Accepted>> {
        let order_id = self.shopper.create(wire, tally).await?;
        let payment_id = self.pay(order_id, wire, tally).await?;
        self.complete(payment_id, wire, tally).await?;
        self.paid.push_back((order_id, self.shopper.pick()));
        if self.paid.len() > ACCEPT_BEHIND { self.accept(wire, tally).await } else { Ok(None) }
    }
}

impl Script for Flowing {
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()> {
        self.flow(wire, tally).await.map(drop)
    }
}

/// Moves the promise of one accepted order, again and again: one event per command, on one stream.
pub struct Promising {
    world: World,
    order: Accepted,
    run: Uuid,
    turn: u64,
}

/// An order that a cook took on.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The order.
    pub order_id: Uuid,
    /// The number of its kitchen.
    pub kitchen: usize,
    /// The version that was answered.
    pub version: i64,
    /// Queries with it see this version.
    pub consistency_token: String,
}

impl Accepted {
    fn read(order_id: Uuid, kitchen: usize, answer: Answer<'_>) -> Result<Self> {
        let version = answer.number("version").context("the answer names no version")?;
        let token = answer.text("consistency_token").context("the answer has no consistency token")?;
        Ok(Self { order_id, kitchen, version, consistency_token: token.to_owned() })
    }
}

impl Promising {
    /// The cook of one connection.
    pub fn new(world: &World, order: &Accepted) -> Self {
        Self { world: world.clone(), order: order.clone(), run: Uuid::now_v7(), turn: 0 }
    }
}

impl Script for Promising {
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()> {
        self.turn += 1;
        let body = format!(r#"{{"eta_minutes":{}}}"#, self.turn % 600 + 1);
        let started = Instant::now();
        let answer = wire
            .post(Post {
                path: format_args!("/api/v1/orders/{}/eta", self.order.order_id),
                token: &self.world.kitchen(self.order.kitchen).token,
                key: Some(format_args!("{}-{}", self.run, self.turn)),
                body: &body,
            })
            .await?;
        expect(ETA, answer, 200)?;
        tally.ended(ETA, started);
        Ok(())
    }
}

/// One order from nothing to accepted.
pub async fn accepted_order(wire: &mut Wire, world: &World, lane: usize, tally: &Tally) -> Result<Accepted> {
    let mut flow = Flowing::new(Shopper::new(world, lane));
    let order_id = flow.shopper.create(wire, tally).await?;
    let kitchen = flow.shopper.pick();
    let payment_id = flow.pay(order_id, wire, tally).await?;
    flow.complete(payment_id, wire, tally).await?;
    flow.paid.push_back((order_id, kitchen));
    flow.accept(wire, tally).await?.context("an order was paid a moment ago")
}

/// Sends an order to the endpoint that does nothing.
pub struct Bare(pub Shopper);

impl Script for Bare {
    async fn turn(&mut self, wire: &mut Wire, tally: &Tally) -> Result<()> {
        let shopper = &mut self.0;
        shopper.turn += 1;
        let pick = shopper.pick();
        let kitchen = shopper.world.kitchen(pick);
        let started = Instant::now();
        let answer = wire
            .post(Post {
                path: format_args!("/api/v1/orders"),
                token: &shopper.world.customer(pick).token,
                key: Some(format_args!("{}-{}", shopper.run, shopper.turn)),
                body: &kitchen.orders[pick / 20 % kitchen.orders.len()],
            })
            .await?;
        expect(BARE, answer, 200)?;
        tally.ended(BARE, started);
        Ok(())
    }
}

fn expect(what: &str, answer: Answer<'_>, status: u16) -> Result<()> {
    ensure!(answer.status == status, "{what} answered {}: {}", answer.status, answer.body);
    Ok(())
}
