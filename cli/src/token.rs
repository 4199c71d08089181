//! `homefood token`: who you want to be, in development.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Args;
use shared::{
    domain::{ProducerId, UserId},
    runtime::settings::{JwtAlgorithm, JwtSettings},
    web::{
        Role, Roles,
        token::{DevIssuer, Grant},
    },
};
use uuid::Uuid;

use crate::exit::{self, Exit};

/// How long a token of development is good: a working day.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3_600);

#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Whose token: a UUID.
    #[arg(long)]
    sub: Uuid,
    /// What its bearer may be: customer, producer, admin or analyst; may be given several times.
    #[arg(long, required = true)]
    role: Vec<String>,
    /// The kitchen of a producer: a UUID.
    #[arg(long)]
    producer_id: Option<Uuid>,
    /// Where `cargo dev` keeps its data.
    #[arg(long, default_value_os_t = crate::dev::default_data_dir())]
    data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: TokenArgs) -> Result<()> {
    let mut roles = Roles::default();
    for name in &args.role {
        roles = roles.with(role(name)?);
    }
    let grant =
        Grant { user_id: UserId(args.sub), roles, producer_id: args.producer_id.map(ProducerId), lifetime: LIFETIME };
    let key_file = args.data_dir.join(crate::dev::KEY_FILE);
    if !key_file.exists() {
        let none = format!("there is no key in {}: run `cargo dev` first", args.data_dir.display());
        return Err(Exit::new(exit::NOT_FOUND, none).into());
    }
    let issuer = DevIssuer::load_or_create(&jwt_settings(key_file)).context("the key of development cannot be read")?;
    let token = issuer.mint(&grant).context("the token cannot be signed")?;
    match args.json {
        true => println!("{}", serde_json::json!({"token": token, "expires_in_s": LIFETIME.as_secs()})),
        false => println!("{token}"),
    }
    Ok(())
}

fn role(name: &str) -> Result<Role> {
    let all = [Role::Customer, Role::Producer, Role::Admin, Role::Analyst];
    all.into_iter().find(|role| role.as_str() == name).ok_or_else(|| {
        Exit::new(exit::USAGE, format!("{name:?} is no role: customer, producer, admin or analyst")).into()
    })
}

/// The key of development, as both services are told of it.
pub fn jwt_settings(dev_key_file: PathBuf) -> JwtSettings {
    JwtSettings {
        algorithm: JwtAlgorithm::EdDsa,
        issuer: "homefood".to_owned(),
        audience: "homefood".to_owned(),
        jwks: None,
        public_key: None,
        dev_key_file,
    }
}
