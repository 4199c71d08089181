//! `homefood token`: who you want to be, in development.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
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
        bail!("there is no key in {}: run `cargo dev` first", args.data_dir.display());
    }
    let issuer = DevIssuer::load_or_create(&jwt_settings(key_file)).context("the key of development cannot be read")?;
    println!("{}", issuer.mint(&grant).context("the token cannot be signed")?);
    Ok(())
}

fn role(name: &str) -> Result<Role> {
    let all = [Role::Customer, Role::Producer, Role::Admin, Role::Analyst];
    all.into_iter()
        .find(|role| role.as_str() == name)
        .with_context(|| format!("{name:?} is no role: customer, producer, admin or analyst"))
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
