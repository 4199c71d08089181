//! The adapter as the rest of the service holds it.

use std::net::IpAddr;

use shared::{
    domain::{Currency, money::MINOR_MAX},
    runtime::{BoxError, Clock, Secret},
};

use super::{
    notification::{Forged, Notification},
    options::TbankOptions,
    wire::Wire,
};
use crate::providers::{Capabilities, RefundNames};

/// T-Bank's acquiring for one terminal: a [`crate::providers::PaymentProvider`], and the reader of its notifications.
pub struct Tbank {
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
}

impl Tbank {
    /// The adapter; nothing is sent yet.
    pub fn new(options: TbankOptions, clock: Clock) -> Result<Self, BoxError> {
        let capabilities = Capabilities {
            void: true,
            partial_refund: true,
            idempotent_refund: RefundNames::OnCards,
            two_stage: true,
            currencies: vec![Currency::RUB],
            amount_min_minor: 1_000,
            amount_max_minor: MINOR_MAX,
        };
        Ok(Self { wire: Wire::new(options, clock)?, capabilities })
    }

    /// Whether notifications are taken from that address.
    pub fn is_from_its_networks(&self, peer: IpAddr) -> bool {
        self.wire.options().networks.iter().any(|network| network.contains(peer))
    }

    /// Reads a notification that somebody who knows a password of ours has signed.
    pub fn read_notification(&self, body: &[u8]) -> Result<Notification, Forged> {
        let options = self.wire.options();
        let passwords: Vec<Secret> =
            [Some(&options.password), options.password_previous.as_ref()].into_iter().flatten().cloned().collect();
        Notification::read(body, &options.terminal_key, &passwords)
    }
}
