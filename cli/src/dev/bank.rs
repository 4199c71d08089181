//! The fake bank beside `cargo dev --provider fake-tbank`.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use anyhow::{Context, Result};
use chrono::Utc;
use command_service::providers::tbank::TbankArgs;
use fake_bank::{BankOptions, FakeBank};
use shared::runtime::{Clock, Secret};

/// Where its books are kept, within the data directory.
pub(super) const FOLDER: &str = "fake-bank";

/// A running fake bank that goes by the time of the system.
pub(super) struct Bank {
    bank: FakeBank,
    clock: Arc<OnceLock<Clock>>,
}

/// Opens the bank ten ports above the system, so that pages stay where they were, with the books of last time, and tells
/// the write side of it.
pub(super) async fn open(settings: &mut TbankArgs, port: u16, folder: PathBuf) -> Result<Bank> {
    let clock = Arc::new(OnceLock::<Clock>::new());
    let time = Arc::clone(&clock);
    let now = Arc::new(move || time.get().map_or_else(Utc::now, Clock::now));
    let port = if port == 0 { 0 } else { port.saturating_add(10) };
    let shown = folder.display().to_string();
    let bank = FakeBank::start(BankOptions { port, now, folder: Some(folder), ..BankOptions::default() })
        .await
        .with_context(|| format!("the fake bank cannot use port {port} or the folder {shown}"))?;
    settings.terminal_key = Some(Secret::new(bank.terminal_key()));
    settings.password = Some(Secret::new(bank.password()));
    settings.api_url = bank.api_url();
    settings.networks = ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect();
    Ok(Bank { bank, clock })
}

impl Bank {
    /// Goes by that clock from now on.
    pub(super) fn follow(&self, clock: &Clock) {
        // It is told once.
        let _ = self.clock.set(clock.clone());
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.bank.url()
    }

    /// Closes it.
    pub(super) fn close(self) {
        self.bank.stop();
    }
}
