//! What the command-service is told, by environment or command line.

use std::time::Duration;

use clap::Parser;
use shared::{
    domain::payment::Provider,
    runtime::{
        SettingsError, SharedSettings,
        settings::{Environment, Key32, Settings},
    },
};

use crate::{event_log::AppendQueueOptions, process_managers::Policies, providers::tbank::TbankArgs};

/// The settings of the command-service.
#[derive(Debug, Clone, Parser)]
#[command(name = "command-service", version, about = "The write side of HomeFood")]
pub struct CommandSettings {
    /// What both services are told.
    #[command(flatten)]
    pub shared: SharedSettings,
    /// What the write side alone is told.
    #[command(flatten)]
    pub write_side: WriteSideSettings,
}

/// What the write side alone is told.
#[derive(Debug, Clone, clap::Args)]
pub struct WriteSideSettings {
    /// Where a customer's browser may be sent after paying: places, separated by commas. Development allows
    /// `http://localhost` besides.
    #[arg(long, env = "HOMEFOOD_RETURN_URLS", value_name = "HOMEFOOD_RETURN_URLS", value_delimiter = ',')]
    pub return_urls: Vec<String>,

    /// The most connections to the database, beside three for appending and leading.
    #[arg(
        long,
        env = "HOMEFOOD_COMMAND_DB_CONNECTIONS",
        value_name = "HOMEFOOD_COMMAND_DB_CONNECTIONS",
        default_value_t = 12
    )]
    pub command_db_connections: u32,

    /// Appends that may wait; one more is answered 503.
    #[arg(
        long,
        env = "HOMEFOOD_APPEND_QUEUE",
        value_name = "HOMEFOOD_APPEND_QUEUE",
        default_value_t = 4_096,
        value_parser = clap::value_parser!(u32).range(1..=65_536)
    )]
    pub append_queue: u32,

    /// Aggregates of each type kept in memory.
    #[arg(long, env = "HOMEFOOD_AGGREGATE_CACHE", value_name = "HOMEFOOD_AGGREGATE_CACHE", default_value_t = 50_000)]
    pub aggregate_cache: u64,

    /// A snapshot is taken after every so many events of a stream.
    #[arg(
        long,
        env = "HOMEFOOD_SNAPSHOT_EVERY",
        value_name = "HOMEFOOD_SNAPSHOT_EVERY",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub snapshot_every: u32,

    /// Hours for which a command sent again gets its first answer.
    #[arg(
        long,
        env = "HOMEFOOD_RECEIPTS_KEEP_HOURS",
        value_name = "HOMEFOOD_RECEIPTS_KEEP_HOURS",
        default_value_t = 72,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub receipts_keep_hours: u32,

    /// Pepper of gift codes: 32 bytes in hex or base64. Changing it makes every code that is out worthless.
    #[arg(long, env = "HOMEFOOD_GIFT_PEPPER", value_name = "HOMEFOOD_GIFT_PEPPER", hide_env_values = true)]
    pub gift_pepper: Option<Key32>,

    /// Key that encrypts gift codes until they are used: 32 bytes in hex or base64.
    #[arg(long, env = "HOMEFOOD_GIFT_VAULT_KEY", value_name = "HOMEFOOD_GIFT_VAULT_KEY", hide_env_values = true)]
    pub gift_vault_key: Option<Key32>,

    /// The rest before a payment provider that did not answer is asked again, in milliseconds.
    #[arg(
        long,
        env = "HOMEFOOD_PROVIDER_REST_MS",
        value_name = "HOMEFOOD_PROVIDER_REST_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(10..=60_000)
    )]
    pub provider_rest_ms: u32,

    /// How long whoever wants to pay waits for the provider's page, in milliseconds; then the answer is 202. A request
    /// may take ten seconds in all.
    #[arg(
        long,
        env = "HOMEFOOD_PAYMENT_PAGE_WAIT_MS",
        value_name = "HOMEFOOD_PAYMENT_PAGE_WAIT_MS",
        default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(1..=9_000)
    )]
    pub payment_page_wait_ms: u32,

    /// T-Bank.
    #[command(flatten)]
    pub tbank: TbankArgs,
}

impl Settings for CommandSettings {
    fn check(&self) -> Result<(), SettingsError> {
        self.shared.check()?;
        let secrets = (&self.write_side.gift_pepper, &self.write_side.gift_vault_key);
        if self.shared.environment == Environment::Production && !matches!(secrets, (Some(_), Some(_))) {
            return Err(SettingsError::missing(
                "HOMEFOOD_GIFT_PEPPER and HOMEFOOD_GIFT_VAULT_KEY",
                "they have defaults in development only",
            ));
        }
        let is_development = self.shared.environment == Environment::Development;
        let tbank = self.write_side.tbank.options(&self.shared.public_url, is_development)?;
        if tbank.is_none() && !is_development {
            // DEV_FAKE moves no money.
            return Err(SettingsError::missing(
                "TBANK_TERMINAL_KEY",
                "HOMEFOOD_ENV is production (or unset), and only T-Bank moves money there",
            ));
        }
        Ok(())
    }
}

impl WriteSideSettings {
    /// The limits of the append queue.
    pub fn append_queue(&self) -> AppendQueueOptions {
        AppendQueueOptions { waiting_max: self.append_queue as usize, ..AppendQueueOptions::default() }
    }

    /// How long whoever wants to pay waits for the provider's page.
    pub fn payment_page_wait(&self) -> Duration {
        Duration::from_millis(self.payment_page_wait_ms.into())
    }

    /// The pepper of gift codes; in development a well-known one.
    pub fn gift_pepper(&self) -> Key32 {
        self.gift_pepper.clone().unwrap_or_else(|| Key32::well_known("gift pepper"))
    }

    /// The key that encrypts gift codes; in development a well-known one.
    pub fn gift_vault_key(&self) -> Key32 {
        self.gift_vault_key.clone().unwrap_or_else(|| Key32::well_known("gift vault key"))
    }

    /// What commands are decided by.
    pub fn policies(&self, shared: &SharedSettings) -> Policies {
        // The first is the one for customers who do not choose.
        let tbank = self.tbank.is_on().then_some(Provider::Tbank);
        let dev_fake = shared.is_development().then_some(Provider::DevFake);
        let enabled_providers: Vec<Provider> = tbank.into_iter().chain(dev_fake).collect();
        Policies {
            order: shared.domain.order_policy(),
            dispute: shared.domain.dispute_policy(),
            payment: shared.domain.payment_policy(),
            gift: shared.domain.gift_policy(),
            default_provider: enabled_providers.first().copied().unwrap_or(Provider::DevFake),
            enabled_providers,
            payment_grace: shared.domain.payment_grace(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use shared::runtime::settings::parse_from;

    use super::*;

    const PRODUCTION: &[&str] = &[
        "--database-url",
        "postgres://db/x",
        "--nats-url",
        "nats://n",
        "--environment",
        "production",
        "--token-mac-key",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "--pii-kek",
        "0000000000000000000000000000000000000000000000000000000000000002",
        "--jwt-jwks",
        "keys.json",
        "--gift-pepper",
        "0000000000000000000000000000000000000000000000000000000000000003",
        "--gift-vault-key",
        "0000000000000000000000000000000000000000000000000000000000000004",
    ];

    fn parse(more: &[&str]) -> Result<CommandSettings, SettingsError> {
        let arguments =
            std::iter::once("command-service").chain(PRODUCTION.iter().copied()).chain(more.iter().copied());
        parse_from(arguments.map(OsString::from))
    }

    #[test]
    fn production_needs_a_bank_that_moves_money() {
        let refused = parse(&[]).unwrap_err().to_string();
        assert!(refused.contains("TBANK_TERMINAL_KEY"), "{refused}");
        let refused = parse(&["--tbank-terminal-key", "T"]).unwrap_err().to_string();
        assert!(refused.contains("TBANK_PASSWORD"), "{refused}");
        let plain = ["--tbank-terminal-key", "T", "--tbank-password", "hush", "--tbank-api-url", "http://bank"];
        let refused = parse(&plain).unwrap_err().to_string();
        assert!(refused.contains("TBANK_API_URL") && !refused.contains("hush"), "{refused}");
    }

    #[test]
    fn in_production_the_imitation_is_no_provider() {
        let mut settings = parse(&["--tbank-terminal-key", "T", "--tbank-password", "P"]).unwrap();
        let enabled = |settings: &CommandSettings| settings.write_side.policies(&settings.shared).enabled_providers;
        assert_eq!(enabled(&settings), [Provider::Tbank]);
        settings.shared.environment = Environment::Development;
        assert_eq!(enabled(&settings), [Provider::Tbank, Provider::DevFake]);
    }
}
