//! What goes wrong, chosen by the amount or by name.

use serde::{Deserialize, Serialize};
use shared::domain::Money;

use crate::providers::{ErrorClass, InitRequest, ProviderError};

/// The key of [`InitRequest::metadata`] that names a scenario.
pub const SCENARIO_KEY: &str = "fake_scenario";

macro_rules! scenarios {
    ($($(#[$doc:meta])* $variant:ident = $kopecks:literal $name:literal),* $(,)?) => {
        /// What goes wrong; the module's table says how.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Scenario {
            $($(#[$doc])* $variant),*
        }

        impl Scenario {
            /// All of them, in the order of their kopecks.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The last two digits of the amount that choose it.
            pub fn kopecks(self) -> i64 {
                match self {
                    $(Self::$variant => $kopecks),*
                }
            }

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),*
                }
            }
        }
    };
}

scenarios! {
    /// Nothing goes wrong.
    Success = 0 "success",
    /// The bank says no.
    Declined = 1 "declined",
    /// There is not enough money on the card.
    InsufficientFunds = 2 "insufficient_funds",
    /// The customer passes a check first.
    ThreeDs = 3 "three_ds",
    /// Init brings no answer and does nothing.
    InitTimeout = 4 "init_timeout",
    /// Init is done and brings no answer.
    InitResponseLost = 5 "init_response_lost",
    /// The customer pays before Init is answered.
    EarlyWebhook = 6 "early_webhook",
    /// Everything is told three times.
    RepeatedWebhook = 7 "repeated_webhook",
    /// The later news comes first.
    ReorderedWebhooks = 8 "reordered_webhooks",
    /// The first refund is refused.
    RefundFailsOnce = 9 "refund_fails_once",
    /// The first refund is done and brings no answer.
    RefundResponseLost = 10 "refund_response_lost",
    /// Another amount is taken than was asked for.
    AmountMismatch = 11 "amount_mismatch",
    /// The customer never finishes.
    NeverFinishes = 12 "never_finishes",
    /// The money comes after the bank said it would not.
    LateSuccess = 13 "late_success",
    /// The bank breaks down five times.
    ServerErrors = 14 "server_errors",
    /// A stranger writes first.
    BadSignature = 15 "bad_signature",
    /// A clerk gives the money back.
    CabinetRefund = 16 "cabinet_refund",
}

impl Scenario {
    /// The scenario that a request names, or else that its amount chooses.
    pub fn of(request: &InitRequest) -> Result<Self, ProviderError> {
        match request.metadata.get(SCENARIO_KEY) {
            Some(name) => Self::from_name(name)
                .ok_or_else(|| ProviderError::new(ErrorClass::InvalidRequest, "there is no such fake_scenario")),
            None => Ok(Self::of_amount(request.amount)),
        }
    }

    /// The scenario that the last two digits of an amount choose; success for those that choose none.
    pub fn of_amount(amount: Money) -> Self {
        Self::of_kopecks(amount.minor() % 100).unwrap_or(Self::Success)
    }

    /// The scenario of a name, or of its kopecks as in `.05` or `05`.
    pub fn from_name(name: &str) -> Option<Self> {
        let by_kopecks = || name.trim_start_matches('.').parse().ok().and_then(Self::of_kopecks);
        Self::ALL.iter().copied().find(|scenario| scenario.as_str() == name).or_else(by_kopecks)
    }

    fn of_kopecks(kopecks: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|scenario| scenario.kopecks() == kopecks)
    }

    /// How often everything is told.
    pub(super) fn deliveries(self) -> u32 {
        if self == Self::RepeatedWebhook { 3 } else { 1 }
    }
}
