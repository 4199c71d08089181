//! Settings both services share, read from the environment or the command line, and checked before anything starts.

mod domain;
mod secret;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

pub use domain::DomainSettings;
pub use secret::{Key32, Secret};

use crate::web::{
    Network, TrustedProxies,
    limits::{RateSetting, Rates},
};

/// Where the program runs. Everything that is convenient and unsafe is allowed in development only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// A developer's machine or a test.
    Development,
    /// Anywhere else.
    Production,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The one algorithm tokens may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum JwtAlgorithm {
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
    /// RSA with SHA-256.
    #[value(name = "RS256")]
    Rs256,
}

/// What both services are told.
#[derive(Debug, Clone, clap::Args)]
pub struct SharedSettings {
    /// The database, with user and password.
    #[arg(long, env = "DATABASE_URL", value_name = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,

    /// The NATS server, with credentials if it asks for them.
    #[arg(long, env = "NATS_URL", value_name = "NATS_URL", hide_env_values = true)]
    pub nats_url: Secret,

    /// Address and port to serve at; port 0 takes a free one.
    #[arg(long, env = "HOMEFOOD_LISTEN", value_name = "HOMEFOOD_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// `development` allows generated keys and the moving of time. Unset is `production`: forgetting it opens nothing.
    #[arg(long, env = "HOMEFOOD_ENV", value_name = "HOMEFOOD_ENV", default_value = "production")]
    pub environment: Environment,

    /// Whose tokens are believed.
    #[command(flatten)]
    pub jwt: JwtSettings,

    /// Key of consistency tokens and cursors: 32 bytes in hex or base64, the same for both services.
    #[arg(long, env = "HOMEFOOD_TOKEN_MAC_KEY", value_name = "HOMEFOOD_TOKEN_MAC_KEY", hide_env_values = true)]
    pub token_mac_key: Option<Key32>,

    /// Key that wraps the keys of personal data: 32 bytes in hex or base64.
    #[arg(long, env = "HOMEFOOD_PII_KEK", value_name = "HOMEFOOD_PII_KEK", hide_env_values = true)]
    pub pii_kek: Option<Key32>,

    /// Where the outside world reaches this service.
    #[arg(
        long,
        env = "HOMEFOOD_PUBLIC_URL",
        value_name = "HOMEFOOD_PUBLIC_URL",
        default_value = "http://localhost:8080"
    )]
    pub public_url: String,

    /// The networks of the proxies in front of this service, by commas: of a request from one of them, the last address
    /// in `X-Forwarded-For` or `Forwarded` that is no proxy's is the caller's. None: the caller is whoever connects.
    #[arg(long, env = "HOMEFOOD_TRUSTED_PROXIES", value_name = "HOMEFOOD_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,

    /// What one caller may ask of one instance: `off`, or limits per minute like
    /// `queries=6000,commands=1200,payments=120`, which are the default in production. Development has none.
    #[arg(long, env = "HOMEFOOD_RATE_LIMITS", value_name = "HOMEFOOD_RATE_LIMITS")]
    pub rate_limits: Option<RateSetting>,

    /// How log lines look.
    #[arg(long, env = "HOMEFOOD_LOG_FORMAT", value_name = "HOMEFOOD_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// Which log lines are written (`info,shared::web=debug`).
    #[arg(long, env = "HOMEFOOD_LOG", value_name = "HOMEFOOD_LOG", default_value = "info")]
    pub log_filter: String,

    /// The durations and limits of the business.
    #[command(flatten)]
    pub domain: DomainSettings,
}

/// Whose tokens are believed. Without a key set or a key, development generates a key of its own.
#[derive(Debug, Clone, clap::Args)]
pub struct JwtSettings {
    /// The one algorithm tokens may be signed with; the token's own header is never asked.
    #[arg(
        long = "jwt-algorithm",
        env = "HOMEFOOD_JWT_ALGORITHM",
        value_name = "HOMEFOOD_JWT_ALGORITHM",
        default_value = "EdDSA"
    )]
    pub algorithm: JwtAlgorithm,

    /// Who issues tokens (`iss`).
    #[arg(
        long = "jwt-issuer",
        env = "HOMEFOOD_JWT_ISSUER",
        value_name = "HOMEFOOD_JWT_ISSUER",
        default_value = "homefood"
    )]
    pub issuer: String,

    /// Whom tokens are for (`aud`).
    #[arg(
        long = "jwt-audience",
        env = "HOMEFOOD_JWT_AUDIENCE",
        value_name = "HOMEFOOD_JWT_AUDIENCE",
        default_value = "homefood"
    )]
    pub audience: String,

    /// The issuer's public keys: a JWKS file, or its `http(s)` address.
    #[arg(
        long = "jwt-jwks",
        env = "HOMEFOOD_JWT_JWKS",
        value_name = "HOMEFOOD_JWT_JWKS",
        conflicts_with = "public_key"
    )]
    pub jwks: Option<String>,

    /// The issuer's public key: a PEM file.
    #[arg(long = "jwt-public-key", env = "HOMEFOOD_JWT_PUBLIC_KEY", value_name = "HOMEFOOD_JWT_PUBLIC_KEY")]
    pub public_key: Option<PathBuf>,

    /// Where development keeps the key it generates; both services read the same file.
    #[arg(
        long = "jwt-dev-key-file",
        env = "HOMEFOOD_JWT_DEV_KEY_FILE",
        value_name = "HOMEFOOD_JWT_DEV_KEY_FILE",
        default_value = ".homefood/dev-jwt-key.pem"
    )]
    pub dev_key_file: PathBuf,
}

impl SharedSettings {
    /// Where to serve: as told, or at every address on the service's usual port.
    pub fn listen_or(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], port)))
    }

    /// Whether the convenient and unsafe is allowed.
    pub fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    /// The key of consistency tokens and cursors; in development a well-known one.
    pub fn token_mac_key(&self) -> Key32 {
        self.token_mac_key.clone().unwrap_or_else(|| Key32::well_known("token mac key"))
    }

    /// The key that wraps the keys of personal data; in development a well-known one.
    pub fn pii_kek(&self) -> Key32 {
        self.pii_kek.clone().unwrap_or_else(|| Key32::well_known("pii kek"))
    }

    /// Whose word is taken for where a request comes from.
    pub fn proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted_proxies.clone())
    }

    /// What one caller may ask, if anything is limited.
    pub fn rates(&self) -> Option<Rates> {
        match self.rate_limits {
            Some(RateSetting::On(rates)) => Some(rates),
            Some(RateSetting::Off) => None,
            None if self.is_development() => None,
            None => Some(Rates::default()),
        }
    }

    /// Refuses what would start and then be wrong.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (name, value) in [("DATABASE_URL", &self.database_url), ("NATS_URL", &self.nats_url)] {
            if value.expose().is_empty() {
                return Err(SettingsError::missing(name, "it is empty"));
            }
        }
        self.domain.check()?;
        if self.is_development() {
            return Ok(());
        }
        let why = "it has a default in development only";
        match self {
            Self { token_mac_key: None, .. } => Err(SettingsError::missing("HOMEFOOD_TOKEN_MAC_KEY", why)),
            Self { pii_kek: None, .. } => Err(SettingsError::missing("HOMEFOOD_PII_KEK", why)),
            Self { jwt: JwtSettings { jwks: None, public_key: None, .. }, .. } => {
                Err(SettingsError::missing("HOMEFOOD_JWT_JWKS or HOMEFOOD_JWT_PUBLIC_KEY", why))
            }
            _ => Ok(()),
        }
    }
}

/// A service's settings: flatten `SharedSettings` and check what the parser cannot.
pub trait Settings: clap::Parser {
    /// Refuses what would start and then be wrong.
    fn check(&self) -> Result<(), SettingsError>;
}

/// Why the program does not start, in one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing is wrong: `--help` or `--version` was asked for.
    #[error("{0}")]
    Asked(String),
    /// A setting is wrong or missing; the line names it, and never shows its value.
    #[error("settings: {0}")]
    Wrong(String),
}

impl SettingsError {
    /// `name` is missing.
    pub fn missing(name: &str, why: &str) -> Self {
        Self::Wrong(format!("missing {name}: {why}"))
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Asked(_) => 0,
            Self::Wrong(_) => 2,
        }
    }
}

/// Reads the settings of this process, checked.
pub fn parse<T: Settings>() -> Result<T, SettingsError> {
    parse_from(std::env::args_os())
}

/// Reads settings from these arguments and the environment, checked.
pub fn parse_from<T: Settings>(arguments: impl IntoIterator<Item = OsString>) -> Result<T, SettingsError> {
    let settings = T::try_parse_from(arguments).map_err(|error| one_line(&error))?;
    settings.check()?;
    Ok(settings)
}

/// The parser's report without its layout, and without the value: it may be a secret.
fn one_line(error: &clap::Error) -> SettingsError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => SettingsError::Asked(error.to_string()),
        ErrorKind::MissingRequiredArgument => SettingsError::missing(&argument, "set the variable or pass the flag"),
        ErrorKind::InvalidValue => {
            SettingsError::Wrong(format!("{argument} must be one of: {}", context(ContextKind::ValidValue)))
        }
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            SettingsError::Wrong(format!("{argument} is wrong: {cause}"))
        }
        ErrorKind::ArgumentConflict => {
            SettingsError::Wrong(format!("{argument} and {} exclude each other", context(ContextKind::PriorArg)))
        }
        _ => {
            let text = error.to_string();
            SettingsError::Wrong(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
