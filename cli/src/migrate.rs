//! `homefood migrate`: run by the owner of the database, before the services start.

use anyhow::{Context, Result};
use clap::Args;
use shared::runtime::{
    Secret,
    postgres::{MIGRATIONS, PoolOptions, connect_pool, migrate},
};

use crate::exit::Exit;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The database, as its owner.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Secret,
    /// Print the newest migration as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: MigrateArgs) -> Result<()> {
    let options = PoolOptions { statement_timeout: None, ..PoolOptions::new("homefood migrate", 1) };
    let db = connect_pool(&args.database_url, options).await.map_err(|error| Exit::no_database(&error))?;
    migrate(&db).await.context("the database cannot be migrated")?;
    if args.json {
        let newest = MIGRATIONS.last().map(|(version, what, _)| serde_json::json!({"version": version, "what": what}));
        println!("{}", serde_json::json!({"newest": newest}));
    }
    eprintln!("the database is at the newest migration");
    Ok(())
}
