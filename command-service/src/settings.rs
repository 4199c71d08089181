//! What the command-service is told, by environment or command line.

use chrono::TimeDelta;
use clap::Parser;
use shared::{
    domain::{
        Money, dispute::DisputePolicy, gift::GiftPolicy, order::OrderPolicy, payment::PaymentPolicy, payment::Provider,
    },
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

    /// Hours from completion to the release of the cook's share.
    #[arg(long, env = "HOMEFOOD_PAYOUT_DELAY_HOURS", value_name = "HOMEFOOD_PAYOUT_DELAY_HOURS", default_value_t = 48)]
    pub payout_delay_hours: u32,

    /// The rest before a payment provider that did not answer is asked again, in milliseconds.
    #[arg(
        long,
        env = "HOMEFOOD_PROVIDER_REST_MS",
        value_name = "HOMEFOOD_PROVIDER_REST_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(10..=60_000)
    )]
    pub provider_rest_ms: u32,

    /// T-Bank.
    #[command(flatten)]
    pub tbank: TbankArgs,
    /// What disputes are decided by.
    #[command(flatten)]
    pub disputes: DisputeSettings,
}

/// What disputes are decided by.
#[derive(Debug, Clone, clap::Args)]
pub struct DisputeSettings {
    /// Hours for which a dispute waits for its cook.
    #[arg(
        long,
        env = "HOMEFOOD_DISPUTE_RESPONSE_HOURS",
        value_name = "HOMEFOOD_DISPUTE_RESPONSE_HOURS",
        default_value_t = 24,
        value_parser = clap::value_parser!(u32).range(1..=720)
    )]
    pub dispute_response_hours: u32,

    /// Hours for which it waits for an administrator before the alarm rings.
    #[arg(
        long,
        env = "HOMEFOOD_DISPUTE_DECISION_HOURS",
        value_name = "HOMEFOOD_DISPUTE_DECISION_HOURS",
        default_value_t = 72,
        value_parser = clap::value_parser!(u32).range(1..=720)
    )]
    pub dispute_decision_hours: u32,

    /// Hours that the two should talk before the customer may ask for a decision.
    #[arg(long, env = "HOMEFOOD_DISPUTE_TALK_HOURS", value_name = "HOMEFOOD_DISPUTE_TALK_HOURS", default_value_t = 2)]
    pub dispute_talk_hours: u32,

    /// Roubles up to which a silent cook has agreed.
    #[arg(
        long,
        env = "HOMEFOOD_DISPUTE_SILENCE_ROUBLES",
        value_name = "HOMEFOOD_DISPUTE_SILENCE_ROUBLES",
        default_value_t = 3_000,
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    pub dispute_silence_roubles: u32,

    /// Roubles above which two administrators decide.
    #[arg(
        long,
        env = "HOMEFOOD_DISPUTE_ALONE_ROUBLES",
        value_name = "HOMEFOOD_DISPUTE_ALONE_ROUBLES",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    pub dispute_alone_roubles: u32,

    /// Days after a decision in which it may be appealed.
    #[arg(
        long,
        env = "HOMEFOOD_DISPUTE_APPEAL_DAYS",
        value_name = "HOMEFOOD_DISPUTE_APPEAL_DAYS",
        default_value_t = 7,
        value_parser = clap::value_parser!(u32).range(..=365)
    )]
    pub dispute_appeal_days: u32,

    /// Minutes after its promised time from which a meal may be said not to have come.
    #[arg(
        long,
        env = "HOMEFOOD_NOT_RECEIVED_MINUTES",
        value_name = "HOMEFOOD_NOT_RECEIVED_MINUTES",
        default_value_t = 60
    )]
    pub not_received_minutes: u32,
}

impl DisputeSettings {
    fn policy(&self) -> DisputePolicy {
        DisputePolicy {
            response_window: TimeDelta::hours(self.dispute_response_hours.into()),
            decision_window: TimeDelta::hours(self.dispute_decision_hours.into()),
            talk_first: TimeDelta::hours(self.dispute_talk_hours.into()),
            silence_grants_max: Money::rub(i64::from(self.dispute_silence_roubles) * 100),
            one_decides_max: Money::rub(i64::from(self.dispute_alone_roubles) * 100),
        }
    }
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

    /// The pepper of gift codes; in development a well-known one.
    pub fn gift_pepper(&self) -> Key32 {
        self.gift_pepper.clone().unwrap_or_else(|| Key32::well_known("gift pepper"))
    }

    /// The key that encrypts gift codes; in development a well-known one.
    pub fn gift_vault_key(&self) -> Key32 {
        self.gift_vault_key.clone().unwrap_or_else(|| Key32::well_known("gift vault key"))
    }

    /// The durations and limits of the business.
    pub fn policies(&self, is_development: bool) -> Policies {
        let order = OrderPolicy {
            payment_window: TimeDelta::minutes(self.payment_window_minutes.into()),
            acceptance_window: TimeDelta::minutes(self.acceptance_window_minutes.into()),
            auto_complete_after: TimeDelta::hours(self.auto_complete_hours.into()),
            payout_delay: TimeDelta::hours(self.payout_delay_hours.into()),
            appeal_window: TimeDelta::days(self.disputes.dispute_appeal_days.into()),
            not_received_after: TimeDelta::minutes(self.disputes.not_received_minutes.into()),
            ..OrderPolicy::default()
        };
        // The first is the one for customers who do not choose.
        let tbank = self.tbank.is_on().then_some(Provider::Tbank);
        let enabled_providers: Vec<Provider> =
            tbank.into_iter().chain(is_development.then_some(Provider::DevFake)).collect();
        Policies {
            order,
            dispute: self.disputes.policy(),
            payment: PaymentPolicy::default(),
            gift: GiftPolicy { payment_window: order.payment_window, ..GiftPolicy::default() },
            default_provider: enabled_providers.first().copied().unwrap_or(Provider::DevFake),
            enabled_providers,
            payment_grace: TimeDelta::minutes(self.payment_grace_minutes.into()),
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
        let settings = parse(&["--tbank-terminal-key", "T", "--tbank-password", "P"]).unwrap().write_side;
        assert_eq!(settings.policies(false).enabled_providers, [Provider::Tbank]);
        assert_eq!(settings.policies(true).enabled_providers, [Provider::Tbank, Provider::DevFake]);
    }
}
