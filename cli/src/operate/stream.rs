//! `homefood stream` and `homefood trace`: what happened, and how things stood.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use super::{
    client::{Client, Remote},
    show,
};
use crate::exit::{self, Exit};

/// How often a tail asks for more.
const ASK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub struct StreamArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: StreamVerb,
}

#[derive(Debug, Subcommand)]
enum StreamVerb {
    /// The events of an aggregate.
    Show {
        #[command(flatten)]
        stream: Stream,
        /// Only behind this version.
        #[arg(long)]
        after_version: Option<u64>,
        /// How many at most.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// The events of the whole log as they come, until Ctrl-C.
    Tail {
        /// Begin behind this position instead of at the end.
        #[arg(long)]
        after_position: Option<u64>,
    },
    /// An aggregate as it is or was.
    State {
        #[command(flatten)]
        stream: Stream,
        /// At this version.
        #[arg(long, conflicts_with = "at_time")]
        at_version: Option<u64>,
        /// At this instant, as 2026-01-31T12:00:00Z.
        #[arg(long)]
        at_time: Option<DateTime<Utc>>,
        /// Show which event set which field.
        #[arg(long, conflicts_with_all = ["at_version", "at_time"])]
        fields: bool,
    },
    /// What changed between two versions.
    Diff {
        #[command(flatten)]
        stream: Stream,
        /// The earlier version.
        from: u64,
        /// The later version; the newest if left out.
        to: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct Stream {
    /// The aggregate.
    id: Uuid,
    /// Its kind, if two kinds share the id.
    #[arg(long = "type")]
    kind: Option<String>,
}

impl Stream {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![("aggregate_id", self.id.to_string())];
        query.extend(self.kind.iter().map(|kind| ("aggregate_type", kind.clone())));
        query
    }
}

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    remote: Remote,
    /// The correlation id of the flow.
    id: Uuid,
}

pub async fn run(args: StreamArgs) -> Result<()> {
    let client = args.remote.client()?;
    match args.verb {
        StreamVerb::Show { stream, after_version, limit } => {
            let mut query = stream.query();
            query.extend(after_version.map(|version| ("after_version", version.to_string())));
            events(&client, &client.pages("/admin/events", &query, limit).await?);
            Ok(())
        }
        StreamVerb::Tail { after_position } => tail(&client, after_position).await,
        StreamVerb::State { stream, fields: true, .. } => {
            let origins = client.data("/admin/replay/fields", &stream.query()).await?;
            let columns = [
                ("FIELD", "/pointer"),
                ("VALUE", "/value"),
                ("VERSION", "/version"),
                ("EVENT", "/event_type"),
                ("AT", "/occurred_at"),
            ];
            list(&client, origins, &columns)
        }
        StreamVerb::State { stream, at_version, at_time, fields: false } => {
            let mut query = stream.query();
            query.extend(at_version.map(|version| ("at_version", version.to_string())));
            query.extend(at_time.map(|at| ("at_time", at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))));
            let state = client.data("/admin/replay", &query).await?;
            if client.json {
                show::json(&state)
            } else {
                show::pretty(&state)
            }
            Ok(())
        }
        StreamVerb::Diff { stream, from, to } => {
            let mut query = stream.query();
            query.push(("from_version", from.to_string()));
            query.extend(to.map(|to| ("to_version", to.to_string())));
            let changes = client.data("/admin/replay/diff", &query).await?;
            list(&client, changes, &[("FIELD", "/pointer"), ("BEFORE", "/before"), ("AFTER", "/after")])
        }
    }
}

/// The tree of a flow.
pub async fn trace(args: TraceArgs) -> Result<()> {
    let client = args.remote.client()?;
    let answer = client.get(&format!("/admin/trace/{}", args.id), &[]).await?;
    let entries = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
    for entry in entries {
        if client.json {
            show::json(entry);
            continue;
        }
        let event = &entry["event"];
        let indent = "  ".repeat(entry["depth"].as_u64().unwrap_or(0) as usize);
        let (kind, id) = (show::cell(event.get("aggregate_type")), show::cell(event.get("aggregate_id")));
        let (name, actor) = (show::cell(event.get("event_type")), show::cell(event.get("actor")));
        show::line(format!("{:>8}  {indent}{name}  {kind} {id}  by {actor}", show::cell(event.get("position"))));
    }
    if answer["meta"]["truncated"] == true {
        let shown = entries.len();
        return Err(
            Exit::new(exit::PARTLY_FAILED, format!("only the first {shown} events of the flow are shown")).into()
        );
    }
    Ok(())
}

async fn tail(client: &Client, after: Option<u64>) -> Result<()> {
    let mut after = match after {
        Some(after) => after,
        None => client.data("/admin/projections", &[]).await?.pointer("/0/head").and_then(Value::as_u64).unwrap_or(0),
    };
    loop {
        let found = client.pages("/admin/events", &[("after_position", after.to_string())], 100).await?;
        if let Some(last) = found.last().and_then(|event| event["position"].as_u64()) {
            after = last;
            events(client, &found);
            continue;
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}

fn events(client: &Client, events: &[Value]) {
    for event in events {
        if client.json {
            show::json(event);
            continue;
        }
        let cell = |name: &str| show::cell(event.get(name));
        show::line(format!(
            "{:>8}  {} v{:<4} {:<28} {}  {}",
            cell("position"),
            cell("occurred_at"),
            cell("version"),
            cell("event_type"),
            cell("actor"),
            cell("payload")
        ));
    }
}

fn list(client: &Client, rows: Value, columns: &[(&str, &str)]) -> Result<()> {
    let rows = rows.as_array().cloned().unwrap_or_default();
    if client.json {
        rows.iter().for_each(show::json);
    } else {
        show::table(&rows, columns);
    }
    Ok(())
}
