//! What the adapter is told.

use std::time::Duration;

use shared::{
    runtime::{Secret, SettingsError},
    web::Network,
};

/// The settings of T-Bank's acquiring; without a terminal it is switched off.
#[derive(Debug, Clone, clap::Args)]
pub struct TbankArgs {
    /// The terminal's key at T-Bank; without it T-Bank is switched off.
    #[arg(
        id = "tbank_terminal_key",
        long = "tbank-terminal-key",
        env = "TBANK_TERMINAL_KEY",
        value_name = "TBANK_TERMINAL_KEY",
        hide_env_values = true
    )]
    pub terminal_key: Option<Secret>,

    /// The terminal's password.
    #[arg(
        id = "tbank_password",
        long = "tbank-password",
        env = "TBANK_PASSWORD",
        value_name = "TBANK_PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<Secret>,

    /// The password before, whose notifications are believed too while it is being changed.
    #[arg(
        id = "tbank_password_previous",
        long = "tbank-password-previous",
        env = "TBANK_PASSWORD_PREVIOUS",
        value_name = "TBANK_PASSWORD_PREVIOUS",
        hide_env_values = true
    )]
    pub password_previous: Option<Secret>,

    /// Where T-Bank is reached.
    #[arg(
        id = "tbank_api_url",
        long = "tbank-api-url",
        env = "TBANK_API_URL",
        value_name = "TBANK_API_URL",
        default_value = "https://securepay.tinkoff.ru/v2"
    )]
    pub api_url: String,

    /// The networks that T-Bank notifies from, by commas. Behind a proxy, `HOMEFOOD_TRUSTED_PROXIES` names the proxy's own.
    #[arg(
        id = "tbank_networks",
        long = "tbank-networks",
        env = "TBANK_NETWORKS",
        value_name = "TBANK_NETWORKS",
        value_delimiter = ',',
        default_value = "91.194.226.0/23,91.218.132.0/22,212.49.24.0/24,212.233.80.0/22"
    )]
    pub networks: Vec<Network>,

    /// How long one call to T-Bank may take, in milliseconds.
    #[arg(
        id = "tbank_timeout_ms",
        long = "tbank-timeout-ms",
        env = "TBANK_TIMEOUT_MS",
        value_name = "TBANK_TIMEOUT_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(50..=60_000)
    )]
    pub timeout_ms: u32,
}

/// What the adapter is told, complete.
#[derive(Clone)]
pub struct TbankOptions {
    /// Names us to the bank. At most 20 characters.
    pub terminal_key: Secret,
    /// Signs, and proves what the bank sends.
    pub password: Secret,
    /// Proves what the bank sends, while the password is being changed.
    pub password_previous: Option<Secret>,
    /// Where the calls go, without a slash at the end.
    pub api_url: String,
    /// Where the bank sends its notifications.
    pub notification_url: String,
    /// Whom notifications are taken from.
    pub networks: Vec<Network>,
    /// How long one call may take.
    pub call_limit: Duration,
}

/// Characters of a terminal's key.
const TERMINAL_KEY_MAX: usize = 20;

impl TbankArgs {
    /// Whether there is a terminal.
    pub fn is_on(&self) -> bool {
        given(self.terminal_key.as_ref()).is_some()
    }

    /// The complete options, if there is a terminal; `is_development` allows an address without TLS.
    pub fn options(&self, public_url: &str, is_development: bool) -> Result<Option<TbankOptions>, SettingsError> {
        let Some(terminal_key) = given(self.terminal_key.as_ref()) else { return Ok(None) };
        let missing = |name| SettingsError::missing(name, "TBANK_TERMINAL_KEY is set");
        let password = given(self.password.as_ref()).ok_or_else(|| missing("TBANK_PASSWORD"))?;
        let wrong = |text: &str| Err(SettingsError::Wrong(text.to_owned()));
        if terminal_key.expose().len() > TERMINAL_KEY_MAX {
            return wrong("TBANK_TERMINAL_KEY is longer than 20 characters");
        }
        let is_allowed = match self.api_url.split_once("://") {
            Some((scheme, _)) => scheme == "https" || (is_development && scheme == "http"),
            None => false,
        };
        if !is_allowed {
            return wrong("TBANK_API_URL must begin with https://");
        }
        Ok(Some(TbankOptions {
            terminal_key,
            password,
            password_previous: given(self.password_previous.as_ref()),
            api_url: self.api_url.trim_end_matches('/').to_owned(),
            notification_url: format!("{}/api/v1/webhooks/tbank", public_url.trim_end_matches('/')),
            networks: self.networks.clone(),
            call_limit: Duration::from_millis(self.timeout_ms.into()),
        }))
    }
}

/// A variable that is set to nothing is not set.
fn given(secret: Option<&Secret>) -> Option<Secret> {
    secret.filter(|secret| !secret.expose().is_empty()).cloned()
}
