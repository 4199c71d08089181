//! What is asked of the long stream, and what a right answer says.

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{
    super::{stage::Stage, wire::Answer},
    stream::{Logged, LongOrder, logged},
};

/// Events of a page.
const PAGE: u64 = 100;
/// Where a state says when the meal is ready.
const READY_BY: &str = "/Placed/ready_by";

/// One question.
pub struct Question {
    /// What reports call it.
    pub name: String,
    /// Path and query.
    pub path: String,
    right: Right,
}

/// What a right answer says.
enum Right {
    /// These versions, one after another.
    Versions(u64, u64),
    /// This state: its version, and when the meal was to be ready then.
    State(u64, Option<DateTime<Utc>>),
    /// That this, and nothing else of what a promise changes, is different.
    Difference(Option<DateTime<Utc>>),
    /// That the last promise was made at this version.
    Origin(u64),
    /// One row of this version.
    Row(u64),
}

/// Everything that is asked.
pub async fn questions(stage: &Stage, order: &LongOrder) -> Result<Vec<Question>> {
    let (id, last) = (order.id, order.events);
    let middle = last / 2;
    let mut asked = Vec::new();
    let mut ask = |name: String, path: String, right| {
        let path = format!("/api/v1/admin/{path}");
        asked.push(Question { name, path, right });
    };
    let stream = format!("aggregate_type=order&aggregate_id={id}");
    for (where_, after) in [("at the start", 0), ("in the middle", middle), ("at the end", last.saturating_sub(PAGE))] {
        let path = format!("events?{stream}&after_version={after}&limit={PAGE}");
        ask(format!("{PAGE} events {where_}"), path, Right::Versions(after + 1, after + PAGE));
    }
    let half = logged(stage, order, middle).await?;
    let path = format!("events?correlation_id={id}&after_position={}&limit={PAGE}", half.position);
    ask(format!("{PAGE} events of its flow, in the middle"), path, Right::Versions(middle + 1, middle + PAGE));
    for version in [1, middle, last - 1, last] {
        let Logged { ready_by, .. } = logged(stage, order, version).await?;
        let path = format!("replay?{stream}&at_version={version}");
        ask(format!("state at version {version}"), path, Right::State(version, ready_by));
    }
    let newest = logged(stage, order, last).await?;
    ask(
        "state now, its kind unknown".to_owned(),
        format!("replay?aggregate_id={id}"),
        Right::State(last, newest.ready_by),
    );
    let (just, at) = before_the_next(stage, order, middle).await?;
    let path = format!("replay?{stream}&at_time={}", at.format("%Y-%m-%dT%H:%M:%S%.6fZ"));
    ask("state as of a time in the middle".to_owned(), path, Right::State(just.0, just.1));
    let path = format!("replay/diff?{stream}&from_version={}&to_version={last}", middle - 1);
    ask(format!("difference of {} and {last}", middle - 1), path, Right::Difference(newest.ready_by));
    ask("which event set which field".to_owned(), format!("replay/fields?{stream}"), Right::Origin(last));
    for (version, position) in [(middle, half.position), (last, newest.position)] {
        let path = format!("projections/orders/rows/{id}?at_position={position}");
        ask(format!("row of the orders as of version {version}"), path, Right::Row(version));
    }
    Ok(asked)
}

/// The newest version, from this one on, that is alone at its instant, and what it promised; the instant.
async fn before_the_next(
    stage: &Stage,
    order: &LongOrder,
    from: u64,
) -> Result<((u64, Option<DateTime<Utc>>), DateTime<Utc>)> {
    let mut now = logged(stage, order, from).await?;
    for version in from.. {
        let next = logged(stage, order, version + 1).await?;
        if next.occurred_at > now.occurred_at + TimeDelta::microseconds(1) {
            return Ok(((version, now.ready_by), now.occurred_at));
        }
        now = next;
    }
    unreachable!("there is no end of versions")
}

impl Question {
    /// Fails unless the answer is right.
    pub fn check(&self, answer: Answer<'_>) -> Result<()> {
        ensure!(answer.status == 200, "{} was answered {}: {}", self.path, answer.status, answer.body);
        let body: Value = serde_json::from_str(answer.body)?;
        let data = &body["data"];
        let list = data.as_array().map(Vec::as_slice).unwrap_or_default();
        let field = |pointer: &str| list.iter().find(|field| field["pointer"] == pointer);
        match self.right {
            Right::Versions(first, last) => {
                let versions = list.iter().filter_map(|event| event["version"].as_u64());
                ensure!(versions.eq(first..=last), "these are not the versions {first} to {last}: {data}");
            }
            Right::State(version, ready_by) => {
                ensure!(data["version"] == version, "this is not version {version}: {data}");
                let promised = data["state"].pointer(READY_BY).filter(|promised| !promised.is_null());
                ensure!(instant(promised)? == ready_by, "this is not what was promised then: {data}");
            }
            Right::Difference(ready_by) => {
                let changed = field(READY_BY).context("the promise is not among what differs")?;
                ensure!(list.len() == 1 && instant(Some(&changed["after"]))? == ready_by, "this is different: {data}");
            }
            Right::Origin(version) => {
                let origin = field(READY_BY).context("the promise is not among the fields")?;
                ensure!(origin["version"] == version, "the last promise was another one: {origin}");
            }
            Right::Row(version) => {
                ensure!(list.len() == 1 && list[0]["version"] == version, "this is not the row: {data}");
            }
        }
        Ok(())
    }
}

fn instant(value: Option<&Value>) -> Result<Option<DateTime<Utc>>> {
    let text = value.map(|value| value.as_str().context("an instant is a text")).transpose()?;
    Ok(text.map(str::parse).transpose()?)
}
