//! The parts of a run in which the read side takes part: how late it is, and how fast it catches up.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use chrono::Utc;
use tokio::time::{Instant, sleep};

use super::{
    chapters::Bench,
    delays::{Asking, LANES, Sockets, since_commit},
    load::Window,
    report::{self, Row},
    scripts::{self, Flowing, Shopper},
    serve::Role,
};

/// Events to catch up with, at least.
const BEHIND_EVENTS: i64 = 200_000;
/// How long gathering them, and catching up, may take.
const LIMIT: Duration = Duration::from_secs(180);
/// Connections of the load that gathers them.
const GATHERING: usize = 64;
/// How often the checkpoints are looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Bench {
    /// How late queries and sockets are, at a tenth of the flows a second that were reached.
    pub async fn delays(&mut self, commands: SocketAddr, queries: SocketAddr) -> Result<()> {
        let kinds = self.report.rows.iter().filter(|row| row.what == report::FLOW_FULL);
        let flows = kinds.filter_map(|row| row.kinds.get(scripts::ACCEPT)).map(|kind| kind.per_second);
        let rate = flows.max_by(f64::total_cmp).unwrap_or(500.0) / 10.0;
        self.caught_up().await?;
        let window = self.begin("delays", LANES);
        let from = Utc::now() + chrono::Duration::from_std(self.warm_up)?;
        let sockets = Sockets::open(&self.stage.world, queries, window.to).await?;
        let world = &self.stage.world;
        let scripts = (0..LANES).map(|lane| Asking::new(world, queries, lane, rate)).collect();
        let (mut row, loaded) = self.load_in(window, report::DELAY_LOAD, commands, &scripts::COMMANDS, scripts).await?;
        row.notes.insert("flows a second, fixed", rate as u64);
        self.add(row);
        let asked: Vec<_> = loaded.scripts.into_iter().flat_map(|script| script.seen).collect();
        let heard = sockets.heard().await?;
        for (what, seen) in [(report::DELAY_QUERY, asked), (report::DELAY_SOCKET, heard)] {
            let delays = since_commit(&self.stage.db, &seen, from).await?;
            self.add(Row::of(what, LANES, window.seconds(), &delays));
        }
        Ok(())
    }

    /// Stops the read side, lets many events gather, and times how long it takes to have them all.
    pub async fn catch_up(&mut self, commands: SocketAddr) -> Result<()> {
        self.stage.stop(Role::Projection).await?;
        self.progress.set_message("gathering events to catch up with");
        let events = if self.quick { BEHIND_EVENTS / 10 } else { BEHIND_EVENTS };
        let wanted = self.checkpoint().await? + events;
        let deadline = Instant::now() + LIMIT;
        while self.stage.head().await? < wanted {
            if Instant::now() > deadline {
                break;
            }
            let window = Window::after(Duration::ZERO, Duration::from_secs(2));
            let scripts = (0..GATHERING).map(|lane| Flowing::new(Shopper::new(&self.stage.world, lane))).collect();
            super::load::run::<Flowing>(commands, window, scripts).await?;
        }
        self.settle().await?;
        let behind = self.stage.head().await? - self.checkpoint().await?;
        self.progress.set_message("catching up");
        let (cpu, started) = (self.stage.cpu(), Instant::now());
        self.stage.start(Role::Projection).await?;
        self.caught_up().await?;
        let seconds = started.elapsed().as_secs_f64();
        let used = self.stage.cpu().since(&cpu);
        let mut row = Row { what: report::CATCH_UP, per_second: behind as f64 / seconds, ..Row::default() };
        row.notes.insert("events behind at the start", behind as u64);
        row.notes.insert("milliseconds, the start of the process included", (seconds * 1e3) as u64);
        self.add(row.with_cpu(&used, seconds, self.report.machine.cores));
        Ok(())
    }

    /// How far the last of the projections is.
    pub async fn checkpoint(&self) -> Result<i64> {
        let query = sqlx::query_scalar("SELECT coalesce(min(position), 0) FROM projection_checkpoints");
        Ok(query.fetch_one(&self.stage.db).await?)
    }

    /// Waits until every projection has every event.
    pub async fn caught_up(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.checkpoint().await? < self.stage.head().await? {
            if Instant::now() > deadline {
                bail!("the projections do not catch up: {}", self.stage.last_words());
            }
            sleep(LOOK).await;
        }
        let parked = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM dead_letters").fetch_one(&self.stage.db);
        match parked.await.context("dead letters")? {
            0 => Ok(()),
            parked => bail!("{parked} events could not be folded"),
        }
    }
}
