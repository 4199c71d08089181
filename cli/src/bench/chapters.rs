//! The parts of a run, each of which adds rows to the report.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use super::{
    load::{self, Delays, Loaded, Script, Tally, Window, Work},
    pgbench::{Pgbench, Sample},
    processes::CpuUsed,
    report::{self, Kind, Report, Row},
    scripts::{self, Accepted, Bare, Creating, Flowing, Promising, Shopper, accepted_order},
    serve::Role,
    stage::Stage,
    vanilla::{Vanilla, VanillaCustomer},
    wire::Wire,
};

/// Writers of the one hot order.
pub const HOT_WRITERS: usize = 32;
/// Writers of long streams, each on a stream of its own, so that those who lose races lose none here.
pub const LONG_WRITERS: usize = 8;
/// Events in a long stream.
const LONG_EVENTS: i64 = 1_000;

/// A run on its way.
pub struct Bench {
    /// Where it takes place.
    pub stage: Stage,
    /// What it has found.
    pub report: Report,
    /// How long each row warms up and is measured.
    pub warm_up: Duration,
    /// How long each row is measured.
    pub measured: Duration,
    /// The numbers of connections.
    pub connections: Vec<usize>,
    /// Whether it is only to be seen that everything works.
    pub quick: bool,
    /// Whether the read side takes part at present.
    pub follows: bool,
    /// How far it is.
    pub progress: ProgressBar,
}

/// What was counted beside the delays while a window was open.
struct Counted {
    cpu: CpuUsed,
    head_before: i64,
    head_after: i64,
    /// Between the two looks at the head.
    seconds: f64,
    /// Events that the last of the projections did not have when the window closed.
    behind: u64,
}

/// A bar on a terminal, and nothing elsewhere.
pub fn progress(rows: u64) -> Result<ProgressBar> {
    let bar = ProgressBar::new(rows);
    bar.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

impl Bench {
    /// A row begins.
    pub fn begin(&self, what: &'static str, connections: usize) -> Window {
        self.progress.set_message(format!("{what}, {connections}"));
        Window::after(self.warm_up, self.measured)
    }

    /// A row has ended.
    pub fn add(&mut self, row: Row) {
        self.progress.inc(1);
        self.report.rows.push(row);
    }

    /// pgbench at every number of clients.
    pub async fn pgbench(&mut self, what: &'static str, clients: &[usize]) -> Result<()> {
        let Some(program) = self.stage.pgbench.clone() else { return Ok(()) };
        let (dir, database_url) = (self.stage.dir().to_owned(), self.stage.surroundings.database_url.clone());
        let pgbench = Pgbench { program: &program, database_url: &database_url, dir: &dir };
        if what == report::PGBENCH {
            pgbench.prepare(&self.stage.db, &Sample::of(&self.stage.db, "order_created").await?).await?;
        }
        for &clients in clients {
            self.begin(what, clients);
            pgbench.run(clients, self.warm_up.as_secs().max(1)).await?;
            let before = self.stage.cpu();
            let (per_second, delays) = pgbench.run(clients, self.measured.as_secs()).await?;
            let cpu = self.stage.cpu().since(&before);
            let row = Row { per_second, ..Row::of(what, clients, self.measured.as_secs_f64(), &delays) };
            self.add(self.with_cpu(row, &cpu));
        }
        Ok(())
    }

    /// An endpoint that does nothing, under the same load generator.
    pub async fn bare(&mut self) -> Result<()> {
        let address = self.stage.start(Role::Bare).await?;
        for connections in self.connections.clone() {
            let scripts = (0..connections).map(|lane| Bare(Shopper::new(&self.stage.world, lane))).collect();
            let (row, _) = self.load(report::BARE, address, &[scripts::BARE], scripts).await?;
            self.add(row);
        }
        self.stage.stop(Role::Bare).await
    }

    /// cqrs-es and postgres-es as they come.
    pub async fn vanilla(&mut self) -> Result<()> {
        let widest = self.connections.iter().copied().max().unwrap_or(1).max(HOT_WRITERS);
        let vanilla = Vanilla::start(&self.stage.vanilla_url(), widest as u32).await?;
        for connections in self.connections.clone() {
            let work = |_| VanillaCustomer(vanilla.clone());
            self.in_process(report::VANILLA, connections, work).await?;
        }
        let hot = vanilla.accepted(0).await?;
        self.in_process(report::HOT_VANILLA, HOT_WRITERS, |_| hot.clone()).await?;
        let mut long = Vec::new();
        for _ in 0..LONG_WRITERS {
            long.push(vanilla.accepted(LONG_EVENTS).await?);
        }
        self.in_process(report::LONG_VANILLA, LONG_WRITERS, |worker| long[worker].clone()).await
    }

    async fn in_process<W: Work>(
        &mut self,
        what: &'static str,
        workers: usize,
        work: impl Fn(usize) -> W,
    ) -> Result<()> {
        let window = self.begin(what, workers);
        let (delays, counted) = tokio::join!(load::run_in_process(workers, window, work), self.count(window));
        let row = Row::of(what, workers, window.seconds(), &delays?);
        self.add(self.with_cpu(row, &counted?.cpu));
        Ok(())
    }

    /// One order, so that the log has something to show.
    pub async fn first_order(&self, address: SocketAddr) -> Result<()> {
        let tally = Tally::new(Window::after(Duration::ZERO, Duration::ZERO));
        let mut wire = Wire::connect(address).await?;
        accepted_order(&mut wire, &self.stage.world, 0, &tally).await.with_context(|| self.stage.last_words())?;
        Ok(())
    }

    /// Orders created, at every number of connections.
    pub async fn creates(&mut self, what: &'static str, address: SocketAddr) -> Result<()> {
        for connections in self.connections.clone() {
            let scripts = (0..connections).map(|lane| Creating(Shopper::new(&self.stage.world, lane))).collect();
            let (row, loaded) = self.load(what, address, &[scripts::CREATE], scripts).await?;
            self.add(row);
            let created: Vec<_> = loaded.scripts.into_iter().flat_map(|script| script.0.created).collect();
            self.stage.check_created(&created).await?;
        }
        Ok(())
    }

    /// Orders created, paid and accepted, at every number of connections.
    pub async fn flows(&mut self, what: &'static str, address: SocketAddr) -> Result<()> {
        for connections in self.connections.clone() {
            let scripts = (0..connections).map(|lane| Flowing::new(Shopper::new(&self.stage.world, lane))).collect();
            let (row, loaded) = self.load(what, address, &scripts::COMMANDS, scripts).await?;
            self.add(row);
            let created: Vec<_> = loaded.scripts.into_iter().flat_map(|script| script.shopper.created).collect();
            self.stage.check_created(&created).await?;
        }
        Ok(())
    }

    /// Many writers of one order, and writers of long streams.
    pub async fn streams(&mut self, address: SocketAddr) -> Result<()> {
        let tally = Tally::new(Window::after(Duration::ZERO, Duration::ZERO));
        let mut wire = Wire::connect(address).await?;
        let hot = accepted_order(&mut wire, &self.stage.world, 0, &tally).await?;
        let scripts = (0..HOT_WRITERS).map(|_| Promising::new(&self.stage.world, &hot)).collect();
        let (row, _) = self.load(report::HOT, address, &[scripts::ETA], scripts).await?;
        self.add(row);
        let mut long: Vec<Accepted> = Vec::new();
        for lane in 0..LONG_WRITERS {
            long.push(accepted_order(&mut wire, &self.stage.world, lane, &tally).await?);
        }
        for order in &long {
            self.lengthen(address, order).await?;
        }
        let scripts = long.iter().map(|order| Promising::new(&self.stage.world, order)).collect();
        let (row, _) = self.load(report::LONG, address, &[scripts::ETA], scripts).await?;
        self.add(row);
        Ok(())
    }

    /// Moves the promise of an order until its stream is long.
    async fn lengthen(&self, address: SocketAddr, order: &Accepted) -> Result<()> {
        loop {
            let query = sqlx::query_scalar("SELECT max(sequence) FROM events WHERE aggregate_id = $1");
            let length: Option<i64> = query.bind(order.order_id.to_string()).fetch_one(&self.stage.db).await?;
            if length.unwrap_or(0) >= LONG_EVENTS {
                return Ok(());
            }
            let window = Window::after(Duration::ZERO, Duration::from_millis(100));
            let scripts = (0..HOT_WRITERS).map(|_| Promising::new(&self.stage.world, order)).collect();
            load::run(address, window, scripts).await?;
        }
    }

    /// One load over HTTP; `counted` says which kinds of requests are the commands that are compared.
    async fn load<S: Script + Send>(
        &mut self,
        what: &'static str,
        address: SocketAddr,
        counted_kinds: &[&'static str],
        scripts: Vec<S>,
    ) -> Result<(Row, Loaded<S>)> {
        let window = self.begin(what, scripts.len());
        self.load_in(window, what, address, counted_kinds, scripts).await
    }

    /// The same in a window that is known already.
    pub async fn load_in<S: Script + Send>(
        &mut self,
        window: Window,
        what: &'static str,
        address: SocketAddr,
        counted_kinds: &[&'static str],
        scripts: Vec<S>,
    ) -> Result<(Row, Loaded<S>)> {
        let connections = scripts.len();
        let (loaded, counted) = tokio::join!(load::run(address, window, scripts), self.count(window));
        let loaded =
            loaded.with_context(|| format!("{what}, {connections} connections\n{}", self.stage.last_words()))?;
        let (counted, seconds) = (counted?, window.seconds());
        let mut all: Delays = load::delays();
        for kind in counted_kinds {
            all.add(loaded.delays.get(kind).unwrap_or(&load::delays())).context("all have the same bounds")?;
        }
        let mut row = Row::of(what, connections, seconds, &all);
        row.kinds = loaded.delays.iter().map(|(name, delays)| (*name, Kind::of(delays, seconds))).collect();
        row.notes.clone_from(&loaded.notes);
        if counted.head_after > counted.head_before {
            let commands = self.stage.commands_between(counted.head_before, counted.head_after).await?;
            row.events_per_second = Some((counted.head_after - counted.head_before) as f64 / counted.seconds);
            row.all_commands_per_second = Some(commands as f64 / counted.seconds);
        }
        if self.follows {
            row.notes.insert("events that the projections were behind at the end", counted.behind);
        }
        Ok((self.with_cpu(row, &counted.cpu), loaded))
    }

    fn with_cpu(&self, row: Row, cpu: &CpuUsed) -> Row {
        row.with_cpu(cpu, self.measured.as_secs_f64(), self.report.machine.cores)
    }

    /// Looks at the clock of the processors and the head of the log when the window opens and when it closes.
    async fn count(&self, window: Window) -> Result<Counted> {
        sleep_until(window.from).await;
        let (head_before, looked, before) = (self.stage.head().await?, Instant::now(), self.stage.cpu());
        sleep_until(window.to).await;
        let (head_after, seconds, after) = (self.stage.head().await?, looked.elapsed().as_secs_f64(), self.stage.cpu());
        let behind = (head_after - self.checkpoint().await?).max(0) as u64;
        Ok(Counted { cpu: after.since(&before), head_before, head_after, seconds, behind })
    }

    /// Waits until nothing is appended any more: process managers have done what the last load left to them.
    pub async fn settle(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut head = self.stage.head().await?;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.stage.head().await?;
            if now == head || Instant::now() > deadline {
                return Ok(());
            }
            head = now;
        }
    }
}
