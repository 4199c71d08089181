//! `homefood seed`: kitchens and dishes for an empty installation. Doing it again changes nothing.

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use shared::runtime::{
    Secret,
    postgres::{PoolOptions, connect_pool},
};

use crate::{dev::demo, exit::Exit};

#[derive(Debug, Args)]
pub struct SeedArgs {
    /// The database, migrated.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Secret,
    /// Print what there is now as JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: SeedArgs) -> Result<()> {
    let options = PoolOptions::new("homefood seed", 1);
    let db = connect_pool(&args.database_url, options).await.map_err(|error| Exit::no_database(&error))?;
    demo::load(&db).await.context("the demo data cannot be loaded; is the database migrated?")?;
    if args.json {
        let dish = |dish: &demo::DemoDish| json!({"id": dish.id(), "name": dish.name, "producer_id": dish.kitchen.producer_id()});
        println!("{}", json!({"dishes": demo::DISHES.iter().map(dish).collect::<Vec<_>>()}));
    }
    eprintln!("{} dishes of two kitchens are on the menu", demo::DISHES.len());
    Ok(())
}
