//! `homefood projection`: how projections stand, rebuilding, auditing and healing them.

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Client, Remote},
    follow::follow,
    show,
};
use crate::exit::{self, Exit};

#[derive(Debug, Args)]
pub struct ProjectionArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: ProjectionVerb,
}

#[derive(Debug, Subcommand)]
enum ProjectionVerb {
    /// List projections.
    List,
    /// Show one projection.
    Show {
        /// Its name.
        name: String,
    },
    /// Fold a projection anew beside the live tables, compare, and swap.
    Rebuild {
        #[command(flatten)]
        act: Act,
        /// When to swap.
        #[arg(long, value_enum, default_value_t = Swap::Equal)]
        swap: Swap,
        /// Do not wait for the end.
        #[arg(long)]
        detach: bool,
    },
    /// Have what is being done to a projection rest.
    Pause(Act),
    /// Have it go on.
    Resume(Act),
    /// Call it off; what it had begun is cleared away.
    Cancel(Act),
    /// Have a rebuild that waits swap, whatever differs.
    Swap(Act),
    /// Bring the tables that were replaced last back.
    Rollback(Act),
    /// Compare every row with a fold of its events.
    Verify(Act),
    /// Throw away the tables that rebuilds have replaced.
    Forget(Act),
    /// Put one row right.
    Heal {
        #[command(flatten)]
        act: Act,
        /// The aggregate.
        id: Uuid,
    },
    /// Show the row of one aggregate, folded anew.
    Row {
        /// The projection.
        name: String,
        /// The aggregate.
        id: Uuid,
        /// As of this position of the log.
        #[arg(long)]
        at_position: Option<u64>,
    },
}

#[derive(Debug, Args)]
struct Act {
    /// The projection.
    name: String,
    /// Why; kept with the act.
    #[arg(long)]
    reason: String,
}

/// When the new tables take the place of the live ones.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Swap {
    /// At once if both are equal; otherwise you decide.
    Equal,
    /// Once they are verified, whatever differs.
    Verified,
    /// When you say so.
    Told,
}

impl Swap {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Verified => "verified",
            Self::Told => "told",
        }
    }
}

pub async fn run(args: ProjectionArgs) -> Result<()> {
    let client = args.remote.client()?;
    match args.verb {
        ProjectionVerb::List => list(&client).await,
        ProjectionVerb::Show { name } => say(&client, &client.data(&format!("/admin/projections/{name}"), &[]).await?),
        ProjectionVerb::Rebuild { act, swap, detach } => {
            let body = json!({"reason": act.reason, "swap": swap.as_str()});
            let operation = client.post(&format!("/admin/projections/{}/rebuild", act.name), &body).await?;
            if detach { say(&client, &operation) } else { follow(&client, &operation).await }
        }
        ProjectionVerb::Pause(act) => ask(&client, &act, "pause").await,
        ProjectionVerb::Resume(act) => ask(&client, &act, "resume").await,
        ProjectionVerb::Cancel(act) => ask(&client, &act, "cancel").await,
        ProjectionVerb::Swap(act) => begin(&client, &act, "swap").await,
        ProjectionVerb::Rollback(act) => begin(&client, &act, "rollback").await,
        ProjectionVerb::Verify(act) => begin(&client, &act, "verify").await,
        ProjectionVerb::Forget(act) => say(&client, &post(&client, &act, "forget").await?),
        ProjectionVerb::Heal { act, id } => say(&client, &post(&client, &act, &format!("rows/{id}/heal")).await?),
        ProjectionVerb::Row { name, id, at_position } => {
            let query: Vec<_> = at_position.iter().map(|at| ("at_position", at.to_string())).collect();
            say(&client, &client.data(&format!("/admin/projections/{name}/rows/{id}"), &query).await?)
        }
    }
}

async fn list(client: &Client) -> Result<()> {
    let projections = client.data("/admin/projections", &[]).await?;
    let projections = projections.as_array().cloned().unwrap_or_default();
    if client.json {
        projections.iter().for_each(show::json);
        return Ok(());
    }
    let columns = [
        ("NAME", "/name"),
        ("POSITION", "/position"),
        ("LAG", "/lag"),
        ("PENDING", "/letters_pending"),
        ("PARKED", "/letters_parked"),
        ("BLOCKED", "/letters_blocked"),
        ("DOING", "/operations/0/kind"),
        ("STAGE", "/operations/0/progress/stage"),
    ];
    show::table(&projections, &columns);
    Ok(())
}

/// Something that takes its time.
async fn begin(client: &Client, act: &Act, verb: &str) -> Result<()> {
    follow(client, &post(client, act, verb).await?).await
}

async fn post(client: &Client, act: &Act, verb: &str) -> Result<Value> {
    client.post(&format!("/admin/projections/{}/{verb}", act.name), &json!({"reason": act.reason})).await
}

/// The operation about the projection that has not ended; beside a rebuild, others are not what is meant.
fn meant<'a>(name: &str, operations: &'a [Value]) -> Result<&'a str, Exit> {
    let rebuilds: Vec<_> = operations.iter().filter(|operation| operation["kind"] == "rebuild").collect();
    let operations: Vec<_> = operations.iter().collect();
    match (&operations[..], &rebuilds[..]) {
        ([], _) => Err(Exit::new(exit::CONFLICT, format!("nothing is being done to {name}"))),
        (&[only], _) | (_, &[only]) => Ok(only["id"].as_str().unwrap_or_default()),
        (several, _) => {
            let ids: Vec<_> = several.iter().filter_map(|operation| operation["id"].as_str()).collect();
            let ids = ids.join(", ");
            Err(Exit::new(exit::CONFLICT, format!("several things are being done to {name}: {ids}")))
        }
    }
}

/// Wants something of what is being done to the projection.
async fn ask(client: &Client, act: &Act, verb: &str) -> Result<()> {
    let projection = client.data(&format!("/admin/projections/{}", act.name), &[]).await?;
    let id = meant(&act.name, projection["operations"].as_array().map_or(&[], Vec::as_slice))?;
    say(client, &client.post(&format!("/operations/{id}/{verb}"), &json!({"reason": act.reason})).await?)
}

fn say(client: &Client, value: &Value) -> Result<()> {
    if client.json {
        show::json(value)
    } else {
        show::pretty(value)
    }
    Ok(())
}
