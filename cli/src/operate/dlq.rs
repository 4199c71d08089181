//! `homefood dlq`: dead letters.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Client, Remote},
    follow::follow,
    show,
};
use crate::exit::{self, Exit};

#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: DlqVerb,
}

#[derive(Debug, Subcommand)]
enum DlqVerb {
    /// List letters, or their causes.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Show causes instead of letters.
        #[arg(long)]
        groups: bool,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one letter with its event.
    Show {
        /// The letter.
        id: Uuid,
    },
    /// Fold a letter and what waits behind it on trial; nothing is changed.
    Test {
        /// The letter.
        id: Uuid,
    },
    /// Have letters tried again: one, those of a filter, or all.
    Redrive {
        /// The letter.
        id: Option<Uuid>,
        #[command(flatten)]
        filter: Filter,
        /// Everything that is open.
        #[arg(long)]
        all: bool,
        /// Letters a second at most.
        #[arg(long, default_value_t = 50)]
        rate: u32,
        /// Why; kept with the act.
        #[arg(long)]
        reason: String,
        /// Do not wait for the end.
        #[arg(long)]
        detach: bool,
    },
    /// Have a letter passed over for good.
    Discard {
        /// The letter.
        id: Uuid,
        /// Why; kept with the act.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this queue: a projection, or process_managers.
    #[arg(long)]
    queue: Option<String>,
    /// That stand here: PENDING, PARKED, BLOCKED, REDRIVEN or DISCARDED.
    #[arg(long)]
    status: Option<String>,
    /// Of this cause.
    #[arg(long)]
    fingerprint: Option<String>,
    /// Of this aggregate.
    #[arg(long)]
    aggregate: Option<Uuid>,
}

impl Filter {
    fn named(&self) -> Vec<(&'static str, String)> {
        let aggregate = self.aggregate.map(|id| id.to_string());
        let named = [
            ("queue", &self.queue),
            ("status", &self.status),
            ("fingerprint", &self.fingerprint),
            ("aggregate_id", &aggregate),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

pub async fn run(args: DlqArgs) -> Result<()> {
    let client = args.remote.client()?;
    match args.verb {
        DlqVerb::List { filter, groups: true, .. } => groups(&client, &filter).await,
        DlqVerb::List { filter, groups: false, limit } => list(&client, &filter, limit).await,
        DlqVerb::Show { id } => say(&client, &client.data(&format!("/admin/dlq/{id}"), &[]).await?),
        DlqVerb::Test { id } => {
            let tried = client.post(&format!("/admin/dlq/{id}/test"), &json!({})).await?;
            say(&client, &tried)?;
            match tried["error"].as_str() {
                Some(error) => Err(Exit::new(exit::PARTLY_FAILED, format!("it would fail again: {error}")).into()),
                None => Ok(()),
            }
        }
        DlqVerb::Redrive { id, filter, all, rate, reason, detach } => {
            let operation = redrive(&client, id, &filter, (all, rate), &reason).await?;
            if detach { say(&client, &operation) } else { follow(&client, &operation).await }
        }
        DlqVerb::Discard { id, reason } => {
            let body = json!({"reason": reason});
            say(&client, &client.post(&format!("/admin/dlq/{id}/discard"), &body).await?)
        }
    }
}

async fn redrive(
    client: &Client,
    id: Option<Uuid>,
    filter: &Filter,
    (all, rate): (bool, u32),
    reason: &str,
) -> Result<Value> {
    if let Some(id) = id {
        return client.post(&format!("/admin/dlq/{id}/retry"), &json!({"reason": reason})).await;
    }
    let filter: serde_json::Map<String, Value> =
        filter.named().into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    if filter.is_empty() && !all {
        return Err(Exit::new(exit::USAGE, "say which letters: an id, a filter, or --all").into());
    }
    client.post("/admin/dlq/redrive", &json!({"filter": filter, "rate_per_s": rate, "reason": reason})).await
}

async fn list(client: &Client, filter: &Filter, limit: usize) -> Result<()> {
    let letters = client.pages("/admin/dlq", &filter.named(), limit).await?;
    if client.json {
        letters.iter().for_each(show::json);
        return Ok(());
    }
    let columns = [
        ("ID", "/id"),
        ("QUEUE", "/queue_name"),
        ("STATUS", "/status"),
        ("EVENT", "/message_type"),
        ("POSITION", "/position"),
        ("RETRIES", "/retry_count"),
        ("NEXT", "/next_retry_at"),
        ("ERROR", "/error_message"),
    ];
    show::table(&letters, &columns);
    Ok(())
}

async fn groups(client: &Client, filter: &Filter) -> Result<()> {
    let query: Vec<_> = filter.queue.iter().map(|queue| ("queue", queue.clone())).collect();
    let groups = client.data("/admin/dlq/groups", &query).await?;
    let groups = groups.as_array().cloned().unwrap_or_default();
    if client.json {
        groups.iter().for_each(show::json);
        return Ok(());
    }
    let columns = [
        ("FINGERPRINT", "/fingerprint"),
        ("QUEUE", "/queue_name"),
        ("EVENT", "/message_type"),
        ("PENDING", "/pending"),
        ("PARKED", "/parked"),
        ("ERROR", "/error_message"),
    ];
    show::table(&groups, &columns);
    Ok(())
}

fn say(client: &Client, value: &Value) -> Result<()> {
    if client.json {
        show::json(value)
    } else {
        show::pretty(value)
    }
    Ok(())
}
