//! Puts the payment providers together: adapters, guards, desk, and the ways their news comes in.

use std::{sync::Arc, time::Duration};

use shared::{
    domain::payment::{Payment, PaymentPolicy},
    runtime::Platform,
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::sync::{Mutex, Notify, mpsc};

use crate::{
    app::{StartError, run_once},
    cases::Cases,
    command_handler::CommandHandler,
    inbox::{Inbox, InboxTable, InboxWorker},
    observers::{ProviderMetrics, provider_health, watch_cases},
    payment_desk::PaymentDesk,
    providers::{
        GuardSettings, GuardedProvider, PaymentProvider, ProviderObserver,
        dev_fake::{BooksWriter, DevFake, DevFakeNotification, DevFakeOptions},
        tbank::Tbank,
    },
    registry::{Registry, RegistryTable},
    settings::WriteSideSettings,
};

/// Notifications of the imitation bank that may wait.
const NOTIFICATIONS_MAX: usize = 4_096;

/// What the providers need.
pub(crate) struct ProviderParts<'a> {
    pub platform: &'a Platform,
    pub settings: &'a WriteSideSettings,
    pub db: PgPool,
    pub database: PgConnectOptions,
    pub payments: CommandHandler<Payment>,
    pub policy: PaymentPolicy,
}

/// The running providers.
pub(crate) struct PaymentProviders {
    pub desk: PaymentDesk,
    pub dev_fake: Option<Arc<DevFake>>,
    pub tbank: Option<TbankDoor>,
    pub registry: Registry,
    pub cases: Cases,
}

/// Where T-Bank's notifications come in.
#[derive(Clone)]
pub struct TbankDoor {
    /// Reads them.
    pub bank: Arc<Tbank>,
    /// Where they are written down.
    pub table: InboxTable,
    /// Told when one came.
    pub arrived: Arc<Notify>,
}

type Notifications = mpsc::Receiver<DevFakeNotification>;

impl PaymentProviders {
    pub fn start(parts: ProviderParts<'_>) -> Result<Self, StartError> {
        let platform = parts.platform;
        let is_development = platform.settings.is_development();
        let options = parts.settings.tbank.options(&platform.settings.public_url, is_development)?;
        let tbank = options.map(|options| Tbank::new(options, platform.clock.clone()));
        let tbank = tbank.transpose().map_err(StartError::Provider)?.map(Arc::new);
        // In production there is no imitation bank; asked for all the same, it refuses.
        let imitation = if tbank.is_some() && !is_development { None } else { Some(imitation(&parts)?) };
        let (dev_fake, notifications) = imitation.unzip();
        let guard = |provider: Arc<dyn PaymentProvider>| {
            let observer = Arc::new(ProviderMetrics(Arc::clone(&platform.metrics)));
            let guarded =
                GuardedProvider::new(provider, GuardSettings::default(), platform.clock.clone(), observer.clone());
            // An alarm about a breaker finds it before its first call.
            for (group, state) in guarded.circuits() {
                observer.circuit_changed(guarded.provider(), group, state);
            }
            Arc::new(guarded)
        };
        let guarded = tbank.clone().map(|bank| guard(bank)).into_iter();
        let guarded = guarded.chain(dev_fake.clone().map(|bank| guard(bank))).collect();
        let cases = Cases::new(parts.db.clone(), platform.clock.clone());
        let desk = PaymentDesk::new(guarded, platform.clock.clone(), parts.policy).with_cases(cases.clone());
        let desk = desk.resting(Duration::from_millis(parts.settings.provider_rest_ms.into()));
        provider_health(&platform.health, desk.clone());
        watch_cases(platform, cases.clone());
        let inbox = Inbox {
            payments: parts.payments.clone(),
            desk: desk.clone(),
            clock: platform.clock.clone(),
            metrics: Arc::clone(&platform.metrics),
        };
        if let Some(notifications) = notifications {
            take_in_imitations(platform, inbox.clone(), notifications);
        }
        let registry = Registry {
            payments: parts.payments.clone(),
            desk: desk.clone(),
            table: RegistryTable::new(parts.db.clone()),
            cases: cases.clone(),
            clock: platform.clock.clone(),
        };
        let tbank = tbank.map(|bank| open_door(&parts, inbox, bank));
        Ok(Self { desk, dev_fake, tbank, registry, cases })
    }
}

fn imitation(parts: &ProviderParts<'_>) -> Result<(Arc<DevFake>, Notifications), StartError> {
    let platform = parts.platform;
    let (sender, notifications) = mpsc::channel(NOTIFICATIONS_MAX);
    let pages = format!("{}/dev/pay", platform.settings.public_url);
    let options = DevFakeOptions::new(!platform.settings.is_development(), pages);
    let (bank, books) = DevFake::with_books(options, platform.clock.clone(), sender, parts.database.clone())?;
    run_once(&platform.supervisor, "dev_fake_books", books, BooksWriter::run);
    Ok((Arc::new(bank), notifications))
}

fn take_in_imitations(platform: &Platform, inbox: Inbox, notifications: Notifications) {
    let notifications = Arc::new(Mutex::new(notifications));
    platform.supervisor.spawn("inbox", move |shutdown| inbox.clone().run(Arc::clone(&notifications), shutdown));
}

fn open_door(parts: &ProviderParts<'_>, inbox: Inbox, bank: Arc<Tbank>) -> TbankDoor {
    let table = InboxTable::new(parts.db.clone());
    let arrived = Arc::new(Notify::new());
    let worker = InboxWorker { inbox, table: table.clone(), arrived: Arc::clone(&arrived) };
    parts.platform.supervisor.spawn("provider_inbox", move |shutdown| {
        let worker = worker.clone();
        async move { Ok(worker.run(shutdown).await?) }
    });
    TbankDoor { bank, table, arrived }
}
