//! What the command-service is told, by environment or command line.

use chrono::TimeDelta;
use clap::Parser;
use http::HeaderName;
use shared::{
    domain::{dispute::DisputePolicy, gift::GiftPolicy, order::OrderPolicy, payment::PaymentPolicy, payment::Provider},
    runtime::{
        SettingsError, SharedSettings,
        settings::{Environment, Key32, Settings},
    },
};

use crate::{event_log::AppendQueueOptions, process_managers::Policies};

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

    /// Minutes for which an order waits for its payment.
    #[arg(
        long,
        env = "HOMEFOOD_PAYMENT_WINDOW_MINUTES",
        value_name = "HOMEFOOD_PAYMENT_WINDOW_MINUTES",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(3..=1_440)
    )]
    pub payment_window_minutes: u32,

    /// Minutes more for a customer whom the bank is checking.
    #[arg(
        long,
        env = "HOMEFOOD_PAYMENT_GRACE_MINUTES",
        value_name = "HOMEFOOD_PAYMENT_GRACE_MINUTES",
        default_value_t = 10
    )]
    pub payment_grace_minutes: u32,

    /// Minutes for which a paid order waits for its cook.
    #[arg(
        long,
        env = "HOMEFOOD_ACCEPTANCE_WINDOW_MINUTES",
        value_name = "HOMEFOOD_ACCEPTANCE_WINDOW_MINUTES",
        default_value_t = 15,
        value_parser = clap::value_parser!(u32).range(1..=1_440)
    )]
    pub acceptance_window_minutes: u32,

    /// Hours after which a delivered order is complete by itself.
    #[arg(
        long,
        env = "HOMEFOOD_AUTO_COMPLETE_HOURS",
        value_name = "HOMEFOOD_AUTO_COMPLETE_HOURS",
        default_value_t = 24
    )]
    pub auto_complete_hours: u32,

    /// Pepper of gift codes: 32 bytes in hex or base64. Changing it makes every code that is out worthless.
    #[arg(long, env = "HOMEFOOD_GIFT_PEPPER", value_name = "HOMEFOOD_GIFT_PEPPER", hide_env_values = true)]
    pub gift_pepper: Option<Key32>,

    /// Key that encrypts gift codes until they are used: 32 bytes in hex or base64.
    #[arg(long, env = "HOMEFOOD_GIFT_VAULT_KEY", value_name = "HOMEFOOD_GIFT_VAULT_KEY", hide_env_values = true)]
    pub gift_vault_key: Option<Key32>,

    /// The header in which a trusted proxy says who calls (`x-real-ip`; of a list, the last). Unset, the caller is whoever
    /// opened the connection; behind a proxy that would be the same address for everybody.
    #[arg(long, env = "HOMEFOOD_CLIENT_IP_HEADER", value_name = "HOMEFOOD_CLIENT_IP_HEADER")]
    pub client_ip_header: Option<HeaderName>,

    /// Hours from completion to the release of the cook's share.
    #[arg(long, env = "HOMEFOOD_PAYOUT_DELAY_HOURS", value_name = "HOMEFOOD_PAYOUT_DELAY_HOURS", default_value_t = 48)]
    pub payout_delay_hours: u32,
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
        if self.shared.environment == Environment::Production {
            // DEV_FAKE moves no money, and there is no other provider yet.
            return Err(SettingsError::Wrong(
                "HOMEFOOD_ENV is production (or unset), and there is no payment provider for production yet; set it to \
                 development"
                    .to_owned(),
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

    /// The pepper of gift codes; in development a well-known one.
    pub fn gift_pepper(&self) -> Key32 {
        self.gift_pepper.clone().unwrap_or_else(|| Key32::well_known("gift pepper"))
    }

    /// The key that encrypts gift codes; in development a well-known one.
    pub fn gift_vault_key(&self) -> Key32 {
        self.gift_vault_key.clone().unwrap_or_else(|| Key32::well_known("gift vault key"))
    }

    /// The durations and limits of the business.
    pub fn policies(&self) -> Policies {
        let order = OrderPolicy {
            payment_window: TimeDelta::minutes(self.payment_window_minutes.into()),
            acceptance_window: TimeDelta::minutes(self.acceptance_window_minutes.into()),
            auto_complete_after: TimeDelta::hours(self.auto_complete_hours.into()),
            payout_delay: TimeDelta::hours(self.payout_delay_hours.into()),
            ..OrderPolicy::default()
        };
        Policies {
            order,
            dispute: DisputePolicy::default(),
            payment: PaymentPolicy::default(),
            gift: GiftPolicy { payment_window: order.payment_window, ..GiftPolicy::default() },
            default_provider: Provider::DevFake,
            enabled_providers: vec![Provider::DevFake],
            payment_grace: TimeDelta::minutes(self.payment_grace_minutes.into()),
        }
    }
}
